//! One file: all that a build without AWS works on.

use super::{StoreArgs, archive_beside};
use crate::error::Error;
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::ports::PortError;
use std::path::PathBuf;

/// The catalog of the file.
pub type AnyCatalog = EmbeddedStore;
/// Its assignments.
pub type AnyAssignments = EmbeddedStore;
/// Its counts.
pub type AnyMetrics = EmbeddedStore;
/// Its quarantined records.
pub type AnyQuarantine = EmbeddedStore;
/// Its personal data.
pub type AnyPersonalData = EmbeddedStore;
/// The archive beside it.
pub type AnyArchive = JsonlArchive;

/// Where a command works. It opens every port.
#[derive(Debug, Clone)]
pub enum Backend {
    /// One file, and the archive beside it.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The file, opened.
        store: EmbeddedStore,
    },
}

impl Backend {
    #[expect(clippy::unused_async, reason = "the same call as with AWS")]
    pub(super) async fn of_table(table: &str, _: &StoreArgs) -> Result<Self, Error> {
        Err(Error::without_aws(&format!("table {table}")))
    }

    const fn store(&self) -> &EmbeddedStore {
        let Self::File { store, .. } = self;
        store
    }

    /// The revisions and the head.
    #[must_use]
    pub fn catalog(&self) -> AnyCatalog {
        self.store().clone()
    }

    /// The assignments.
    #[must_use]
    pub fn assignments(&self, _: &str) -> AnyAssignments {
        self.store().clone()
    }

    /// The counts and marks.
    #[must_use]
    pub fn metrics(&self, _: &str, _: &str) -> AnyMetrics {
        self.store().clone()
    }

    /// The quarantined records.
    #[must_use]
    pub fn quarantine(&self, _: &str) -> AnyQuarantine {
        self.store().clone()
    }

    /// The assignments, marks and events of a unit.
    #[must_use]
    pub fn personal_data(&self, _: &str, _: &str) -> AnyPersonalData {
        self.store().clone()
    }

    /// The archive of events.
    #[must_use]
    pub fn archive(&self, _: &str) -> AnyArchive {
        let Self::File { path, .. } = self;
        JsonlArchive::new(archive_beside(path))
    }

    /// The experiments that were counted, with their epochs.
    pub fn counted_experiments(&self) -> Result<Option<Vec<(String, u32)>>, PortError> {
        self.store().counted_experiments().map(Some)
    }
}
