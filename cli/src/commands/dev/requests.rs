//! One line for each request, on stderr.
//!
//! A terminal may be slow, or stopped with Ctrl-S: lines are written by a thread of their own, and a line that it has no room for is
//! left out and counted. No request waits for it.

use crate::render::printable;
use crate::render::style::{BAD, DIM};
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The lines that wait for the terminal.
const CAPACITY: usize = 1_000;
/// The most lines in a second: nobody reads more, and a load test is to measure the functions.
const LINES_PER_SECOND: u32 = 1_000;
/// The largest answer that is looked into.
const MAX_ANSWER: u64 = 64 << 10;
/// The time that the last lines have at the end.
const PATIENCE: Duration = Duration::from_millis(200);

/// A request that was answered.
struct HandledRequest {
    at: Timestamp,
    method: Method,
    path: String,
    status: StatusCode,
    duration: Duration,
    answer: Bytes,
}

enum Message {
    Request(HandledRequest),
    /// Says when all that came before is written.
    End(SyncSender<()>),
}

/// Where requests are written.
pub(super) struct RequestLog {
    messages: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

impl RequestLog {
    /// Starts to write.
    pub(super) fn start() -> Self {
        let (messages, received) = sync_channel(CAPACITY);
        let left_out = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&left_out);
        thread::spawn(move || write(&received, &counted));
        Self { messages, left_out }
    }

