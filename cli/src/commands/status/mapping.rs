//! The event source mapping, which hands the stream to the event function, and the records that it gave up.
//!
//! A mapping that is disabled, or whose role or key is gone, fails no invocation: there is none, and so no error either.
//!
//! Records that were given up are counted by `CloudWatch`, which counts what Lambda put into the bucket of failures. Listing the bucket
//! was rejected: it needs the SDK of S3, which is larger than all others of this program together, and a listing says nothing
//! of records that could not be put there.

use super::Args;
use super::cloudwatch::{Asked, TimeRange, values};
use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use crate::render::numbers::count;
use crate::render::printable;
use crate::render::style::{BAD, GOOD};
use abx_functions::adapters::aws::{Budget, Resource, ResourceKind, SdkConfig, port_error};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use jiff::Timestamp;
use serde::Serialize;

/// `CloudWatch` keeps values of an hour for 15 months, those of a minute for 15 days.
const HOUR: i32 = 3600;

/// A mapping from a stream to the event function.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Mapping {
    uuid: String,
    /// `Enabled`, or as Lambda says it.
    state: String,
    /// The outcome of the last batch, as Lambda reports it: `OK`, `No records processed` or `PROBLEM: ...`.
    last_result: Option<String>,
    /// Why it is in its state, as Lambda says it.
    reason: Option<String>,
}

/// Records that Lambda gave up: they are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct DiscardedRecords {
    #[schemars(with = "String")]
    since: Timestamp,
    /// Records that are in the bucket of failures. Those that were counted since are among them.
    kept: u64,
    /// Records that Lambda dropped: no bucket holds them.
    dropped: u64,
    /// Attempts to put records into the bucket that failed.
    failed_deliveries: u64,
    /// The first hour in which any of that happened; `null` where nothing did.
    #[schemars(with = "Option<String>")]
    first: Option<Timestamp>,
}

/// The answers about the mapping.
pub(super) struct MappingStatus {
    pub(super) mappings: CheckOutcome<Vec<Mapping>>,
    pub(super) given_up: CheckOutcome<DiscardedRecords>,
}

/// Asks about the mappings of the event function, and then, by their ids, about what they gave up.
pub(super) async fn ask(args: &Args, now: Timestamp) -> MappingStatus {
    let function =
        match args.metrics.store.of_deployment(args.events_function.as_deref(), "--events-function") {
            Ok(function) => function,
            Err(why) => {
                return MappingStatus {
                    mappings: CheckOutcome::NotAsked(why.clone()),
                    given_up: CheckOutcome::NotAsked(why),
                };
            }
        };
    match list(args, function).await {
        Err(error) => {
            MappingStatus { mappings: CheckOutcome::failed(&error), given_up: CheckOutcome::failed(&error) }
        }
        Ok((config, mappings)) => {
            let since = now.checked_sub(args.since).unwrap_or(Timestamp::MIN);
            let given_up = count_given_up(&config, function, &mappings, (since, now)).await.into();
            MappingStatus { mappings: CheckOutcome::Known(mappings), given_up }
        }
    }
}

async fn list(args: &Args, function: &str) -> Result<(SdkConfig, Vec<Mapping>), Error> {
    let config = args.metrics.store.config().await?;
    let client = Client::new(&Budget::PATIENT.applied_to(&config));
    let pages = client.list_event_source_mappings().function_name(function).into_paginator().items().send();
    let listed: Result<Vec<_>, _> = pages.collect().await;
    let listed = listed.map_err(|error| {
        let function = Resource::new(ResourceKind::Function, function, config.region());
        unanswered(port_error("ListEventSourceMappings", error).at(function))
    })?;
    let is_of_stream = |it: &EventSourceMappingConfiguration| {
        let name = it.event_source_arn().and_then(|arn| arn.split_once(":stream/")).map(|(_, name)| name);
        args.stream.as_deref().is_none_or(|stream| name == Some(stream))
    };
    Ok((config, listed.iter().filter(|it| is_of_stream(it)).map(Mapping::from).collect()))
}

