//! Files that a document names, which stand beside it: in its folder, or in its git revision.

use super::files::SourceFile;
use super::git::GitPlace;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// The place of the files that a document names.
pub(super) enum Beside<'a> {
    /// In this folder; empty is the present one.
    Folder(&'a Path),
    /// In the folder of this file of a git revision.
    Git(&'a GitPlace),
    /// Among these, which were read already.
    Read(&'a [SourceFile]),
    /// Nowhere: the document is no file.
    Nowhere,
}

impl Beside<'_> {
    /// The bytes of a file, cut where they are more than a limit, or why it cannot be read. `document` is the name of
    /// the file that names it.
    pub(super) fn read(&self, document: &str, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        if path.contains('\\') {
            return Err("write / and no \\ between folders, on every system".to_owned());
        }
        if !is_below(path) {
            return Err(format!("{path:?} leads out of the folder of this document"));
        }
        match self {
            Self::Folder(folder) => read_file(folder, Path::new(path), limit),
            Self::Git(place) => {
                let beside = GitPlace {
                    path: sibling(&place.path, path),
                    name: sibling(&place.name, path),
                    ..(*place).clone()
                };
                beside.read_named(limit).map_err(|error| error.reason())
            }
            Self::Read(files) => {
                let name = sibling(document, path);
                let found = files.iter().find(|it| it.name == name);
                found.map(|it| it.text.clone().into_bytes()).ok_or_else(|| "it was not read".to_owned())
            }
            Self::Nowhere => Err("this document is no file, so that nothing stands beside it".to_owned()),
        }
    }

    /// The path on this machine, to be watched.
    pub(super) fn on_disk(&self, path: &str) -> Option<PathBuf> {
        if let Self::Folder(folder) = self { is_below(path).then(|| folder.join(path)) } else { None }
    }
}

/// The name of a file that stands beside another one.
pub(super) fn sibling(file: &str, path: &str) -> String {
    // In `main:a.yaml` the colon ends the folder.
    let folder = file.rfind(['/', ':']).and_then(|at| file.get(..=at)).unwrap_or_default();
    format!("{folder}{}", path.trim_start_matches("./"))
}

/// True if a relative path stays in the folder that it starts from.
fn is_below(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty()
        && !path.contains('\\')
        && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn read_file(folder: &Path, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    // A link may lead anywhere, also out of what is reviewed and published.
    let mut here = folder.to_owned();
    for part in path.components().filter(|part| *part != Component::CurDir) {
        here.push(part);
        let metadata = fs::symlink_metadata(&here).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no {}", here.display()),
            _ => format!("{}: {error}", here.display()),
        })?;
        if metadata.is_symlink() {
            return Err(format!("{} is a link", here.display()));
        }
    }
    if !here.is_file() {
        return Err(format!("{} is not a file", here.display()));
    }
    let mut bytes = Vec::new();
    let file = File::open(&here).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes));
    file.map_err(|error| format!("{}: {error}", here.display()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_document() {
        for (path, is_it) in [
            ("qa.csv", true),
            ("units/qa.csv", true),
            ("./qa.csv", true),
            ("", false),
            ("../qa.csv", false),
            ("units/../../qa.csv", false),
            ("/etc/qa.csv", false),
            ("..\\qa.csv", false),
        ] {
            assert_eq!(is_below(path), is_it, "{path:?}");
        }
        assert_eq!(sibling("experiments/a.yaml", "b/c.csv"), "experiments/b/c.csv");
        assert_eq!(sibling("main:a.yaml", "c.csv"), "main:c.csv");
        assert_eq!(sibling("a.yaml", "c.csv"), "c.csv");
    }
}
