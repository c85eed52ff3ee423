//! `abx rebalance`: a change of shares that moves the fewest units, written to the file with `--yes`.

use crate::command::Execute;
use crate::edits::{DocumentEdit, EditArgs, ExperimentSource};
use crate::error::Error;
use crate::inputs::part;
use crate::report::Report;
use crate::source::{TargetRanges, by_hand, edit_variants};
use abx_core::Experiment;
use abx_core::change::rebalance;
use abx_core::document::Key;
use abx_core::hash::{Range, SumError, allocate};
use serde::Serialize;

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
    #[arg(value_name = "KEY", add = crate::complete::experiments())]
    key: String,
    /// The variants and their shares, which sum to 1
    #[arg(long, value_name = "VARIANT=SHARE", value_delimiter = ',', num_args = 1, required = true, value_parser = target)]
    to: Vec<TargetShare>,
    #[command(flatten)]
    edit: EditArgs,
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
    #[serde(flatten)]
    edit: DocumentEdit,
    /// The variants in the order of the document.
    variants: Vec<VariantRanges>,
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
        let checked = self.edit.check()?;
        let source = ExperimentSource::find(&checked, &self.key)?;
        let variants = plan(source.experiment, &self.to)?;
        let wanted = |it: &VariantRanges| TargetRanges { key: it.key.clone(), ranges: it.after.clone() };
        let wanted: Vec<TargetRanges> = variants.iter().filter(|it| !it.dropped).map(wanted).collect();
        let edited = edit_variants(&source.file.text, source.document, &wanted);
        let plan = source.plan(edited, "`variants`", &format!("\n  variants:{}", by_hand(&wanted)))?;
        Ok(RebalanceReport { edit: self.edit.finish(plan)?, variants })
    }

    fn print(&self, report: &RebalanceReport) -> String {
        self.edit.format.print(report)
    }
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

impl Report for RebalanceReport {
    const KIND: &'static str = "rebalance";

    fn human(&self) -> String {
        let remark = |variant: &VariantRanges| {
            let key = &variant.key;
            if variant.dropped {
                Some(format!("`{key}` is dropped: --to does not name it"))
            } else if variant.after.is_empty() {
                Some(format!("`{key}` stays, but no unit gets it: leave it out of --to to drop it"))
            } else {
                None
            }
        };
        let remarks: Vec<String> = self.variants.iter().filter_map(remark).collect();
        self.edit.human(&remarks, "the file has these shares")
    }
}
