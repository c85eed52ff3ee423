//! Publishing: documents become the next revision, which then becomes the head.

use super::{RevisionError, decode, encode};
use crate::ports::{CatalogStore, Flip, PortError, PutRevision, RevisionMeta};
use abx_core::change::{CatalogVersion, Diff, compare};
use abx_core::read_and_compile;
use jiff::Timestamp;
use serde_json::Value;
use std::error::Error;
use std::fmt;
use std::io;

/// Why a revision was not read or published.
#[derive(Debug)]
pub enum PublishError {
    /// The store did not do it.
    Store(PortError),
    /// The revision was never published.
    NoRevision(u64),
    /// The stored data of the revision is not a revision.
    Unreadable(u64, RevisionError),
    /// The documents make no revision.
    Unwritable(io::Error),
    /// Somebody else published the revision meanwhile.
    Taken(u64),
    /// Somebody else moved the head meanwhile: to this revision, if there is still a head.
    HeadMoved(Option<u64>),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NoRevision(number) => write!(f, "there is no revision {number}"),
            Self::Unreadable(number, _) => write!(f, "revision {number} cannot be read"),
            Self::Unwritable(_) => f.write_str("the documents"),
            Self::Taken(number) => {
                write!(f, "somebody else published meanwhile: revision {number} is theirs")
            }
            Self::HeadMoved(Some(head)) => {
                write!(f, "somebody else published meanwhile: the head is revision {head}")
            }
            Self::HeadMoved(None) => f.write_str("somebody else published meanwhile: the head is gone"),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its text is this error's.
            Self::Store(error) => error.source(),
            Self::Unreadable(_, error) => Some(error),
            Self::Unwritable(error) => Some(error),
            Self::NoRevision(_) | Self::Taken(_) | Self::HeadMoved(_) => None,
        }
    }
}

impl From<PortError> for PublishError {
    fn from(error: PortError) -> Self {
        Self::Store(error)
    }
}

/// The number of the revision that serves.
pub async fn head(store: &impl CatalogStore) -> Result<Option<u64>, PublishError> {
    Ok(store.head().await?.map(|head| head.revision))
}

/// The documents of a revision; none of none.
pub async fn documents_of(
    store: &impl CatalogStore,
    revision: Option<u64>,
) -> Result<Vec<Value>, PublishError> {
    let Some(number) = revision else { return Ok(Vec::new()) };
    let bytes = store.revision(number).await?.ok_or(PublishError::NoRevision(number))?;
    decode(&bytes).map_err(|error| PublishError::Unreadable(number, error))
}

/// Compares the documents of two revisions, and the units that the differences move at a time.
#[must_use]
pub fn changes(before: &[Value], after: &[Value], now: Timestamp) -> Diff {
    let (old, new) = (read_and_compile(before), read_and_compile(after));
    let old = CatalogVersion { catalog: &old.catalog, documents: before.iter().collect() };
    let new = CatalogVersion { catalog: &new.catalog, documents: after.iter().collect() };
    compare(&old, &new, now)
}

/// The key and the epoch of a document, if it is an experiment's.
#[must_use]
pub fn experiment_of(document: &Value) -> Option<(&str, u32)> {
    let key = document.get("experiment")?.as_str()?;
    let epoch = document.get("epoch").and_then(Value::as_u64);
    Some((key, epoch.and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(1)))
}

/// Writes a new revision whole, and then makes it the head by one conditional write. Returns its number.
pub async fn publish(
    store: &impl CatalogStore,
    head: Option<u64>,
    documents: &[Value],
    meta: &RevisionMeta,
) -> Result<u64, PublishError> {
    let bytes = encode(documents).map_err(PublishError::Unwritable)?;
    let newest = store.revisions().await?.first().map_or(0, |it| it.revision);
    let number = newest.max(head.unwrap_or(0)) + 1;
    match store.put_revision(number, &bytes, meta).await? {
        PutRevision::Stored => serve(store, head, number, meta).await.map(|()| number),
        PutRevision::Taken => Err(PublishError::Taken(number)),
    }
}

/// Makes a revision the head, unless somebody else moved the head meanwhile.
pub async fn serve(
    store: &impl CatalogStore,
    head: Option<u64>,
    revision: u64,
    meta: &RevisionMeta,
) -> Result<(), PublishError> {
    match store.flip_head(head, revision, meta).await? {
        Flip::Done => Ok(()),
        Flip::Lost { actual } => Err(PublishError::HeadMoved(actual)),
    }
}
