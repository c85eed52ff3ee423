//! The next step after a call of AWS has failed.

use crate::advice::RETRY;
use crate::error::Error;
use abx_functions::adapters::aws::{AwsFault, CallFailed, Resource, ResourceKind};
use abx_functions::ports::{PortError, Within};

/// The error for a call that failed; `None` where no call is the cause.
pub(crate) fn of_call(error: &PortError) -> Option<Error> {
    let failed = error.find::<CallFailed>()?;
    let resource = error.find::<Within<Resource>>().map(|within| &within.what);
    let said = error.to_string();
    let told = if is_callers(failed.fault) { Error::caller(said) } else { Error::world(said) };
    Some(told.help(next_step(failed, resource)))
}

/// True if the caller has to change something, and not the world.
const fn is_callers(fault: AwsFault) -> bool {
    use AwsFault::{Expired, Invalid, Missing, NoCredentials, Rejected, Unprocessable};
    matches!(fault, NoCredentials | Expired | Invalid | Missing | Rejected | Unprocessable)
}

pub(crate) const SIGN_IN: &str = "set AWS_PROFILE, or sign in and `eval \"$(aws configure export-credentials --format env)\"`; \
    `aws sts get-caller-identity` shows who you are";

fn next_step(failed: &CallFailed, resource: Option<&Resource>) -> String {
    let kind = resource.map(|it| it.kind);
    match failed.fault {
        AwsFault::NoCredentials | AwsFault::Expired => SIGN_IN.to_owned(),
        AwsFault::Invalid => format!("{SIGN_IN}; the clock of this machine must be right as well"),
        AwsFault::Denied => {
            let policy = match kind {
                Some(ResourceKind::Bucket | ResourceKind::Object) => {
                    ", and `kms:Decrypt` on its key if it has one: the stack's policy `analyst` gives both"
                }
                _ => "",
            };
            format!(
                "the credentials need `{}:{}` on it{policy}; `aws sts get-caller-identity` shows who you are",
                kind.map_or("dynamodb", service),
                action(failed.operation)
            )
        }
        AwsFault::Missing => missing(resource),
        AwsFault::Throttled if kind == Some(ResourceKind::Function) => {
            "run it again later, or raise the concurrency of the function or of the account".to_owned()
        }
        AwsFault::Throttled => "run it again in a moment: no change was partially applied".to_owned(),
        AwsFault::Dns => {
            "check the network, AWS_REGION and --endpoint: the region is a part of the endpoint's name"
                .to_owned()
        }
        AwsFault::Refused => {
            "check the network and --endpoint (or AWS_ENDPOINT_URL): is the emulator running?".to_owned()
        }
        AwsFault::Tls => {
            "an emulator may want http:// instead of https:// in --endpoint; behind a proxy, SSL_CERT_FILE \
            names its certificate"
                .to_owned()
        }
        AwsFault::Slow if kind == Some(ResourceKind::Function) => {
            "wait longer with --timeout, or check the network, AWS_REGION and --endpoint".to_owned()
        }
        AwsFault::Slow | AwsFault::Unreachable => {
            format!("check the network, AWS_REGION and --endpoint, then {RETRY}")
        }
        AwsFault::Unreadable => {
            format!("check --endpoint (or AWS_ENDPOINT_URL): another server may listen there; else {RETRY}")
        }
        AwsFault::Failed => RETRY.to_owned(),
        AwsFault::Rejected | AwsFault::Unprocessable => {
            "see the reason above, and whether the name, AWS_REGION and --endpoint are those that you mean"
                .to_owned()
        }
    }
}

/// Calls are named as IAM names the leave to make them, with few exceptions.
fn action(operation: &str) -> &str {
    match operation {
        "Invoke" => "InvokeFunction",
        "TransactWriteItems" => "PutItem",
        "ListObjectsV2" => "ListBucket",
        other => other,
    }
}

const fn service(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Table => "dynamodb",
        ResourceKind::Stream => "kinesis",
        ResourceKind::DeliveryStream => "firehose",
        ResourceKind::Function => "lambda",
        ResourceKind::Alarms | ResourceKind::Metrics => "cloudwatch",
        ResourceKind::Bucket | ResourceKind::Object => "s3",
    }
}

fn missing(resource: Option<&Resource>) -> String {
    match resource.map(|it| it.kind) {
        Some(ResourceKind::Bucket) => {
            return "`aws s3 ls` lists the buckets of the account; the output `archivefolder` of the stack names that of the archive"
                .to_owned();
        }
        Some(ResourceKind::Object) => {
            return "it was removed after the bucket was listed: run the command again".to_owned();
        }
        _ => {}
    }
    let list = resource.and_then(|it| {
        let list = match it.kind {
            ResourceKind::Table => "list-tables",
            ResourceKind::Stream => "list-streams",
            ResourceKind::DeliveryStream => "list-delivery-streams",
            ResourceKind::Function => "list-functions",
            ResourceKind::Alarms | ResourceKind::Metrics | ResourceKind::Bucket | ResourceKind::Object => {
                return None;
            }
        };
        Some(format!("`aws {} {list} --region {}` lists those that are there; ", service(it.kind), it.region))
    });
    list.unwrap_or_default() + "AWS_REGION, the profile and --endpoint say where it is looked for"
}
