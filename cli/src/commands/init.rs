//! `abx init`: the files of a new project, which `--yes` writes.

use crate::ask;
use crate::command::Execute;
use crate::edits::compile_with;
use crate::error::Error;
use crate::inputs::DOCUMENTS;
use crate::render::numbers::plural;
use crate::render::shell_word;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::render::wrap::wrapped_around_code;
use crate::report::{self, FormatArg, Report};
use crate::scaffold::{self, GITHUB, GITIGNORE, PRE_COMMIT, SCHEMA_FILE, Template};
use crate::source::{Corpus, NewItem, append_item, create_file, find, parse, replace_file};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Start a project: an experiment, a flag, rule tests and more; without --yes only list the files
///
/// Existing files are never overwritten: lines that .gitignore and a configuration of pre-commit need are added, everything else is
/// left alone. On a terminal, the command asks before it writes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx init
  abx init --yes && abx validate && abx dev
  abx init shop --github --pre-commit --yes")]
pub struct Args {
    /// The folder of the project, which is made if it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Write the files, instead of only listing them
    #[arg(long, short)]
    yes: bool,
    /// Add a workflow for GitHub Actions, which checks every pull request
    #[arg(long)]
    github: bool,
    /// Add a hook for pre-commit, which validates before every commit
    #[arg(long)]
    pre_commit: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// The files of a new project, and whether they are written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct InitReport {
    folder: String,
    files: Vec<InitFile>,
    /// What to know about files that are left alone.
    notes: Vec<String>,
    /// True if files were written; false without `--yes`, and where nothing was to be written.
    written: bool,
    /// The commands to run next; empty while files are to be written.
    next: Vec<String>,
    /// The list of files was shown before the question.
    #[serde(skip)]
    is_shown: bool,
}

/// A file of a new project.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct InitFile {
    file: String,
    action: Action,
    about: String,
    #[serde(skip)]
    change: Change,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    /// It is new.
    Create,
    /// It exists, and lines are added.
    Add,
    /// It exists, and is left alone.
    Keep,
}

/// The texts of a file.
#[derive(Debug, Default)]
struct Change {
    /// `None` of a new file.
    before: Option<String>,
    after: String,
}

impl Execute for Args {
    type Report = InitReport;

    /// Lists the files, and writes them if asked to.
    fn execute(&self) -> Result<InitReport, Error> {
        scaffold::check_folder(&self.folder)?;
        let mut notes = Vec::new();
        let mut files = self.documents(&mut notes)?;
        files.push(self.schema(&mut notes)?);
        files.push(self.gitignore()?);
        if self.github || self.pre_commit {
            self.check_top()?;
        }
        if self.github {
            files.push(self.create(GITHUB)?);
            notes.push(
                "the workflow needs the variables ABX_REPOSITORY and ABX_REVISION: see its first lines"
                    .to_owned(),
            );
        }
        if self.pre_commit {
            files.push(self.pre_commit(&mut notes)?);
        }
        let folder = self.folder.display().to_string();
        let mut report =
            InitReport { folder, files, notes, written: false, next: Vec::new(), is_shown: false };
        let is_needed = report.changes().next().is_some();
        if is_needed && (self.yes || self.is_confirmed(&mut report)?) {
            for file in report.changes() {
                file.write()?;
            }
            report.written = true;
        }
        if report.written || !is_needed {
            report.next = self.next();
        }
        Ok(report)
    }

    fn print(&self, report: &InitReport) -> String {
        self.format.print(report)
    }
}

impl Args {
    /// Asks a person; nobody else says yes without `--yes`.
    fn is_confirmed(&self, report: &mut InitReport) -> Result<bool, Error> {
        if !ask::is_possible(self.format) {
            return Ok(false);
        }
        ask::show(&report.plan());
        report.is_shown = true;
        ask::yes("Write these files?")
    }

    fn path(&self, inner: &str) -> PathBuf {
        if self.folder == Path::new(".") { PathBuf::from(inner) } else { self.folder.join(inner) }
    }

    /// The documents, unless there are others: those would not fit together, for example where each has a catalog.
    fn documents(&self, notes: &mut Vec<String>) -> Result<Vec<InitFile>, Error> {
        let folder = self.path(DOCUMENTS);
        scaffold::check_folder(&folder)?;
        // A folder without documents is not a mistake here.
        let found = if folder.is_dir() {
            find(std::slice::from_ref(&folder)).unwrap_or_default()
        } else {
            Vec::new()
        };
        let ours: Vec<PathBuf> = scaffold::DOCUMENTS.iter().map(|it| self.path(it.path)).collect();
        if found.iter().any(|path| !ours.contains(path)) {
            notes.push(format!(
                "{} has documents already, so no examples are added; `abx new experiment KEY` adds an experiment",
                folder.display()
            ));
            return Ok(Vec::new());
        }
        let files =
            scaffold::DOCUMENTS.into_iter().map(|it| self.create(it)).collect::<Result<Vec<_>, _>>()?;
        if !found.is_empty() {
            let new = files.iter().filter(|file| file.action == Action::Create);
            let new: Vec<_> = new.map(|file| (file.file.clone(), file.change.after.clone())).collect();
            compile_with(&Corpus::load(&found)?.compile(), &new)?;
        }
        Ok(files)
    }

    /// A new file, unless something has its name.
    fn create(&self, template: Template) -> Result<InitFile, Error> {
        let path = self.path(template.path);
        scaffold::check_folder(path.parent().unwrap_or(&path))?;
        let action = if scaffold::is_taken(&path) { Action::Keep } else { Action::Create };
        let change = Change { before: None, after: template.text.to_owned() };
        Ok(InitFile { file: path.display().to_string(), action, about: template.about.to_owned(), change })
    }

