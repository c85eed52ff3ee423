//! The answer of `/ready`: may this process get requests?

use abx_functions::catalog::CatalogHolder;
use abx_functions::http::Reply;
use abx_functions::ports::CatalogStore;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Whether the process is to get requests.
#[derive(Debug)]
pub(super) struct Readiness<C> {
    catalog: Arc<CatalogHolder<C>>,
    max_age: Option<Duration>,
    is_draining: AtomicBool,
}

/// The answer of `/ready`.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Ready {
    /// `ready`, or why it is to get no requests: `draining`, `store_unavailable`, `nothing_published` or `catalog_too_old`.
    status: &'static str,
    /// The revision that serves.
    revision: u64,
    /// The time since the store was last read; `null` before the first time.
    catalog_age_seconds: Option<u64>,
}

impl<C: CatalogStore + 'static> Readiness<C> {
    pub(super) fn new(catalog: Arc<CatalogHolder<C>>, max_age: Option<Duration>) -> Self {
        Self { catalog, max_age, is_draining: AtomicBool::new(false) }
    }

    /// From now on, it is to get none.
    pub(super) fn drain(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// The word for its state; `ready`, or why it is not.
    pub(super) fn word(&self) -> &'static str {
        let age = self.catalog.freshness().age;
        match age {
            _ if self.is_draining.load(Relaxed) => "draining",
            // A bundled or an empty catalog would give other answers than the processes beside it.
            None => "store_unavailable",
            Some(_) if self.catalog.held().revision == 0 => "nothing_published",
            Some(age) if self.max_age.is_some_and(|max| age > max) => "catalog_too_old",
            Some(_) => "ready",
        }
    }

    pub(super) fn reply(&self) -> Reply {
        let status = self.word();
        let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let age = self.catalog.freshness().age;
        let revision = self.catalog.held().revision;
        Reply::json(code, &Ready { status, revision, catalog_age_seconds: age.map(|age| age.as_secs()) })
    }
}
