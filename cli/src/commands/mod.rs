//! The commands: one file each, all of the same shape. None of them knows another one: what several use stands beside this module.

pub mod assign;
pub mod bench;
pub mod capture;
pub mod completions;
pub mod dev;
pub mod diff;
pub mod explain;
pub mod explain_code;
pub mod forget;
pub mod invoke;
pub mod power;
pub mod publish;
pub mod pull;
pub mod quarantine;
pub mod rebalance;
pub mod redrive;
pub mod replay;
pub mod results;
pub mod revisions;
pub mod rollback;
pub mod schema;
pub mod simulate;
pub mod srm;
pub mod status;
pub mod test;
pub mod validate;

use crate::command::{ReportSchema, Run};
use crate::exit::Exit;
use crate::output::{ErrorReport, Output, OutputArgs};
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
    Publish(publish),
    Rollback(rollback),
    Revisions(revisions),
    Pull(pull),
    Dev(dev),
    Capture(capture),
    Replay(replay),
    Results(results),
    Status(status),
    Quarantine(quarantine),
    Redrive(redrive),
    Forget(forget),
    Invoke(invoke),
    Bench(bench),
    Schema(schema),
    Completions(completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// The imports of a source file of this crate that it must not have. Its path is written as below `src`.
    fn forbidden(path: &str, text: &str) -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let inner = path.strip_prefix("commands/");
        let is_forbidden = |line: &&str| match inner {
            // One level up from `commands/NAME.rs` are the others, and two levels up from `commands/NAME/PART.rs`.
            Some(inner) => {
                let up = if inner.contains('/') { "super::super::" } else { "super::" };
                let named = line.split_once(up).is_some_and(|(_, rest)| {
                    modules().iter().any(|name| {
                        rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with("::"))
                    })
                });
                let of_bench = line.contains("crate::bench") && inner != "bench.rs";
                named || line.contains("crate::commands") || of_bench
            }
            None => {
                let is_root = matches!(path, "lib.rs" | "main.rs");
                line.contains("crate::commands") || line.contains("crate::bench") && !is_root
            }
        };
        lines.filter(is_forbidden).map(str::to_owned).collect()
    }

    fn modules() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands");
        let files = sources(&folder).into_iter().filter(|path| path.parent() == Some(&folder));
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn no_command_imports_from_another_and_nothing_else_from_any() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = sources(&root);
        assert!(files.len() > 100, "{}", files.len());
        for file in files.iter().filter(|file| !file.ends_with("commands/mod.rs")) {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
            assert_eq!(forbidden(path, &fs::read_to_string(file).unwrap()), [""; 0], "{path}");
        }
    }

    #[test]
    fn the_rule_about_imports_can_fail() {
        for (path, line) in [
            ("commands/explain.rs", "use super::assign::hinted;"),
            ("commands/explain/since.rs", "use super::super::diff::side;"),
            ("commands/explain/since.rs", "use crate::commands::diff::side;"),
            ("commands/invoke/url.rs", "use crate::bench::http::connector;"),
            ("inputs/source.rs", "use crate::commands::publish::head;"),
            ("suspects.rs", "let tally = crate::bench::tally();"),
        ] {
            assert_eq!(forbidden(path, line), [line], "{path}");
        }
        for (path, line) in [
            ("commands/explain.rs", "use super::Abx;"),
            ("commands/dev/events.rs", "use super::invoke::invoke;"),
            ("commands/explain.rs", "use crate::inputs::Source;"),
            ("commands/bench.rs", "pub use crate::bench::Args;"),
            ("commands/explain.rs", "//! As crate::commands::assign does."),
        ] {
            assert_eq!(forbidden(path, line), [""; 0], "{path}");
        }
    }

    #[test]
    fn every_report_has_the_name_of_its_command_and_one_name_has_one_report() {
        let mut named = BTreeSet::new();
        for report in reports() {
            assert!(named.insert(report.name), "{} is there twice", report.name);
        }
        let command = Abx::command();
        let mut names = BTreeSet::from(["results-list".to_owned()]);
        for command in command.get_subcommands() {
            names.insert(command.get_name().to_owned());
            let below = command.get_subcommands();
            names.extend(below.map(|it| format!("{}-{}", command.get_name(), it.get_name())));
        }
        let unknown: Vec<_> = named.iter().filter(|name| !names.contains(**name)).collect();
        assert_eq!(unknown, Vec::<&&str>::new());
        let without: Vec<_> = names.iter().filter(|name| !named.contains(name.as_str())).collect();
        // `quarantine` has commands below it; `dev` ends when it is interrupted; a schema is described by its own draft.
        assert_eq!(without, ["dev", "quarantine", "schema"]);
    }
}
