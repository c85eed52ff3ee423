//! Edited documents become the head, as a revision each.
//!
//! So there is one truth, the store's head: an edit moves it, `abx publish` and `abx rollback` move it, and after
//! a restart it is where it was.

use crate::advice::unanswered;
use crate::error::Error;
use crate::source::{Checked, Corpus, LocatedFinding, SourceFile};
use abx_core::finding::Severity;
use abx_functions::catalog::{Snapshot, documents_of, head, name, publish};
use abx_functions::ports::{CatalogStore, Flip, HeadMove, RevisionMeta};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Watches documents. It looks at the files' times rather than asking the system to be told, because that works
/// on every file system and with every editor, and a few dozen files cost nothing.
#[derive(Debug)]
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, FileVersion>,
    /// Files that documents name.
    named: Vec<PathBuf>,
    /// The last good form of each file: its documents.
    good: BTreeMap<String, Vec<Value>>,
    /// The revision that the files are.
    revision: Option<u64>,
}

/// The time and size of a file; `None` if it does not exist.
type FileVersion = Option<(SystemTime, u64)>;

/// The effect of an edit.
#[derive(Debug)]
pub(super) enum SaveOutcome {
    /// The documents are a new revision, and serve.
    Published(u64),
    /// The documents are the newest revision, which its publisher did not come to serve, and which serves now.
    Finished(u64),
    /// The documents are the newest revision, which was rolled back, and stays so until the next edit.
    Behind,
    /// The documents are what serves, or cannot be published yet.
    Same,
}

/// The result of a look at the files.
#[derive(Debug)]
pub(super) struct FileSnapshot {
    pub(super) edit: SaveOutcome,
    pub(super) findings: Vec<LocatedFinding>,
    pub(super) files: Vec<SourceFile>,
}

impl Watch {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, seen: BTreeMap::new(), named: Vec::new(), good: BTreeMap::new(), revision: None }
    }

    /// True if a file was written, made or deleted since the last call; the first call says yes.
    pub(super) fn has_changed(&mut self) -> bool {
        // A file that is being replaced may be away for a moment; that is a change like any other.
        let files = crate::source::find(&self.paths).unwrap_or_default();
        let files = files.into_iter().chain(self.named.iter().cloned());
        let seen = files.map(|path| (path.clone(), file_version(&path))).collect();
        let changed = seen != self.seen;
        self.seen = seen;
        changed
    }

    /// Lets the next call of `has_changed` say yes: what was seen last was not taken.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Reads the files and, if their documents are not the newest revision, publishes them. A file with an error
    /// counts in its last good form.
    pub(super) async fn take(&mut self, store: &impl CatalogStore) -> Result<FileSnapshot, Error> {
        let checked = Corpus::load(&self.paths)?.compile();
        self.named.clone_from(&checked.named);
        for path in &self.named {
            self.seen.entry(path.clone()).or_insert_with(|| file_version(path));
        }
        let documents = self.remember(&checked);
        let Checked { findings, files, .. } = checked;
        let all_known = files.iter().all(|file| self.good.contains_key(&file.name));
        let newest = store.revisions().await.map_err(unanswered)?.first().map(|it| it.revision);
        let published = documents_of(store, newest).await?;
        let documents = if all_known { documents } else { complete(&documents, &published) };
        // Compared with the newest, not with the head: after a rollback the files are what was rolled back, and
        // only another edit may undo that.
        let is_new = newest.is_none() || published != documents;
        let edit = match newest.filter(|_| !is_new) {
            None => publish_fitting(store, &documents).await?,
            Some(newest) => finish(store, newest).await?,
        };
        self.revision = match edit {
            SaveOutcome::Published(revision) => Some(revision),
            _ if is_new => None,
            _ => newest,
        };
        Ok(FileSnapshot { edit, findings, files })
    }

    /// The message if another revision serves than that of the files, with the next step.
    pub(super) async fn difference(
        &self,
        store: &impl CatalogStore,
        head: u64,
    ) -> Result<Option<String>, Error> {
        let Some(files) = self.revision.filter(|files| *files != head) else { return Ok(None) };
        let moves = store.head_moves().await.map_err(unanswered)?;
        let by =
            moves.first().filter(|it| it.to == head).map_or(String::new(), |HeadMove { meta, .. }| {
                let at = meta.created_at.strftime("%Y-%m-%d %H:%M UTC");
                let why =
                    if meta.message.is_empty() { String::new() } else { format!(" ({})", meta.message) };
                format!(" since {at}, by {}{why}", meta.author)
            });
        Ok(Some(format!(
            "the files are revision {files}, and revision {head} serves{by}: it stays so until a file is saved\n  help: `abx rollback \
             {files}` lets the files serve, `abx pull FOLDER` writes what serves"
        )))
    }

    /// The documents of all files, each in its present form or, if that has errors, in its last good one.
    fn remember(&mut self, checked: &Checked) -> Vec<Value> {
        let bad: BTreeSet<usize> = checked
            .findings
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .map(|it| {
                checked.files.get(it.place.index).and_then(|file| file.named_by).unwrap_or(it.place.index)
            })
            .collect();
        let present: BTreeSet<&str> = checked.files.iter().map(|file| file.name.as_str()).collect();
        self.good.retain(|name, _| present.contains(name.as_str()));
        for (index, file) in checked.files.iter().enumerate().filter(|(index, _)| !bad.contains(index)) {
            let documents =
                checked.values.iter().filter(|(file, _)| *file == index).map(|(_, value)| value.clone());
            self.good.insert(file.name.clone(), documents.collect());
        }
        self.good.values().flatten().cloned().collect()
    }
}

