//! Personal data: everything that a store keeps under the id of one unit.

use super::PortResult;
use abx_core::event::MarkKey;

/// Items that a store keeps of one unit, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Experiments with a stored assignment, in their order.
    pub assignments: Vec<String>,
    /// Marks: proofs of a first exposure or conversion, and of events.
    pub marks: Vec<MarkKey<'static>>,
    /// Events that wait in the store, which only the embedded one does; on AWS they wait in the stream until its retention ends.
    pub events: u64,
}

impl Held {
    /// True if the store keeps nothing of the unit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Finds and erases what a store keeps of one unit. Counts are not personal data: no counter names a unit.
pub trait PersonalData: Send + Sync {
    /// Lists what is kept, as of the latest write.
    fn held(&self, unit: &str) -> impl Future<Output = PortResult<Held>> + Send;

    /// Erases what `held` lists. Repeating it is safe; an error may leave a part, which a repetition erases.
    fn erase(&self, unit: &str) -> impl Future<Output = PortResult<()>> + Send;
}
