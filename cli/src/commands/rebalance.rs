//! `abx rebalance`: a change of shares that moves the fewest units, written to the file with `--yes`.

use crate::command::Execute;
use crate::error::Error;
use crate::inputs::{DOCUMENTS, DocumentSource, part, unknown_key};
use crate::render::change::consequences;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::report::{FormatArg, Report};
use crate::source::{Checked, Corpus, SourceFile, TargetRanges, by_hand, edit_variants, replace_file};
use abx_core::Experiment;
use abx_core::change::{DocumentChange, compare, rebalance};
use abx_core::document::Key;
use abx_core::hash::{Range, SumError, allocate};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;
use std::fmt::Write as _;
use std::path::Path;

/// Change the shares of an experiment's variants, and move as few units as possible; without --yes only show the change
///
/// Writes `ranges` for each variant into the document and touches nothing else of the file. A variant that --to does
/// not name is dropped, and one that the experiment does not have is added.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx rebalance pricing_page --to control=0.3,b=0.3,c=0.4
  abx rebalance pricing_page --to control=30%,b=70% experiments/pricing.yaml --yes")]
pub struct Args {
    /// The experiment
    #[arg(value_name = "KEY")]
    key: String,
    /// The variants and their shares, which sum to 1
    #[arg(long, value_name = "VARIANT=SHARE", value_delimiter = ',', num_args = 1, required = true, value_parser = target)]
    to: Vec<TargetShare>,
    /// Documents: files or folders; the one with the experiment is written
    #[arg(default_value = DOCUMENTS, value_name = "SOURCE")]
    sources: Vec<DocumentSource>,
    /// Write the file, instead of only showing the change
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// A variant and its share, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
struct TargetShare {
    variant: String,
    share: f64,
}

fn target(text: &str) -> Result<TargetShare, String> {
    let (variant, share) = text.split_once('=').ok_or("write VARIANT=SHARE, for example control=0.3")?;
    if !Key::is_valid(variant.trim()) {
        return Err("a variant's key has 1 to 64 of a-z, 0-9, `.`, `_` and `-`".to_owned());
    }
    let share = part(share).ok().filter(|it| (0.0..=1.0).contains(it));
    let share = share.ok_or("write a share from 0 to 1, or a percentage such as 30%")?;
    Ok(TargetShare { variant: variant.trim().to_owned(), share })
}

/// The new ranges, and whom they move.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RebalanceReport {
    experiment: String,
    /// The file of the document.
    file: String,
    /// The variants in the order of the document.
    variants: Vec<VariantRanges>,
    /// The units that the change moves, and the problems that it causes; `null` if every unit keeps its
    /// variant.
    change: Option<DocumentChange>,
    /// The lines that change, as a unified diff; empty where none does.
    text: String,
    /// True if the file was written.
    written: bool,
}

/// The ranges of a variant before and after.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct VariantRanges {
    key: String,
    /// Its ranges of 1,000,000 buckets.
    before: Vec<Range>,
    /// Its new ranges.
    after: Vec<Range>,
    /// True if the variant is removed from the document.
    dropped: bool,
}

impl Execute for Args {
    type Report = RebalanceReport;

    /// Plans new ranges, proves that the edited text means them, and writes it if asked to.
    fn execute(&self) -> Result<RebalanceReport, Error> {
        let checked = Corpus::load(&DocumentSource::paths(&self.sources, "written to")?)?.compile();
        let experiment = find(&checked, &self.key)?;
        let variants = plan(experiment, &self.to)?;
        let (file, document) = place(&checked, &self.key)?;
        let wanted = |it: &VariantRanges| TargetRanges { key: it.key.clone(), ranges: it.after.clone() };
        let wanted: Vec<TargetRanges> = variants.iter().filter(|it| !it.dropped).map(wanted).collect();
        let edited = edit_variants(&file.text, document, &wanted).ok_or_else(|| {
            Error::caller(format!("{}: the layout of `variants` cannot be edited safely", file.name))
                .help(format!("nothing was written; write this by hand:\n  variants:{}", by_hand(&wanted)))
        })?;
        let after = compile_with(&checked, file, &edited)?;
        let diff = compare(&checked.version(), &after.version(), Timestamp::now());
        let name = format!("experiment {}", self.key);
        let change = diff.documents.into_iter().find(|it| it.document == name && !it.flows.is_empty());
        let written = self.yes && edited != file.text;
        if written {
            replace_file(Path::new(&file.name), &file.text, &edited)?;
        }
        let text = TextDiff::from_lines(&file.text, &edited).unified_diff().context_radius(2).to_string();
        Ok(RebalanceReport {
            experiment: self.key.clone(),
            file: file.name.clone(),
            variants,
            change,
            text,
            written,
        })
    }

    fn print(&self, report: &RebalanceReport) -> String {
        self.format.print(report)
    }
}

fn find<'c>(checked: &'c Checked, key: &str) -> Result<&'c Experiment, Error> {
    if let Some(experiment) = checked.catalog.experiment(key) {
        return Ok(experiment);
    }
    if checked.values.iter().any(|(_, value)| value.get("experiment") == Some(&Value::from(key))) {
        let message = format!("the experiment `{key}`, or something that it uses, has errors");
        return Err(Error::caller(message).help("see `abx validate`"));
    }
    let known = checked.catalog.experiments().iter().map(Experiment::key);
    Err(unknown_key("experiment", key, known, checked))
}