fn file_version(path: &Path) -> FileVersion {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The documents of the files, and those of the newest revision that are in no file that could be read: a file that was
/// broken when the program started may be where they came from, and its last good form is there alone.
fn complete(documents: &[Value], published: &[Value]) -> Vec<Value> {
    let mut written: BTreeMap<_, _> = documents.iter().map(|it| (name(it), it)).collect();
    let now = |old: &Value| written.remove(&name(old)).unwrap_or(old).clone();
    let mut all: Vec<Value> = published.iter().map(now).collect();
    all.extend(documents.iter().filter(|it| written.contains_key(&name(it))).cloned());
    all
}

/// Lets the newest revision serve, if its publisher ended between writing it and making it the head. One that served before was
/// rolled back; what versions of abx before the record of moves did is not known, and stays as it is.
async fn finish(store: &impl CatalogStore, newest: u64) -> Result<SaveOutcome, Error> {
    let head = head(store).await?;
    if head == Some(newest) {
        return Ok(SaveOutcome::Same);
    }
    let moves = store.head_moves().await.map_err(unanswered)?;
    let has_served = moves.iter().any(|it| it.to == newest || it.from == Some(newest));
    let published_at = store.revisions().await.map_err(unanswered)?.first().map(|it| it.meta.created_at);
    let is_recorded = match moves.last() {
        Some(first) => published_at.is_some_and(|at| at >= first.meta.created_at),
        None => head.is_none(),
    };
    if has_served || !is_recorded {
        return Ok(SaveOutcome::Behind);
    }
    let meta = meta(&format!("the publisher of revision {newest} ended before it served"));
    match store.flip_head(head, newest, &meta).await.map_err(unanswered)? {
        Flip::Done => Ok(SaveOutcome::Finished(newest)),
        // Whoever moved it knows better; the next tick serves that.
        Flip::Lost { .. } => Ok(SaveOutcome::Same),
    }
}

fn meta(message: &str) -> RevisionMeta {
    RevisionMeta { created_at: Timestamp::now(), author: "abx dev".to_owned(), message: message.to_owned() }
}

async fn publish_fitting(store: &impl CatalogStore, documents: &[Value]) -> Result<SaveOutcome, Error> {
    // Good files may not fit together with the old form of another; then nothing changes until all is well.
    let fits = || Snapshot::compile(0, documents.to_vec(), &Snapshot::default()).held_back.is_empty();
    if documents.is_empty() || !fits() {
        return Ok(SaveOutcome::Same);
    }
    let head = head(store).await?;
    Ok(SaveOutcome::Published(publish(store, head, documents, &meta("saved")).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_broken_file_may_hold_stays_as_it_was_published() {
        let flag = |key: &str, enabled: bool| json!({"flag": key, "enabled": enabled});
        let published = [flag("a", true), flag("broken", true), flag("c", true)];
        let read = [flag("new", true), flag("c", false), flag("a", true)];
        let all = complete(&read, &published);
        assert_eq!(all, [flag("a", true), flag("broken", true), flag("c", false), flag("new", true)]);
        assert_eq!(complete(&[flag("c", true)], &published), published);
    }
}
