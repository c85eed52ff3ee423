//! `POST /events`: what a page or a service would put on the stream, one event or several.

use super::health::WatchedStore;
use super::{AssignmentService, FlagService};
use abx_core::event::EventData;
use abx_functions::http::{ApiError, Call, MAX_BODY_BYTES, Reply};
use abx_functions::ports::Event;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What became of the events.
#[derive(Serialize)]
struct Answer {
    accepted: usize,
    rejected: Vec<Rejected>,
}

/// An event that was not taken.
#[derive(Serialize)]
struct Rejected {
    /// Which one, from 0.
    index: usize,
    reason: &'static str,
    detail: String,
}

pub(super) fn routes(
    store: Arc<WatchedStore>,
    assignment: Arc<AssignmentService>,
    flags: Arc<FlagService>,
) -> Router {
    let handler = async move |request: Request| {
        let take = async |call: Call| {
            // What was answered stands before what comes after it, also where a script is quicker than the clock.
            assignment.outbox().flush().await;
            flags.outbox().flush().await;
            take(&store, &call.body).await
        };
        assignment.front().serve(request, take).await
    };
    Router::new().route("/events", post(handler))
}

/// Takes the events that can be counted, and says of each other one why it cannot.
async fn take(store: &WatchedStore, body: &[u8]) -> Result<Reply, ApiError> {
    let written = read(body)?;
    let mut answer = Answer { accepted: 0, rejected: Vec::new() };
    let mut events = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let data = written.get().as_bytes();
        match EventData::read(data) {
            Ok(event) => {
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
    let report = store.store_now(&events).await;
    if let Some(cause) = report.cause {
        return Err(ApiError::unavailable(format!("the events were not stored: {cause}")));
    }
    answer.accepted = events.len();
    Ok(Reply::json(StatusCode::ACCEPTED, &answer))
}

/// One event, or a list of them.
fn read(body: &[u8]) -> Result<Vec<&RawValue>, ApiError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ApiError::body_too_large());
    }
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let events = if is_list {
        serde_json::from_slice(body)
    } else {
        serde_json::from_slice(body).map(|one| vec![one])
    };
    events.map_err(|_| ApiError::invalid("the body is neither an event nor a list of events, as JSON"))
}
