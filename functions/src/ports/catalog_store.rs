//! The store of published catalogs.

use super::{PortError, PortResult};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The longest chunk of a revision, in bytes: a DynamoDB item holds 400 KB, its keys and names included.
pub const CHUNK_BYTES: usize = 350 * 1000;

/// The current revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub revision: u64,
}

/// The metadata of a revision by its publisher, or of a move of the head by its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionMeta {
    /// The time of publication.
    pub created_at: Timestamp,
    /// The author.
    pub author: String,
    /// Why.
    pub message: String,
}

/// A move of the head, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadMove {
    /// The revision that served before; `None` where none did.
    pub from: Option<u64>,
    /// The revision that served from then on.
    pub to: u64,
    /// The time, the author and the reason of the move.
    pub meta: RevisionMeta,
}

/// The manifest of a revision: it is stored last, so a revision that has one is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionInfo {
    /// The number.
    pub revision: u64,
    /// The metadata from its publisher.
    #[serde(flatten)]
    pub meta: RevisionMeta,
    /// The length.
    pub bytes: u64,
    /// The number of its chunks of at most [`CHUNK_BYTES`].
    pub chunks: u32,
    /// SHA-256 of all bytes, in lower-case hexadecimal.
    pub checksum: String,
}

impl RevisionInfo {
    /// The manifest of some bytes.
    pub(crate) fn of(revision: u64, bytes: &[u8], meta: &RevisionMeta) -> PortResult<Self> {
        let chunks = u32::try_from(bytes.chunks(CHUNK_BYTES).len()).map_err(PortError::permanent)?;
        let length = bytes.len() as u64;
        Ok(Self { revision, meta: meta.clone(), bytes: length, chunks, checksum: checksum(bytes) })
    }

    /// Joins what a store found for this manifest; anything but the very bytes that were put is an error.
    pub(crate) fn join<C: AsRef<[u8]>>(&self, chunks: &[C]) -> PortResult<Vec<u8>> {
        if chunks.len() as u64 != u64::from(self.chunks) {
            return Err(self.broken(&format!("{} of its {} chunks are there", chunks.len(), self.chunks)));
        }
        let bytes = chunks.iter().map(AsRef::as_ref).collect::<Vec<_>>().concat();
        if bytes.len() as u64 != self.bytes {
            return Err(self.broken(&format!("it has {} bytes instead of {}", bytes.len(), self.bytes)));
        }
        if checksum(&bytes) != self.checksum {
            return Err(self.broken("its checksum does not match"));
        }
        Ok(bytes)
    }

    fn broken(&self, why: &str) -> PortError {
        PortError::permanent(format!("revision {} is broken: {why}", self.revision))
    }
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The outcome of an attempt to store a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutRevision {
    /// It is stored, whole.
    Stored,
    /// The number belongs to another revision.
    Taken,
}

/// The outcome of an attempt to move the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// The head is where it was to go.
    Done,
    /// Somebody else moved it.
    Lost {
        /// The actual head; `None` if there is no head at all.
        actual: Option<u64>,
    },
}

/// Keeps immutable revisions, of which one is head. What the bytes mean is not its business.
pub trait CatalogStore: Send + Sync {
    /// The head, if anything was ever published. May be a second old.
    fn head(&self) -> impl Future<Output = PortResult<Option<Head>>> + Send;

    /// All bytes of a revision, verified; `None` if nothing was ever put under this number. A revision that was
    /// written half, or has changed since, is a permanent error, never a part of its bytes.
    fn revision(&self, revision: u64) -> impl Future<Output = PortResult<Option<Vec<u8>>>> + Send;

    /// Stores a revision if its number is free. A publisher that died half-way leaves its number free, and a call
    /// that is repeated because its answer was lost is `Stored` again.
    fn put_revision(
        &self,
        number: u64,
        bytes: &[u8],
        meta: &RevisionMeta,
    ) -> impl Future<Output = PortResult<PutRevision>> + Send;

    /// Moves the head, by one conditional write that also records the move, if it still is `from`; `None` means that there is
    /// none yet. `Done` also if it already is `to`, which is no move. A permanent error if `to` was never stored whole.
    fn flip_head(
        &self,
        from: Option<u64>,
        to: u64,
        meta: &RevisionMeta,
    ) -> impl Future<Output = PortResult<Flip>> + Send;

    /// All recorded moves of the head, the newest first. Versions of abx before the record left none.
    fn head_moves(&self) -> impl Future<Output = PortResult<Vec<HeadMove>>> + Send;

    /// All whole revisions, the newest first.
    fn revisions(&self) -> impl Future<Output = PortResult<Vec<RevisionInfo>>> + Send;
}

/// Both stores speak of an absent target in the same words.
pub(crate) fn no_such_revision(revision: u64) -> PortError {
    PortError::permanent(format!("revision {revision} does not exist, or was never written to its end"))
}
