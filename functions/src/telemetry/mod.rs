//! The telemetry of a function: one JSON line for each event, and metrics in CloudWatch's embedded metric format.
//!
//! | file | what it is |
//! |---|---|
//! | `line` | one event as one line of JSON, whatever is in its fields |
//! | `metrics` | what is counted between two lines of metrics |
//! | `emf` | the lines of metrics |
//! | `trace` | the trace that a request belongs to |
//!
//! Attribute values are never written, and of a unit only the first 16 digits of its SHA-256. Requests have no line of
//! their own above level `debug`: metrics count them, the stream holds each exposure, and a line for each request would cost
//! more than the request.
//!
//! The serializer is a page of our own. `metrics_cloudwatch_embedded` (0.10, alive) records through the one global
//! recorder of the `metrics` crate: two functions in one process (`abx dev`, and every test) would share it, and its
//! labels cost a hash and a lookup in a map for each count on the path of a request.

mod emf;
mod line;
mod metrics;
mod trace;

pub(crate) use line::hex;
pub use line::{Level, hashed};
pub use metrics::{TelemetryCounter, Totals};
pub use trace::TraceContext;
pub(crate) use trace::within;

use metrics::Metrics;
use serde_json::Value;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest time for which metrics are gathered while requests come.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The writer of a function's log and metrics.
pub struct Telemetry {
    function: &'static str,
    /// The name that the function is deployed under, which is the one dimension of its metrics.
    deployed_as: Option<String>,
    /// False where somebody reads [`Telemetry::totals`] instead of lines of metrics.
    writes_metrics: bool,
    level: Level,
    metrics: Mutex<Metrics>,
    out: Mutex<Box<dyn Write + Send>>,
    revision: AtomicU64,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("function", &self.function).finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Writes to `out` what is at least of a level.
    pub fn new(function: &'static str, level: Level, out: impl Write + Send + 'static) -> Self {
        Self {
            function,
            deployed_as: None,
            writes_metrics: true,
            level,
            metrics: Mutex::new(Metrics::new()),
            out: Mutex::new(Box::new(out)),
            revision: AtomicU64::new(0),
        }
    }

    /// Writes to the standard output, which Lambda takes to CloudWatch.
    #[must_use]
    pub fn stdout(function: &'static str, level: Level) -> Self {
        Self::new(function, level, std::io::stdout())
    }

    /// Counts metrics under the name that the function is deployed under (`abx-prod-assignment`), so that one stage of an
    /// account does not move the alarms of another. Without a name, the function's own stands in its place.
    #[must_use]
    pub fn deployed_as(mut self, name: Option<&str>) -> Self {
        self.deployed_as = name.filter(|name| !name.is_empty()).map(str::to_owned);
        self
    }

    /// Writes no lines of metrics: whoever runs the process asks for [`Telemetry::totals`].
    #[must_use]
    pub fn without_metrics(self) -> Self {
        Self { writes_metrics: false, ..self }
    }

    /// Writes nothing.
    #[must_use]
    pub fn silent(function: &'static str) -> Self {
        Self::new(function, Level::Error, std::io::sink())
    }

