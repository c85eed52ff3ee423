//! `abx power`: the number of units that an experiment needs, or the effect that a number of units can
//! detect.

use crate::command::Execute;
use crate::error::Error;
use crate::inputs;
use crate::render::numbers::{change, count, percent};
use crate::render::style::{DIM, TITLE};
use crate::render::table;
use crate::report::{FormatArg, Report};
use abx_core::results::Standard;
use abx_core::statistics::{Anytime, Baseline, Correction, Design, Looks, Sizes, days};
use clap::ValueEnum;
use serde::Serialize;
use std::fmt::Write as _;

/// Plan an experiment: the units that it needs, the effect that it can detect, or its power
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("of").required(true).args(["baseline", "mean"]),
    after_help = "Examples:
  abx power --baseline 10% --mde 5% --units-per-day 20000 --traffic 20%
  abx power --baseline 10% --n 100000
  abx power --baseline 10% --n 100000 --mde-abs 0.5%
  abx power --mean 52.46 --sd 256 --mde 2% --allocation 0.5,0.25,0.25

--mde is relative to the baseline (5% of 10% is half a percentage point), --mde-abs is in its own
unit. With --n alone the answer is the smallest increase that can be detected; with both, the power.
Every variant is compared with the first. The plan is for the verdicts of `abx results`, which are
valid at every look; with --final it is for the one look of `abx results --final`, which takes about
half as many units and must not be repeated. docs/statistics.md has the formulas."
)]
pub struct Args {
    /// The control's rate, for example 0.1 or 10%
    #[arg(long, value_name = "RATE", value_parser = inputs::probability)]
    baseline: Option<f64>,
    /// The control's mean, for a metric that is not a rate
    #[arg(long, value_name = "MEAN", requires = "sd", allow_hyphen_values = true, value_parser = inputs::part)]
    mean: Option<f64>,
    /// The standard deviation of a unit's value
    #[arg(long, value_name = "DEVIATION", requires = "mean", allow_hyphen_values = true, value_parser = inputs::part)]
    sd: Option<f64>,
    /// The minimum detectable effect, relative to the baseline: 5% or -0.05
    #[arg(long, value_name = "PART", allow_hyphen_values = true, value_parser = inputs::part)]
    mde: Option<f64>,
    /// The minimum detectable effect, in the baseline's own unit
    #[arg(long, value_name = "EFFECT", conflicts_with = "mde", allow_hyphen_values = true, value_parser = inputs::part)]
    mde_abs: Option<f64>,
    /// Units in all variants together
    #[arg(long, value_name = "N", value_parser = inputs::count)]
    n: Option<u64>,
    /// Variants of equal size, the control included
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=100))]
    variants: u8,
    /// The share of each variant, the control's first
    #[arg(long, value_name = "SHARES", value_delimiter = ',', conflicts_with = "variants", value_parser = inputs::probability)]
    allocation: Vec<f64>,
    /// The probability of a false positive
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = inputs::probability)]
    alpha: f64,
    /// The probability of detecting the effect
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = inputs::probability)]
    power: f64,
    /// Plan for one look at the end, instead of for any number of looks
    #[arg(long = "final")]
    is_final: bool,
    /// The number of units that the anytime-valid intervals are tuned for
    #[arg(long, value_name = "UNITS", default_value_t = Anytime::TUNED_FOR, conflicts_with = "is_final", value_parser = inputs::count)]
    tuned_for: u64,
    /// Correction of alpha for several treatments
    #[arg(long, value_enum, default_value_t)]
    correction: CorrectionArg,
    /// Units per day
    #[arg(long, value_name = "N", value_parser = inputs::count)]
    units_per_day: Option<u64>,
    /// The share of these units in the experiment's traffic
    #[arg(long, value_name = "SHARE", default_value = "1", requires = "units_per_day", value_parser = parse_traffic)]
    traffic: f64,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum CorrectionArg {
    /// Divide alpha by the number of treatments
    #[default]
    Bonferroni,
    /// Use alpha for each treatment alone
    None,
}

fn parse_traffic(text: &str) -> Result<f64, String> {
    let share = inputs::part(text).ok().filter(|it| *it > 0.0 && *it <= 1.0);
    share.ok_or_else(|| "write a number above 0, and at most 1".to_owned())
}

