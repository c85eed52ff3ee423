//! Commands to try, made for the documents that serve: what they assign and send is counted.

use crate::render::shell_word;
use abx_core::document::Status;
use abx_core::metric::{Measure, Metric};
use abx_core::{Catalog, Experiment, Flag, Reason, Subject};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// The attribute that a request names by itself.
const USER_ID: &str = "user_id";
/// The number of units that are tried, to find one that is assigned.
const TRIED: u32 = 200;

/// The commands; none where nothing serves. `store` is the file of the store, if it is not the usual one.
pub(super) fn samples(catalog: &Catalog, port: u16, store: Option<&str>, now: Timestamp) -> Vec<String> {
    let url = format!("localhost:{port}");
    let mut commands = Vec::new();
    let running = catalog.experiments().iter().filter(|it| it.status() == Status::Active);
    let known = running.filter(|it| it.unit_attribute() == USER_ID);
    let assigned = known.filter_map(|experiment| Some((experiment, assigned_unit(experiment, now)?)));
    // The first of those whose counts are seen earliest.
    let best = assigned.min_by_key(|(experiment, _)| sampled(experiment).map_or(u8::MAX, |(rank, _)| rank));
    if let Some((experiment, unit)) = best {
        let key = experiment.key();
        commands.push(format!("curl '{url}/assign?user_id={unit}&experiment_key={key}'"));
        if let Some((_, metric)) = sampled(experiment) {
            let event = shell_word(&event(metric, &unit));
            commands.push(format!("curl -d {event} {url}/events"));
        }
        let store = store.map_or(String::new(), |it| format!(" --store {}", shell_word(it)));
        commands.push(format!("abx results {key}{store}"));
    }
    let mut flags = catalog.flags().iter().filter(|it| it.is_enabled() && it.unit_attribute() == USER_ID);
    let flag = flags.next().map(Flag::key);
    commands.extend(flag.map(|key| format!("curl '{url}/flags/{key}?user_id=user_1'")));
    commands
}

/// A unit without attributes that the experiment gives a variant.
fn assigned_unit(experiment: &Experiment, now: Timestamp) -> Option<String> {
    let attributes = Map::new();
    let is_assigned = |unit: &String| {
        let decision = experiment.decide(&Subject::new(unit, &attributes), now, None);
        decision.reason == Reason::Assigned
    };
    (1..=TRIED).map(|number| format!("user_{number}")).find(is_assigned)
}

/// The metric whose count is seen earliest, and its rank: units of a metric with a window count once that is over.
fn sampled(experiment: &Experiment) -> Option<(u8, &Metric)> {
    let rank = |metric: &Metric| {
        let is_simple = match metric.measure {
            Measure::Conversion => 0,
            Measure::Count | Measure::Sum { .. } | Measure::Mean { .. } => 1,
            Measure::Ratio { .. } | Measure::Quantile { .. } => return None,
        };
        let counts_now = metric.window.from == SignedDuration::ZERO;
        let is_seen_later = if metric.window.to.is_some() { 2 } else { 0 };
        counts_now.then_some(is_simple + is_seen_later)
    };
    experiment.metrics().iter().filter_map(|it| Some((rank(it)?, it))).min_by_key(|(rank, _)| *rank)
}

/// An event that the metric counts, as JSON with spaces.
fn event(metric: &Metric, unit: &str) -> String {
    let name = Value::from(&*metric.event);
    let properties = match &metric.measure {
        Measure::Sum { property } | Measure::Mean { property } => {
            format!(", \"properties\": {}", json!({&**property: 1}))
        }
        _ => String::new(),
    };
    format!("{{\"type\": \"conversion\", \"event\": {name}, \"user_id\": \"{unit}\"{properties}}}")
}
