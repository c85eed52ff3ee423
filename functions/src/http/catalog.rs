//! The catalog, as requests see it.

use super::{ApiError, Reply};
use crate::catalog::{CatalogHolder, Snapshot};
use crate::ports::CatalogStore;
use crate::telemetry::{Level, Telemetry};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// The state of a function.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Health<'a> {
    /// `ok`, or `catalog_unavailable` where nothing was loaded yet.
    status: &'static str,
    /// The catalog's revision; 0 before the first one.
    revision: u64,
    /// The seconds since the head was last read; null if it never was.
    catalog_age_seconds: Option<u64>,
    /// Documents that did not compile and serve in their previous form.
    held_back: &'a [String],
}

impl<C: CatalogStore + 'static> CatalogHolder<C> {
    /// The snapshot of a request, or a refusal if there is none at all.
    pub(crate) async fn serving(self: &Arc<Self>, telemetry: &Telemetry) -> Result<Arc<Snapshot>, ApiError> {
        let snapshot = self.current().await;
        if telemetry.is_new_revision(snapshot.revision) {
            let fields = json!({"revision": snapshot.revision, "held_back": snapshot.held_back});
            telemetry.log(Level::Info, "revision_serves", None, &fields);
        }
        let is_there = is_there(&snapshot);
        telemetry.catalog(is_there, || self.freshness().age);
        if is_there { Ok(snapshot) } else { Err(ApiError::catalog_unavailable()) }
    }

    /// Reports if a request could be answered now.
    pub(crate) fn health(&self) -> Reply {
        let snapshot = self.held();
        let (status, word) = if is_there(&snapshot) {
            (StatusCode::OK, "ok")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "catalog_unavailable")
        };
        let health = Health {
            status: word,
            revision: snapshot.revision,
            catalog_age_seconds: self.freshness().age.map(|age| age.as_secs()),
            held_back: &snapshot.held_back,
        };
        Reply::json(status, &health)
    }
}

/// Returns true if a catalog was loaded. A revision without documents counts as loaded.
fn is_there(snapshot: &Snapshot) -> bool {
    snapshot.revision > 0 || !snapshot.is_empty()
}