/// The file of an experiment's document, and its index among the documents of the file.
fn place<'c>(checked: &'c Checked, key: &str) -> Result<(&'c SourceFile, usize), Error> {
    let is_it = |(_, value): &(usize, Value)| value.get("experiment") == Some(&Value::from(key));
    let found = checked.values.iter().position(is_it);
    let found = found.and_then(|at| Some((at, checked.values.get(at)?.0)));
    let file = found.and_then(|(at, file)| Some((at, file, checked.files.get(file)?)));
    let Some((at, index, file)) = file else {
        return Err(Error::caller(format!("no file contains the document of {key:?}")));
    };
    if file.name == "<stdin>" {
        return Err(Error::caller("standard input cannot be written to").help("name the file"));
    }
    let before = checked.values.iter().take(at).filter(|(other, _)| *other == index);
    Ok((file, before.count()))
}

/// The new ranges of each variant that is there or wanted.
fn plan(experiment: &Experiment, targets: &[TargetShare]) -> Result<Vec<VariantRanges>, Error> {
    let is_named = |key: &str| targets.iter().any(|target| target.variant == *key);
    let variant =
        |key: String, before| VariantRanges { dropped: !is_named(&key), key, before, after: Vec::new() };
    let old = experiment.variants().iter().zip(experiment.variant_ranges());
    let mut variants: Vec<VariantRanges> =
        old.map(|(it, before)| variant(it.key.to_string(), before)).collect();
    for (at, target) in targets.iter().enumerate() {
        if targets.iter().take(at).any(|it| it.variant == target.variant) {
            return Err(Error::caller(format!("--to names `{}` twice", target.variant)).help("keep one"));
        }
        if !variants.iter().any(|it| it.key == target.variant) {
            variants.push(variant(target.variant.clone(), Vec::new()));
        }
    }
    let share = |it: &VariantRanges| {
        targets.iter().find(|target| target.variant == it.key).map_or(0.0, |it| it.share)
    };
    let shares: Vec<f64> = variants.iter().map(share).collect();
    let sizes: Vec<u32> =
        allocate(&shares).map_err(|error| wrong_sum(&error))?.into_iter().map(Range::len).collect();
    let before: Vec<Vec<Range>> = variants.iter().map(|it| it.before.clone()).collect();
    let after =
        rebalance(&before, &sizes).ok_or_else(|| Error::caller("the variants do not cover every bucket"))?;
    for (variant, after) in variants.iter_mut().zip(after) {
        variant.after = after;
    }
    Ok(variants)
}

fn wrong_sum(error: &SumError) -> Error {
    let SumError::Sum(sum) = error else { return Error::caller(error.to_string()) };
    // To the bucket: what floats add to it says nothing.
    let sum = (sum * 1e6).round() / 1e6;
    Error::caller(format!("the shares of --to sum to {sum}, not to 1"))
        .help("name every variant to keep; a variant that is not named is dropped")
}

/// The documents with another text of one file. An error that was not there before is one of the plan.
fn compile_with(checked: &Checked, file: &SourceFile, text: &str) -> Result<Checked, Error> {
    let after = Corpus::with_text(&checked.files, &file.name, text).compile();
    let is_old = |message: &str| checked.errors().any(|it| it.message == message);
    let new_error = after.errors().find(|it| !is_old(&it.message));
    if let Some(error) = new_error {
        let place = &error.place;
        let message = format!("the result would be wrong: {}:{}: {}", place.file, place.line, error.message);
        let help = error.help.as_deref().unwrap_or("see `abx validate`");
        return Err(Error::caller(message).help(format!("nothing was written; {help}")));
    }
    Ok(after)
}

impl Report for RebalanceReport {
    const KIND: &'static str = "rebalance";

    fn human(&self) -> String {
        let mut text = format!("{TITLE}{}{TITLE:#} {DIM}({}){DIM:#}\n", self.experiment, self.file);
        for line in self.text.lines().map(|line| line.trim_end_matches('\r')) {
            let style = match line.as_bytes().first() {
                Some(b'+') => GOOD,
                Some(b'-') => BAD,
                _ => DIM,
            };
            let _ = writeln!(text, "  {style}{line}{style:#}");
        }
        match &self.change {
            Some(change) => text.push_str(&consequences(change)),
            None => text.push_str("  no unit gets another variant\n"),
        }
        for variant in &self.variants {
            let key = &variant.key;
            if variant.dropped {
                let _ = writeln!(text, "  `{key}` is dropped: --to does not name it");
            } else if variant.after.is_empty() {
                let _ =
                    writeln!(text, "  `{key}` stays, but no unit gets it: leave it out of --to to drop it");
            }
        }
        let _ = match (self.written, self.text.is_empty()) {
            (true, _) => writeln!(text, "\n{GOOD}written{GOOD:#}"),
            (false, true) => writeln!(text, "\nnothing to write: the file has these shares"),
            (false, false) => writeln!(text, "\nnothing was written: add --yes"),
        };
        text
    }
}
