//! `abx power`: the number of units that an experiment needs, or the effect that a number of units can
//! detect.

mod observed;

use crate::command::{Execute, block_on};
use crate::error::Error;
use crate::inputs;
use crate::render::numbers::{change, count, percent};
use crate::render::style::{DIM, TITLE};
use crate::render::table;
use crate::report::{FormatArg, Report};
use crate::stores::MetricsArgs;
use abx_core::plan::Plan;
use abx_core::results::Standard;
use abx_core::statistics::{Baseline, Correction, Design, Looks, Sizes, days};
use clap::ValueEnum;
use observed::ObservedExperiment;
use serde::Serialize;
use std::fmt::Write as _;

/// Plan an experiment: the units that it needs, the effect that it can detect, or its power
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("of").required(true).multiple(true).args(["key", "baseline", "mean"]),
    after_help = "Examples:
  abx power checkout_redesign --mde 5%
  abx power --baseline 10% --mde 5% --units-per-day 20000 --traffic 20%
  abx power --baseline 10% --n 100000
  abx power --baseline 10% --n 100000 --mde-abs 0.5%
  abx power --mean 52.46 --sd 256 --mde 2% --allocation 0.5,0.25,0.25

With KEY, shares, traffic and plan are those of the published document, and what is not given of
the control and of the traffic is as it was counted; the report has the `plan:` to write there.
--mde is relative to the baseline (5% of 10% is half a percentage point), --mde-abs is in its own
unit. With --n alone the answer is the smallest increase that can be detected; with both, the power.
Every variant is compared with the first. The plan is for the verdicts of `abx results`, which are
valid at every look around the planned units (`plan: {units: N}` of the document). With --final it
is for the one look of `abx results --final`, which takes an eighth fewer units and must not be
repeated; with --tuned-for it is for a document without a plan, which takes more. docs/statistics.md has the formulas."
)]
pub struct Args {
    /// A published experiment, whose shares and counts are used
    #[arg(value_name = "KEY", conflicts_with_all = ["allocation", "variants", "traffic"], add = crate::complete::experiments())]
    key: Option<String>,
    /// The metric to plan for; the goal of the plan, or the first primary metric, by default
    #[arg(long, value_name = "METRIC", requires = "key")]
    metric: Option<String>,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// The control's rate, for example 0.1 or 10%
    #[arg(long, value_name = "RATE", conflicts_with = "mean", value_parser = inputs::probability)]
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
    /// The probability of a false positive [default: the plan's, or 5%]
    #[arg(long, value_name = "SHARE", value_parser = inputs::probability)]
    alpha: Option<f64>,
    /// The probability of detecting the effect [default: the plan's, or 80%]
    #[arg(long, value_name = "SHARE", value_parser = inputs::probability)]
    power: Option<f64>,
    /// Plan for one look at the end, instead of for any number of looks
    #[arg(long = "final")]
    is_final: bool,
    /// Plan for intervals that are tuned for so many units, as of a document without a plan
    #[arg(long, value_name = "UNITS", conflicts_with = "is_final", value_parser = inputs::count)]
    tuned_for: Option<u64>,
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

/// A number with the digits that matter.
fn round_number(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

/// A planned experiment.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PowerReport {
    /// The experiment whose document and counts were used; else `null`.
    experiment: Option<String>,
    /// The metric that is planned for; `null` without an experiment.
    metric: Option<String>,
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
        let observed = match &self.key {
            Some(key) => Some(block_on(observed::read(key, self.metric.as_deref(), &self.metrics))?),
            None => None,
        };
        let observed = observed.as_ref();
        let (value, baseline) = self.baseline(observed)?;
        let shares = observed.map_or_else(|| shares(self), |it| it.shares.clone());
        let correction = match self.correction {
            CorrectionArg::Bonferroni => Correction::Bonferroni,
            CorrectionArg::None => Correction::None,
        };
        let is_final = self.is_final || observed.is_some_and(|it| it.is_final);
        let (looks, standard) = match self.tuned_for {
            Some(tuned_for) => (Looks::Every { tuned_for }, Standard::Anytime),
            None if is_final => (Looks::Final, Standard::Final),
            None => (Looks::Planned, Standard::Planned),
        };
        let alpha = self.alpha.or_else(|| observed?.alpha).unwrap_or(Plan::ALPHA);
        let power = self.power.or_else(|| observed?.power).unwrap_or(Plan::POWER);
        let design = Design::new(baseline, &shares, alpha, power, correction, looks)
            .ok_or_else(|| Error::caller("two variants and a deviation above 0 are required"))?;
        if self.mde.is_some() && value == 0.0 {
            return Err(Error::caller("an effect relative to a mean of 0 is undefined")
                .help("give the effect as --mde-abs"));
        }
        let written = || observed?.effect.map(|it| it.absolute(value)).filter(|_| self.n.is_none());
        let effect = self.mde_abs.or_else(|| self.mde.map(|part| part * value.abs())).or_else(written);
        let plan = answer(&design, (self.n, power), effect)?;
        let variants = |(share, units): (&f64, u64)| PlannedVariant { share: *share, units };
        let each_day = self.units_per_day.map(|it| (it, self.traffic));
        let each_day = each_day.or_else(|| Some((observed?.units_per_day?, 1.0)));
        let duration = each_day.map(|(each_day, traffic)| {
            days(plan.sizes.total, each_day, traffic)
                .ok_or_else(|| Error::caller("the experiment would take too long"))
        });
        Ok(PowerReport {
            experiment: self.key.clone(),
            metric: observed.map(|it| it.metric.clone()),
            answer: plan.answer,
            baseline: value,
            deviation: match baseline {
                Baseline::Proportion { .. } => None,
                Baseline::Mean { deviation } => Some(deviation),
            },
            effect: plan.effect,
            relative_effect: Some(plan.effect / value.abs()).filter(|it| it.is_finite()),
            power: plan.power,
            standard,
            alpha,
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

impl Args {
    /// The control's value and its spread: what is given, or else what was counted.
    fn baseline(&self, observed: Option<&ObservedExperiment>) -> Result<(f64, Baseline), Error> {
        match (self.baseline, self.mean, observed) {
            (Some(rate), ..) => Ok((rate, Baseline::Proportion { rate })),
            (_, Some(mean), _) => Ok((mean, Baseline::Mean { deviation: self.sd.unwrap_or_default() })),
            (None, None, Some(ObservedExperiment { baseline: Some(baseline), .. })) => Ok(*baseline),
            (None, None, Some(ObservedExperiment { metric, .. })) => Err(Error::caller(format!(
                "nothing, or too little, was counted of `{metric}` in the control"
            ))
            .help("give its value as it is known: --baseline 10%, or --mean 52 --sd 256")),
            (None, None, None) => Err(Error::caller("neither an experiment nor a baseline is given")),
        }
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

fn answer(design: &Design, (n, power): (Option<u64>, f64), effect: Option<f64>) -> Result<Solution, Error> {
    let wrong = |effect: f64| {
        Error::caller(format!("no number of units can detect an effect of {effect}"))
            .help("it must not be 0, not too small, and a rate stays between 0 and 1")
    };
    match (effect, n) {
        (Some(effect), None) => {
            let sizes = design.sizes(effect).ok_or_else(|| wrong(effect))?;
            Ok(Solution { answer: SolvedFor::Units, effect, power, sizes })
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
            Ok(Solution { answer: SolvedFor::Effect, effect, power, sizes: design.split(units) })
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

    /// The plan as a document has it.
    fn document(&self, goal: &str) -> String {
        let effect = self.relative_effect.map_or_else(
            || self.effect.abs().to_string(),
            |it| format!("{}%", round_number(it.abs() * 100.0)),
        );
        let mut text = format!("\nWrite into the document, before the start:\n\nplan:\n  goal: {goal}\n");
        let _ = writeln!(text, "  minimum_effect: {effect}");
        let _ = writeln!(text, "  power: {}%", round_number(self.power * 100.0));
        let _ = writeln!(text, "  units: {}", self.units);
        if let Some(days) = self.days {
            let _ = writeln!(text, "  days: {days}");
        }
        if self.standard == Standard::Final {
            text.push_str("  looks: final\n");
        }
        text
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
                format!("{TITLE}{units} units{TITLE:#} show {effect},\n  with a power of {power}\n")
            }
            SolvedFor::Power => {
                format!("{units} units show {effect},\n  with a power of {TITLE}{power}{TITLE:#}\n")
            }
            SolvedFor::Effect => {
                format!("{units} units show {TITLE}{effect}{TITLE:#},\n  with a power of {power}\n")
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
            Standard::Anytime => "verdicts valid at every look, by a document without planned units",
            Standard::Planned => "verdicts valid at every look, around the planned units",
            Standard::Final => "one two-sided test at the end, with `abx results --final`",
        };
        let _ = writeln!(text, "  {DIM}{looks}, alpha {}{each}{DIM:#}", self.alpha);
        if let Some(days) = self.days {
            let s = if days == 1 { "" } else { "s" };
            let _ = writeln!(text, "  {} day{s}", count(days));
        }
        if let Some(metric) = &self.metric {
            text.push_str(&self.document(metric));
        }
        text
    }
}
