//! Archive files, read and rewritten without the lines of one unit.

use crate::error::Error;
use abx_functions::events::ArchivedLine;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An archive file with lines of the unit.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct ArchiveFile {
    pub(super) file: String,
    /// The number of its lines that are of the unit.
    pub(super) lines: u64,
}

/// All files below these paths, in order.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        add(path, &mut files).map_err(|error| failed(path, error))?;
    }
    Ok(files)
}

fn add(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| add(entry, files))
}

/// The files that have lines of the unit, and how many.
pub(super) fn lines_of(files: &[PathBuf], unit: &str) -> Result<Vec<ArchiveFile>, Error> {
    let mut found = Vec::new();
    for path in files {
        let mut lines = 0;
        for_each_line(
            path,
            |_, is_of_unit| {
                lines += u64::from(is_of_unit);
                Ok(())
            },
            unit,
        )
        .map_err(|error| failed(path, error))?;
        if lines > 0 {
            found.push(ArchiveFile { file: path.display().to_string(), lines });
        }
    }
    Ok(found)
}

/// Rewrites the files without the lines of the unit.
pub(super) fn erase(files: &[ArchiveFile], unit: &str) -> Result<(), Error> {
    files.iter().try_for_each(|it| {
        let path = Path::new(&it.file);
        rewrite(path, unit).map_err(|error| failed(path, error))
    })
}

/// Writes the other lines beside the file, and then puts them in its place in one step.
fn rewrite(path: &Path, unit: &str) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let before = fs::metadata(path)?;
    let temporary = tempfile::Builder::new().prefix(".abx-forget-").tempfile_in(folder)?;
    let out = BufWriter::new(temporary.as_file());
    if is_gzip(path) {
        let mut out = GzEncoder::new(out, Compression::default());
        copy_others(path, unit, &mut out)?;
        out.finish()?.flush()?;
    } else {
        let mut out = out;
        copy_others(path, unit, &mut out)?;
        out.flush()?;
    }
    temporary.as_file().set_permissions(before.permissions())?;
    temporary.as_file().sync_all()?;
    // Lines that came meanwhile must not be lost.
    if fs::metadata(path)?.len() != before.len() {
        return Err(io::Error::other("the file grew while it was read: stop what writes to it, and repeat"));
    }
    temporary.persist(path).map(|_| ()).map_err(|error| error.error)
}

fn copy_others(path: &Path, unit: &str, out: &mut impl Write) -> io::Result<()> {
    for_each_line(path, |line, is_of_unit| if is_of_unit { Ok(()) } else { out.write_all(line) }, unit)
}

/// Calls `work` with each line, its line feed included, and whether it is of the unit.
fn for_each_line(
    path: &Path,
    mut work: impl FnMut(&[u8], bool) -> io::Result<()>,
    unit: &str,
) -> io::Result<()> {
    let file = File::open(path)?;
    let mut reader: Box<dyn BufRead> = if is_gzip(path) {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let is_of_unit = ArchivedLine::read(&line).is_ok_and(|line| line.unit.as_deref() == Some(unit));
        work(&line, is_of_unit)?;
    }
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "gz")
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::world(path.display().to_string()).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "{\"_id\":\"1\",\"unit\":\"u\"}\n{\"_id\":\"2\",\"unit\":\"v\"}\nno JSON\n{\"_id\":\"3\",\"unit\":\"\\u0075\"}";

    fn text(path: &Path) -> String {
        let mut text = String::new();
        for_each_line(
            path,
            |line, _| {
                text.push_str(std::str::from_utf8(line).unwrap());
                Ok(())
            },
            "",
        )
        .unwrap();
        text
    }

    #[test]
    fn lines_of_the_unit_go_and_all_others_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("day=2026-11-24/events.jsonl");
        fs::create_dir(plain.parent().unwrap()).unwrap();
        fs::write(&plain, LINES).unwrap();
        let packed = folder.path().join("object.gz");
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::default());
        encoder.write_all(LINES.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let files = find(&[folder.path().to_owned()]).unwrap();
        assert_eq!(files, [plain.clone(), packed.clone()]);
        let found = lines_of(&files, "u").unwrap();
        assert_eq!(found.iter().map(|it| it.lines).collect::<Vec<_>>(), [2, 2]);
        erase(&found, "u").unwrap();
        for path in [&plain, &packed] {
            assert_eq!(text(path), "{\"_id\":\"2\",\"unit\":\"v\"}\nno JSON\n");
        }
        assert!(lines_of(&files, "u").unwrap().is_empty());
        assert_eq!(find(&[folder.path().to_owned()]).unwrap().len(), 2, "nothing temporary is left");
    }

    #[test]
    fn a_cut_gzip_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("object.gz");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(LINES.as_bytes()).unwrap();
        let bytes = encoder.finish().unwrap();
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        let error = lines_of(&[path], "u").unwrap_err();
        assert!(error.to_string().contains("object.gz"), "{error}");
    }
}
