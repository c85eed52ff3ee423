//! One invocation after another of a function.

use super::tally::{RequestFailure, RequestOutcome};
use super::template::Template;
use crate::aws::lambda::{self, Envelope, InvocationReport, log_tail};
use crate::error::Error;
use abx_functions::events::BatchResponse;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
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
}

impl Invocation {
    /// A client of its own for each thread, because connections belong to the thread that made them.
    pub(super) async fn client(&self, patience: Duration) -> Result<Client, Error> {
        lambda::client(&self.function, self.endpoint.as_deref(), patience).await
    }

    /// Asks whether the function could be invoked, without invoking it: so no environment is warm before the run.
    pub(super) async fn check(&self, client: &Client) -> Result<(), Error> {
        let asked = client.invoke().function_name(&self.function).invocation_type(InvocationType::DryRun);
        match Box::pin(asked.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(lambda::refused(client, &self.function, error)),
        }
    }
}

/// Calls a function.
pub(super) struct FunctionCaller {
    pub(super) invocation: Arc<Invocation>,
    pub(super) client: Client,
}

impl FunctionCaller {
    pub(super) async fn call(&self, user: u64) -> RequestOutcome {
        let payload = self.invocation.payload.render(user);
        let log = if self.invocation.tail_log { LogType::Tail } else { LogType::None };
        let call = self.client.invoke().function_name(&self.invocation.function);
        let call = call.payload(Blob::new(payload)).log_type(log);
        match Box::pin(call.send()).await {
            Ok(output) => outcome(&output),
            Err(error) => RequestOutcome::failed(failure(&error)),
        }
    }
}

fn outcome(output: &InvokeOutput) -> RequestOutcome {
    let told = log_tail(output).map(|log| InvocationReport::read(&log));
    if output.function_error().is_some() {
        return RequestOutcome { told, ..RequestOutcome::failed(RequestFailure::Function) };
    }
    let payload = output.payload().map(AsRef::as_ref).unwrap_or_default();
    if gave_back(payload) {
        return RequestOutcome { told, ..RequestOutcome::failed(RequestFailure::GivenBack) };
    }
    let status = Envelope::open(payload).map_or(200, |envelope| envelope.status);
    RequestOutcome { told, ..RequestOutcome::status(status) }
}

/// True if it is the answer of an event function that did not count all of its batch.
fn gave_back(payload: &[u8]) -> bool {
    let answer = serde_json::from_slice::<BatchResponse>(payload);
    answer.is_ok_and(|answer| !answer.batch_item_failures.is_empty())
}

fn failure(error: &SdkError<InvokeError>) -> RequestFailure {
    match error {
        SdkError::TimeoutError(_) => RequestFailure::TimeOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => RequestFailure::TimeOut,
        SdkError::DispatchFailure(_) => RequestFailure::Connect,
        SdkError::ServiceError(error) => RequestFailure::Status(error.raw().status().as_u16()),
        _ => RequestFailure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_an_error_of_the_function_are_told_apart() {
        let of = |payload: &str, error: Option<&str>| {
            let output = InvokeOutput::builder().payload(Blob::new(payload));
            outcome(&output.set_function_error(error.map(str::to_owned)).build()).failure
        };
        assert_eq!(of(r#"{"statusCode": 503, "body": "{}"}"#, None), Some(RequestFailure::Status(503)));
        assert_eq!(of("{}", None), None);
        assert_eq!(of("{}", Some("Unhandled")), Some(RequestFailure::Function));
        assert_eq!(
            of(r#"{"batchItemFailures": [{"itemIdentifier": "7"}]}"#, None),
            Some(RequestFailure::GivenBack)
        );
        assert_eq!(of(r#"{"batchItemFailures": []}"#, None), None);
    }
}
