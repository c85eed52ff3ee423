//! Calling functions of AWS Lambda: what every command shares that does.

use crate::advice::unanswered;
use crate::aws::aws_config_for;
use crate::error::Error;
use abx_functions::adapters::aws::{Resource, ResourceKind, port_error};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A client for a function that tries once, because a second try would hide what is measured, and that waits so long.
pub(crate) async fn client(
    function: &str,
    endpoint: Option<&str>,
    patience: Duration,
) -> Result<Client, Error> {
    let config = aws_config_for(&format!("function {function}"), endpoint).await?;
    let timeouts = TimeoutConfig::builder().connect_timeout(patience).operation_timeout(patience).build();
    let config = aws_sdk_lambda::config::Builder::from(&config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Ok(Client::from_conf(config))
}

// Deserialized from `platform.report` of a log of JSON lines, with its names (AWS Lambda developer guide, "Lambda Telemetry API Event schema");
// serialized with ours.
/// The report of the platform at the end of an invocation's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvocationReport {
    /// The duration of the function's work, in milliseconds.
    #[serde(rename(deserialize = "durationMs"))]
    pub duration_ms: Option<f64>,
    /// The billed duration and memory.
    #[serde(rename(deserialize = "billedDurationMs"))]
    pub billed_ms: Option<f64>,
    /// The duration of the cold start, if there was one.
    #[serde(rename(deserialize = "initDurationMs"))]
    pub init_ms: Option<f64>,
    /// The memory in MB.
    #[serde(rename(deserialize = "memorySizeMB"))]
    pub memory_mb: Option<f64>,
    /// The most that it used.
    #[serde(rename(deserialize = "maxMemoryUsedMB"))]
    pub used_mb: Option<f64>,
}

/// A line of such a log.
#[derive(Deserialize)]
struct Platform {
    #[serde(rename = "type")]
    kind: String,
    record: PlatformRecord,
}

#[derive(Deserialize)]
struct PlatformRecord {
    metrics: InvocationReport,
}

impl InvocationReport {
    /// Reads the platform's report in a log tail, in either of its forms; the latest if there are several.
    pub(crate) fn read(log: &str) -> Self {
        log.lines().rev().find_map(|line| by_text(line).or_else(|| by_json(line))).unwrap_or_default()
    }
}

/// `REPORT RequestId: 1\tDuration: 3.10 ms\tBilled Duration: 31 ms\tMemory Size: 256 MB\t...`
fn by_text(line: &str) -> Option<InvocationReport> {
    let fields = line.strip_prefix("REPORT ")?;
    let number = |name: &str| {
        let value = fields.split('\t').find_map(|field| field.trim().strip_prefix(name))?;
        value.split_whitespace().next()?.parse().ok()
    };
    Some(InvocationReport {
        duration_ms: number("Duration: "),
        billed_ms: number("Billed Duration: "),
        init_ms: number("Init Duration: "),
        memory_mb: number("Memory Size: "),
        used_mb: number("Max Memory Used: "),
    })
}

fn by_json(line: &str) -> Option<InvocationReport> {
    let Platform { kind, record } = serde_json::from_str(line).ok()?;
    (kind == "platform.report").then_some(record.metrics)
}

/// The end of an invocation's log, at most 4 KB, where it was asked for.
pub(crate) fn log_tail(output: &InvokeOutput) -> Option<String> {
    let log = STANDARD.decode(output.log_result()?).ok()?;
    Some(String::from_utf8_lossy(&log).into_owned())
}

/// The answer of functions behind HTTP.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    #[serde(rename = "statusCode")]
    pub(crate) status: u16,
    /// JSON as text, where it is any.
    pub(crate) body: Option<String>,
}

impl Envelope {
    /// The envelope of an answer; `None` for any other answer.
    pub(crate) fn open(payload: &[u8]) -> Option<Self> {
        // A list would be read as the fields in their order.
        let is_object = payload.trim_ascii_start().starts_with(b"{");
        if is_object { serde_json::from_slice(payload).ok() } else { None }
    }
}

/// Why a function could not be called, and what mends it.
pub(crate) fn refused(client: &Client, function: &str, error: SdkError<InvokeError, HttpResponse>) -> Error {
    let function = Resource::new(ResourceKind::Function, function, client.config().region());
    unanswered(port_error("Invoke", error).at(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tail_tells_of_cold_starts_and_of_the_bill() {
        let cold = "START RequestId: 1 Version: 7\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 3.10 ms\t\
            Billed Duration: 31 ms\tMemory Size: 256 MB\tMax Memory Used: 31 MB\tInit Duration: 27.12 ms\t\n";
        let told = InvocationReport {
            duration_ms: Some(3.1),
            billed_ms: Some(31.0),
            init_ms: Some(27.12),
            memory_mb: Some(256.0),
            used_mb: Some(31.0),
        };
        assert_eq!(InvocationReport::read(cold), told);
        let json = r#"{"time":"2026-11-24T12:00:00Z","type":"platform.report","record":{"requestId":"1",
            "metrics":{"durationMs":3.1,"billedDurationMs":31,"memorySizeMB":256,"maxMemoryUsedMB":31,
            "initDurationMs":27.12},"status":"success"}}"#;
        assert_eq!(InvocationReport::read(&json.replace('\n', " ")), told, "a log of JSON lines");
        let warm = "REPORT RequestId: 2\tDuration: 1.10 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\n";
        let warm = InvocationReport::read(warm);
        assert_eq!((warm.init_ms, warm.billed_ms), (None, Some(2.0)));
        assert_eq!(
            InvocationReport::read("Init Duration: 5 ms is what a program wrote\n"),
            InvocationReport::default()
        );
        assert_eq!(
            InvocationReport::read(r#"{"type":"platform.start","record":{"metrics":{}}}"#),
            InvocationReport::default()
        );
    }

    #[test]
    fn an_envelope_has_a_status() {
        assert_eq!(Envelope::open(br#"{"statusCode": 503, "body": "{}"}"#).unwrap().status, 503);
        for other in [&b""[..], b"null", b"{}", br#"{"statusCode": "x"}"#, b"[1]", b"[1, null]"] {
            assert!(Envelope::open(other).is_none());
        }
    }
}
