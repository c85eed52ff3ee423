//! Lines in CloudWatch's embedded metric format.
//!
//! Specification: "Specification: Embedded metric format", Amazon CloudWatch User Guide. A metric has at most 100 values in
//! a line, and its dimensions are fields of the same line; so each reason is a line of its own.

use super::metrics::{Metrics, TelemetryCounter};
use serde_json::{Map, Value, json};

/// The namespace of all metrics.
const NAMESPACE: &str = "abx";
/// The dimension of all metrics, named as Lambda names that of its own. One dimension and not two, because each
/// combination of dimensions is billed as another metric.
const DIMENSION: &str = "FunctionName";

/// The lines of what was counted; none for nothing.
pub(super) fn lines(metrics: &Metrics, name: &str, now: i64) -> String {
    let mut text = String::new();
    if metrics.is_empty() {
        return text;
    }
    push(&mut text, now, &[(DIMENSION, name)], &of_function(metrics));
    for (reason, count) in &metrics.reasons {
        let metric = [("Decisions", "Count", json!(count))];
        push(&mut text, now, &[(DIMENSION, name), ("Reason", reason)], &metric);
    }
    text
}

type EmfMetric = (&'static str, &'static str, Value);

fn of_function(metrics: &Metrics) -> Vec<EmfMetric> {
    let mut written = vec![("Requests", "Count", json!(metrics.requests))];
    let counts = [
        ("ClientErrors", metrics.client_errors),
        ("ServerErrors", metrics.server_errors),
        ("ColdStarts", metrics.cold_starts),
    ];
    let counters = TelemetryCounter::ALL.map(|counter| (counter.as_str(), metrics.counter(counter)));
    let counted = counts.into_iter().chain(counters).filter(|(_, count)| *count > 0);
    written.extend(counted.map(|(name, count)| (name, "Count", json!(count))));
    if !metrics.latencies.is_empty() {
        written.push(("Latency", "Milliseconds", json!(metrics.latencies)));
    }
    if let Some(age) = metrics.catalog_age {
        written.push(("CatalogAge", "Seconds", json!(age)));
    }
    if let Some(age) = metrics.iterator_age {
        written.push(("IteratorAge", "Seconds", json!(age)));
    }
    written
}

fn push(text: &mut String, now: i64, dimensions: &[(&str, &str)], metrics: &[EmfMetric]) {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let described: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": described}],
        }),
    );
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())));
    text.push_str(&Value::Object(line).to_string());
    text.push('\n');
}
