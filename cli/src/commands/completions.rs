//! `abx completions`: the completion script of a shell.

use crate::command::Execute;
use crate::complete;
use crate::error::Error;
use crate::report::{FormatArg, Report};
use clap::builder::PossibleValuesParser;
use serde::Serialize;

/// Print the completions for a shell
///
/// The script asks `abx` for each completion, which knows the keys of the documents in `experiments`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx completions bash > ~/.local/share/bash-completion/completions/abx
  abx completions zsh > \"${fpath[1]}/_abx\"
  abx completions fish > ~/.config/fish/completions/abx.fish")]
pub struct Args {
    /// The shell
    #[arg(value_parser = PossibleValuesParser::new(complete::shells().names()))]
    shell: String,
    #[command(flatten)]
    format: FormatArg,
}

/// A script for a shell.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CompletionsReport {
    /// The shell's name.
    shell: String,
    /// The script.
    script: String,
}

impl Execute for Args {
    type Report = CompletionsReport;

    fn execute(&self) -> Result<CompletionsReport, Error> {
        let unknown = || Error::caller(format!("there are no completions for {}", self.shell));
        let shells = complete::shells();
        let shell = shells.completer(&self.shell).ok_or_else(unknown)?;
        let script = complete::script(shell).map_err(|error| unknown().because(error))?;
        Ok(CompletionsReport { shell: self.shell.clone(), script })
    }

    fn print(&self, report: &CompletionsReport) -> String {
        self.format.print(report)
    }
}

impl Report for CompletionsReport {
    const KIND: &'static str = "completions";

    fn human(&self) -> String {
        self.script.clone()
    }
}
