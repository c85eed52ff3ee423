//! Finding and reading files.

use super::fault::SourceFault;
use super::yaml::MAX_BYTES;
use crate::error::Error;
use crate::inputs::DOCUMENTS;
use crate::render::shell_word;
use abx_core::finding::Code;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as given, with `/` between its parts; `<stdin>` for standard input.
    pub name: String,
    /// Its text; empty where it could not be read as text.
    pub text: String,
    /// The index of the file with the document that names this one; `None` of a file of documents.
    pub named_by: Option<usize>,
}

/// The YAML files that some paths name, in the order of their names and each once, however many of the paths name it;
/// folders are searched all the way down. What is neither a file nor a folder, as a pipe, is read as a file.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = FoundFiles::default();
    for path in paths {
        if is_stdin(path) {
            found.add(path.clone());
        } else if path.is_dir() {
            if search(path, &mut found)? == 0 {
                let message = format!("{}: no .yaml or .yml file in this folder", path.display());
                return Err(Error::caller(message).help(first_experiment(path)));
            }
        } else if path.exists() {
            found.add(path.clone());
        } else {
            check_link(path)?;
            let error = Error::world(format!("{}: no such file or folder", path.display()));
            // Another path than that of every command was typed, and probably mistyped.
            let is_default = path == Path::new(DOCUMENTS);
            return Err(if is_default {
                error.help(first_experiment(path)).also("or name files, folders, or `-` for standard input")
            } else {
                error.help("name files, folders, or `-` for standard input")
            });
        }
    }
    Ok(found.paths.into_iter().collect())
}

/// The way to a first document in a folder that has none.
fn first_experiment(folder: &Path) -> String {
    let is_documents = folder.file_name().is_some_and(|name| name == DOCUMENTS);
    let above = if is_documents { folder.parent() } else { Some(folder) };
    let place = above.map(|it| it.display().to_string()).filter(|it| !it.is_empty() && it != ".");
    let place = place.map_or(String::new(), |it| format!(" {}", shell_word(&it)));
    format!("`abx init{place}` writes a first experiment")
}

/// Files that were found, each by the first path that led to it.
#[derive(Default)]
struct FoundFiles {
    paths: BTreeSet<PathBuf>,
    files: HashSet<PathBuf>,
}

impl FoundFiles {
    fn add(&mut self, path: PathBuf) {
        // Pipes have no path of their own.
        let file = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.files.insert(file) {
            self.paths.insert(path);
        }
    }
}

/// Refuses a link that leads to nothing: what it stood for would be left out.
fn check_link(path: &Path) -> Result<(), Error> {
    match fs::read_link(path) {
        Ok(target) if !path.exists() => {
            let message =
                format!("{}: this link leads to {}, which does not exist", path.display(), target.display());
            Err(Error::world(message).help("restore what it leads to, or remove the link"))
        }
        _ => Ok(()),
    }
}

/// Searches a folder, and returns how many YAML files it holds.
fn search(folder: &Path, found: &mut FoundFiles) -> Result<usize, Error> {
    let unreadable = |error: io::Error| Error::world(folder.display().to_string()).because(error);
    let mut count = 0;
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_hidden(path.file_name().unwrap_or_default()) {
            continue;
        }
        // A link to a folder could lead back up, so only real folders are entered.
        if path.is_dir() && !path.is_symlink() {
            count += search(&path, found)?;
        } else if is_yaml(&path) {
            check_link(&path)?;
            if path.is_file() {
                found.add(path);
                count += 1;
            }
        }
    }
    Ok(count)
}

/// True if a search finds a file at a path from the folder that is searched.
pub(super) fn is_document(path: &Path) -> bool {
    is_yaml(path) && !path.iter().any(is_hidden)
}

fn is_hidden(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "yaml" || it == "yml")
}

pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a file, or the start of one that is too large.
pub(super) fn read(path: &Path) -> Result<(SourceFile, Option<SourceFault>), Error> {
    let name =
        if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string().replace('\\', "/") };
    let unreadable = |error: io::Error| Error::world(name.clone()).because(error);
    let mut bytes = Vec::new();
    // No more is read than is needed to know that it is too much.
    let limit = MAX_BYTES as u64 + 1;
    if is_stdin(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        File::open(path).map_err(unreadable)?.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    Ok(accept(name, bytes))
}

/// Takes bytes as a file of documents; what is wrong with them is a fault, and the text is then empty or cut.
pub(super) fn accept(name: String, bytes: Vec<u8>) -> (SourceFile, Option<SourceFault>) {
    accept_up_to(MAX_BYTES, "split it at `---` into several files", name, bytes)
}

/// The same with another limit, and what helps where the file is larger.
pub(super) fn accept_up_to(
    limit: usize,
    help: &str,
    name: String,
    mut bytes: Vec<u8>,
) -> (SourceFile, Option<SourceFault>) {
    let file = |text| SourceFile { name, text, named_by: None };
    if bytes.len() > limit {
        bytes.truncate(200);
        let text = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        let message = format!("the file has more than {} KiB", limit / 1024);
        return (file(text), Some(SourceFault::new(Code::TooLarge, 0..0, message, help)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => (file(text), None),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let span = good..good + char::REPLACEMENT_CHARACTER.len_utf8();
            let fault =
                SourceFault::new(Code::NotText, span, "this byte is not UTF-8", "save the file as UTF-8");
            (file(text), Some(fault))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_file_is_found_once_and_a_link_to_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/x.yaml"), "").unwrap();
        fs::write(at("a/b/y.yml"), "").unwrap();
        let both = vec![at("a/b/y.yml"), at("a/x.yaml")];
        for paths in [
            vec![at("a")],
            vec![at("a"), at("a")],
            vec![at("a"), at("a/x.yaml"), at("a/b")],
            vec![at("a/x.yaml"), at("a"), at("a/x.yaml")],
        ] {
            assert_eq!(find(&paths).unwrap(), both, "{paths:?}");
        }
        let twice = find(&[at("a/x.yaml"), at("a/b/../x.yaml")]).unwrap();
        assert_eq!(twice, [at("a/x.yaml")], "however it is written");
        symlink(at("a/x.yaml"), at("link.yaml")).unwrap();
        assert_eq!(find(&[folder.path().to_owned()]).unwrap().len(), 2, "by a link, too");
        symlink(at("gone.yaml"), at("a/dangling.yaml")).unwrap();
        for paths in [at("a"), at("a/dangling.yaml")] {
            let error = find(&[paths]).unwrap_err().to_string();
            assert!(error.contains("a/dangling.yaml: this link leads to"), "{error}");
        }
    }
}
