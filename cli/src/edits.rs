//! Edits of an experiment's document: found by its key, shown with the units that they move, and written with `--yes`.

use crate::error::Error;
use crate::inputs::{DOCUMENTS, DocumentSource, unknown_key};
use crate::render::change::consequences;
use crate::render::shell_word;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::report::FormatArg;
use crate::source::{Checked, Corpus, SourceFile, TargetField, edit_fields, parse, replace_file};
use abx_core::Experiment;
use abx_core::change::{DocumentChange, Flow, compare};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;
use std::fmt::Write as _;
use std::path::Path;

/// The arguments of a command that edits the document of an experiment.
#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// Documents: files or folders; the one with the experiment is written
    #[arg(default_value = DOCUMENTS, value_name = "SOURCE")]
    sources: Vec<DocumentSource>,
    /// Write the file, instead of only showing the change
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    /// The output format.
    pub format: FormatArg,
}

/// The document of an experiment, among all that were read with it.
#[derive(Debug)]
pub struct ExperimentSource<'c> {
    /// What it was compiled to.
    pub experiment: &'c Experiment,
    /// The file that it stands in.
    pub file: &'c SourceFile,
    /// Its index among the documents of the file.
    pub document: usize,
    checked: &'c Checked,
}

/// An edit that was proven to compile, and is not written yet.
#[derive(Debug)]
pub struct PlannedEdit<'c> {
    source: &'c ExperimentSource<'c>,
    edited: String,
    change: Option<DocumentChange>,
    affected: Vec<String>,
}

/// An edit of a document: its lines, and the units that it moves.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DocumentEdit {
    experiment: String,
    /// The file of the document.
    file: String,
    /// The units that the change moves, and the problems that it causes; `null` if every unit keeps its
    /// variant.
    change: Option<DocumentChange>,
    /// Other documents that do not change and decide otherwise, for example `flag checkout`.
    affected: Vec<String>,
    /// The lines that change, as a unified diff; empty where none does.
    text: String,
    /// True if the file was written.
    written: bool,
    /// The command to run next; `null` where nothing was written.
    next: Option<String>,
}

impl EditArgs {
    /// Reads and compiles the documents, with all that is wrong in them.
    pub fn check(&self) -> Result<Checked, Error> {
        Ok(Corpus::load(&DocumentSource::paths(&self.sources, "written to")?)?.compile())
    }

    /// Writes the file if asked to.
    pub fn finish(&self, plan: PlannedEdit<'_>) -> Result<DocumentEdit, Error> {
        let PlannedEdit { source, edited, change, affected } = plan;
        let file = source.file;
        let written = self.yes && edited != file.text;
        if written {
            replace_file(Path::new(&file.name), &file.text, &edited)?;
        }
        Ok(DocumentEdit {
            experiment: source.experiment.key().to_owned(),
            file: file.name.clone(),
            change,
            affected,
            text: TextDiff::from_lines(&file.text, &edited).unified_diff().context_radius(2).to_string(),
            written,
            next: written.then(|| self.publish()),
        })
    }

    /// The command that publishes these documents.
    fn publish(&self) -> String {
        command_over("abx publish", &self.sources)
    }
}

impl<'c> ExperimentSource<'c> {
    /// Finds the experiment of a key and its document.
    pub fn find(checked: &'c Checked, key: &str) -> Result<Self, Error> {
        let is_it = |value: &Value| value.get("experiment") == Some(&Value::from(key));
        let found = checked.values.iter().find(|(_, value)| is_it(value));
        let Some((experiment, file)) = checked.catalog.experiment(key).zip(found) else {
            return Err(not_found(checked, key, found.is_some()));
        };
        let file = checked
            .files
            .get(file.0)
            .filter(|file| file.name != "<stdin>")
            .ok_or_else(|| Error::caller("standard input cannot be written to").help("name the file"))?;
        let document = parse(&file.text).documents.iter().position(|(value, _)| is_it(value));
        let document = document
            .ok_or_else(|| Error::caller(format!("{}: the document of `{key}` is not there", file.name)))?;
        Ok(Self { experiment, file, document, checked })
    }

