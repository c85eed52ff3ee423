//! One invocation after another of a function.

use super::tally::{Failure, Outcome, Told};
use super::template::Template;
use crate::commands::store::aws_config_of_region;
use crate::error::Error;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::{DisplayErrorContext, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::time::Duration;

/// An invocation, as it was asked for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) function: String,
    pub(super) payload: Template,
    pub(super) tail_log: bool,
    /// An emulator instead of AWS.
    pub(super) endpoint: Option<String>,
    pub(super) patience: Duration,
}

impl Invocation {
    /// A client of its own for each thread, because connections belong to the thread that made them. It tries once: a second try would hide
    /// what is measured.
    pub(super) async fn client(&self) -> Result<Client, Error> {
        let config = aws_config_of_region(self.endpoint.as_deref()).await?;
        let timeouts =
            TimeoutConfig::builder().connect_timeout(self.patience).operation_timeout(self.patience).build();
        let config = aws_sdk_lambda::config::Builder::from(&config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Ok(Client::from_conf(config))
    }

    /// Asks whether the function could be invoked, without invoking it: so no environment is warm before the run.
    pub(super) async fn check(&self, client: &Client) -> Result<(), Error> {
        let asked = client.invoke().function_name(&self.function).invocation_type(InvocationType::DryRun);
        let Err(error) = Box::pin(asked.send()).await else { return Ok(()) };
        let is_unknown = error.as_service_error().is_some_and(InvokeError::is_resource_not_found_exception);
        if is_unknown {
            return Err(Error::caller(format!("there is no function {:?}", self.function)));
        }
        Err(Error::world(format!("{}: {}", self.function, DisplayErrorContext(&error))))
    }
}

/// Calls a function.
pub(super) struct FunctionCaller {
    pub(super) invocation: Arc<Invocation>,
    pub(super) client: Client,
}

impl FunctionCaller {
    pub(super) async fn call(&self, user: u64) -> Outcome {
        let payload = self.invocation.payload.render(user);
        let log = if self.invocation.tail_log { LogType::Tail } else { LogType::None };
        let call = self.client.invoke().function_name(&self.invocation.function);
        let call = call.payload(Blob::new(payload)).log_type(log);
        match Box::pin(call.send()).await {
            Ok(output) => outcome(&output),
            Err(error) => Outcome::failed(failure(&error)),
        }
    }
}

fn outcome(output: &InvokeOutput) -> Outcome {
    let told = output.log_result().and_then(|log| STANDARD.decode(log).ok());
    let told = told.map(|log| told_by(&String::from_utf8_lossy(&log)));
    if output.function_error().is_some() {
        return Outcome { failure: Some(Failure::Function), told };
    }
    let payload = output.payload().map(AsRef::as_ref).unwrap_or_default();
    Outcome { told, ..Outcome::status(status(payload)) }
}

/// The status in the envelope that functions behind HTTP answer with; 200 for any other answer.
fn status(payload: &[u8]) -> u16 {
    #[derive(serde::Deserialize)]
    struct Envelope {
        #[serde(rename = "statusCode")]
        status: u16,
    }
    // A list would be read as the fields in their order.
    let is_object = payload.trim_ascii_start().starts_with(b"{");
    let envelope = is_object.then(|| serde_json::from_slice::<Envelope>(payload).ok()).flatten();
    envelope.map_or(200, |envelope| envelope.status)
}

/// Reads the line `REPORT` of a log tail: `... Billed Duration: 31 ms ... Init Duration: 85.12 ms`.
fn told_by(log: &str) -> Told {
    let report = log.lines().rfind(|line| line.starts_with("REPORT")).unwrap_or_default();
    let number = |name: &str| {
        let (_, rest) = report.split_once(name)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Told { init_ms: number("Init Duration: "), billed_ms: number("Billed Duration: ") }
}

fn failure(error: &SdkError<InvokeError>) -> Failure {
    match error {
        SdkError::TimeoutError(_) => Failure::TimeOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Failure::TimeOut,
        SdkError::DispatchFailure(_) => Failure::Connect,
        SdkError::ServiceError(error) => Failure::Status(error.raw().status().as_u16()),
        _ => Failure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tail_tells_of_cold_starts_and_of_the_bill() {
        let cold = "START RequestId: 1 Version: 7\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 3.10 ms\t\
            Billed Duration: 31 ms\tMemory Size: 256 MB\tMax Memory Used: 31 MB\tInit Duration: 27.12 ms\t\n";
        assert_eq!(told_by(cold), Told { init_ms: Some(27.12), billed_ms: Some(31.0) });
        let warm = "REPORT RequestId: 2\tDuration: 1.10 ms\tBilled Duration: 2 ms\tMemory Size: 256 MB\n";
        assert_eq!(told_by(warm), Told { init_ms: None, billed_ms: Some(2.0) });
        assert_eq!(told_by("Init Duration: 5 ms is what a program wrote\n"), Told::default());
    }

    #[test]
    fn an_envelope_has_a_status() {
        assert_eq!(status(br#"{"statusCode": 503, "body": "{}"}"#), 503);
        for other in [&b""[..], b"null", b"{}", br#"{"statusCode": "x"}"#, b"[1]"] {
            assert_eq!(status(other), 200);
        }
        let output = InvokeOutput::builder().function_error("Unhandled").payload(Blob::new("{}")).build();
        assert_eq!(outcome(&output).failure, Some(Failure::Function));
    }
}
