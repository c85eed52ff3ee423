//! An answer, as a person and a program read it.

use crate::aws::lambda::{Envelope, InvocationReport, log_tail};
use crate::exit::{self, Exit};
use crate::render::notes::hinted;
use crate::render::printable;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::report::{Report, json_or_text};
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// The answer of a function.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct InvokeReport {
    function: String,
    /// The version that answered.
    version: Option<String>,
    request_id: Option<String>,
    payload: Value,
    /// The status in the envelope of a function behind HTTP; `null` for any other answer, and where the function failed.
    status: Option<u16>,
    /// The body in the envelope, or the whole of any other answer.
    answer: Value,
    /// `null` unless the function failed.
    error: Option<FunctionError>,
    /// From the call to the answer as seen from here, in milliseconds: connecting included.
    took_ms: f64,
    platform: InvocationReport,
    /// The lines of the log's end, where they were asked for.
    log: Option<Vec<String>>,
    /// Warnings about the attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

/// A function that failed.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
struct FunctionError {
    /// `Unhandled`, or `Handled`.
    kind: String,
    #[serde(rename = "type")]
    error_type: Option<String>,
    message: Option<String>,
}

impl InvokeReport {
    pub(super) fn new(function: &str, payload: Value, output: &InvokeOutput, took: Duration) -> Self {
        let bytes = output.payload().map(AsRef::as_ref).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let envelope = Envelope::open(bytes).filter(|_| output.function_error().is_none());
        let answer = match &envelope {
            Some(Envelope { body, .. }) => body.as_deref().map_or(Value::Null, json_or_text),
            None => json_or_text(&text),
        };
        let field = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let error = output.function_error().map(|kind| FunctionError {
            kind: kind.to_owned(),
            error_type: field("errorType"),
            message: field("errorMessage"),
        });
        let tail = log_tail(output);
        Self {
            function: function.to_owned(),
            version: output.executed_version().map(str::to_owned),
            request_id: output.request_id().map(str::to_owned),
            payload,
            status: envelope.map(|envelope| envelope.status),
            answer,
            error,
            took_ms: took.as_secs_f64() * 1000.0,
            platform: tail.as_deref().map(InvocationReport::read).unwrap_or_default(),
            log: tail.map(|tail| tail.lines().map(printable).collect()),
            hints: Vec::new(),
        }
    }

    /// The answer of a URL: its status, the id of the request and the body.
    pub(super) fn of_url(
        url: &str,
        payload: Value,
        (status, request_id, body): (u16, Option<String>, &str),
        took: Duration,
    ) -> Self {
        Self {
            function: url.to_owned(),
            version: None,
            request_id,
            payload,
            status: Some(status),
            answer: json_or_text(body),
            error: None,
            took_ms: took.as_secs_f64() * 1000.0,
            platform: InvocationReport::default(),
            log: None,
            hints: Vec::new(),
        }
    }

    /// The same, with what should be known about the attributes.
    pub(super) fn with_hints(mut self, hints: Vec<String>) -> Self {
        self.hints = hints;
        self
    }

    /// Keeps the log, or not.
    pub(super) fn with_log(mut self, is_wanted: bool) -> Self {
        if !is_wanted {
            self.log = None;
        }
        self
    }

    /// The number of records that an event function gave back.
    fn given_back(&self) -> usize {
        self.answer.get("batchItemFailures").and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// The number of records that an event function rejected: it reports them beside the fields that Lambda reads.
    fn refused(&self) -> u64 {
        self.answer.get("counted").and_then(|it| it.get("rejected")?.as_u64()).unwrap_or_default()
    }

    /// True if it is the answer to a batch of experiments, none of which was assigned for an error.
    fn is_all_errors(&self) -> bool {
        let length = |field: &str| self.answer.get(field).and_then(Value::as_array).map(Vec::len);
        length("errors").is_some_and(|errors| errors > 0) && length("assignments") == Some(0)
    }

    /// The fault of the answer, in a few words.
    fn finding(&self) -> Option<String> {
        if let Some(FunctionError { kind, error_type, .. }) = &self.error {
            return Some(format!("failed: {}", error_type.as_ref().unwrap_or(kind)));
        }
        match (self.status, self.given_back()) {
            (Some(status), _) if status >= 400 => Some(format!("answered {status}")),
            (_, 0) if self.refused() > 0 => Some(format!("refused {} of its records", self.refused())),
            (_, 0) if self.is_all_errors() => Some("answered with errors alone".to_owned()),
            (_, 0) => None,
            (_, count) => Some(format!("gave back {count} of its records")),
        }
    }

    /// The figures of the platform, where there are any.
    fn figures(&self) -> Vec<String> {
        let InvocationReport { duration_ms, billed_ms, init_ms, memory_mb, used_mb } = self.platform;
        let mut figures = Vec::new();
        figures.extend(duration_ms.map(|it| format!("worked {it} ms")));
        figures.extend(billed_ms.map(|it| format!("billed {it} ms")));
        figures.extend(init_ms.map(|it| format!("cold start {it} ms")));
        figures.extend(used_mb.map(|used| match memory_mb {
            Some(memory) => format!("memory {used} of {memory} MB"),
            None => format!("memory {used} MB"),
        }));
        figures
    }
}

impl Report for InvokeReport {
    const KIND: &'static str = "invoke";

