//! `abx srm`: a check of observed units against the allocations.

use crate::command::Execute;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::inputs::{self, FromArg};
use crate::render::numbers::{bar, change, count, p_value, percent};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::{FormatArg, Report};
use abx_core::statistics::{
    ChiSquare, RatioTest, RatioVariant, RatioVerdict, SampleRatio, SampleRatioPlan, sample_ratio,
};
use serde::Serialize;
use std::fmt::Write as _;

/// Test the units of variants for a sample ratio mismatch (SRM)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx srm control=5000 treatment=4800
  abx srm a=60000 b=10500 c=30000 --shares 0.6,0.1,0.3
  abx srm control=5000 redesign=4800 --experiment checkout_redesign --from experiments/

Count units, not events, and only units that were assigned by hash: overrides follow no allocation.
The test may be repeated as often as you like, on growing counts; --once is for a single look at a
time that was fixed beforehand, and is somewhat more sensitive. docs/statistics.md has the formulas.

Exit code 1: the units do not follow their allocations, or a variant with the share 0 has units.
Then units are lost or added between assignment and count, and no result of the experiment can be
trusted. Exit code 2: too few units to test.")]
pub struct Args {
    /// The units of each variant
    #[arg(required = true, value_name = "VARIANT=UNITS", value_parser = parse_variant)]
    counts: Vec<(String, u64)>,
    /// The share of each variant, in the same order; equal by default
    #[arg(long, value_name = "SHARES", value_delimiter = ',', allow_hyphen_values = true, value_parser = inputs::part)]
    shares: Vec<f64>,
    /// The experiment whose allocations are the shares
    #[arg(long, value_name = "KEY", conflicts_with = "shares", add = crate::complete::experiments())]
    experiment: Option<String>,
    #[command(flatten)]
    from: FromArg,
    /// The probability of a false positive
    #[arg(long, value_name = "SHARE", default_value_t = SampleRatioPlan::default().alpha, value_parser = inputs::probability)]
    alpha: f64,
    /// Report, but do not fail on, deviations below this fraction of a share
    #[arg(long, value_name = "PART", default_value = "0%", allow_hyphen_values = true, value_parser = parse_floor)]
    floor: f64,
    /// Decide by the chi-square test, which is valid for a single look at a time fixed in advance
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// A part that is not negative: below 0 every deviation, even none, would be one.
fn parse_floor(text: &str) -> Result<f64, String> {
    let floor = inputs::part(text).ok().filter(|it| *it >= 0.0);
    floor.ok_or_else(|| "write a number of 0 or more, for example 0.005 or 0.5%".to_owned())
}

/// The result of a sample ratio mismatch (SRM) check.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SrmReport {
    /// The experiment that the shares are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<String>,
    verdict: RatioVerdict,
    /// The test that the verdict is by.
    decided_by: RatioTest,
    /// The probability of a false positive.
    alpha: f64,
    /// Deviations below this part of a share are no alarm.
    floor: f64,
    /// The p-value that holds at every look together.
    anytime_p_value: f64,
    /// The test for one look; `null` with fewer than 5 expected in a variant.
    chi_square: Option<ChiSquare>,
    /// The greatest deviation of a variant from its share; `null` if one has units and no share.
    greatest_deviation: Option<f64>,
    /// The number of units below which the test could not have raised an alarm.
    least_units: u64,
    variants: Vec<SrmVariant>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct SrmVariant {
    variant: String,
    #[serde(flatten)]
    ratio: RatioVariant,
}

/// More than anybody counts. So many in each variant have an exact sum.
const MOST_UNITS: u64 = 1_000_000_000_000_000;

fn parse_variant(text: &str) -> Result<(String, u64), String> {
    let (name, units) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write VARIANT=UNITS")?;
    let plain: String = units.chars().filter(|c| *c != '_' && *c != ',').collect();
    let units = plain.parse().ok().filter(|units| *units <= MOST_UNITS);
    let units = units.ok_or("write a whole number of units up to 10^15, for example control=5000")?;
    Ok((name.to_owned(), units))
}

impl Execute for Args {
    type Report = SrmReport;

    /// Tests the counts.
    fn execute(&self) -> Result<SrmReport, Error> {
        for (at, (name, _)) in self.counts.iter().enumerate() {
            if self.counts.iter().take(at).any(|(other, _)| other == name) {
                return Err(Error::caller(format!("{name:?} has two counts")));
            }
        }
        let counts = match &self.experiment {
            Some(key) => with_allocations(self, key)?,
            None => with_shares(self)?,
        };
        let test = if self.once { RatioTest::ChiSquare } else { RatioTest::Anytime };
        let plan = SampleRatioPlan { alpha: self.alpha, floor: self.floor, test };
        let observed: Vec<u64> = counts.iter().map(|it| it.units).collect();
        let shares: Vec<f64> = counts.iter().map(|it| it.share).collect();
        let found = sample_ratio(&observed, &shares, plan).ok_or_else(|| {
            Error::caller("there is nothing to test")
                .help("give at least one unit, and two variants whose share is above 0")
        })?;
        Ok(SrmReport::new(self, plan, counts, found))
    }

