//! Events without a usable amount: they are in no sum, because the property is missing, not a number, or too large.

use crate::advice::unanswered;
use crate::error::Error;
use crate::outcome::CheckOutcome;
use crate::render::numbers::count;
use crate::render::style::{BAD, GOOD};
use crate::stores::AnyMetrics;
use abx_functions::ports::{MetricStore as _, RowsOf, totals};
use serde::Serialize;
use std::collections::BTreeMap;

/// Events of a metric that are in no sum.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(super) struct WithoutAmount {
    experiment: String,
    metric: String,
    events: u64,
}

/// Looks through the counts of these experiments and epochs.
pub(super) async fn ask(metrics: &AnyMetrics, running: &[(&str, u32)]) -> CheckOutcome<Vec<WithoutAmount>> {
    read(metrics, running).await.into()
}

async fn read(metrics: &AnyMetrics, running: &[(&str, u32)]) -> Result<Vec<WithoutAmount>, Error> {
    let mut found = Vec::new();
    for (experiment, epoch) in running {
        let rows =
            metrics.rows(RowsOf::Experiment { experiment, epoch: *epoch }).await.map_err(unanswered)?;
        let mut by_metric: BTreeMap<String, u64> = BTreeMap::new();
        for (metric, counted) in totals(&rows).variants.into_values().flat_map(|it| it.metrics) {
            *by_metric.entry(metric).or_default() += counted.invalid;
        }
        let without = by_metric.into_iter().filter(|(_, events)| *events > 0);
        found.extend(without.map(|(metric, events)| WithoutAmount {
            experiment: (*experiment).to_owned(),
            metric,
            events,
        }));
    }
    Ok(found)
}

/// The row for a person, and the lines below it.
pub(super) fn row(found: &[WithoutAmount]) -> (String, Vec<String>) {
    if found.is_empty() {
        return (format!("{GOOD}all usable{GOOD:#}"), Vec::new());
    }
    let total = found.iter().map(|it| it.events).sum();
    let line = |it: &WithoutAmount| {
        format!("{}, {}: {} without a usable amount", it.experiment, it.metric, count(it.events))
    };
    (format!("{BAD}{} without a usable amount{BAD:#}", count(total)), found.iter().map(line).collect())
}
