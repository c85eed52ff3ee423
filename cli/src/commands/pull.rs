//! Get the documents of a revision back as files.

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::render::numbers::plural;
use crate::render::style::{GOOD, TITLE};
use crate::report::{FormatArg, Report};
use crate::stores::StoreArgs;
use abx_functions::catalog::{documents_of, head, name};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// A document with more overrides than this names a file of them: it would soon be larger than a file of documents may be.
const MAX_OVERRIDES: usize = 100;

/// Write the documents of a revision into a folder, one file each; without --yes only list the files
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  abx pull published/ --yes\n  abx pull published/ --revision 41 --table abx-catalog --yes"
)]
pub struct Args {
    /// The folder; existing files are never overwritten
    folder: PathBuf,
    /// The revision; the head by default
    #[arg(long, value_name = "N", value_parser = crate::inputs::revision)]
    revision: Option<u64>,
    /// Write the files, instead of only listing them
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    format: FormatArg,
}

/// The files of a revision, and whether they are written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PullReport {
    store: String,
    revision: u64,
    files: Vec<String>,
    /// True if the files were written; false without `--yes`.
    written: bool,
}

impl Execute for Args {
    type Report = PullReport;

    /// Writes the files.
    fn execute(&self) -> Result<PullReport, Error> {
        let (revision, documents) = block_on(async {
            let store = self.store.open().await?.catalog();
            let revision = match self.revision {
                Some(revision) => revision,
                None => head(&store).await?.ok_or_else(|| Error::caller("nothing was ever published"))?,
            };
            Ok((revision, documents_of(&store, Some(revision)).await?))
        })?;
        let unwritable =
            |path: &PathBuf, error: io::Error| Error::world(path.display().to_string()).because(error);
        let files: Vec<(PathBuf, String)> = documents.into_iter().flat_map(written).collect();
        let files = files.into_iter().map(|(name, text)| (self.folder.join(name), text));
        let (paths, texts): (Vec<PathBuf>, Vec<String>) = files.unzip();
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            let message = format!("{} is there already; nothing was written", path.display());
            return Err(Error::caller(message).help("name an empty folder"));
        }
        if self.yes {
            fs::create_dir_all(&self.folder).map_err(|error| unwritable(&self.folder, error))?;
            for (text, path) in texts.iter().zip(&paths) {
                let file = File::create_new(path)
                    .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
                file.map_err(|error| unwritable(path, error))?;
            }
        }
        let files = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(PullReport { store: self.store.name(), revision, files, written: self.yes })
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
    const KIND: &'static str = "pull";

    fn human(&self) -> String {
        let mut text = format!("{TITLE}revision {} of {}{TITLE:#}\n", self.revision, self.store);
        for file in &self.files {
            let _ = writeln!(text, "  {file}");
        }
        let files = plural(self.files.len(), "file");
        let _ = if self.written {
            writeln!(text, "\n{GOOD}{files} written{GOOD:#}")
        } else {
            writeln!(text, "\nnothing was written: add --yes to write {files}")
        };
        text
    }
}
