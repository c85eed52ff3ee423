//! Finding and reading files.

use super::yaml::{Fault, MAX_BYTES};
use crate::error::Error;
use abx_core::finding::Code;
use std::collections::BTreeSet;
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
}

/// The YAML files that some paths name, in the order of their names; folders are searched all the way down.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = BTreeSet::new();
    for path in paths {
        if is_stdin(path) || path.is_file() {
            found.insert(path.clone());
        } else if path.is_dir() {
            let before = found.len();
            search(path, &mut found)?;
            if found.len() == before {
                return Err(Error::caller(format!(
                    "{}: no .yaml or .yml file in this folder",
                    path.display()
                )));
            }
        } else {
            return Err(Error::world(format!("{}: no such file or folder", path.display()))
                .help("name files, folders, or `-` for standard input"));
        }
    }
    Ok(found.into_iter().collect())
}

fn search(folder: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    let unreadable = |error: io::Error| Error::world(format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_hidden(path.file_name().unwrap_or_default()) {
            continue;
        }
        // A link to a folder could lead back up, so only real folders are entered.
        if path.is_dir() && !path.is_symlink() {
            search(&path, found)?;
        } else if is_yaml(&path) && path.is_file() {
            found.insert(path);
        }
    }
    Ok(())
}

/// Whether a search finds a file at a path from the folder that is searched.
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
pub(super) fn read(path: &Path) -> Result<(SourceFile, Option<Fault>), Error> {
    let name =
        if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string().replace('\\', "/") };
    let unreadable = |error: io::Error| Error::world(format!("{name}: {error}"));
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

/// Takes bytes as a file; what is wrong with them is a fault, and the text is then empty or cut.
pub(super) fn accept(name: String, mut bytes: Vec<u8>) -> (SourceFile, Option<Fault>) {
    if bytes.len() > MAX_BYTES {
        bytes.truncate(200);
        let text = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        let message = format!("the file has more than {} KiB", MAX_BYTES / 1024);
        let fault = Fault::new(Code::TooLarge, 0..0, message, "split it at `---` into several files");
        return (SourceFile { name, text }, Some(fault));
    }
    match String::from_utf8(bytes) {
        Ok(text) => (SourceFile { name, text }, None),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let span = good..good + char::REPLACEMENT_CHARACTER.len_utf8();
            let fault = Fault::new(Code::NotText, span, "this byte is not UTF-8", "save the file as UTF-8");
            (SourceFile { name, text }, Some(fault))
        }
    }
}
