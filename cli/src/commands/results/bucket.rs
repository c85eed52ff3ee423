//! An archive in a bucket: its objects are fetched into temporary files, which the embedded engine reads.
//!
//! Reading objects straight into the engine was rejected: its threads share large files in blocks and begin again nowhere, so that a
//! connection that breaks would end the analysis. A file that is fetched again costs nothing but time.

use super::place::BucketFolder;
use crate::advice::unanswered;
use crate::error::Error;
use crate::render::numbers::{count, plural};
use crate::render::progress;
use abx_analysis::embedded::{ArchiveFile, EmbeddedEngine};
use abx_functions::adapters::aws::{Budget, Resource, ResourceKind, SdkConfig, port_error};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use indicatif::{BinaryBytes, ProgressBar};
use jiff::civil::Date;
use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// The number of objects that are fetched at a time.
const AT_ONCE: usize = 8;
/// The number of times that an object is fetched whose connection breaks.
const ATTEMPTS: u32 = 3;

/// An object of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StoredObject {
    key: String,
    bytes: u64,
    /// The day of its folder `day=…`.
    day: Option<Date>,
}

/// Copies of the objects of an archive, which are removed when it is dropped, or the command is interrupted.
pub(super) struct FetchedArchive {
    place: String,
    files: Vec<ArchiveFile>,
    _interrupted: JoinSet<()>,
    _folder: TempDir,
}

impl FetchedArchive {
    /// An engine over the copies, which findings name by their objects.
    pub(super) fn engine(&self) -> EmbeddedEngine {
        EmbeddedEngine::of_files(&self.place, self.files.clone())
    }
}

impl BucketFolder {
    /// Fetches the objects of the days up to the last one.
    pub(super) async fn fetch(
        &self,
        config: &SdkConfig,
        last_day: Option<Date>,
    ) -> Result<FetchedArchive, Error> {
        let reader = BucketReader { client: client(config), bucket: self.bucket.clone() };
        let all = self.list(&reader).await?;
        if all.is_empty() {
            return Err(Error::caller(format!("{self} has no objects")).help(format!(
                "check the prefix: `aws s3 ls s3://{}/` lists what the bucket has",
                self.bucket
            )));
        }
        let is_asked_for =
            |it: &StoredObject| it.day.is_none_or(|day| last_day.is_none_or(|last| day <= last));
        let objects: Vec<StoredObject> = all.into_iter().filter(is_asked_for).collect();
        if let (true, Some(last)) = (objects.is_empty(), last_day) {
            return Err(Error::caller(format!("{self} has no objects up to day={last}"))
                .help("give a later --until: events arrive at the archive up to 7 days after they happen"));
        }
        let bytes = objects.iter().map(|it| it.bytes).sum();
        let folder = tempfile::Builder::new().prefix("abx-archive-").tempdir();
        let folder = folder.map_err(|error| unwritable(&std::env::temp_dir(), bytes, error))?;
        check_space(folder.path(), free_space(folder.path()), bytes)?;
        let interrupted = removed_when_interrupted(folder.path())?;
        let files = fetch_all(reader, &objects, folder.path(), bytes).await?;
        Ok(FetchedArchive { place: self.to_string(), files, _interrupted: interrupted, _folder: folder })
    }

    /// Lists the objects of the folder; or the one whose key the path is.
    async fn list(&self, reader: &BucketReader) -> Result<Vec<StoredObject>, Error> {
        let prefix = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
        let mut objects = Vec::new();
        let pages = reader.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix);
        let mut pages = pages.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| reader.bucket_failed(error))?;
            objects.extend(page.contents().iter().filter_map(|it| stored(it, &prefix)));
        }
        if objects.is_empty() && !self.path.is_empty() {
            // The key itself is the first of all that begin with it.
            let first = reader.client.list_objects_v2().bucket(&self.bucket).prefix(&self.path).max_keys(1);
            let first = Box::pin(first.send()).await.map_err(|error| reader.bucket_failed(error))?;
            let is_it = |it: &&aws_sdk_s3::types::Object| it.key() == Some(&self.path);
            objects.extend(first.contents().iter().find(is_it).map(|it| StoredObject {
                key: self.path.clone(),
                bytes: bytes_of(it),
                day: None,
            }));
        }
        Ok(objects)
    }
}

