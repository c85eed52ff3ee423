//! The meaning of the SDK's errors for a caller.

use crate::ports::{PortError, causes};
use aws_config::Region;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;
use std::fmt;
use std::io;

/// The fault of a failed call: each has a different remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsFault {
    /// There are no credentials, or they cannot be had.
    NoCredentials,
    /// The credentials have expired.
    Expired,
    /// The credentials are not valid.
    Invalid,
    /// The credentials do not allow it.
    Denied,
    /// The named resource does not exist.
    Missing,
    /// Too much is asked.
    Throttled,
    /// The endpoint's name has no address.
    Dns,
    /// Nothing listens at the endpoint.
    Refused,
    /// No TLS connection to the endpoint.
    Tls,
    /// No connection, for another reason.
    Unreachable,
    /// No answer, or no connection, in time.
    Slow,
    /// An answer that the service would not give.
    Unreadable,
    /// The service failed.
    Failed,
    /// The service does not take what the request holds: a key, an item or a value that is too long or out of range.
    Unprocessable,
    /// The service refused the request, or the request could not be made.
    Rejected,
}

impl AwsFault {
    /// True if the same call may succeed later without any action.
    const fn is_transient(self) -> bool {
        use AwsFault::{Dns, Failed, Refused, Slow, Throttled, Tls, Unreachable, Unreadable};
        matches!(self, Dns | Failed | Refused | Slow | Throttled | Tls | Unreachable | Unreadable)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::NoCredentials => "there are no AWS credentials",
            Self::Expired => "the AWS credentials have expired",
            Self::Invalid => "the AWS credentials are not valid",
            Self::Denied => "access denied",
            Self::Missing => "it does not exist there",
            Self::Throttled => "throttled",
            Self::Dns => "the endpoint's name has no address (DNS)",
            Self::Refused => "nothing listens at the endpoint",
            Self::Tls => "no TLS connection to the endpoint",
            Self::Unreachable => "the endpoint was not reached",
            Self::Slow => "no answer in time",
            Self::Unreadable => "the answer is not one of this service",
            Self::Failed => "the service failed",
            Self::Unprocessable => "what the request holds was refused",
            Self::Rejected => "the request was refused",
        }
    }

    fn of_code(code: &str, message: &str, status: u16) -> Self {
        match code {
            _ if is_about_content(code, message) => Self::Unprocessable,
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
                Self::Expired
            }
            "AuthFailure"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => Self::Invalid,
            "AccessDenied"
            | "AccessDeniedException"
            | "KMSAccessDeniedException"
            | "UnauthorizedOperation" => Self::Denied,
            "NoSuchBucket" | "NoSuchKey" | "ResourceNotFound" | "ResourceNotFoundException" => Self::Missing,
            // About now and not about the request, although the status of most is 400.
            "KMSThrottlingException"
            | "LimitExceededException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException"
            | "TransactionInProgressException" => Self::Throttled,
            "UnknownOperationException" => Self::Unreadable,
            _ if status == 429 => Self::Throttled,
            _ if status >= 500 => Self::Failed,
            _ => Self::Rejected,
        }
    }

    /// The reason why a connection was not made, by the errors under the SDK's error. The libraries below have no types in common
    /// for it, so their words decide where the operating system does not.
    fn of_connection(error: &(dyn Error + 'static)) -> Self {
        for cause in causes(error) {
            if let Some(error) = cause.downcast_ref::<io::Error>()
                && error.kind() == io::ErrorKind::ConnectionRefused
            {
                return Self::Refused;
            }
            let text = cause.to_string().to_lowercase();
            let says = |words: &[&str]| words.iter().any(|it| text.contains(it));
            if says(&["dns error", "failed to lookup address"]) {
                return Self::Dns;
            }
            if says(&["certificate", "corrupt message", "handshake", "tls"]) {
                return Self::Tls;
            }
            if says(&["credentials"]) {
                return Self::NoCredentials;
            }
        }
        Self::Unreachable
    }
}

/// True if a service refuses the content of a request, by the code of its answer or of a reason why a transaction was canceled. DynamoDB
/// answers with the same code where a table has other keys than ours. Then it refuses everything, and no record is at fault: these
/// messages are told apart.
pub(super) fn is_about_content(code: &str, message: &str) -> bool {
    const SCHEMA: [&str; 6] = [
        "does not match the schema",
        "Missing the key",
        "Type mismatch for key",
        "Type mismatch for Index Key",
        "number of conditions on the keys",
        "key condition not supported",
    ];
    match code {
        "ValidationException" | "ValidationError" => !SCHEMA.iter().any(|it| message.contains(it)),
        "ItemCollectionSizeLimitExceeded"
        | "ItemCollectionSizeLimitExceededException"
        | "RequestEntityTooLarge" => true,
        _ => false,
    }
}

