//! The archive in files: one line an event, one file a day of arrival.

use crate::ports::{Archive, ArchiveLine, PortError, PortResult};
use jiff::tz::Offset;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A folder of `day=2026-11-24/events.jsonl`, as the archive on S3 is partitioned.
#[derive(Debug)]
pub struct JsonlArchive {
    folder: PathBuf,
    /// Held while lines are written, so that those of two batches do not mix.
    writing: Mutex<()>,
}

impl JsonlArchive {
    /// Writes below a folder, which is made when there is something to write.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), writing: Mutex::default() }
    }
}

impl Archive for JsonlArchive {
    async fn append(&self, lines: &[ArchiveLine]) -> PortResult<()> {
        let mut days: BTreeMap<_, String> = BTreeMap::new();
        for line in lines {
            let text = days.entry(Offset::UTC.to_datetime(line.arrived).date()).or_default();
            text.push_str(&line.json);
            text.push('\n');
        }
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        days.iter().try_for_each(|(day, text)| {
            let folder = self.folder.join(format!("day={day}"));
            let path = folder.join("events.jsonl");
            // Events are about persons, so nobody else reads them.
            let written = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .and_then(|()| OpenOptions::new().create(true).append(true).mode(0o600).open(&path))
                .and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| PortError::transient(error).at(path.display().to_string()))
        })
    }
}