/// An object as the readers of such folders see it: none where a name begins with `.` or `_`, nor where it only stands for a folder.
fn stored(object: &aws_sdk_s3::types::Object, prefix: &str) -> Option<StoredObject> {
    let key = object.key()?;
    let name = key.strip_prefix(prefix)?;
    let is_hidden = name.split('/').any(|it| it.starts_with(['.', '_']));
    if is_hidden || name.is_empty() || name.ends_with('/') {
        return None;
    }
    let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
    let day = folders.rsplit('/').find_map(|it| it.strip_prefix("day=")?.parse().ok());
    Some(StoredObject { key: key.to_owned(), bytes: bytes_of(object), day })
}

fn bytes_of(object: &aws_sdk_s3::types::Object) -> u64 {
    object.size().and_then(|it| u64::try_from(it).ok()).unwrap_or_default()
}

/// A client that gives up in time. An emulator has no name for each bucket, so that the bucket stands in the path there.
fn client(config: &SdkConfig) -> Client {
    let has_endpoint = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let config = Budget::PATIENT.applied_to(config);
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(has_endpoint);
    Client::from_conf(config.build())
}

/// A bucket as this command reads it.
#[derive(Debug, Clone)]
struct BucketReader {
    client: Client,
    bucket: String,
}

impl BucketReader {
    fn region(&self) -> Option<&Region> {
        self.client.config().region()
    }

    fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn bucket_failed<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        // S3 names the region of a bucket whatever else it answers.
        let header = error.raw_response().and_then(|it| it.headers().get("x-amz-bucket-region"));
        if let (Some(its), Some(ours)) = (header, self.region())
            && its != ours.as_ref()
        {
            return Error::caller(format!("bucket {} is in {its}, and not in {ours}", self.bucket))
                .help(format!("set AWS_REGION={its}"));
        }
        let bucket = Resource::new(ResourceKind::Bucket, &self.bucket, self.region());
        unanswered(port_error("ListObjectsV2", error).at(bucket))
    }

    fn object_failed<E>(&self, key: &str, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let is_frozen = error.code() == Some("InvalidObjectState");
        let object = Resource::new(ResourceKind::Object, self.address(key), self.region());
        let error = unanswered(port_error("GetObject", error).at(object));
        if is_frozen {
            return error.help("restore it first: `aws s3api restore-object` copies it out of Glacier");
        }
        error
    }

    /// Fetches an object into a file, again if its connection breaks.
    async fn fetch(&self, object: &StoredObject, file: &Target) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let request = self.client.get_object().bucket(&self.bucket).key(&object.key);
            let answer = Box::pin(request.send()).await;
            let mut body = answer.map_err(|error| self.object_failed(&object.key, error))?.body;
            let mut written = 0;
            let failed = |error| unwritable(&file.folder, file.all_bytes, error);
            // A few hundred kilobytes at a time, which the system takes into its memory: no thread waits for the disk.
            let mut copy = File::create(&file.path).map_err(failed)?;
            let broken = loop {
                match body.next().await {
                    None => return copy.flush().map_err(failed),
                    Some(Ok(bytes)) => {
                        copy.write_all(&bytes).map_err(failed)?;
                        written += bytes.len() as u64;
                        file.bar.inc(bytes.len() as u64);
                    }
                    Some(Err(error)) => break error,
                }
            };
            if attempt == ATTEMPTS {
                return Err(Error::world(format!(
                    "{}: the connection broke {ATTEMPTS} times",
                    self.address(&object.key)
                ))
                .because(broken)
                .help("check the network, then run it again"));
            }
            file.bar.set_position(file.bar.position().saturating_sub(written));
            attempt += 1;
        }
    }
}

/// The file that an object is copied into.
struct Target {
    folder: Arc<Path>,
    path: PathBuf,
    bar: ProgressBar,
    /// The bytes of all objects together.
    all_bytes: u64,
}

/// Fetches objects into files of a folder, some at a time. The files have numbers for names, because a key may be no name of a file.
async fn fetch_all(
    reader: BucketReader,
    objects: &[StoredObject],
    folder: &Path,
    all_bytes: u64,
) -> Result<Vec<ArchiveFile>, Error> {
    let template = "{bar:30} {msg}, {binary_bytes} of {binary_total_bytes}, {eta} left";
    let bar = progress::bar(all_bytes, template).with_message(plural(objects.len(), "object"));
    let (reader, folder) = (Arc::new(reader), Arc::<Path>::from(folder));
    let mut waiting = objects.iter().enumerate();
    let mut fetching = JoinSet::new();
    let mut files = Vec::with_capacity(objects.len());
    loop {
        while let Some((number, object)) = if fetching.len() < AT_ONCE { waiting.next() } else { None } {
            let (reader, object, bar) = (Arc::clone(&reader), object.clone(), bar.clone());
            let path = folder.join(number.to_string());
            let file = Target { folder: Arc::clone(&folder), path, bar, all_bytes };
            fetching.spawn(async move {
                reader.fetch(&object, &file).await?;
                Ok::<_, Error>(ArchiveFile {
                    name: reader.address(&object.key),
                    path: file.path,
                    day: object.day,
                })
            });
        }
        let Some(fetched) = fetching.join_next().await else { break };
        files.push(fetched.map_err(|error| Error::world("an object was not fetched").because(error))??);
    }
    bar.finish_and_clear();
    Ok(files)
}

