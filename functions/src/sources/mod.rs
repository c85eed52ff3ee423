//! Event sources: what hands records to the event function. Each turns what it is given into [`Record`](abx_core::event::Record)s,
//! and [`Processor::count`](crate::events::Processor::count) does not know which one it was.
//!
//! | module | what it is |
//! |---|---|
//! | [`kinesis`] | the batch of a stream as Lambda hands it over, read and written; aggregated records |
//!
//! The embedded store is a source, too: [`events::LocalProcessor`](crate::events::LocalProcessor) reads it.

pub mod kinesis;

use abx_core::event::RecordContent;
use bytes::Bytes;
use std::error::Error;
use std::fmt;

/// A payload that is not a batch of the source that was asked to read it.
#[derive(Debug)]
pub struct NotABatch {
    message: String,
    cause: Option<serde_json::Error>,
}

impl NotABatch {
    pub(crate) const fn new(message: String) -> Self {
        Self { message, cause: None }
    }

    pub(crate) fn because(message: &str, cause: serde_json::Error) -> Self {
        Self { message: message.to_owned(), cause: Some(cause) }
    }
}

impl fmt::Display for NotABatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{}: {cause}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Error for NotABatch {}

/// The content of a stored record's bytes, whichever source it came from.
pub(crate) fn content(data: &Bytes) -> RecordContent {
    kinesis::content(data)
}

/// The event's bytes in a record without a place, which was stored whole, whichever source it came from.
pub(crate) fn data_of(record: &[u8]) -> Option<Vec<u8>> {
    kinesis::data_of(record)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// True if product code names a source; tests of the event function may make records by one.
    fn names_a_source(text: &str) -> bool {
        text.split("#[cfg(test)]").next().unwrap().to_lowercase().contains("kinesis")
    }

    #[test]
    fn the_event_function_names_no_source() {
        assert!(names_a_source("use crate::sources::kinesis;\n#[cfg(test)]"), "the test can fail");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/events");
        let files = [folder.clone(), folder.join("redriver")].map(|it| fs::read_dir(it).unwrap());
        let paths = files.into_iter().flatten().map(|it| it.unwrap().path());
        let mut read = 0;
        for path in paths.filter(|it| it.is_file() && !it.ends_with("tests.rs")) {
            assert!(!names_a_source(&fs::read_to_string(&path).unwrap()), "{}", path.display());
            read += 1;
        }
        assert!(read > 10);
    }
}
