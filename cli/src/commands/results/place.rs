//! The place of an archive, as it is written on the command line.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The place of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArchivePlace {
    /// A folder, or a file.
    Folder(PathBuf),
    /// A folder of a bucket, or an object.
    Bucket(BucketFolder),
}

/// A folder of a bucket of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BucketFolder {
    pub(super) bucket: String,
    /// The names of the folders in the bucket, without a slash at the end; empty for the whole bucket.
    pub(super) path: String,
}

impl ArchivePlace {
    /// Reads what was written: `s3://BUCKET/PREFIX/`, or a path.
    pub(super) fn parse(written: OsString) -> Result<Self, String> {
        let Some(rest) = written.to_str().and_then(|text| text.strip_prefix("s3://")) else {
            return Ok(Self::Folder(written.into()));
        };
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("write s3://BUCKET/PREFIX/, for example s3://abx-archive/events/".to_owned());
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        Ok(Self::Bucket(BucketFolder { bucket: bucket.to_owned(), path: path.to_owned() }))
    }
}

impl fmt::Display for BucketFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, path } = self;
        if path.is_empty() { write!(f, "s3://{bucket}/") } else { write!(f, "s3://{bucket}/{path}/") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_a_folder_of_a_bucket() {
        let parse = |text: &str| ArchivePlace::parse(text.into());
        for path in ["archive/", "s3:/b", "S3://b/", "./s3://b"] {
            assert_eq!(parse(path), Ok(ArchivePlace::Folder(path.into())));
        }
        for (text, bucket, path, shown) in [
            ("s3://b", "b", "", "s3://b/"),
            ("s3://b/", "b", "", "s3://b/"),
            ("s3://b/events", "b", "events", "s3://b/events/"),
            ("s3://b/a/events/", "b", "a/events", "s3://b/a/events/"),
        ] {
            let folder = BucketFolder { bucket: bucket.to_owned(), path: path.to_owned() };
            assert_eq!(folder.to_string(), shown);
            assert_eq!(parse(text), Ok(ArchivePlace::Bucket(folder)));
        }
        for wrong in ["s3://", "s3:///events/"] {
            assert!(parse(wrong).is_err_and(|why| why.contains("s3://BUCKET/PREFIX/")), "{wrong}");
        }
    }
}