/// Removes a folder when the command is interrupted, because its events may tell of persons.
fn removed_when_interrupted(folder: &Path) -> Result<JoinSet<()>, Error> {
    let listen =
        |kind| signal(kind).map_err(|error| Error::world("signals cannot be received").because(error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hangup = listen(SignalKind::hangup())?;
    let folder = folder.to_owned();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let number = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
            _ = hangup.recv() => SignalKind::hangup(),
        };
        // What cannot be removed stays: there is nobody to be told.
        let _ = std::fs::remove_dir_all(folder);
        #[expect(
            clippy::exit,
            reason = "as the signal would have ended it; threads that analyze are not to be waited for"
        )]
        std::process::exit(128 + number.as_raw_value());
    });
    Ok(tasks)
}

/// The error for a copy that cannot be written.
fn unwritable(folder: &Path, bytes: u64, error: io::Error) -> Error {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let why = if is_full {
        format!("the disk is full; the objects have {} together", BinaryBytes(bytes))
    } else {
        "copies of objects cannot be written here".to_owned()
    };
    let help = "free space there, or let TMPDIR name a folder of another disk";
    Error::world(format!("{}: {why}", folder.display())).because(error).help(help)
}

/// Refuses to fetch what has no room: it would take its time, and cost money.
fn check_space(folder: &Path, free: Option<u64>, bytes: u64) -> Result<(), Error> {
    let Some(free) = free.filter(|free| *free < bytes) else { return Ok(()) };
    Err(Error::world(format!(
        "{}: the disk has {} free, and the objects have {} ({} bytes)",
        folder.parent().unwrap_or(folder).display(),
        BinaryBytes(free),
        BinaryBytes(bytes),
        count(bytes)
    ))
    .help("free space there, let TMPDIR name a folder of another disk, or use --athena WORKGROUP"))
}

/// The bytes that this user may still write; `None` where that is not known.
fn free_space(folder: &Path) -> Option<u64> {
    let it = rustix::fs::statvfs(folder).ok()?;
    it.f_bavail.checked_mul(it.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::Object;

    #[test]
    fn objects_have_the_day_of_their_folder() {
        let day = |key: &str| {
            let object = Object::builder().key(key).size(7).build();
            stored(&object, "events/").map(|it| (it.bytes, it.day.map(|day| day.to_string())))
        };
        let of = |day: Option<&str>| Some((7, day.map(str::to_owned)));
        assert_eq!(day("events/day=2026-03-01/x.gz"), of(Some("2026-03-01")));
        assert_eq!(day("events/day=2026-03-01/a/x"), of(Some("2026-03-01")));
        assert_eq!(day("events/day=2026-03-01"), of(None), "the name of an object is no folder");
        assert_eq!(day("events/day=soon/notes.txt"), of(None), "a reader names what is no event");
        for hidden in ["events/", "events/a/", "events/_SUCCESS", "events/.x/y", "other/x"] {
            assert_eq!(day(hidden), None, "{hidden}");
        }
    }

    #[test]
    fn a_full_disk_is_said_before_and_after() {
        let folder = Path::new("/tmp/abx-archive-1");
        assert!(check_space(folder, None, 9).is_ok() && check_space(folder, Some(9), 9).is_ok());
        let before = check_space(folder, Some(1 << 20), 3 << 30).unwrap_err();
        let after = unwritable(folder, 3 << 30, io::Error::from(io::ErrorKind::StorageFull));
        for (error, text) in [
            (before, "/tmp: the disk has 1.00 MiB free, and the objects have 3.00 GiB"),
            (after, "the disk is full; the objects have 3.00 GiB together"),
        ] {
            assert!(error.reason().contains(text), "{}", error.reason());
            assert!(error.next_step().is_some_and(|help| help.contains("TMPDIR")));
        }
    }
}
