//! A file system of a test's own.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A folder on which something is mounted, until it is dropped.
pub(crate) struct Mount(TempDir);

impl Mount {
    /// Mounts by calls of `mount` with these arguments, each before the folder. `None` where this machine lets nobody mount.
    pub(crate) fn by(calls: &[&[&str]]) -> Option<Self> {
        let mount = Self(tempfile::tempdir().unwrap());
        let run = |args: &&[&str]| {
            let output = Command::new("mount").args(*args).arg(mount.path()).output();
            output.is_ok_and(|output| output.status.success())
        };
        calls.iter().all(run).then_some(mount)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}
