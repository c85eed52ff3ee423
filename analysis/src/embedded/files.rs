//! The files of an archive.

use crate::{AnalysisError, Extract};
use jiff::civil::Date;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ArchiveFile {
    pub(super) path: PathBuf,
    /// The day of its folder `day=…`.
    pub(super) day: Option<Date>,
}

/// What a file or folder that cannot be read is, and why.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) why: String,
}

/// Lists the files at a path, in the order of their names: a file, or a folder with or without partitions `day=2026-11-24`.
/// Names that begin with `.` or `_` are left out, as other readers of such folders do.
pub(super) fn list(
    root: &Path,
    extract: &Extract,
) -> Result<(Vec<ArchiveFile>, Vec<Unreadable>), AnalysisError> {
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
        return Ok((vec![ArchiveFile { path: root.to_owned(), day: None }], Vec::new()));
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
            Ok(_) => files.push(ArchiveFile { path, day }),
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
