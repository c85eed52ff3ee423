//! Marks of a unit: proof of its first exposure, and of its first conversion.

use super::Position;
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// For how long after an event came, and before, another one with its id is the same event, whatever shard it comes in.
pub const ID_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// The key of a mark: one unit, and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkKey<'a> {
    /// The unit.
    pub unit: Cow<'a, str>,
    /// The subject of the mark.
    pub subject: MarkSubject<'a>,
}

/// The subject of a mark.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarkSubject<'a> {
    /// The unit's first exposure.
    Exposure {
        /// The experiment.
        experiment: Cow<'a, str>,
        /// The experiment's epoch.
        epoch: u32,
    },
    /// Its first conversion.
    Conversion {
        /// The experiment.
        experiment: Cow<'a, str>,
        /// The experiment's epoch.
        epoch: u32,
        /// The metric that it converted for.
        metric: Cow<'a, str>,
    },
    /// One of its events, by the hash of its identity.
    Event(u64),
}

impl<'a> MarkKey<'a> {
    /// The key of a unit's exposure.
    pub(super) const fn of_exposure(unit: Cow<'a, str>, experiment: &'a str, epoch: u32) -> Self {
        Self { unit, subject: MarkSubject::Exposure { experiment: Cow::Borrowed(experiment), epoch } }
    }

    /// The key of a unit's event.
    pub(super) const fn of_id(unit: &'a str, id: u64) -> Self {
        Self { unit: Cow::Borrowed(unit), subject: MarkSubject::Event(id) }
    }

    /// The key of the same unit's conversion for a metric of the experiment.
    pub(super) fn of_metric(&self, metric: &'a str) -> Self {
        let subject = match self.subject.clone() {
            MarkSubject::Exposure { experiment, epoch }
            | MarkSubject::Conversion { experiment, epoch, .. } => {
                MarkSubject::Conversion { experiment, epoch, metric: Cow::Borrowed(metric) }
            }
            // An event belongs to no experiment.
            MarkSubject::Event(id) => MarkSubject::Event(id),
        };
        Self { unit: self.unit.clone(), subject }
    }

    /// True if it is of an event. Its mark ends, and may be put again, [`ID_WINDOW`] after its time.
    #[must_use]
    pub const fn is_of_id(&self) -> bool {
        matches!(self.subject, MarkSubject::Event(_))
    }

    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> MarkKey<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let subject = match self.subject {
            MarkSubject::Exposure { experiment, epoch } => {
                MarkSubject::Exposure { experiment: owned(experiment), epoch }
            }
            MarkSubject::Conversion { experiment, epoch, metric } => {
                MarkSubject::Conversion { experiment: owned(experiment), epoch, metric: owned(metric) }
            }
            MarkSubject::Event(id) => MarkSubject::Event(id),
        };
        MarkKey { unit: owned(self.unit), subject }
    }
}

/// Proof of a first time. Of any number that are put under one key, the first stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The variant that the unit saw first, to which everything it does later is credited; empty for an id.
    pub variant: Arc<str>,
    /// The time; for an id, the arrival of its event.
    pub at: Timestamp,
    /// The record that says so.
    pub owner: Owner,
}

/// A record, among those of all shards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The stream and the shard.
    pub shard: Arc<str>,
    /// The position in the shard.
    pub position: Position,
}

impl Owner {
    /// The order of this record and a place in a shard. Records of two shards have no order; that of another shard counts as
    /// the earlier one.
    #[must_use]
    pub fn order(&self, shard: &str, position: &Position) -> Ordering {
        if &*self.shard == shard { self.position.cmp(position) } else { Ordering::Less }
    }
}
