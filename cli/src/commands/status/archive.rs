//! The delivery stream of Firehose that writes the archive.

use super::Args;
use super::cloudwatch::{Asked, TimeRange, values};
use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use crate::render::printable;
use crate::render::style::{BAD, GOOD};
use abx_functions::adapters::aws::{Budget, Resource, ResourceKind, firehose, port_error};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The time in which deliveries are looked for: Firehose writes every five minutes if there are records.
const LATELY: SignedDuration = SignedDuration::from_hours(1);
const FIVE_MINUTES: i32 = 300;

/// A delivery stream.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct ArchiveStatus {
    /// `ACTIVE`, or as Firehose says it.
    state: String,
    /// Why it is in its state, as Firehose says it.
    failure: Option<String>,
    /// The part of the latest deliveries to S3 that succeeded, from 0 to 1; `null` where there was none in the last hour.
    delivered: Option<f64>,
    /// The start of these deliveries.
    #[schemars(with = "Option<String>")]
    delivered_at: Option<Timestamp>,
}

/// Asks Firehose for its state, and `CloudWatch` for the latest deliveries.
pub(super) async fn ask(args: &Args, now: Timestamp) -> CheckOutcome<ArchiveStatus> {
    match args.metrics.store.of_deployment(args.archive_stream.as_deref(), "--archive-stream") {
        Ok(name) => read(args, name, now).await.into(),
        Err(why) => CheckOutcome::NotAsked(why),
    }
}

async fn read(args: &Args, name: &str, now: Timestamp) -> Result<ArchiveStatus, Error> {
    let config = args.metrics.store.config().await?;
    let client = firehose(&config, Budget::PATIENT);
    let answer = Box::pin(client.describe_delivery_stream().delivery_stream_name(name).send()).await;
    let answer = answer.map_err(|error| {
        let stream = Resource::new(ResourceKind::DeliveryStream, name, config.region());
        unanswered(port_error("DescribeDeliveryStream", error).at(stream))
    })?;
    let described = answer.delivery_stream_description();
    let of_key =
        described.and_then(|it| it.delivery_stream_encryption_configuration()?.failure_description());
    let failure = described.and_then(|it| it.failure_description()).or(of_key);
    let asked = [Asked {
        namespace: "AWS/Firehose",
        metric: "DeliveryToS3.Success",
        statistic: "Average",
        dimension: ("DeliveryStreamName", name),
    }];
    let since = now.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
    let window = TimeRange { since, until: now, period: FIVE_MINUTES };
    let latest =
        values(&config, name, &asked, &window).await?.pop().and_then(|values| values.last().copied());
    Ok(ArchiveStatus {
        state: described.map_or("Unknown", |it| it.delivery_stream_status().as_str()).to_owned(),
        failure: failure.map(|it| format!("{}: {}", it.r#type().as_str(), it.details())),
        delivered: latest.map(|(_, part)| part),
        delivered_at: latest.map(|(at, _)| at),
    })
}

impl ArchiveStatus {
    /// True if lines are not written.
    pub(super) fn is_broken(&self) -> bool {
        self.state != "ACTIVE" || self.failure.is_some() || self.delivered.is_some_and(|part| part < 1.0)
    }

    /// The row for a person, and the lines below it.
    pub(super) fn row(&self) -> (String, Vec<String>) {
        let mut lines: Vec<String> = self.failure.iter().map(|it| printable(it)).collect();
        let state = printable(&self.state);
        let text = match self.delivered {
            _ if self.state != "ACTIVE" => format!("{BAD}{state}{BAD:#}: lines are not archived"),
            _ if self.failure.is_some() => format!("{BAD}{state}, with a failure{BAD:#}"),
            None => format!("{GOOD}{state}{GOOD:#}: nothing was to be written in the last hour"),
            Some(part) if part < 1.0 => {
                lines.push("its log says why: see `archive` in docs/runbook.md".to_owned());
                format!("{BAD}{:.0} % of the latest deliveries to S3 failed{BAD:#}", (1.0 - part) * 100.0)
            }
            Some(_) => format!("{GOOD}{state}{GOOD:#}: the latest deliveries to S3 succeeded"),
        };
        (text, lines)
    }
}