    /// Plans fields of the document.
    pub fn plan_fields(&'c self, fields: &[TargetField<'_>]) -> Result<PlannedEdit<'c>, Error> {
        let by_hand: String = fields.iter().flat_map(|it| ["\n  ".to_owned(), it.to_string()]).collect();
        let edited = edit_fields(&self.file.text, self.document, fields);
        self.plan(edited, "this document", &by_hand)
    }

    /// Plans another text of the file, in which `part` of the document differs; `None` where its layout is not known.
    pub fn plan(
        &'c self,
        edited: Option<String>,
        part: &str,
        by_hand: &str,
    ) -> Result<PlannedEdit<'c>, Error> {
        let edited = edited.ok_or_else(|| {
            Error::caller(format!("{}: the layout of {part} cannot be edited safely", self.file.name))
                .help(format!("nothing was written; write this by hand:{by_hand}"))
        })?;
        let after = self.compile_with(&edited)?;
        let diff = compare(&self.checked.version(), &after.version(), Timestamp::now());
        let name = format!("experiment {}", self.experiment.key());
        let (own, others): (Vec<_>, Vec<_>) = diff.documents.into_iter().partition(|it| it.document == name);
        let change = own.into_iter().find(|it| !it.flows.is_empty());
        let affected = others.into_iter().map(|it| it.document).collect();
        Ok(PlannedEdit { source: self, edited, change, affected })
    }

    /// The documents with another text of the file.
    fn compile_with(&self, text: &str) -> Result<Checked, Error> {
        compile_with(self.checked, &[(self.file.name.clone(), text.to_owned())])
    }
}

/// The documents with other texts of some files, or with files added; each is a name and a text. An error that was not there before is
/// one of the plan.
pub fn compile_with(before: &Checked, texts: &[(String, String)]) -> Result<Checked, Error> {
    let after = Corpus::with_texts(&before.files, texts).compile();
    let is_old = |message: &str| before.errors().any(|it| it.message == message);
    let new_error = after.errors().find(|it| !is_old(&it.message));
    if let Some(error) = new_error {
        let place = &error.place;
        let message = format!("the result would be wrong: {}:{}: {}", place.file, place.line, error.message);
        let help = error.help.as_deref().unwrap_or("see `abx validate`");
        return Err(Error::caller(message).help(format!("nothing was written; {help}")));
    }
    Ok(after)
}

/// A command with its sources behind it, to be pasted.
#[must_use]
pub fn command_over(command: &str, sources: &[DocumentSource]) -> String {
    let sources = sources.iter().map(|it| shell_word(&it.to_string()));
    std::iter::once(command.to_owned()).chain(sources).collect::<Vec<_>>().join(" ")
}

/// The lines of a unified diff, in the colors of what is added and removed.
#[must_use]
pub fn colored_diff(diff: &str) -> String {
    let mut text = String::new();
    for line in diff.lines().map(|line| line.trim_end_matches('\r')) {
        let style = match line.as_bytes().first() {
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            _ => DIM,
        };
        let _ = writeln!(text, "  {style}{line}{style:#}");
    }
    text
}

fn not_found(checked: &Checked, key: &str, is_written: bool) -> Error {
    if is_written {
        let message = format!("the experiment `{key}`, or something that it uses, has errors");
        return Error::caller(message).help("see `abx validate`");
    }
    if checked.catalog.flag(key).is_some() {
        return Error::caller(format!("`{key}` is a flag, not an experiment")).help("edit its document");
    }
    unknown_key("experiment", key, checked.catalog.experiments().iter().map(Experiment::key), checked)
}

impl PlannedEdit<'_> {
    /// Where the units of the experiment go; `None` if every unit keeps its outcome.
    #[must_use]
    pub fn flow(&self) -> Option<&Flow> {
        self.change.as_ref()?.flows.first()
    }
}

impl DocumentEdit {
    /// The key of the experiment.
    #[must_use]
    pub fn experiment(&self) -> &str {
        &self.experiment
    }

    /// The edit for a person, with remarks below it. `already` is what the document is where nothing changes.
    #[must_use]
    pub fn human(&self, remarks: &[String], already: &str) -> String {
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}({}){DIM:#}\n", self.experiment, self.file);
        text.push_str(&colored_diff(&self.text));
        match &self.change {
            Some(change) => text.push_str(&consequences(change)),
            None => text.push_str("  no unit gets another variant\n"),
        }
        for document in &self.affected {
            let _ = writeln!(text, "  {document} uses it, and changes with it");
        }
        for remark in remarks {
            let _ = writeln!(text, "  {remark}");
        }
        let _ = match &self.next {
            Some(next) => writeln!(text, "\n{GOOD}written{GOOD:#}; next: {next}"),
            None if self.text.is_empty() => writeln!(text, "\nnothing to write: {already}"),
            None => writeln!(text, "\nnothing was written: add --yes"),
        };
        text
    }
}
