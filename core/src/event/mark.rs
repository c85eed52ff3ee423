//! What is remembered of a unit: proof of its first exposure, and of its first conversion.

use super::Position;
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// For how long after an event came, and before, another one with its id is the same event, whatever shard it comes in.
pub const ID_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// What stands for the experiment in the key of an event's id. No key of a document begins so.
const ID: &str = "~id";

/// What a mark is about: the first exposure of a unit, its first conversion, or an id of one of its events.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkKey<'a> {
    /// The unit.
    pub unit: Cow<'a, str>,
    /// The experiment.
    pub experiment: Cow<'a, str>,
    /// The experiment's epoch.
    pub epoch: u32,
    /// The metric that the unit converted for; `None` for its exposure.
    pub metric: Option<Cow<'a, str>>,
}

impl<'a> MarkKey<'a> {
    /// The same unit's key for a metric.
    pub(super) fn of_metric(&self, metric: &'a str) -> Self {
        Self { metric: Some(Cow::Borrowed(metric)), ..self.clone() }
    }

    /// The key of the id of a unit's event, by its hash.
    pub(super) fn of_id(unit: &'a str, id: u64) -> Self {
        let metric = Some(format!("{id:016x}").into());
        Self { unit: unit.into(), experiment: ID.into(), epoch: 0, metric }
    }

    /// Whether it is of the id of an event. Its mark ends, and may be put again, [`ID_WINDOW`] after its time.
    #[must_use]
    pub fn is_of_id(&self) -> bool {
        self.experiment == ID
    }

    /// Everything but the unit, as a store sorts it: `checkout#1`, `checkout#1#purchase`, `id#00c0ffee00c0ffee`.
    #[must_use]
    pub fn sort(&self) -> String {
        let Self { experiment, epoch, metric, .. } = self;
        match metric {
            Some(id) if self.is_of_id() => format!("id#{id}"),
            Some(metric) => format!("{experiment}#{epoch}#{metric}"),
            None => format!("{experiment}#{epoch}"),
        }
    }

    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> MarkKey<'static> {
        MarkKey {
            unit: self.unit.into_owned().into(),
            experiment: self.experiment.into_owned().into(),
            epoch: self.epoch,
            metric: self.metric.map(|metric| metric.into_owned().into()),
        }
    }
}

/// Proof of a first time. Of any number that are put under one key, the first stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The variant that the unit saw first, to which everything it does later is credited; empty for an id.
    pub variant: Arc<str>,
    /// When; of an id, when its event came.
    pub at: Timestamp,
    /// The record that says so.
    pub owner: Owner,
}

/// A record, among those of all shards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The stream and the shard.
    pub shard: Arc<str>,
    /// Where in it.
    pub position: Position,
}

impl Owner {
    /// How this record stands to a place in a shard. Records of two shards have no order; that of another shard counts as
    /// the earlier one.
    #[must_use]
    pub fn order(&self, shard: &str, position: &Position) -> Ordering {
        if &*self.shard == shard { self.position.cmp(position) } else { Ordering::Less }
    }
}
