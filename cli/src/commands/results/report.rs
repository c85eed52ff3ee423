//! What came of an experiment, as JSON and for a person.

use super::judge::{Plan, VariantResult, Verdict, breaks_guardrail, metric};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::numbers::{count, p_value, percent};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::Experiment;
use abx_core::document::{Direction, MetricKind, MetricRole, Status};
use abx_core::event::{Hour, StreamCounter, StreamTotals, Totals, VariantTotals};
use abx_core::statistics::{Comparison, Estimate, RatioVerdict, SampleRatio, SampleRatioPlan, sample_ratio};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What was counted in an experiment, and what it means.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ResultsReport {
    experiment: String,
    status: Status,
    /// The catalog's revision.
    revision: u64,
    epoch: u32,
    /// Units that were exposed, each once.
    units: u64,
    variants: Vec<VariantReport>,
    /// Do the units follow their allocations? `null` without units.
    sample_ratio: Option<SampleRatio>,
    control: String,
    /// The chance of a false alarm of each interval and test.
    alpha: f64,
    metrics: Vec<MetricReport>,
    /// Units by the hour of their first exposure, the oldest first.
    hours: Vec<HourReport>,
    /// What was counted of the stream, over all experiments.
    stream: BTreeMap<&'static str, u64>,
}

#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
struct VariantReport {
    variant: String,
    units: u64,
    exposures: u64,
    /// Exposures of its units to another variant.
    conflicts: u64,
    /// Whether the document has it.
    is_known: bool,
}

#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
struct MetricReport {
    metric: String,
    event: String,
    kind: MetricKind,
    role: MetricRole,
    direction: Direction,
    variants: Vec<VariantResult>,
    /// Whether it is a guardrail and a variant is worse.
    broken: bool,
}

#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
struct HourReport {
    /// RFC 3339, or `late` for units whose clocks are impossible.
    hour: String,
    units: u64,
}

impl ResultsReport {
    pub(super) fn new(
        experiment: &Experiment,
        (revision, epoch): (u64, u32),
        totals: &Totals,
        stream: &StreamTotals,
        plan: &Plan<'_>,
    ) -> Result<Self, Error> {
        let none = VariantTotals::default();
        let written: Vec<&str> = experiment.variants().iter().map(|variant| &*variant.key).collect();
        let strangers = totals.variants.keys().map(String::as_str).filter(|key| !written.contains(key));
        let keys: Vec<&str> = written.iter().copied().chain(strangers).collect();
        let all: Vec<(&str, &VariantTotals)> =
            keys.iter().map(|key| (*key, totals.variants.get(*key).unwrap_or(&none))).collect();
        let control = control(plan.control, &written)?;
        let known: Vec<(&str, &VariantTotals)> = all.iter().copied().take(written.len()).collect();
        let units: Vec<u64> = known.iter().map(|(_, it)| it.units).collect();
        let shares: Vec<f64> = experiment.variant_buckets().iter().map(|it| f64::from(*it)).collect();
        let metrics = experiment.metrics().iter().map(|config| {
            let variants = metric(config, &known, control, plan);
            MetricReport {
                metric: config.key.to_string(),
                event: config.event.clone(),
                kind: config.kind,
                role: config.role.unwrap_or_default(),
                direction: config.direction.unwrap_or_default(),
                broken: breaks_guardrail(config, &variants),
                variants,
            }
        });
        Ok(Self {
            experiment: experiment.key().to_owned(),
            status: experiment.status(),
            revision,
            epoch,
            units: totals.units(),
            variants: all
                .iter()
                .map(|(key, it)| VariantReport::new(key, it, written.contains(key)))
                .collect(),
            sample_ratio: sample_ratio(&units, &shares, SampleRatioPlan::default()),
            control: written.get(control).copied().unwrap_or_default().to_owned(),
            alpha: plan.alpha,
            metrics: metrics.collect(),
            hours: totals.hours.iter().filter_map(HourReport::new).collect(),
            stream: StreamCounter::ALL.iter().map(|it| (it.as_str(), stream.count(*it))).collect(),
        })
    }

    fn is_mismatch(&self) -> bool {
        self.sample_ratio.as_ref().is_some_and(|it| it.verdict == RatioVerdict::Mismatch)
    }
}

fn control(asked: Option<&str>, written: &[&str]) -> Result<usize, Error> {
    let Some(asked) = asked else { return Ok(0) };
    written.iter().position(|key| *key == asked).ok_or_else(|| {
        let help = format!("it has {}", written.join(", "));
        Error::caller(format!("the experiment has no variant {asked:?}")).help(help)
    })
}

impl VariantReport {
    fn new(key: &str, totals: &VariantTotals, is_known: bool) -> Self {
        let VariantTotals { units, exposures, conflicts, .. } = *totals;
        Self { variant: key.to_owned(), units, exposures, conflicts, is_known }
    }
}

impl HourReport {
    fn new((hour, variants): (&Hour, &BTreeMap<String, VariantTotals>)) -> Option<Self> {
        let units = variants.values().map(|it| it.units).sum();
        let hour = hour.start().map_or_else(|| "late".to_owned(), |start| start.to_string());
        (units > 0).then_some(Self { hour, units })
    }
}

impl Report for ResultsReport {
    fn human(&self) -> String {
        let mut text = self.head();
        if self.units == 0 {
            let _ = writeln!(text, "  nothing was counted yet: no exposure has come");
            return text;
        }
        text.push_str(&self.variants_table());
        for metric in &self.metrics {
            text.push_str(&metric.human(&self.control));
        }
        let _ = write!(text, "\n{}", self.foot());
        text
    }