/// The AWS resource that a call is about, and the region in which it was looked for; see [`PortError::at`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The kind of resource.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// The region of the client.
    pub region: String,
}

/// The kind of resource that a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A table of DynamoDB.
    Table,
    /// A stream of Kinesis.
    Stream,
    /// A delivery stream of Firehose.
    DeliveryStream,
    /// A function of Lambda.
    Function,
    /// Alarms of `CloudWatch`, whose names begin so.
    Alarms,
    /// Metrics of `CloudWatch` about something of this name.
    Metrics,
    /// A bucket of S3.
    Bucket,
    /// An object of S3, by its address `s3://BUCKET/KEY`.
    Object,
}

impl Resource {
    /// The resource that a client of a region looks for.
    pub fn new(kind: ResourceKind, name: impl Into<String>, region: Option<&Region>) -> Self {
        let region = region.map_or("no region", |region| region.as_ref()).to_owned();
        Self { kind, name: name.into(), region }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ResourceKind::Table => "table",
            ResourceKind::Stream => "stream",
            ResourceKind::DeliveryStream => "delivery stream",
            ResourceKind::Function => "function",
            ResourceKind::Alarms => "alarms",
            ResourceKind::Metrics => "metrics of",
            ResourceKind::Bucket => "bucket",
            ResourceKind::Object => "object",
        };
        write!(f, "{kind} {} in {}", self.name, self.region)
    }
}

/// A call that failed.
#[derive(Debug)]
pub struct CallFailed {
    /// The call, as IAM knows it: `GetItem`.
    pub operation: &'static str,
    /// The fault.
    pub fault: AwsFault,
    /// The message of the service, if there is one.
    said: Option<String>,
    /// The underlying error, if the service gave no message.
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.fault.words())?;
        self.said.as_ref().map_or(Ok(()), |said| write!(f, ": {said}"))
    }
}

impl Error for CallFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // What the SDK wraps around a cause says only that there is one.
        let outer: &(dyn Error + 'static) = &**self.source.as_ref()?;
        let is_wrapper =
            |text: &str| matches!(text, "dispatch failure" | "request has timed out" | "io error" | "other");
        causes(outer).find(|cause| !is_wrapper(&cause.to_string()))
    }
}

/// Sorts an error of the SDK, of any of its services.
pub fn port_error<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (fault, said) = judge(&error);
    // What a service said is all that there is to know; the SDK's words around it add nothing.
    let source = if said.is_none() { Some(error.into()) } else { None };
    let failed = CallFailed { operation, fault, said, source };
    match fault {
        AwsFault::Unprocessable => PortError::unprocessable(failed),
        fault if fault.is_transient() => PortError::transient(failed),
        _ => PortError::permanent(failed),
    }
}

fn judge<E>(error: &SdkError<E, HttpResponse>) -> (AwsFault, Option<String>)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => (AwsFault::Slow, None),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => (AwsFault::Slow, None),
        SdkError::DispatchFailure(_) => match AwsFault::of_connection(error) {
            // The request could not even be made.
            AwsFault::Unreachable if is_user(error) => (AwsFault::Rejected, None),
            fault => (fault, None),
        },
        SdkError::ResponseError(_) => (AwsFault::Unreadable, None),
        SdkError::ServiceError(error) => {
            let (status, meta) = (error.raw().status().as_u16(), error.err().meta());
            // Without a code it is an answer that nobody can read, such as half of one: who sent it may be well next time.
            let Some(code) = meta.code() else {
                let fault = if status >= 500 { AwsFault::Failed } else { AwsFault::Unreadable };
                return (fault, Some(format!("status {status}")));
            };
            let message = meta.message().unwrap_or("no message");
            (AwsFault::of_code(code, message, status), Some(format!("{code}: {message}")))
        }
        // The request could not be built; also what a later SDK may add.
        _ => match AwsFault::of_connection(error) {
            AwsFault::NoCredentials => (AwsFault::NoCredentials, None),
            _ => (AwsFault::Rejected, None),
        },
    }
}

fn is_user<E>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::DispatchFailure(failure) if failure.is_user())
}
