//! Files of events by their content: which of them was replayed before, wholly or up to where it ended then.

use crate::error::Error;
use abx_functions::adapters::embedded::Segment;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A line may not be longer, in bytes: it is held in memory.
pub const MAX_LINE: usize = 8 << 20;

/// The form of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Events, one a line.
    Lines,
    /// Rows with a header.
    Csv,
    /// Payloads of Kinesis invocations.
    Payloads,
}

/// A file to be replayed.
#[derive(Debug)]
pub struct Content {
    /// The name of the file, for messages.
    pub name: String,
    /// The form, by the name.
    pub form: Form,
    path: PathBuf,
    is_gzip: bool,
    /// Standard input, kept until the end.
    _spooled: Option<NamedTempFile>,
    /// The number of bytes after decompression.
    pub bytes: u64,
    /// Their SHA-256.
    pub digest: String,
}

impl Content {
    /// All files below these paths, the shortest first, so that a file stands before what it grew into.
    pub fn all(paths: &[PathBuf]) -> Result<Vec<Self>, Error> {
        let mut files = Vec::new();
        for path in paths {
            find(path, &mut files)?;
        }
        if files.is_empty() {
            return Err(Error::caller("there are no files in these folders"));
        }
        let mut contents = files.iter().map(|path| Self::open(path)).collect::<Result<Vec<_>, _>>()?;
        contents.sort_by(|a, b| (a.bytes, &a.digest).cmp(&(b.bytes, &b.digest)));
        Ok(contents)
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let spooled = (name == "-").then(|| spool(io::stdin().lock())).transpose();
        let spooled = spooled.map_err(|error| Error::world("standard input").because(error))?;
        let has_suffix = path.extension().is_some_and(|it| it == "gz");
        let is_gzip = has_suffix || spooled.is_none() && is_gzip(path);
        let plain = if has_suffix { path.with_extension("") } else { path.to_owned() };
        let form = match plain.extension().and_then(|it| it.to_str()) {
            Some("csv") => Form::Csv,
            Some("jsonl" | "ndjson") => Form::Lines,
            _ if spooled.is_some() => Form::Lines,
            _ => Form::Payloads,
        };
        let path = spooled.as_ref().map_or(path, |file| file.path()).to_owned();
        let mut content =
            Self { name, form, path, is_gzip, _spooled: spooled, bytes: 0, digest: String::new() };
        let mut digests = content.digests(&[u64::MAX])?;
        (content.bytes, content.digest) = digests.pop().unwrap_or_default();
        Ok(content)
    }

    /// A reader of the content from its beginning.
    pub fn reader(&self) -> Result<Box<dyn BufRead>, Error> {
        let file = File::open(&self.path).map_err(|error| self.failed(error))?;
        Ok(if self.is_gzip {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(BufReader::with_capacity(1 << 16, file))
        })
    }

    /// The error for a file that cannot be read.
    #[must_use]
    pub fn failed(&self, error: io::Error) -> Error {
        Error::world(self.name.clone()).because(error)
    }

    /// The SHA-256 of the content up to each of these lengths, in ascending order, as far as it reaches; up to its end for a longer one.
    fn digests(&self, lengths: &[u64]) -> Result<Vec<(u64, String)>, Error> {
        let mut reader = self.reader()?;
        let (mut hasher, mut at, mut found) = (Sha256::new(), 0_u64, Vec::new());
        let mut buffer = vec![0; 1 << 16];
        for length in lengths {
            loop {
                let most = usize::try_from(length - at).unwrap_or(usize::MAX).min(buffer.len());
                let part = buffer.get_mut(..most).unwrap_or_default();
                let read = reader.read(part).map_err(|error| self.failed(error))?;
                hasher.update(part.get(..read).unwrap_or_default());
                at += read as u64;
                if read == 0 {
                    break;
                }
            }
            if at == *length || *length == u64::MAX {
                found.push((at, hex(&hasher.clone().finalize())));
            }
        }
        Ok(found)
    }

    /// The known segments of this file that were replayed: their ends and numbers of records.
    pub fn known(&self, part: &str, segments: &[Segment]) -> Result<Known, Error> {
        let mut lengths: Vec<u64> =
            segments.iter().map(|it| it.end).filter(|end| *end <= self.bytes).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let digests = self.digests(&lengths)?;
        let is_prefix = |it: &&Segment| it.part == part && digests.contains(&(it.end, it.digest.clone()));
        let mut prefixes: Vec<&Segment> = segments.iter().filter(is_prefix).collect();
        prefixes.sort_by_key(|it| (it.end, it.start));
        prefixes.dedup_by_key(|it| it.end);
        let end = prefixes.last().map_or(0, |it| it.end);
        Ok(Known { end, segments: prefixes.into_iter().cloned().collect() })
    }
}

/// The part of a file that was replayed before.
#[derive(Debug)]
pub struct Known {
    /// The end of the known beginning, in bytes.
    pub end: u64,
    /// The segments that it was replayed in.
    pub segments: Vec<Segment>,
}

/// True if a file begins as gzip does: objects that services write have no suffix. One that cannot be read is an error later.
fn is_gzip(path: &Path) -> bool {
    let mut magic = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == [0x1f, 0x8b]
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn spool(mut from: impl Read) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    io::copy(&mut from, &mut file)?;
    Ok(file)
}

/// All files below a path, in order.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |error: io::Error| Error::world(path.display().to_string()).because(error);
    if path == Path::new("-") || !fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(failed)?.collect();
    let mut entries: Vec<PathBuf> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().try_for_each(|entry| find(entry, files))
}

/// The records of a payload, or of the object that Lambda leaves for one that failed, which holds it as `payload`.
pub fn recorded(name: &str, mut value: Value) -> Result<Vec<Value>, Error> {
    if let Some(payload) = value.get_mut("payload").map(Value::take) {
        value = match payload {
            Value::String(text) => serde_json::from_str(&text).map_err(|error| {
                Error::caller(format!("{name}: the payload cannot be read")).because(error)
            })?,
            payload => payload,
        };
    }
    match value.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => Ok(records),
        _ => {
            let has_metadata = value.get("KinesisBatchInfo").is_some();
            let help = if has_metadata {
                "it only names the records that failed: a destination on S3 holds them too"
            } else {
                "events one a line belong into a .jsonl file"
            };
            Err(Error::caller(format!("{name}: this is not a batch of Kinesis")).help(help))
        }
    }
}
