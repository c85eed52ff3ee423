//! The commands: one file each, all of the same shape. None of them knows another one: what several use stands beside this module.

#[cfg(not(feature = "aws"))]
mod absent;
pub mod assign;
#[cfg(feature = "aws")]
pub mod bench;
#[cfg(feature = "aws")]
pub mod capture;
pub mod completions;
pub mod conclude;
pub mod dev;
pub mod diff;
pub mod explain;
pub mod explain_code;
pub mod forget;
pub mod generate;
pub mod init;
#[cfg(feature = "aws")]
pub mod invoke;
pub mod list;
pub mod manual;
pub mod new;
pub mod pause;
pub mod power;
pub mod publish;
pub mod pull;
pub mod quarantine;
pub mod ramp;
pub mod rebalance;
pub mod redrive;
pub mod replay;
pub mod results;
pub mod revisions;
pub mod rollback;
pub mod schema;
#[cfg(feature = "aws")]
pub mod serve;
pub mod simulate;
pub mod srm;
#[cfg(feature = "aws")]
pub mod status;
pub mod test;
pub mod validate;

use crate::command::{ReportSchema, Run};
use crate::exit::Exit;
use crate::output::{ErrorReport, Output, OutputArgs};
#[cfg(not(feature = "aws"))]
use absent::{self as bench, self as capture, self as invoke, self as serve, self as status};
use clap::{Parser, Subcommand};

/// Check, simulate, explain and operate experiments and feature flags.
#[derive(Debug, Parser)]
#[command(name = "abx", version, max_term_width = 100, propagate_version = true)]
pub struct Abx {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

/// Makes the commands out of one table: the arguments, the one place that runs them, and the list of their reports.
macro_rules! commands {
    ($($command:ident($module:ident),)+) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($command($module::Args),)+
        }

        /// Runs a command and writes its result.
        #[must_use]
        pub fn dispatch(abx: &Abx) -> Exit {
            let output = Output::new(&abx.output);
            match &abx.command {
                $(Command::$command(args) => args.run(&output),)+
            }
        }

        /// The reports of all commands, by their names.
        #[must_use]
        pub fn reports() -> Vec<ReportSchema> {
            let mut reports = [$($module::Args::reports(),)+ vec![ReportSchema::of::<ErrorReport>()]].concat();
            reports.sort_by_key(|report| report.name);
            reports
        }
    };
}

// In the order of `abx --help`.
commands! {
    Init(init),
    New(new),
    List(list),
    Simulate(simulate),
    Assign(assign),
    Explain(explain),
    Validate(validate),
    Test(test),
    ExplainCode(explain_code),
    Power(power),
    Srm(srm),
    Diff(diff),
    Rebalance(rebalance),
    Ramp(ramp),
    Pause(pause),
    Conclude(conclude),
    Publish(publish),
    Rollback(rollback),
    Revisions(revisions),
    Pull(pull),
    Dev(dev),
    Serve(serve),
    Capture(capture),
    Replay(replay),
    Results(results),
    Status(status),
    Quarantine(quarantine),
    Redrive(redrive),
    Forget(forget),
    Invoke(invoke),
    Bench(bench),
    Generate(generate),
    Schema(schema),
    Completions(completions),
    Manual(manual),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use std::collections::BTreeSet;

    #[test]
    fn every_report_has_the_name_of_its_command_and_one_name_has_one_report() {
        let mut named = BTreeSet::new();
        for report in reports() {
            assert!(named.insert(report.name), "{} is there twice", report.name);
        }
        let command = Abx::command();
        let mut names = BTreeSet::from(["results-list".to_owned(), "error".to_owned()]);
        for command in command.get_subcommands() {
            names.insert(command.get_name().to_owned());
            let below = command.get_subcommands();
            names.extend(below.map(|it| format!("{}-{}", command.get_name(), it.get_name())));
        }
        let unknown: Vec<_> = named.iter().filter(|name| !names.contains(**name)).collect();
        assert_eq!(unknown, Vec::<&&str>::new());
        let without: Vec<_> = names.iter().filter(|name| !named.contains(name.as_str())).collect();
        // `quarantine` has commands below it; `dev` and `serve` end when they are told to; a schema is described by its own draft.
        assert_eq!(without, ["dev", "quarantine", "schema", "serve"]);
    }
}