/// A planned experiment.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PowerReport {
    /// The number that was computed; the others were given.
    answer: SolvedFor,
    /// The control's rate or mean.
    baseline: f64,
    /// The standard deviation of a unit's value; `null` for a rate.
    deviation: Option<f64>,
    /// The effect, in the unit of the baseline.
    effect: f64,
    /// The effect as a part of the baseline; `null` of 0.
    relative_effect: Option<f64>,
    /// The chance to see the effect, in the treatment where it is least.
    power: f64,
    /// The standard of the verdicts that are planned for.
    standard: Standard,
    /// The probability of a false positive, over all treatments.
    alpha: f64,
    /// The alpha of each comparison with the control.
    alpha_each: f64,
    /// Units in all variants together.
    units: u64,
    /// The control first.
    variants: Vec<PlannedVariant>,
    /// The duration in days; `null` if the number of units per day is not given.
    days: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SolvedFor {
    Units,
    Power,
    Effect,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct PlannedVariant {
    /// The share, 0 to 1.
    share: f64,
    units: u64,
}

impl Execute for Args {
    type Report = PowerReport;

    /// Plans the experiment.
    fn execute(&self) -> Result<PowerReport, Error> {
        let value = self.baseline.or(self.mean).unwrap_or_default();
        let baseline = match self.baseline {
            Some(rate) => Baseline::Proportion { rate },
            None => Baseline::Mean { deviation: self.sd.unwrap_or_default() },
        };
        let shares = shares(self);
        let correction = match self.correction {
            CorrectionArg::Bonferroni => Correction::Bonferroni,
            CorrectionArg::None => Correction::None,
        };
        let looks = if self.is_final { Looks::Final } else { Looks::Every { tuned_for: self.tuned_for } };
        let design = Design::new(baseline, &shares, self.alpha, self.power, correction, looks)
            .ok_or_else(|| Error::caller("two variants and a deviation above 0 are required"))?;
        let effect = self.mde_abs.or_else(|| self.mde.map(|part| part * value.abs()));
        if self.mde.is_some() && value == 0.0 {
            return Err(Error::caller("an effect relative to a mean of 0 is undefined")
                .help("give the effect as --mde-abs"));
        }
        let plan = answer(&design, self, effect)?;
        let variants = |(share, units): (&f64, u64)| PlannedVariant { share: *share, units };
        let duration = self.units_per_day.map(|each_day| {
            days(plan.sizes.total, each_day, self.traffic)
                .ok_or_else(|| Error::caller("the experiment would take too long"))
        });
        Ok(PowerReport {
            answer: plan.answer,
            baseline: value,
            deviation: self.sd,
            effect: plan.effect,
            relative_effect: Some(plan.effect / value.abs()).filter(|it| it.is_finite()),
            power: plan.power,
            standard: if self.is_final { Standard::Final } else { Standard::Anytime },
            alpha: self.alpha,
            alpha_each: design.alpha_each(),
            units: plan.sizes.total,
            variants: shares.iter().zip(plan.sizes.variants).map(variants).collect(),
            days: duration.transpose()?,
        })
    }

    fn print(&self, report: &PowerReport) -> String {
        self.format.print(report)
    }
}

/// The shares of the variants, which sum to 1.
fn shares(args: &Args) -> Vec<f64> {
    if args.allocation.is_empty() {
        return vec![1.0 / f64::from(args.variants); usize::from(args.variants)];
    }
    let whole: f64 = args.allocation.iter().sum();
    args.allocation.iter().map(|share| share / whole).collect()
}

/// The three numbers that belong together, one of them found.
struct Solution {
    answer: SolvedFor,
    effect: f64,
    power: f64,
    sizes: Sizes,
}

fn answer(design: &Design, args: &Args, effect: Option<f64>) -> Result<Solution, Error> {
    let wrong = |effect: f64| {
        Error::caller(format!("no number of units can detect an effect of {effect}"))
            .help("it must not be 0, not too small, and a rate stays between 0 and 1")
    };
    match (effect, args.n) {
        (Some(effect), None) => {
            let sizes = design.sizes(effect).ok_or_else(|| wrong(effect))?;
            Ok(Solution { answer: SolvedFor::Units, effect, power: args.power, sizes })
        }
        (Some(effect), Some(units)) => {
            let power = design.power(units, effect).ok_or_else(|| wrong(effect))?;
            Ok(Solution { answer: SolvedFor::Power, effect, power, sizes: design.split(units) })
        }
        (None, Some(units)) => {
            let effect = design.detectable(units).ok_or_else(|| {
                Error::caller(format!("{} units cannot detect any increase", count(units)))
                    .help("take more units, or less power")
            })?;
            Ok(Solution { answer: SolvedFor::Effect, effect, power: args.power, sizes: design.split(units) })
        }
        (None, None) => Err(Error::caller("neither an effect nor a number of units is given")
            .help("give the effect to see (--mde 5%), or the units that there are (--n 100000)")),
    }
}

impl PowerReport {
    /// A rate in percent, a mean as it is.
    fn number(&self, number: f64) -> String {
        if self.deviation.is_some() { format!("{number:.4}") } else { percent(number) }
    }

    fn effect_line(&self) -> String {
        let (from, to) = (self.number(self.baseline), self.number(self.baseline + self.effect));
        let relative = self.relative_effect.map_or(String::new(), |it| format!(" ({})", change(it)));
        let deviation = self.deviation.map_or(String::new(), |it| format!(", standard deviation {it}"));
        format!("a change from {from} to {to}{relative}{deviation}")
    }
}

impl Report for PowerReport {
    const KIND: &'static str = "power";

    fn human(&self) -> String {
        let (units, power, effect) = (count(self.units), percent(self.power), self.effect_line());
        let mut text = match self.answer {
            SolvedFor::Units => {
                format!("{TITLE}{units} units{TITLE:#} show {effect}, with a power of {power}\n")
            }
            SolvedFor::Power => {
                format!("{units} units show {effect}, with a power of {TITLE}{power}{TITLE:#}\n")
            }
            SolvedFor::Effect => {
                format!("{units} units show {TITLE}{effect}{TITLE:#}, with a power of {power}\n")
            }
        };
        let rows = self.variants.iter().enumerate().map(|(at, it)| {
            let name = if at == 0 { "control".to_owned() } else { format!("treatment {at}") };
            vec![name, percent(it.share), count(it.units)]
        });
        let _ = writeln!(text, "{}\n", table::plain(&["variant", "share", "units"], &[1, 2], rows));
        let treatments = self.variants.len().saturating_sub(1);
        let each = if self.alpha_each < self.alpha {
            format!(", {:.4} for each of {treatments} treatments", self.alpha_each)
        } else {
            String::new()
        };
        let looks = match self.standard {
            Standard::Anytime => "verdicts valid at every look",
            Standard::Final => "one two-sided test at the end, with `abx results --final`",
        };
        let _ = writeln!(text, "  {DIM}{looks}, alpha {}{each}{DIM:#}", self.alpha);
        if let Some(days) = self.days {
            let s = if days == 1 { "" } else { "s" };
            let _ = writeln!(text, "  {} day{s}", count(days));
        }
        text
    }
}
