//! `abx manual`: the manual pages of all commands.

use super::Abx;
use crate::command::Execute;
use crate::error::Error;
use crate::report::{FormatArg, Report};
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use serde::Serialize;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Write a manual page for each command
///
/// For packages of abx, which bring the pages along. The pages are made from the definition that `--help` is made from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx manual ~/.local/share/man/man1    # then: man abx-validate")]
pub struct Args {
    /// The folder for the pages; created if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    format: FormatArg,
}

/// Manual pages that were written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ManualReport {
    /// The folder.
    folder: PathBuf,
    /// The names of the files, in order.
    pages: Vec<String>,
}

impl Execute for Args {
    type Report = ManualReport;

    fn execute(&self) -> Result<ManualReport, Error> {
        let folder = &self.folder;
        let failed = |error: io::Error| {
            Error::world(format!("manual pages cannot be written to {}", folder.display())).because(error)
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut command = Abx::command().disable_help_subcommand(true);
        command.build();
        let mut pages = Vec::new();
        write(&command, folder, &mut pages).map_err(failed)?;
        Ok(ManualReport { folder: folder.clone(), pages })
    }

    fn print(&self, report: &ManualReport) -> String {
        self.format.print(report)
    }
}

/// Writes the page of a command, and those of the commands below it.
fn write(command: &Command, folder: &Path, pages: &mut Vec<String>) -> io::Result<()> {
    let page = Man::new(command.clone());
    let name = page.get_filename();
    page.render(&mut File::create(folder.join(&name))?)?;
    pages.push(name);
    command.get_subcommands().filter(|it| !it.is_hide_set()).try_for_each(|it| write(it, folder, pages))
}

impl Report for ManualReport {
    const KIND: &'static str = "manual";

    fn human(&self) -> String {
        format!("{} manual pages in {}\n", self.pages.len(), self.folder.display())
    }
}
