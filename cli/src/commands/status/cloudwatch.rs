//! Numbers and alarms of `CloudWatch`.

use super::Args;
use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use abx_functions::adapters::aws::{Budget, Resource, ResourceKind, SdkConfig, port_error};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StateValue,
};
use jiff::Timestamp;
use serde::Serialize;

/// An alarm that is in alarm.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct Alarm {
    pub(super) name: String,
    /// Why, in the words of `CloudWatch`.
    pub(super) reason: String,
}

/// The alarms that are in alarm.
pub(super) async fn alarms(args: &Args) -> CheckOutcome<Vec<Alarm>> {
    match args.metrics.store.of_deployment(args.alarm_prefix.as_deref(), "--alarm-prefix") {
        Ok(prefix) => describe(args, prefix).await.into(),
        Err(why) => CheckOutcome::NotAsked(why),
    }
}

async fn describe(args: &Args, prefix: &str) -> Result<Vec<Alarm>, Error> {
    let config = args.metrics.store.config().await?;
    let client = Client::new(&Budget::PATIENT.applied_to(&config));
    let request = client
        .describe_alarms()
        .alarm_name_prefix(prefix)
        .state_value(StateValue::Alarm)
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm);
    let mut pages = request.into_paginator().send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let alarms = Resource::new(ResourceKind::Alarms, prefix, config.region());
            unanswered(port_error("DescribeAlarms", error).at(alarms))
        })?;
        let alarm = |name: Option<&str>, reason: Option<&str>| Alarm {
            name: name.unwrap_or_default().to_owned(),
            reason: reason.unwrap_or_default().to_owned(),
        };
        alarms.extend(page.metric_alarms().iter().map(|it| alarm(it.alarm_name(), it.state_reason())));
        alarms.extend(page.composite_alarms().iter().map(|it| alarm(it.alarm_name(), it.state_reason())));
    }
    Ok(alarms)
}

/// A metric of a service, about one thing.
pub(super) struct Asked<'a> {
    pub(super) namespace: &'static str,
    pub(super) metric: &'static str,
    pub(super) statistic: &'static str,
    pub(super) dimension: (&'static str, &'a str),
}

/// From when to when, and over how many seconds each value goes.
pub(super) struct TimeRange {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) period: i32,
}

/// The values of each metric, each with the start of its period, the oldest first. `about` is what an error names.
pub(super) async fn values(
    config: &SdkConfig,
    about: &str,
    asked: &[Asked<'_>],
    window: &TimeRange,
) -> Result<Vec<Vec<(Timestamp, f64)>>, Error> {
    let client = Client::new(&Budget::PATIENT.applied_to(config));
    let queries = asked.iter().enumerate().map(|(at, asked)| query(at, asked, window.period)).collect();
    let mut pages = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        .start_time(DateTime::from_secs(window.since.as_second()))
        .end_time(DateTime::from_secs(window.until.as_second()))
        .scan_by(ScanBy::TimestampAscending)
        .into_paginator()
        .send();
    let mut values = vec![Vec::new(); asked.len()];
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let metrics = Resource::new(ResourceKind::Metrics, about, config.region());
            unanswered(port_error("GetMetricData", error).at(metrics))
        })?;
        for result in page.metric_data_results() {
            let at = result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
            if let Some(values) = at.and_then(|at| values.get_mut(at)) {
                values.extend(points(result));
            }
        }
    }
    Ok(values)
}

/// Ids begin with a small letter, which the service demands.
fn query(at: usize, asked: &Asked<'_>, period: i32) -> MetricDataQuery {
    let (name, value) = asked.dimension;
    let dimension = Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder().namespace(asked.namespace).metric_name(asked.metric).dimensions(dimension);
    let stat = MetricStat::builder().metric(metric.build()).period(period).stat(asked.statistic);
    MetricDataQuery::builder().id(format!("m{at}")).metric_stat(stat.build()).build()
}

fn points(result: &MetricDataResult) -> impl Iterator<Item = (Timestamp, f64)> {
    let times = result.timestamps().iter().filter_map(|at| Timestamp::from_second(at.secs()).ok());
    times.zip(result.values().iter().copied())
}
