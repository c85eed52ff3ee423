//! Get the documents of a revision back as files.

use super::publish::{documents_of, head};
use super::store::{self, StoreArgs};
use crate::error::Error;
use crate::report::{FormatArg, Report};
use abx_functions::catalog::name;
use serde::Serialize;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

/// Write the documents of a revision into a folder, one file each
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  abx pull published/\n  abx pull published/ --revision 41 --table abx-catalog"
)]
pub struct Args {
    /// The folder; files that are there already are never overwritten
    folder: PathBuf,
    /// The revision; the head by default
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    pub(super) format: FormatArg,
}

/// The files that were written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PullReport {
    store: String,
    revision: u64,
    files: Vec<String>,
}

/// Writes the files.
pub fn run(args: &Args) -> Result<PullReport, Error> {
    let (revision, documents) = store::block_on(async {
        let store = args.store.open().await?;
        let revision = match args.revision {
            Some(revision) => revision,
            None => head(&store).await?.ok_or_else(|| Error::caller("nothing was ever published"))?,
        };
        Ok((revision, documents_of(&store, Some(revision)).await?))
    })?;
    let unwritable =
        |path: &PathBuf, error: std::io::Error| Error::world(path.display().to_string()).because(error);
    fs::create_dir_all(&args.folder).map_err(|error| unwritable(&args.folder, error))?;
    let paths: Vec<PathBuf> = documents.iter().map(|it| args.folder.join(file_name(it))).collect();
    if let Some(path) = paths.iter().find(|path| path.exists()) {
        let message = format!("{} is there already; nothing was written", path.display());
        return Err(Error::caller(message).help("name an empty folder"));
    }
    for (document, path) in documents.iter().zip(&paths) {
        // JSON is YAML, and keeps every value as it is; comments were never published.
        let text = serde_json::to_string_pretty(document).unwrap_or_default() + "\n";
        let file = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
        file.map_err(|error| unwritable(path, error))?;
    }
    let files = paths.iter().map(|path| path.display().to_string()).collect();
    Ok(PullReport { store: args.store.name(), revision, files })
}

/// Keys are plain, so they are file names as they are.
fn file_name(document: &Value) -> String {
    name(document).unwrap_or_default().replace(' ', "-") + ".yaml"
}

impl Report for PullReport {
    fn human(&self) -> String {
        let folder =
            self.files.first().map_or("", |file| file.rsplit_once('/').map_or("", |(folder, _)| folder));
        format!("revision {} of {}: {} files in {folder}\n", self.revision, self.store, self.files.len())
    }
}
