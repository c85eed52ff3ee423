//! The commands: one file each, all of the same shape.

pub mod assign;
pub mod bench;
pub mod capture;
pub mod completions;
pub mod dev;
pub mod diff;
pub mod earlier;
pub mod explain;
pub mod explain_code;
pub mod forget;
pub mod inputs;
pub mod invoke;
pub mod lambda;
pub mod metrics;
pub mod part;
pub mod people;
pub mod power;
pub mod publish;
pub mod pull;
pub mod quarantine;
pub mod rebalance;
pub mod redrive;
pub mod replay;
pub mod reports;
pub mod results;
pub mod revisions;
pub mod rollback;
pub mod schema;
mod signer;
pub mod simulate;
pub mod srm;
pub mod status;
pub mod store;
pub mod suspects;
pub mod test;
pub mod validate;

use crate::error::Error;
use crate::exit::Exit;
use crate::report::{self, Format, Report};
use clap::{Parser, Subcommand};
use quarantine::Action;

/// Check, simulate, explain and operate experiments and feature flags.
#[derive(Debug, Parser)]
#[command(name = "abx", version, max_term_width = 100, propagate_version = true)]
pub struct Abx {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(simulate::Args),
    Assign(assign::Args),
    Explain(explain::Args),
    Validate(validate::Args),
    Test(test::Args),
    ExplainCode(explain_code::Args),
    Power(power::Args),
    Srm(srm::Args),
    Diff(diff::Args),
    Rebalance(rebalance::Args),
    Publish(publish::Args),
    Rollback(rollback::Args),
    Revisions(revisions::Args),
    Pull(pull::Args),
    Dev(dev::Args),
    Capture(capture::Args),
    Replay(replay::Args),
    Results(results::Args),
    Status(status::Args),
    Quarantine(quarantine::Args),
    Redrive(redrive::Args),
    Forget(forget::Args),
    Invoke(invoke::Args),
    Bench(bench::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// Runs a command and writes what it found.
#[must_use]
pub fn dispatch(abx: Abx) -> Exit {
    match abx.command {
        Command::Simulate(args) => finish(simulate::run(&args), args.format.format),
        Command::Assign(args) => finish(assign::run(&args), args.format.format),
        Command::Explain(args) => finish(explain::run(&args), args.format.format),
        Command::Validate(args) => match validate::run(&args) {
            Ok(report) => report::write_text(&report.print(args.format), report.exit()),
            Err(error) => fail(&error),
        },
        Command::Test(args) => match test::run(&args) {
            Ok(report) => report::write_text(&report.print(args.format), report.exit()),
            Err(error) => fail(&error),
        },
        Command::ExplainCode(args) => finish(explain_code::run(&args), args.format.format),
        Command::Power(args) => finish(power::run(&args), args.format.format),
        Command::Srm(args) => finish(srm::run(&args), args.format.format),
        Command::Diff(args) => match diff::run(&args) {
            Ok(report) => report::write_text(&report.print(args.format), report.exit()),
            Err(error) => fail(&error),
        },
        Command::Rebalance(args) => finish(rebalance::run(&args), args.format.format),
        Command::Publish(args) => finish(publish::run(&args), args.format.format),
        Command::Rollback(args) => finish(rollback::run(&args), args.format.format),
        Command::Revisions(args) => finish(revisions::run(&args), args.format.format),
        Command::Pull(args) => finish(pull::run(&args), args.format.format),
        Command::Dev(args) => match dev::run(&args) {
            Ok(exit) => exit,
            Err(error) => fail(&error),
        },
        Command::Capture(args) => finish(capture::run(&args), args.format.format),
        Command::Replay(args) => finish(replay::run(&args), args.format.format),
        Command::Results(args) => match &args.key {
            None => finish(results::list(&args), args.format.format),
            Some(key) if args.watch => results::watch(&args, key).unwrap_or_else(|error| fail(&error)),
            Some(key) => finish(results::run(&args, key), args.format.format),
        },
        Command::Status(args) => finish(status::run(&args), args.format.format),
        Command::Quarantine(args) => match args.action {
            Action::List(args) => finish(quarantine::list::run(&args), args.format.format),
            Action::Show(args) => finish(quarantine::show::run(&args), args.format.format),
        },
        Command::Redrive(args) => finish(redrive::run(&args), args.format.format),
        Command::Forget(args) => finish(forget::run(&args), args.format.format),
        Command::Invoke(args) => finish(invoke::run(&args), args.format.format),
        Command::Bench(args) => finish(bench::run(&args), args.format.format),
        Command::Schema(args) => finish(schema::run(&args), args.format.format),
        Command::Completions(args) => finish(completions::run(&args), args.format.format),
    }
}

fn finish(outcome: Result<impl Report, Error>, format: Format) -> Exit {
    match outcome {
        Ok(report) => report::write(&report, format),
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> Exit {
    // A service, a file's name or another program may have a part in the message.
    anstream::eprintln!("abx: {}", crate::render::printable_lines(&error.to_string()));
    error.exit()
}
