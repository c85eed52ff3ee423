//! `abx generate`: typed keys, variants, payloads and flags for programs.

use crate::command::Execute;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::generate::model::Model;
use crate::generate::{Head, Language};
use crate::inputs::SourcesArgs;
use crate::render::numbers::plural;
use crate::render::{printable, shell_word};
use crate::report::{FormatArg, Report};
use clap::ValueEnum as _;
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The package of Go and Java files, where none is named.
const PACKAGE: &str = "abx";

/// Generate typed keys, variants, payloads and flag accessors for TypeScript, Python, Go, Java or Rust
///
/// A misspelt flag then fails to compile. Accessors ask the OpenFeature SDK of the language, with the document's default. The same
/// documents always give the same text.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx generate typescript --output web/src/abx.ts
  abx generate go --package flags main --output flags/abx.go
  abx generate rust --check src/abx.rs")]
pub struct Args {
    /// The language
    #[arg(value_enum)]
    language: Language,
    #[command(flatten)]
    documents: SourcesArgs,
    /// The package of a Go or Java file; `abx` by default
    #[arg(long, value_name = "NAME", value_parser = package)]
    package: Option<String>,
    /// Compare this file with what would be generated, and exit with 1 if they differ
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArg,
}

/// The generated code, and how a file differs from it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct GenerateReport {
    language: Language,
    experiments: usize,
    flags: usize,
    code: String,
    /// The file that the code was compared with.
    check: Option<FileCheck>,
}

/// A file, compared with generated code.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct FileCheck {
    file: String,
    /// True if the file has the very text.
    up_to_date: bool,
    /// The first line that differs, from 1; none if the file is missing.
    line: Option<usize>,
    /// The command that writes the file.
    next: String,
}

/// The name of a package, with dots between its parts.
fn package(text: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
    };
    let is_valid = text.split('.').all(is_part);
    is_valid.then(|| text.to_owned()).ok_or_else(|| "write a name as abx or com.example.abx".to_owned())
}

impl Execute for Args {
    type Report = GenerateReport;

    /// Generates nothing from documents with errors: what is left out would be missing in every program.
    fn execute(&self) -> Result<GenerateReport, Error> {
        let checked = self.documents.check()?;
        let errors = checked.errors().count();
        if errors > 0 {
            let message = format!("the documents have {}", plural(errors, "error"));
            return Err(Error::caller(message)
                .help("see `abx validate`; no code is generated from a part of the documents"));
        }
        let model = Model::of(checked.values.iter().map(|(_, value)| value));
        let head = self.head()?;
        let code = self.language.generate(&head, &model)?;
        let check = self.check.as_deref().map(|file| compare(file, &code, &head.command)).transpose()?;
        Ok(GenerateReport {
            language: self.language,
            experiments: model.experiments.len(),
            flags: model.flags.len(),
            code,
            check,
        })
    }

    fn print(&self, report: &GenerateReport) -> String {
        self.format.print(report)
    }
}

impl Args {
    /// The command without options about the output, so that a check gives the same text.
    fn head(&self) -> Result<Head, Error> {
        let language =
            self.language.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned());
        let mut command = format!("abx generate {language}");
        for source in &self.documents.sources {
            command = format!("{command} {}", shell_word(&source.to_string()));
        }
        if let Some(package) = &self.package {
            let is_wrong =
                !self.language.has_packages() || self.language == Language::Go && package.contains('.');
            if is_wrong {
                return Err(Error::caller(format!("a file of {language} has no package {package:?}"))
                    .help("leave out --package, or give a Go file one without dots"));
            }
            command = format!("{command} --package {package}");
        }
        Ok(Head { command, package: self.package.clone().unwrap_or_else(|| PACKAGE.to_owned()) })
    }
}

/// Compares a file with code.
fn compare(file: &Path, code: &str, command: &str) -> Result<FileCheck, Error> {
    let text = match fs::read(file) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::world(file.display().to_string()).because(error)),
    };
    // Git may write another line break on Windows.
    let text = text.map(|it| it.replace("\r\n", "\n"));
    let name = file.display().to_string();
    Ok(FileCheck {
        up_to_date: text.as_deref() == Some(code),
        line: text.as_deref().and_then(|it| first_difference(it, code)),
        next: format!("{command} --output {}", shell_word(&name)),
        file: name,
    })
}

/// The first line in which two texts differ, from 1.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    let (mut a, mut b) = (a.split('\n'), b.split('\n'));
    for number in 1.. {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a != b => return Some(number),
            _ => {}
        }
    }
    None
}

impl Report for GenerateReport {
    const KIND: &'static str = "generate";

    fn human(&self) -> String {
        let Some(check) = &self.check else { return self.code.clone() };
        let file = printable(&check.file);
        match (check.up_to_date, check.line) {
            (true, _) => format!("{file} is up to date\n"),
            (false, Some(line)) => {
                format!("{file} is out of date: line {line} differs\n\nNext:\n  {}\n", printable(&check.next))
            }
            (false, None) => format!("{file} is missing\n\nNext:\n  {}\n", printable(&check.next)),
        }
    }

    fn exit(&self) -> Exit {
        if self.check.as_ref().is_some_and(|it| !it.up_to_date) { exit::FINDINGS } else { exit::DONE }
    }
}
