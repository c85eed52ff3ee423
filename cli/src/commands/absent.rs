//! What stands for a command that a build without AWS does not have.

use crate::command::{ReportSchema, Run};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use std::ffi::OsString;

/// Not in this build: it was made without AWS
#[derive(Debug, clap::Args)]
#[command(hide = true, disable_help_flag = true)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

impl Run for Args {
    fn run(&self, output: &Output) -> Exit {
        output.fail(&Error::without_aws("this command"))
    }

    fn reports() -> Vec<ReportSchema> {
        Vec::new()
    }
}
