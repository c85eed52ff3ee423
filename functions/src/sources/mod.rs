//! Event sources: what hands records to the event function. Each turns what it is given into [`Record`](abx_core::event::Record)s,
//! and [`Processor::count`](crate::events::Processor::count) does not know which one it was.
//!
//! | module | what it is |
//! |---|---|
//! | [`kinesis`] | the batch of a stream as Lambda hands it over, read and written; aggregated records |
//!
//! The embedded store is a source, too: [`events::LocalProcessor`](crate::events::LocalProcessor) reads it.

pub mod kinesis;