    fn schema(&self, notes: &mut Vec<String>) -> Result<InitFile, Error> {
        let template =
            Template { path: SCHEMA_FILE, about: "the schema of documents, for editors", text: "" };
        let mut file = self.create(template)?;
        file.change.after = report::json(&scaffold::document_schema());
        let path = self.path(SCHEMA_FILE);
        if file.action == Action::Keep && fs::read_to_string(&path).is_ok_and(|it| it != file.change.after) {
            let path = path.display().to_string();
            notes.push(format!(
                "{path} is not the schema of this version: `abx schema > {}` updates it",
                shell_word(&path)
            ));
        }
        Ok(file)
    }

    fn gitignore(&self) -> Result<InitFile, Error> {
        let file = self.create(GITIGNORE)?;
        if file.action == Action::Create {
            return Ok(file);
        }
        let before = read(&file)?;
        let names_it = |line: &str| matches!(line.trim(), ".abx" | ".abx/" | "/.abx" | "/.abx/");
        if before.lines().any(names_it) {
            return Ok(file);
        }
        let newline = if before.contains("\r\n") { "\r\n" } else { "\n" };
        let end = if before.is_empty() || before.ends_with('\n') { "" } else { newline };
        let added = GITIGNORE.text.replace('\n', newline);
        let after = format!("{before}{end}{added}");
        Ok(InitFile { action: Action::Add, change: Change { before: Some(before), after }, ..file })
    }

    /// The hook, in a file of its own or in the one that is there.
    fn pre_commit(&self, notes: &mut Vec<String>) -> Result<InitFile, Error> {
        let file = self.create(PRE_COMMIT)?;
        if file.action == Action::Create {
            return Ok(file);
        }
        let before = read(&file)?;
        if before.contains("abx validate") {
            return Ok(file);
        }
        let Some(after) = hook().and_then(|hook| append_item(&before, 0, &["repos"], &hook)) else {
            notes.push(format!(
                "the layout of {} cannot be edited safely: add a local hook with `entry: abx validate --deny-warnings` by hand",
                file.file
            ));
            return Ok(file);
        };
        Ok(InitFile { action: Action::Add, change: Change { before: Some(before), after }, ..file })
    }

    /// Refuses a folder inside of a repository for files that are only read at its top.
    fn check_top(&self) -> Result<(), Error> {
        let Some(top) = scaffold::repository_around(&self.folder) else { return Ok(()) };
        let folder = self.folder.display();
        Err(Error::caller(format!(
            "{folder} is inside of the git repository {}, and workflows and hooks are read only at its top",
            top.display()
        ))
        .help("run `abx init` there, or without --github and --pre-commit"))
    }

    fn next(&self) -> Vec<String> {
        let folder = self.folder.display().to_string();
        let enter = if folder == "." { String::new() } else { format!("cd {} && ", shell_word(&folder)) };
        vec![format!("{enter}abx validate"), "abx simulate".to_owned(), "abx dev".to_owned()]
    }
}

fn read(file: &InitFile) -> Result<String, Error> {
    fs::read_to_string(&file.file).map_err(|error| Error::world(&file.file).because(error))
}

/// The hook as an item for the configuration that is there.
fn hook() -> Option<NewItem> {
    let (_, below) = PRE_COMMIT.text.split_once("repos:\n")?;
    let lines = below.lines().map(|line| line.get(4..).unwrap_or_default().to_owned()).collect();
    let value = parse(PRE_COMMIT.text).documents.first()?.0.pointer("/repos/0")?.clone();
    Some(NewItem { value, lines })
}

impl InitFile {
    fn write(&self) -> Result<(), Error> {
        let path = Path::new(&self.file);
        match &self.change.before {
            Some(before) => replace_file(path, before, &self.change.after),
            None => create_file(path, &self.change.after),
        }
    }
}

impl InitReport {
    /// The files to write.
    fn changes(&self) -> impl Iterator<Item = &InitFile> {
        self.files.iter().filter(|file| file.action != Action::Keep)
    }

    /// The list of files.
    fn plan(&self) -> String {
        let mut text = format!("{TITLE}project{TITLE:#} {DIM}({}){DIM:#}\n", self.folder);
        let width = self.files.iter().map(|it| it.file.chars().count()).max().unwrap_or_default();
        for InitFile { file, action, about, .. } in &self.files {
            let (style, word) = match action {
                Action::Create => (GOOD, "new"),
                Action::Add => (GOOD, "add"),
                Action::Keep => (DIM, "keep"),
            };
            let about = if *action == Action::Keep { "is there already" } else { about };
            // A long path has no room for more beside it.
            let is_short = 9 + width + about.chars().count() <= 80;
            let _ = if is_short {
                writeln!(text, "  {style}{word:<4}{style:#} {file:<width$}  {DIM}{about}{DIM:#}")
            } else {
                writeln!(text, "  {style}{word:<4}{style:#} {file}")
            };
        }
        for note in &self.notes {
            text.push_str(&wrapped_around_code("  ", note));
        }
        text
    }
}

impl Report for InitReport {
    const KIND: &'static str = "init";

    fn human(&self) -> String {
        let mut text = if self.is_shown { String::new() } else { self.plan() + "\n" };
        let files = plural(self.changes().count(), "file");
        let _ = match (self.written, self.next.is_empty()) {
            (true, _) => writeln!(text, "{GOOD}{files} written{GOOD:#}; next:"),
            (false, false) => writeln!(text, "nothing to write: all of it is there; next:"),
            (false, true) if self.is_shown => writeln!(text, "nothing was written"),
            (false, true) => writeln!(text, "nothing was written: add --yes to write {files}"),
        };
        for command in &self.next {
            let _ = writeln!(text, "  {command}");
        }
        text
    }
}
