//! The sink of events.

use super::PortError;

/// The longest event, in bytes: a record of a Kinesis stream with the default settings. A longer one is lost by
/// itself, where the stream would have refused its neighbours with it.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// An event on its way to the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The unit: events of one unit stay in order.
    pub partition_key: String,
    /// The event itself, as JSON.
    pub data: Vec<u8>,
}

/// The outcome of a batch of events.
#[derive(Debug, Default)]
pub struct SendReport {
    /// The indices of the events that were lost, in ascending order. All others arrived, at least once.
    pub failed: Vec<usize>,
    /// Why the last of them was lost.
    pub cause: Option<PortError>,
}

/// Takes events. Sending is at least once: readers know an event again by its id.
pub trait EventSink: Send + Sync {
    /// Sends all events, in as many calls as it takes, and each of them again while there is hope. It never fails as a
    /// whole: the report counts exactly what was lost.
    fn send(&self, events: &[Event]) -> impl Future<Output = SendReport> + Send;
}

impl SendReport {
    /// Counts events as lost.
    pub(crate) fn lose(&mut self, events: impl IntoIterator<Item = usize>, cause: Option<PortError>) {
        self.failed.extend(events);
        self.cause = cause.or(self.cause.take());
    }

    /// Puts the indices in order; a send that lost nothing has no cause, whatever it met on its way.
    pub(crate) fn close(mut self) -> Self {
        self.failed.sort_unstable();
        self.cause = self.cause.filter(|_| !self.failed.is_empty());
        self
    }
}
