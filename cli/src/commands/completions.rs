//! `abx completions`: the completion script of a shell.

use super::Abx;
use crate::command::Execute;
use crate::error::Error;
use crate::report::{FormatArg, Report};
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde::Serialize;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx completions bash > ~/.local/share/bash-completion/completions/abx
  abx completions zsh > \"${fpath[1]}/_abx\"
  abx completions fish > ~/.config/fish/completions/abx.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
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

    /// Makes the script from the command's own definition.
    fn execute(&self) -> Result<CompletionsReport, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Abx::command(), "abx", &mut script);
        Ok(CompletionsReport {
            shell: self.shell.to_string(),
            script: String::from_utf8_lossy(&script).into_owned(),
        })
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
