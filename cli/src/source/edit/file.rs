//! Replacing a file at once, and creating one.

use crate::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file at once: whoever reads it sees the old text or the new one, and never a part. It is an error if
/// the file is no longer what it was when it was read. A link stays one, and permissions stay as they are.
pub fn replace_file(path: &Path, old: &str, new: &str) -> Result<(), Error> {
    let failed = |error: io::Error| Error::world(path.display().to_string()).because(error);
    let target = fs::canonicalize(path).map_err(failed)?;
    if fs::read(&target).map_err(failed)? != old.as_bytes() {
        return Err(Error::world(format!("{}: the file changed while abx edited it", path.display()))
            .help("run the command again; nothing was written"));
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    // In the same folder, because a file cannot be renamed into another file system; hidden, so that no search for
    // documents finds it. It has this name for the moment between two calls only, where the system can do that.
    let beside = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write(&beside, &target, new);
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}

/// Creates a file at once, and the folders that it stands in: whoever looks for it sees nothing or all of it. It is an error if
/// anything has its name already, also if that came a moment ago.
pub fn create_file(path: &Path, text: &str) -> Result<(), Error> {
    let unwritable = |place: &Path, error: io::Error| {
        Error::world(place.display().to_string())
            .because(error)
            .help("see the permissions of the folder, and whether its disk can be written")
    };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::caller(format!("{} is there already", path.display()))
            .help("nothing was written over it; run the command again, or name another file"),
        _ => unwritable(path, error),
    };
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let (mut file, is_unnamed) = match unnamed::create(folder, 0o666) {
        Some(file) => (file, true),
        None => (File::create_new(&beside).map_err(failed)?, false),
    };
    let filled = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // Neither of the two replaces what is there, as a renaming would.
    let created = filled
        .and_then(|()| if is_unnamed { unnamed::name(&file, path) } else { fs::hard_link(&beside, path) });
    if !is_unnamed {
        let _ = fs::remove_file(&beside);
    }
    created.map_err(failed)
}

fn write(beside: &Path, target: &Path, text: &str) -> io::Result<()> {
    let permissions = fs::metadata(target)?.permissions();
    let unnamed = unnamed::create(target.parent().unwrap_or(Path::new(".")), 0o600);
    let (mut file, is_unnamed) = match unnamed {
        Some(file) => (file, true),
        None => (File::create_new(beside)?, false),
    };
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    // Without this, a machine that stops may have renamed an empty file.
    file.sync_all()?;
    if is_unnamed {
        unnamed::name(&file, beside)?;
    }
    fs::rename(beside, target)
}

/// Files that have no name until they are whole: whoever kills the program before that leaves nothing.
#[cfg(target_os = "linux")]
mod unnamed {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;
    use std::path::Path;

    /// A file in a folder, with this mode as far as the umask lets it; `None` where its file system knows only files with names.
    pub(super) fn create(folder: &Path, mode: u32) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        open(folder, flags, Mode::from_raw_mode(mode)).ok().map(File::from)
    }

    pub(super) fn name(file: &File, path: &Path) -> io::Result<()> {
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// Other systems have no such files.
#[cfg(not(target_os = "linux"))]
mod unnamed {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn create(_: &Path, _: u32) -> Option<File> {
        None
    }

    pub(super) fn name(_: &File, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries =
            folder.read_dir().unwrap().map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "old").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        replace_file(&path, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::metadata(&path).unwrap().permissions().readonly(), "as it was");
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[test]
    fn a_file_is_created_with_its_folders_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.yaml");
        create_file(&path, "first").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        let error = create_file(&path, "second").unwrap_err();
        assert!(error.to_string().contains("c.yaml is there already"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(names(path.parent().unwrap()), ["c.yaml"]);
        assert!(create_file(&path.join("d.yaml"), "").is_err(), "a file is no folder");
    }

    #[test]
    fn what_somebody_else_changed_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "theirs").unwrap();
        let error = replace_file(&path, "old", "new").unwrap_err();
        assert!(error.to_string().contains("the file changed while abx edited it"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert!(replace_file(&folder.path().join("b.yaml"), "", "new").is_err(), "it is not there");
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("a.yaml"), folder.path().join("link.yaml"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace_file(&link, "old", "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }
}