    fn human(&self) -> String {
        let version =
            self.version.as_ref().map_or(String::new(), |it| format!(" {DIM}(version {it}){DIM:#}"));
        let how = match (self.finding(), self.status) {
            (Some(finding), _) => format!("{BAD}{finding}{BAD:#}"),
            (None, Some(status)) => format!("{GOOD}answered {status}{GOOD:#}"),
            (None, None) => format!("{GOOD}answered{GOOD:#}"),
        };
        let mut text = format!(
            "{TITLE}{}{TITLE:#}{version} {how} in {:.1} ms\n",
            printable(&self.function),
            self.took_ms
        );
        let figures = self.figures();
        if !figures.is_empty() {
            let _ = writeln!(text, "  {DIM}{}{DIM:#}", figures.join(" · "));
        }
        match self.error.as_ref().and_then(|error| error.message.as_ref()) {
            Some(message) => {
                let _ = writeln!(text, "{}", printable(message));
            }
            None => text.push_str(&crate::report::json(&self.answer)),
        }
        for line in self.log.iter().flatten() {
            let _ = writeln!(text, "{DIM}| {line}{DIM:#}");
        }
        text + &hinted(&self.hints)
    }

    fn exit(&self) -> Exit {
        if self.finding().is_some() { exit::FINDINGS } else { exit::DONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_lambda::primitives::Blob;
    use serde_json::json;

    fn report(payload: &str, function_error: Option<&str>) -> InvokeReport {
        let output = InvokeOutput::builder().payload(Blob::new(payload));
        let output = output.set_function_error(function_error.map(str::to_owned)).build();
        InvokeReport::new("f", json!({}), &output, Duration::from_millis(5))
    }

    #[test]
    fn an_envelope_is_opened() {
        let report = report(r#"{"statusCode": 200, "body": "{\"variant\": \"a\"}"}"#, None);
        assert_eq!((report.status, &report.answer), (Some(200), &json!({"variant": "a"})));
        assert_eq!(report.exit(), exit::DONE);
    }

    #[test]
    fn refusals_failures_and_records_given_back_are_findings() {
        let failed = r#"{"errorType": "Runtime.ExitError", "errorMessage": "it \u001b[31mended"}"#;
        for (payload, error, words) in [
            (r#"{"statusCode": 404, "body": "{}"}"#, None, "answered 404"),
            (failed, Some("Unhandled"), "failed: Runtime.ExitError"),
            ("half an ans", Some("Unhandled"), "failed: Unhandled"),
            (r#"{"batchItemFailures": [{"itemIdentifier": "7"}]}"#, None, "gave back 1 of its records"),
            (r#"{"batchItemFailures": [], "counted": {"rejected": 2}}"#, None, "refused 2 of its records"),
            (
                r#"{"assignments": [], "errors": [{"code": "experiment_not_found"}]}"#,
                None,
                "answered with errors alone",
            ),
        ] {
            let report = report(payload, error);
            assert_eq!(report.exit(), exit::FINDINGS, "{payload}");
            assert_eq!(report.finding().as_deref(), Some(words));
            assert!(report.human().contains(words));
            assert!(!report.human().contains("\u{1b}[31mended"), "what others wrote steers no terminal");
        }
        for fine in [
            r#"{"batchItemFailures": []}"#,
            r#"{"batchItemFailures": [], "counted": {"counted": 2}}"#,
            r#"{"assignments": [{}], "errors": [{}]}"#,
            "{}",
            "",
            "[7]",
            r#""text""#,
        ] {
            assert_eq!(report(fine, None).exit(), exit::DONE, "{fine}");
        }
    }
}