    /// True if events of this level are written: ask before making costly fields.
    #[must_use]
    pub fn writes(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Writes an event, a name in `snake_case`, with fields that hold neither attribute values nor bare units.
    pub fn log(&self, level: Level, event: &str, request_id: Option<&str>, fields: &Value) {
        if self.writes(level) {
            self.write(&line::line(level, event, self.function, request_id, fields));
        }
    }

    /// Counts; what was counted before since the last line of metrics, so that a fault that goes on for an hour can be
    /// logged once a line instead of once a request.
    pub fn count(&self, counter: TelemetryCounter, amount: u64) -> u64 {
        if amount > 0 { self.metrics().count(counter, amount) } else { 0 }
    }

    /// Counts a decision, an evaluation or a refusal by its reason.
    pub fn reason(&self, reason: &'static str) {
        self.metrics().reason(reason);
    }

    /// Counts decisions that were made together, under one lock.
    pub fn reasons(&self, reasons: impl Iterator<Item = &'static str>) {
        let mut metrics = self.metrics();
        reasons.for_each(|reason| metrics.reason(reason));
    }

    /// Counts an answered request. Lines of metrics are written once they are full, or old.
    pub fn answered(&self, status: u16, start: Instant) {
        let now = Instant::now();
        let lines = {
            let mut metrics = self.metrics();
            metrics.answered(status, now.duration_since(start));
            let due = metrics.is_full() || metrics.age(now).is_none_or(|age| age >= MAX_AGE);
            if due { self.take_lines(&mut metrics) } else { String::new() }
        };
        self.write(&lines);
    }

    /// All that was counted since the process began.
    pub fn totals(&self) -> Totals {
        self.metrics().totals()
    }

    /// True if another revision of the catalog serves than at the last call.
    pub fn is_new_revision(&self, revision: u64) -> bool {
        self.revision.load(Relaxed) != revision && self.revision.swap(revision, Relaxed) != revision
    }

    /// Counts whether a request found a catalog, and notes, once for each line, how old it is (`None` where it was never read).
    pub fn catalog(&self, is_there: bool, age: impl FnOnce() -> Option<Duration>) {
        let mut metrics = self.metrics();
        if metrics.catalog_age.is_none() {
            metrics.catalog_age = age().map(|age| age.as_secs_f64());
        }
        metrics
            .count(if is_there { TelemetryCounter::CatalogHits } else { TelemetryCounter::CatalogMisses }, 1);
    }

    /// Notes how old the newest record of a batch was when it was handled, in seconds.
    pub fn iterator_age(&self, seconds: f64) {
        self.metrics().iterator_age = Some(seconds);
    }

    /// Writes the metrics that were gathered, for a process that ends.
    pub fn flush(&self) {
        let lines = self.take_lines(&mut self.metrics());
        self.write(&lines);
    }

    fn take_lines(&self, metrics: &mut Metrics) -> String {
        let lines = if self.writes_metrics {
            let now = jiff::Timestamp::now().as_millisecond();
            emf::lines(metrics, self.deployed_as.as_deref().unwrap_or(self.function), now)
        } else {
            String::new()
        };
        metrics.clear(Instant::now());
        lines
    }

    fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, lines: &str) {
        if !lines.is_empty() {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody is left to be told that the log cannot be written.
            let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    /// A sink that a test reads.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> Vec<Value> {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap());
            let text = String::from_utf8(bytes).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn telemetry(level: Level) -> (Telemetry, Written) {
        let written = Written::default();
        (Telemetry::new("assignment", level, written.clone()), written)
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let (telemetry, written) = telemetry(Level::Info);
        let hostile = "a\nb\u{1b}[31m\"\\ \u{202e}\0";
        telemetry.log(Level::Warn, "store_fallback", Some(hostile), &json!({"unit": hashed(hostile)}));
        telemetry.log(Level::Debug, "too_low", None, &json!({}));
        let raw = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(raw.matches('\n').count(), 1);
        assert!(!raw.contains('\u{1b}'));
        let [line] = &written.lines()[..] else { panic!("one line") };
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["event"], "store_fallback");
        assert_eq!(line["function"], "assignment");
        assert_eq!(line["request_id"], hostile);
        assert_eq!(line["unit"].as_str().unwrap().len(), 16);
        assert!(line["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    #[test]
    fn metrics_are_lines_of_the_embedded_format() {
        let (telemetry, written) = telemetry(Level::Info);
        telemetry.reason("assigned");
        telemetry.reason("assigned");
        telemetry.reason("traffic");
        telemetry.count(TelemetryCounter::CacheHits, 3);
        telemetry.catalog(true, || Some(Duration::from_millis(2500)));
        telemetry.answered(200, Instant::now());
        let lines = written.lines();
        let all = &lines[0];
        assert_eq!(all["Requests"], 1);
        assert_eq!(all["CacheHits"], 3);
        assert_eq!(all["ColdStarts"], 1);
        assert_eq!(all["CatalogAge"], 2.5);
        assert!(all["Latency"][0].as_f64().unwrap() < 1000.0);
        assert_eq!(all["FunctionName"], "assignment", "without a name of the deployment, the function's own");
        let directive = &all["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "abx");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        assert!(
            directive["Metrics"]
                .as_array()
                .unwrap()
                .contains(&json!({"Name": "Latency", "Unit": "Milliseconds"}))
        );
        let assigned = lines.iter().find(|line| line["Reason"] == "assigned").unwrap();
        assert_eq!(assigned["Decisions"], 2);
        assert_eq!(
            assigned["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["FunctionName", "Reason"]])
        );
    }

    #[test]
    fn stages_of_one_account_share_no_metric() {
        let of_stage = |name: &str| {
            let written = Written::default();
            let telemetry =
                Telemetry::new("assignment", Level::Info, written.clone()).deployed_as(Some(name));
            telemetry.reason("assigned");
            telemetry.log(Level::Info, "started", None, &json!({}));
            telemetry.answered(200, Instant::now());
            written.lines()
        };
        for name in ["abx-dev-assignment", "abx-prod-assignment"] {
            let lines = of_stage(name);
            let (logged, metrics) = lines.split_first().unwrap();
            assert_eq!(logged["function"], "assignment", "a log group belongs to one stage anyway");
            assert_eq!(metrics.len(), 2, "of the function, and of a reason");
            for line in metrics {
                assert_eq!(line["FunctionName"], name);
                assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0][0], "FunctionName");
            }
        }
    }

    #[test]
    fn a_hundred_requests_share_their_lines() {
        let (telemetry, written) = telemetry(Level::Info);
        telemetry.answered(200, Instant::now());
        assert_eq!(written.lines().len(), 1, "the first is written at once, with the cold start");
        for _ in 0..99 {
            telemetry.answered(500, Instant::now());
        }
        assert!(written.lines().is_empty());
        telemetry.answered(404, Instant::now());
        let [line] = &written.lines()[..] else { panic!("one line") };
        assert_eq!(line["Requests"], 100);
        assert_eq!(line["ServerErrors"], 99);
        assert_eq!(line["ClientErrors"], 1);
        assert_eq!(line["Latency"].as_array().unwrap().len(), 100);
        assert!(line.get("ColdStarts").is_none());
        telemetry.flush();
        assert!(written.lines().is_empty(), "nothing was counted since");
    }

    #[test]
    fn totals_go_on_over_the_lines_of_metrics() {
        let (telemetry, written) = telemetry(Level::Info);
        let telemetry = telemetry.without_metrics();
        for _ in 0..250 {
            telemetry.reason("assigned");
            telemetry.count(TelemetryCounter::EventsSent, 2);
            telemetry.answered(200, Instant::now());
        }
        assert_eq!(telemetry.totals().counter(TelemetryCounter::EventsSent), 500);
        assert_eq!(telemetry.totals().reasons().collect::<Vec<_>>(), [("assigned", 250)]);
        assert!(written.lines().is_empty());
    }

    #[tokio::test]
    async fn lines_name_the_trace_of_their_request() {
        let (telemetry, written) = telemetry(Level::Info);
        let headers = axum::http::HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("traceparent"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap(),
        )]);
        within(TraceContext::of(&headers), async { telemetry.log(Level::Info, "it", None, &json!({})) })
            .await;
        let [line] = &written.lines()[..] else { panic!("one line") };
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(line["parent_id"], "00f067aa0ba902b7");
    }
}
