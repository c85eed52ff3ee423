//! The files of an archive.

use crate::{AnalysisError, Extract};
use jiff::civil::Date;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveFile {
    /// The name by which findings know it: its path, or that of the object that it is a copy of.
    pub name: String,
    /// The path that it is read from.
    pub path: PathBuf,
    /// The day of its folder `day=…`.
    pub day: Option<Date>,
}

impl ArchiveFile {
    fn at(path: PathBuf, day: Option<Date>) -> Self {
        Self { name: path.display().to_string(), path, day }
    }
}

/// The files that an engine reads.
#[derive(Debug, Clone)]
pub(super) enum ArchivePlace {
    /// A folder or a file, which is listed when it is read.
    Path(PathBuf),
    /// Files that were listed elsewhere, and the name of their place.
    Files(String, Vec<ArchiveFile>),
}

impl ArchivePlace {
    /// The place for a person.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Files(name, _) => name.clone(),
        }
    }

    /// The files that a question needs, in the order of their names.
    pub(super) fn list(
        &self,
        extract: &Extract,
    ) -> Result<(Vec<ArchiveFile>, Vec<Unreadable>), AnalysisError> {
        match self {
            Self::Path(path) => list(path, extract),
            Self::Files(_, files) => {
                let is_asked_for = |it: &&ArchiveFile| it.day.is_none_or(|day| is_asked_for(day, extract));
                let mut files: Vec<ArchiveFile> = files.iter().filter(is_asked_for).cloned().collect();
                files.sort_unstable();
                Ok((files, Vec::new()))
            }
        }
    }
}

/// What a file or folder that cannot be read is, and why.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) why: String,
}

/// Lists the files at a path, in the order of their names: a file, or a folder with or without partitions `day=2026-11-24`.
/// Names that begin with `.` or `_` are left out, as other readers of such folders do.
fn list(root: &Path, extract: &Extract) -> Result<(Vec<ArchiveFile>, Vec<Unreadable>), AnalysisError> {
    let failed = |error: io::Error| AnalysisError::Archive {
        place: root.display().to_string(),
        why: reason(&error),
        help: match error.kind() {
            io::ErrorKind::NotFound => {
                "check the path: it is a folder with `day=…` folders, a folder of files, or a file".to_owned()
            }
            _ => "let this user read it".to_owned(),
        },
        cause: Some(Box::new(error)),
    };
    if fs::metadata(root).map_err(failed)?.is_file() {
        return Ok((vec![ArchiveFile::at(root.to_owned(), None)], Vec::new()));
    }
    fs::read_dir(root).map_err(failed)?;
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    walk(root, None, extract, &mut files, &mut unreadable);
    files.sort_unstable();
    Ok((files, unreadable))
}

fn walk(
    folder: &Path,
    day: Option<Date>,
    extract: &Extract,
    files: &mut Vec<ArchiveFile>,
    unreadable: &mut Vec<Unreadable>,
) {
    let failed = |path: &Path, error: &io::Error| Unreadable { path: path.to_owned(), why: reason(error) };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return unreadable.push(failed(folder, &error)),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                unreadable.push(failed(folder, &error));
                continue;
            }
        };
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with(['.', '_']) {
            continue;
        }
        // Through links, so that an archive may be put together of others.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                let of_name = name.strip_prefix("day=").and_then(|day| day.parse().ok());
                if of_name.is_none_or(|day| is_asked_for(day, extract)) {
                    walk(&path, of_name.or(day), extract, files, unreadable);
                }
            }
            Ok(_) => files.push(ArchiveFile::at(path, day)),
            Err(error) => unreadable.push(failed(&path, &error)),
        }
    }
}

fn is_asked_for(day: Date, extract: &Extract) -> bool {
    extract.first_day.is_none_or(|first| day >= first) && extract.last_day.is_none_or(|last| day <= last)
}

/// An error of the file system, in words.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Question;

    #[test]
    fn partitions_and_plain_folders_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["day=2026-03-01/a/x.gz", "day=2026-03-02/x", "plain.jsonl", "_SUCCESS", "day=2026-03-01/.x.crc"]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let names = |extract: &Extract| -> Vec<String> {
            let files = list(folder.path(), extract).unwrap().0;
            let name = |it: &ArchiveFile| it.path.strip_prefix(folder.path()).unwrap().display().to_string();
            files.iter().map(|it| format!("{} {:?}", name(it), it.day)).collect()
        };
        let mut extract = Question::new("e", 1).extract();
        let (first, second) = ("day=2026-03-01/a/x.gz Some(2026-03-01)", "day=2026-03-02/x Some(2026-03-02)");
        assert_eq!(names(&extract), [first, second, "plain.jsonl None"]);
        extract.first_day = Some("2026-03-02".parse().unwrap());
        assert_eq!(names(&extract), [second, "plain.jsonl None"]);
        extract.last_day = Some("2026-03-01".parse().unwrap());
        assert_eq!(names(&extract), ["plain.jsonl None"]);
        let missing = list(&folder.path().join("x"), &extract).unwrap_err().to_string();
        assert!(missing.contains("it does not exist; check the path"), "{missing}");
    }
}
