//! `POST /events`: what a page or a service would put on the stream, one event or several.

use super::health::WatchedStore;
use super::{LocalAssignments, LocalFlags};
use abx_core::Catalog;
use abx_core::event::{Classes, EventData, EventKind, Rejection, unpack};
use abx_core::finding::did_you_mean;
use abx_functions::events::LocalProcessor;
use abx_functions::http::{ApiError, Call, HttpFunction, MAX_BODY_BYTES, Reply, Routes};
use abx_functions::ports::Event;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The outcome of the events.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct EventsResponse {
    /// The number of events that were stored.
    accepted: usize,
    /// The events that were not stored.
    rejected: Vec<Rejected>,
    /// Of those accepted, how many fell into each class; left out where they are not counted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeMap<String, u64>>")]
    counted: Option<Classes>,
    /// Why they are not counted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_counted: Option<String>,
    /// Names of conversions that no metric asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_events: Vec<UnknownEventWarning>,
    /// Experiments of exposures that no document has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_experiments: Vec<UnknownExperiment>,
}

/// An event that was not taken.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Rejected {
    /// The index, from 0.
    index: usize,
    /// The reason, as in quarantine.
    reason: &'static str,
    /// The message for people.
    detail: String,
}

/// A name that no metric asks for.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct UnknownEventWarning {
    /// The name.
    event: String,
    /// The number of events.
    count: u64,
    /// The message for people.
    detail: String,
}

/// An experiment that is not published.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct UnknownExperiment {
    /// The key.
    experiment: String,
    /// The number of events.
    count: u64,
    /// The message for people.
    detail: String,
}

pub(super) fn routes(
    store: Arc<WatchedStore>,
    events: Arc<LocalProcessor>,
    assignment: Arc<LocalAssignments>,
    flags: Arc<LocalFlags>,
) -> Routes {
    let handler = async move |request: Request| {
        let take = async |call: Call| {
            // What was answered stands before what comes after it, also where a script is quicker than the clock.
            assignment.base().outbox().flush().await;
            flags.base().outbox().flush_all().await;
            take(&store, &events, &call.body).await
        };
        Box::pin(assignment.base().middleware().serve(request, take)).await
    };
    Routes::default().post("/events", handler)
}

/// Takes the events that can be counted, and says of each other one why it cannot.
async fn take(store: &WatchedStore, counter: &LocalProcessor, body: &[u8]) -> Result<Reply, ApiError> {
    let mut answer = EventsResponse::default();
    let mut events = Vec::new();
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    let mut experiments: BTreeMap<String, u64> = BTreeMap::new();
    for (index, data) in read(body)?.into_iter().enumerate() {
        match EventData::read(&data) {
            Ok(event) => {
                match &event.kind {
                    EventKind::Conversion { event: name, .. } => {
                        *names.entry(name.to_string()).or_default() += 1;
                    }
                    EventKind::Exposure { experiment, .. } => {
                        *experiments.entry(experiment.to_string()).or_default() += 1;
                    }
                    EventKind::Evaluation { .. } | EventKind::Evaluations { .. } => {}
                }
                events.push(Event { partition_key: event.unit.into_owned(), data: data.to_vec() });
            }
            Err(rejection) => {
                let reason = rejection.reason.as_str();
                answer.rejected.push(Rejected { index, reason, detail: rejection.detail });
            }
        }
    }
    if events.is_empty()
        && let Some(first) = answer.rejected.first()
    {
        return Err(ApiError::invalid(format!("no event can be counted: {}", first.detail)));
    }
    // First what came before, so that what is counted after it is what came now.
    let is_caught_up = counter.catch_up().await.is_ok();
    let report = store.store_now(&events).await;
    if let Some(cause) = report.cause {
        return Err(ApiError::unavailable(format!("the events were not stored: {cause}")));
    }
    answer.accepted = events.len();
    if is_caught_up {
        // Others may have sent events meanwhile; then nobody can tell which of the counts are of these.
        let counted = counter.catch_up().await.ok();
        answer.counted = counted.filter(|counted| counted.sum() == events.len() as u64);
    }
    answer.not_counted = counter.failure();
    answer.unknown_events = unknown(&counter.catalog().held().catalog, names);
    answer.unknown_experiments = unknown_experiments(&counter.catalog().held().catalog, experiments);
    Ok(Reply::json(StatusCode::ACCEPTED, &answer))
}

/// The names among these that no metric asks for.
fn unknown(catalog: &Catalog, names: BTreeMap<String, u64>) -> Vec<UnknownEventWarning> {
    let is_unknown = |(name, _): &(String, u64)| catalog.measures(name).next().is_none();
    let told = |(event, count): (String, u64)| {
        let near = did_you_mean(&event, catalog.event_names());
        let help = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => known(catalog),
        };
        let detail = format!("no metric of a published experiment asks for {event:?}; {help}");
        UnknownEventWarning { event, count, detail }
    };
    names.into_iter().filter(is_unknown).map(told).collect()
}

/// The experiments among these that are not published. Their exposures are counted, because they may be published later.
fn unknown_experiments(catalog: &Catalog, experiments: BTreeMap<String, u64>) -> Vec<UnknownExperiment> {
    let is_unknown = |(key, _): &(String, u64)| catalog.experiment(key).is_none();
    let told = |(experiment, count): (String, u64)| {
        let known = catalog.experiments().iter().map(abx_core::Experiment::key);
        let near = did_you_mean(&experiment, known).map(|near| format!("; did you mean {near:?}?"));
        let detail =
            format!("no published experiment has the key {experiment:?}{}", near.unwrap_or_default());
        UnknownExperiment { experiment, count, detail }
    };
    experiments.into_iter().filter(is_unknown).map(told).collect()
}

/// Some of the events that metrics ask for.
fn known(catalog: &Catalog) -> String {
    let mut names: Vec<&str> = catalog.event_names().collect();
    names.sort_unstable();
    match &names[..] {
        [] => "no published experiment has metrics".to_owned(),
        names => {
            let some: Vec<_> = names.iter().take(5).map(|name| format!("{name:?}")).collect();
            let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
            format!("metrics ask for {}{more}", some.join(", "))
        }
    }
}

/// One event, several on lines of their own or in a list, or gzip of either: what one record of the stream may hold.
fn read(body: &[u8]) -> Result<Vec<Bytes>, ApiError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ApiError::body_too_large());
    }
    if body.trim_ascii() == b"[]" {
        return Ok(Vec::new());
    }
    unpack(Bytes::copy_from_slice(body)).map_err(|Rejection { detail, .. }| {
        ApiError::invalid(format!("the body is not events, as JSON, lines of JSON or a list: {detail}"))
    })
}
