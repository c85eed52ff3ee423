//! What the SDK's errors mean to a caller.

use crate::ports::PortError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;
use std::fmt;

/// Refusals that are about now and not about the request, although their status is 400.
const BUSY: [&str; 7] = [
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TransactionInProgressException",
];

/// A call that failed; the SDK's own error lies under it.
#[derive(Debug)]
struct CallFailed {
    what: String,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for CallFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Sorts an error of the SDK.
pub(super) fn port_error<E>(operation: &str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (transient, why) = judge(&error);
    let failed = CallFailed { what: format!("{operation}: {why}"), source: error.into() };
    if transient { PortError::transient(failed) } else { PortError::permanent(failed) }
}

fn judge<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> (bool, String) {
    match error {
        SdkError::TimeoutError(_) => (true, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => (!failure.is_user(), "the service was not reached".to_owned()),
        SdkError::ResponseError(_) => (true, "the answer cannot be read".to_owned()),
        SdkError::ServiceError(error) => {
            let (status, meta) = (error.raw().status().as_u16(), error.err().meta());
            // Without a code it is an answer that nobody can read, such as half of one: who sent it may be well next time.
            let Some(code) = meta.code() else {
                return (true, format!("the answer (status {status}) cannot be read"));
            };
            let busy = status >= 500 || status == 429 || BUSY.contains(&code);
            (busy, format!("{code}: {}", meta.message().unwrap_or("no message")))
        }
        // The request could not be built; also what a later SDK may add.
        _ => (false, "the request could not be made".to_owned()),
    }
}
