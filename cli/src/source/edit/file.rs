//! Replacing a file at once.

use crate::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file at once: whoever reads it sees the old text or the new one, and never a part. It is an error if
/// the file is no longer what it was when it was read. A link stays one, and permissions stay as they are.
pub fn replace_file(path: &Path, old: &str, new: &str) -> Result<(), Error> {
    let failed = |error: io::Error| Error::world(format!("{}: {error}", path.display()));
    let target = fs::canonicalize(path).map_err(failed)?;
    if fs::read(&target).map_err(failed)? != old.as_bytes() {
        return Err(Error::world(format!("{}: somebody else changed it meanwhile", path.display()))
            .help("run it again; nothing was written"));
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    // In the same folder, because a file cannot be renamed into another file system; hidden, so that no search for
    // documents finds it.
    let beside = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write(&beside, &target, new);
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}

fn write(beside: &Path, target: &Path, text: &str) -> io::Result<()> {
    let permissions = fs::metadata(target)?.permissions();
    let mut file = File::create_new(beside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    // Without this, a machine that stops may have renamed an empty file.
    file.sync_all()?;
    fs::rename(beside, target)
}