    fn print(&self, report: &SrmReport) -> String {
        self.format.print(report)
    }
}

/// A variant, its units, and the share that it should have.
struct Count {
    variant: String,
    units: u64,
    share: f64,
}

fn with_shares(args: &Args) -> Result<Vec<Count>, Error> {
    if !args.shares.is_empty() && args.shares.len() != args.counts.len() {
        let (shares, counts) = (args.shares.len(), args.counts.len());
        return Err(Error::caller(format!("shares: {shares} given for {counts} variants")));
    }
    if args.shares.iter().any(|it| *it < 0.0) {
        return Err(Error::caller("a share is below 0"));
    }
    let shares = args.shares.iter().copied().chain(std::iter::repeat(1.0));
    let with = |((variant, units), share): (&(String, u64), f64)| Count {
        variant: variant.clone(),
        units: *units,
        share,
    };
    Ok(args.counts.iter().zip(shares).map(with).collect())
}

/// The counts in the order of the experiment's variants. Each needs one: a variant that nobody counted may be
/// the fault that is looked for.
fn with_allocations(args: &Args, key: &str) -> Result<Vec<Count>, Error> {
    let checked = args.from.load()?;
    let keys = checked.catalog.experiments().iter().map(abx_core::Experiment::key);
    let experiment = checked
        .catalog
        .experiment(key)
        .ok_or_else(|| inputs::unknown_key("experiment", key, keys, &checked))?;
    let variants = || experiment.variants().iter().map(|it| it.key.as_ref());
    if let Some((name, _)) = args.counts.iter().find(|(name, _)| variants().all(|it| it != name.as_str())) {
        let known = variants().collect::<Vec<_>>().join(", ");
        return Err(Error::caller(format!("{key} has no variant {name:?}")).help(format!("it has {known}")));
    }
    let with = |(variant, buckets): (&str, u32)| {
        let (_, units) = args.counts.iter().find(|(name, _)| name == variant).ok_or_else(|| {
            Error::caller(format!("there is no count for {variant:?}"))
                .help(format!("add {variant}=0 if no unit saw it"))
        })?;
        Ok(Count { variant: variant.to_owned(), units: *units, share: f64::from(buckets) })
    };
    variants().zip(experiment.variant_buckets()).map(with).collect()
}

impl SrmReport {
    fn new(args: &Args, plan: SampleRatioPlan, counts: Vec<Count>, found: SampleRatio) -> Self {
        let variants = counts.into_iter().zip(found.variants);
        Self {
            experiment: args.experiment.clone(),
            verdict: found.verdict,
            decided_by: plan.test,
            alpha: plan.alpha,
            floor: plan.floor,
            anytime_p_value: found.anytime_p_value,
            chi_square: found.chi_square,
            greatest_deviation: found.greatest_deviation,
            least_units: found.least_units,
            variants: variants.map(|(count, ratio)| SrmVariant { variant: count.variant, ratio }).collect(),
        }
    }

    fn verdict_line(&self) -> String {
        match self.verdict {
            RatioVerdict::Fits => {
                format!("{GOOD}fits{GOOD:#}: the counts are consistent with the allocations")
            }
            RatioVerdict::BelowFloor => {
                format!("{GOOD}fits{GOOD:#}: the deviation is below the floor of {}", percent(self.floor))
            }
            RatioVerdict::TooFew => format!(
                "{BAD}not tested{BAD:#}: too few units; with fewer than {}, no split is significant",
                count(self.least_units)
            ),
            RatioVerdict::Mismatch => format!(
                "{BAD}mismatch{BAD:#}: {}\n  do not trust the results: units are lost or added between assignment and count",
                self.leak().unwrap_or_else(|| "the units do not follow their allocations".to_owned())
            ),
        }
    }

    /// The variants that have units and no share.
    fn leak(&self) -> Option<String> {
        let leaks = self.variants.iter().filter(|it| it.ratio.units > 0 && it.ratio.expected <= 0.0);
        let leaks: Vec<String> =
            leaks.map(|it| format!("{} of {}", count(it.ratio.units), it.variant)).collect();
        (!leaks.is_empty()).then(|| format!("units where the share is 0: {}", leaks.join(", ")))
    }
}

impl Report for SrmReport {
    const KIND: &'static str = "srm";

    fn human(&self) -> String {
        let units: u64 = self.variants.iter().map(|it| it.ratio.units).sum();
        let of = self.experiment.as_ref().map_or(String::new(), |key| format!(" of {key}"));
        let mut text = format!("{TITLE}{} units{of}{TITLE:#}\n", count(units));
        let widest = self.variants.iter().map(|it| it.ratio.observed).fold(0.0, f64::max);
        let rows = self.variants.iter().map(|it| {
            vec![
                it.variant.clone(),
                percent(it.ratio.expected),
                percent(it.ratio.observed),
                it.ratio.deviation.map_or_else(|| "-".to_owned(), change),
                count(it.ratio.units),
                bar(it.ratio.observed / widest, 24),
            ]
        });
        let header = ["variant", "expected", "observed", "deviation", "units", ""];
        let _ = writeln!(text, "{}\n", table::plain(&header, &[1, 2, 3, 4], rows));
        let _ = writeln!(text, "{}", self.verdict_line());
        let _ = writeln!(text, "  {DIM}anytime-valid{DIM:#} {}", p_value(self.anytime_p_value));
        let once = match self.chi_square {
            None => "not tested: fewer than 5 expected in a variant".to_owned(),
            Some(it) if it.statistic < f64::MAX => {
                format!("{}, χ² = {:.2}", p_value(it.p_value), it.statistic)
            }
            Some(it) => format!("{}: units where the share is 0", p_value(it.p_value)),
        };
        let _ = writeln!(text, "  {DIM}single look{DIM:#}   {once}");
        text
    }

    fn exit(&self) -> Exit {
        match self.verdict {
            RatioVerdict::Fits | RatioVerdict::BelowFloor => exit::DONE,
            RatioVerdict::Mismatch => exit::FINDINGS,
            RatioVerdict::TooFew => exit::CALLER,
        }
    }
}
