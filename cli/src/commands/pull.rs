//! Get the documents of a revision back as files.

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::report::{FormatArg, Report};
use crate::stores::StoreArgs;
use abx_functions::catalog::{documents_of, head, name};
use serde::Serialize;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

/// A document with more overrides than this names a file of them: it would soon be larger than a file of documents may be.
const MAX_OVERRIDES: usize = 100;

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
    format: FormatArg,
}

/// The files that were written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PullReport {
    store: String,
    revision: u64,
    files: Vec<String>,
}

impl Execute for Args {
    type Report = PullReport;
    const REPORT: &'static str = "pull";

    /// Writes the files.
    fn execute(&self) -> Result<PullReport, Error> {
        let (revision, documents) = block_on(async {
            let store = self.store.open().await?;
            let revision = match self.revision {
                Some(revision) => revision,
                None => head(&store).await?.ok_or_else(|| Error::caller("nothing was ever published"))?,
            };
            Ok((revision, documents_of(&store, Some(revision)).await?))
        })?;
        let unwritable =
            |path: &PathBuf, error: std::io::Error| Error::world(path.display().to_string()).because(error);
        fs::create_dir_all(&self.folder).map_err(|error| unwritable(&self.folder, error))?;
        let files: Vec<(PathBuf, String)> = documents.into_iter().flat_map(written).collect();
        let files = files.into_iter().map(|(name, text)| (self.folder.join(name), text));
        let (paths, texts): (Vec<PathBuf>, Vec<String>) = files.unzip();
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            let message = format!("{} is there already; nothing was written", path.display());
            return Err(Error::caller(message).help("name an empty folder"));
        }
        for (text, path) in texts.iter().zip(&paths) {
            let file = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
            file.map_err(|error| unwritable(path, error))?;
        }
        let files = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(PullReport { store: self.store.name(), revision, files })
    }

    fn print(&self, report: &PullReport) -> String {
        self.format.print(report)
    }
}

/// The files of a document, with their names: itself, and its overrides where they are many.
fn written(mut document: Value) -> Vec<(PathBuf, String)> {
    // Keys are plain, so they are file names as they are.
    let name = name(&document).unwrap_or_default().replace(' ', "-");
    let overrides = take_overrides(&mut document, &name);
    // JSON is YAML, and keeps every value as it is; comments were never published.
    let text = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
    let document = (PathBuf::from(name + ".yaml"), text);
    [document].into_iter().chain(overrides).collect()
}

/// Takes many overrides out of a document, into a file that the document names instead.
fn take_overrides(document: &mut Value, name: &str) -> Option<(PathBuf, String)> {
    let fields = document.as_object_mut()?;
    if fields.get("overrides")?.as_object()?.len() <= MAX_OVERRIDES {
        return None;
    }
    let overrides = fields.remove("overrides")?;
    let file = format!("{name}.overrides.csv");
    fields.insert("overrides_file".to_owned(), Value::from(file.as_str()));
    let mut rows = csv::Writer::from_writer(Vec::new());
    let pairs =
        overrides.as_object()?.iter().map(|(unit, variant)| [unit, variant.as_str().unwrap_or_default()]);
    for row in [["unit", "variant"]].into_iter().chain(pairs) {
        rows.write_record(row).ok()?;
    }
    Some((PathBuf::from(file), String::from_utf8(rows.into_inner().ok()?).ok()?))
}

impl Report for PullReport {
    fn human(&self) -> String {
        let folder =
            self.files.first().map_or("", |file| file.rsplit_once('/').map_or("", |(folder, _)| folder));
        format!("revision {} of {}: {} files in {folder}\n", self.revision, self.store, self.files.len())
    }
}