    fn add(&self, request: HandledRequest) {
        if self.messages.try_send(Message::Request(request)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a moment for what is not written yet.
    pub(super) fn finish(&self) {
        let (written, is_written) = sync_channel(1);
        if self.messages.try_send(Message::End(written)).is_ok() {
            let _ = is_written.recv_timeout(PATIENCE);
        }
    }
}

fn write(received: &Receiver<Message>, left_out: &AtomicU64) {
    let (mut second, mut lines) = (Instant::now(), 0);
    while let Ok(message) = received.recv() {
        if second.elapsed() >= Duration::from_secs(1) {
            (second, lines) = (Instant::now(), 0);
        }
        let request = match message {
            Message::Request(request) => request,
            Message::End(written) => {
                let _ = written.send(());
                continue;
            }
        };
        // Whoever closed the terminal sees nothing.
        let _ = writeln!(anstream::stderr(), "{}", line(&request));
        lines += 1;
        if lines >= LINES_PER_SECOND {
            thread::sleep(Duration::from_secs(1).saturating_sub(second.elapsed()));
        }
        let more = left_out.swap(0, Ordering::Relaxed);
        if more > 0 {
            let _ = writeln!(anstream::stderr(), "{DIM}{more} requests are not shown{DIM:#}");
        }
    }
}

/// Passes a request on, and notes its answer.
pub(super) async fn log(State(log): State<Arc<RequestLog>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (parts, body) = next.run(request).await.into_parts();
    let duration = start.elapsed();
    // Our answers are in memory, and reading them does not fail.
    let is_small = body.size_hint().exact().is_some_and(|size| (1..=MAX_ANSWER).contains(&size));
    let (body, answer) = if is_small {
        let answer = to_bytes(body, usize::MAX).await.unwrap_or_default();
        (Body::from(answer.clone()), answer)
    } else {
        (body, Bytes::new())
    };
    log.add(HandledRequest { at: Timestamp::now(), method, path, status: parts.status, duration, answer });
    Response::from_parts(parts, body)
}

/// Time, method, path, status, duration and decision.
fn line(request: &HandledRequest) -> String {
    let HandledRequest { at, method, path, status, duration, answer } = request;
    let time = at.strftime("%H:%M:%SZ");
    let status = if status.is_client_error() || status.is_server_error() {
        format!("{BAD}{}{BAD:#}", status.as_u16())
    } else {
        status.as_u16().to_string()
    };
    let milliseconds = duration.as_secs_f64() * 1e3;
    let mut text =
        format!("{DIM}{time}{DIM:#} {method} {} {status} {DIM}{milliseconds:.1} ms{DIM:#}", printable(path));
    if let Some(decision) = serde_json::from_slice(answer).ok().and_then(|answer| decided(&answer)) {
        let _ = write!(text, "  {}", printable(&decision));
    }
    text
}

/// What an answer says, in some words.
fn decided(answer: &Value) -> Option<String> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let number = |name: &str| Some(answer.get(name)?.as_array()?.len());
    let variant = || text("variant").unwrap_or("no variant");
    let reason = text("reason").map(|it| format!(" ({it})")).unwrap_or_default();
    let unit = text("unit").or_else(|| text("user_id")).map(|it| format!("{it} ")).unwrap_or_default();
    if let Some(code) = answer.pointer("/error/code").and_then(Value::as_str) {
        return Some(code.to_owned());
    }
    if let Some(key) = text("experiment_key").or_else(|| text("flag_key")) {
        return Some(format!("{key}: {unit}-> {}{reason}", variant()));
    }
    // OpenFeature's answer does not repeat the unit.
    if let Some(key) = text("key") {
        let code = text("errorCode").map(str::to_owned);
        return Some(format!("{key}: {}", code.unwrap_or_else(|| format!("{}{reason}", variant()))));
    }
    if let Some(accepted) = answer.get("accepted").and_then(Value::as_u64) {
        let classes = answer.get("counted").and_then(Value::as_object);
        let classes = classes.into_iter().flatten().map(|(class, count)| format!("{count} {class}"));
        let classes: Vec<String> = classes.collect();
        let rejected = number("rejected").filter(|it| *it > 0).map(|it| format!("{it} rejected"));
        let told: Vec<String> =
            [format!("{accepted} accepted")].into_iter().chain(rejected).chain(classes).collect();
        return Some(told.join(", "));
    }
    let several = [("assignments", "experiments"), ("flags", "flags")];
    several.into_iter().find_map(|(name, word)| Some(format!("{unit}{} {word}", number(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_one_line_with_its_decision() {
        let shown = |path: &str, status: u16, answer: &Value| {
            let request = HandledRequest {
                at: "2026-11-26T10:00:00.5Z".parse().unwrap(),
                method: Method::GET,
                path: path.to_owned(),
                status: StatusCode::from_u16(status).unwrap(),
                duration: Duration::from_micros(1_250),
                answer: answer.to_string().into(),
            };
            let line = anstream::adapter::strip_str(&line(&request)).to_string();
            line.strip_prefix("10:00:00Z GET ").unwrap().to_owned()
        };
        let assigned =
            json!({"experiment_key": "e", "user_id": "u", "unit": "u", "variant": "a", "reason": "assigned"});
        assert_eq!(shown("/assign", 200, &assigned), "/assign 200 1.2 ms  e: u -> a (assigned)");
        let out =
            json!({"experiment_key": "e", "user_id": "u", "unit": "u", "variant": null, "reason": "traffic"});
        assert_eq!(shown("/assign", 200, &out), "/assign 200 1.2 ms  e: u -> no variant (traffic)");
        let flag = json!({"flag_key": "f", "user_id": "u\u{1b}[31m", "variant": "on", "value": true, "reason": "rule"});
        assert_eq!(shown("/flags/f", 200, &flag), "/flags/f 200 1.2 ms  f: u\\u{1b}[31m -> on (rule)");
        let of = json!({"key": "f", "variant": "on", "reason": "SPLIT"});
        assert_eq!(
            shown("/ofrep/v1/evaluate/flags/f", 200, &of),
            "/ofrep/v1/evaluate/flags/f 200 1.2 ms  f: on (SPLIT)"
        );
        let events = json!({"accepted": 2, "rejected": [{}], "counted": {"counted": 2}});
        assert_eq!(shown("/events", 202, &events), "/events 202 1.2 ms  2 accepted, 1 rejected, 2 counted");
        let several = json!({"user_id": "u", "assignments": [{}, {}], "errors": []});
        assert_eq!(shown("/assign/batch", 200, &several), "/assign/batch 200 1.2 ms  u 2 experiments");
        let refused = json!({"error": {"code": "not_found", "message": "m"}});
        assert_eq!(shown("/x\n", 404, &refused), "/x\\n 404 1.2 ms  not_found");
        assert_eq!(shown("/health", 200, &json!({"status": "ok"})), "/health 200 1.2 ms");
    }
}