    fn exit(&self) -> Exit {
        let broken = self.metrics.iter().any(|metric| metric.broken);
        if self.is_mismatch() || broken { exit::FINDINGS } else { exit::DONE }
    }
}

impl ResultsReport {
    fn head(&self) -> String {
        let Self { experiment, status, revision, epoch, units, .. } = self;
        let epoch = if *epoch > 1 { format!(" · epoch {epoch}") } else { String::new() };
        let units = count(*units);
        format!(
            "{TITLE}{experiment}{TITLE:#} {DIM}{status} · revision {revision}{epoch}{DIM:#} · {units} units {}\n",
            self.chart()
        )
    }

    /// Units by hour, as a line of bars: the latest 24.
    fn chart(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let latest = self.hours.iter().filter(|it| it.hour != "late").rev().take(24);
        let mut units: Vec<u64> = latest.map(|it| it.units).collect();
        units.reverse();
        let most = units.iter().copied().max().unwrap_or(1).max(1);
        let bar = |units: u64| {
            let step = usize::try_from(units.saturating_mul(7) / most).unwrap_or(7);
            BARS.get(step).copied().unwrap_or('█')
        };
        if units.len() < 2 { String::new() } else { units.into_iter().map(bar).collect() }
    }

    fn variants_table(&self) -> String {
        let ratios = self.sample_ratio.as_ref().map(|it| it.variants.as_slice()).unwrap_or_default();
        let rows = self.variants.iter().enumerate().map(|(index, variant)| {
            let ratio = ratios.get(index);
            let share = |it: Option<f64>| it.map_or_else(|| "-".to_owned(), percent);
            let name = if variant.is_known {
                variant.variant.clone()
            } else {
                format!("{} (not in the document)", variant.variant)
            };
            vec![
                name,
                count(variant.units),
                share(ratio.map(|it| it.observed)),
                share(ratio.map(|it| it.expected)),
                count(variant.exposures),
                count(variant.conflicts),
            ]
        });
        let header = ["variant", "units", "share", "expected", "exposures", "conflicts"];
        let mut text = table::plain(&header, &[1, 2, 3, 4, 5], rows) + "\n";
        if let Some(ratio) = &self.sample_ratio {
            let verdict = match ratio.verdict {
                RatioVerdict::Fits => format!("{GOOD}fits{GOOD:#}"),
                RatioVerdict::BelowFloor => format!("{GOOD}differs by too little to matter{GOOD:#}"),
                RatioVerdict::Mismatch => format!("{BAD}mismatch: no result below can be trusted{BAD:#}"),
            };
            let _ = writeln!(text, "  sample ratio {verdict}, anytime {}", p_value(ratio.anytime_p_value));
        }
        text
    }

    fn foot(&self) -> String {
        let told = [
            StreamCounter::Accepted,
            StreamCounter::Duplicates,
            StreamCounter::Late,
            StreamCounter::Unattributed,
        ];
        let counts = told.iter().filter_map(|it| {
            let number = self.stream.get(it.as_str()).copied().filter(|number| *number > 0)?;
            Some(format!("{} {}", count(number), it.as_str()))
        });
        let level = percent(1.0 - self.alpha);
        format!(
            "{DIM}intervals at {level}; `anytime` may be looked at daily, the others once\nstream: {}{DIM:#}\n",
            counts.collect::<Vec<_>>().join(" · ")
        )
    }
}

impl MetricReport {
    fn human(&self, control: &str) -> String {
        let is_rate = self.kind == MetricKind::Conversion;
        let show = |number: f64| if is_rate { percent(number) } else { format!("{number:.4}") };
        let interval = |it: Option<Estimate>| {
            it.map_or_else(|| "-".to_owned(), |it| format!("{} to {}", show(it.lower), show(it.upper)))
        };
        let rows = self.variants.iter().map(|it| {
            let total = it.converted.map_or_else(|| it.sum.clone().unwrap_or_default(), count);
            let p = |it: Option<Comparison>| it.map_or_else(String::new, |it| p_value(it.p_value));
            let difference =
                |it: Option<Comparison>| it.map_or_else(String::new, |it| interval(Some(it.difference)));
            vec![
                it.variant.clone(),
                total,
                it.value.map_or_else(|| "-".to_owned(), |it| show(it.value)),
                interval(it.value),
                difference(it.comparison),
                p(it.comparison),
                difference(it.anytime),
                it.verdict.map_or_else(|| "control".to_owned(), verdict),
            ]
        });
        let (total, value) = if is_rate { ("converted", "rate") } else { ("sum", "per unit") };
        let header = ["variant", total, value, "interval", "difference", "p", "anytime", ""];
        let role = match self.role {
            MetricRole::Primary => "primary",
            MetricRole::Guardrail => "guardrail",
        };
        let broken = if self.broken { format!(" {BAD}broken{BAD:#}") } else { String::new() };
        let mut text = format!(
            "\n{TITLE}{}{TITLE:#} {DIM}{role} · {} · against {control}{DIM:#}{broken}\n",
            self.metric, self.kind
        );
        let _ = writeln!(text, "{}", table::plain(&header, &[1, 2, 3, 4, 5, 6], rows));
        let invalid: u64 = self.variants.iter().map(|it| it.invalid).sum();
        if invalid > 0 {
            let _ = writeln!(text, "  {BAD}{} events have no number in the property{BAD:#}", count(invalid));
        }
        text
    }
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Better => format!("{GOOD}better{GOOD:#}"),
        Verdict::Worse => format!("{BAD}worse{BAD:#}"),
        Verdict::Unclear => "unclear".to_owned(),
    }
}