async fn count_given_up(
    config: &SdkConfig,
    function: &str,
    mappings: &[Mapping],
    (since, until): (Timestamp, Timestamp),
) -> Result<DiscardedRecords, Error> {
    let sum = |metric, name, value| Asked {
        namespace: "AWS/Lambda",
        metric,
        statistic: "Sum",
        dimension: (name, value),
    };
    // An ARN, or a name with an alias: the metric knows the name alone.
    let name = function.rsplit_once("function:").map_or(function, |(_, rest)| rest);
    let name = name.split(':').next().unwrap_or(name);
    let mut asked = vec![sum("DestinationDeliveryFailures", "FunctionName", name)];
    for mapping in mappings {
        asked.push(sum("OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", &mapping.uuid));
        asked.push(sum("DroppedEventCount", "EventSourceMappingUUID", &mapping.uuid));
    }
    let answers = values(config, name, &asked, &TimeRange { since, until, period: HOUR }).await?;
    let mut found = DiscardedRecords { since, kept: 0, dropped: 0, failed_deliveries: 0, first: None };
    for (asked, values) in asked.iter().zip(answers) {
        let total: f64 = values.iter().map(|(_, value)| value).sum();
        match asked.metric {
            "OnFailureDestinationDeliveredEventCount" => found.kept += whole(total),
            "DroppedEventCount" => found.dropped += whole(total),
            _ => found.failed_deliveries += whole(total),
        }
        let first = values.iter().find(|(_, value)| *value > 0.0).map(|(at, _)| *at);
        found.first = found.first.into_iter().chain(first).min();
    }
    Ok(found)
}

/// A sum of counts, which is a whole number that no `f64` rounds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count: whole and not negative"
)]
fn whole(sum: f64) -> u64 {
    sum.round() as u64
}

impl From<&EventSourceMappingConfiguration> for Mapping {
    fn from(listed: &EventSourceMappingConfiguration) -> Self {
        Self {
            uuid: listed.uuid().unwrap_or_default().to_owned(),
            state: listed.state().unwrap_or("Unknown").to_owned(),
            last_result: listed.last_processing_result().map(str::to_owned),
            reason: listed.state_transition_reason().map(str::to_owned),
        }
    }
}

impl Mapping {
    fn is_off(&self) -> bool {
        !matches!(&*self.state, "Enabled" | "Enabling" | "Creating" | "Updating")
    }

    fn has_problem(&self) -> bool {
        self.last_result.as_deref().is_some_and(|result| result.starts_with("PROBLEM"))
    }

    /// The problem, and its fix.
    fn lines(&self) -> Vec<String> {
        let last = self.last_result.as_deref().unwrap_or("no batch yet");
        let mut lines = vec![printable(&format!("{}: {}; {last}", self.uuid, self.state))];
        if self.is_off() {
            lines.extend(self.reason.as_deref().map(printable));
            lines.push("enable it:".to_owned());
            lines.push("aws lambda update-event-source-mapping --enabled \\".to_owned());
            lines.push(format!("  --uuid {}", printable(&self.uuid)));
        } else if self.has_problem() {
            lines.push("a permission, a key or the function is wrong. In infrastructure/cdk:".to_owned());
            lines.push("npx cdk drift --all -c stage=STAGE".to_owned());
        }
        lines
    }
}

/// True if the stream is not handed over.
pub(super) fn is_broken(mappings: &[Mapping]) -> bool {
    mappings.is_empty() || mappings.iter().any(|it| it.is_off() || it.has_problem())
}

/// The row for a person, and the lines below it.
pub(super) fn row(mappings: &[Mapping]) -> (String, Vec<String>) {
    let text = match mappings {
        [] => format!("{BAD}none{BAD:#}: nothing hands the stream to the function; deploy the stack again"),
        [one] if !is_broken(mappings) => {
            let last = one.last_result.as_deref().unwrap_or("no batch yet");
            return (format!("{GOOD}{}{GOOD:#}: {}", one.state, printable(last)), Vec::new());
        }
        _ if is_broken(mappings) => {
            let state = if mappings.iter().any(Mapping::is_off) { "off" } else { "in trouble" };
            format!("{BAD}{state}{BAD:#}: events wait in the stream and are not counted")
        }
        several => format!("{GOOD}{} enabled{GOOD:#}", several.len()),
    };
    (text, mappings.iter().flat_map(Mapping::lines).collect())
}

impl DiscardedRecords {
    /// True if records are not counted that came.
    pub(super) const fn is_any(&self) -> bool {
        self.first.is_some()
    }

    /// The row for a person, and the lines below it.
    pub(super) fn row(&self) -> (String, Vec<String>) {
        let day = self.since.strftime("%Y-%m-%d");
        let Some(first) = self.first else {
            return (format!("{GOOD}nothing{GOOD:#} since {day}"), Vec::new());
        };
        let first = first.strftime("%Y-%m-%d %H:00 UTC");
        let (kept, dropped) = (count(self.kept), count(self.dropped));
        let text = format!("{BAD}{kept} kept, {dropped} dropped{BAD:#} from {first} on");
        let mut lines = Vec::new();
        if self.kept > 0 {
            lines.push("`abx redrive` counts what the bucket of failures keeps. Records that it".to_owned());
            lines.push("counted stay in this number: leave them out with a shorter --since".to_owned());
        }
        if self.failed_deliveries > 0 {
            let failed = count(self.failed_deliveries);
            lines.push(format!("{failed} attempts to write into the bucket failed: see its policy and key"));
        }
        (text, lines)
    }
}
