//! Evidence from archived events, by a query engine.

use super::evidence::Evidence;
use super::report::{ArchiveReport, ArchivedMetric, HourReport, VariantReport};
use crate::error::Error;
use abx_analysis::{
    Answer, Cap, Engine, Measure as Total, MetricQuestion, Part, PhaseStart, QuantileOf, QuantileQuestion,
    Question, Sums, analyze,
};
use abx_core::Experiment;
use abx_core::document::QuantilePer;
use abx_core::event::Amount;
use abx_core::metric::{self, Measure, Metric};
use abx_core::results::{self, ArchivedVariant, Look, MeasuredMetric, Phase};
use abx_core::statistics::{RatioMean, RatioPhase, SampleRatioPlan, UnitSums, sample_ratio_of_phases};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use std::collections::{BTreeMap, BTreeSet};

/// `z` of the interval by which a quantile's standard error is found.
const Z: f64 = 1.959_963_984_540_054;
/// The days after an event within which it arrives. The functions count one that comes later under no hour, so that no `--until` has it.
const LATEST_ARRIVAL: i64 = 7;
/// The share of units that saw several variants above which a report says so.
const NOTABLE: f64 = 0.005;
/// The prefix of questions for the number of a sum's values. No key of a document begins with it.
const VALUES: &str = "#";

/// An experiment whose archive is read.
pub(super) struct ArchivedExperiment<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) phases: &'a [Phase],
    /// The attribute to break down by.
    pub(super) by: Option<&'a str>,
    pub(super) until: Option<Timestamp>,
}

/// What the archive says of the units that have one value of a dimension.
pub(super) struct DimensionEvidence {
    pub(super) value: Option<String>,
    pub(super) units: u64,
    pub(super) measured: Vec<MeasuredMetric>,
}

impl ArchivedExperiment<'_> {
    /// Reads the archive, named so for a person.
    pub(super) async fn read(
        &self,
        engine: &impl Engine,
        name: &str,
    ) -> Result<(Evidence, Vec<DimensionEvidence>), Error> {
        let answer = analyze(engine, &self.question()).await;
        let answer =
            answer.map_err(|error| Error::world(format!("the {name} cannot be analyzed")).because(error))?;
        Ok(self.evidence(&answer, name))
    }

    /// The last partition that has events from before `--until`: partitions are days of arrival.
    pub(super) fn last_day(&self) -> Option<Date> {
        let until = Offset::UTC.to_datetime(self.until?).date();
        until.checked_add(LATEST_ARRIVAL.days()).ok()
    }

    fn metrics(&self) -> &[Metric] {
        self.experiment.metrics()
    }

    fn variants(&self) -> Vec<&str> {
        self.experiment.variants().iter().map(|it| &*it.key).collect()
    }

    fn question(&self) -> Question {
        let unit = self.experiment.unit_attribute();
        let later = self.phases.iter().skip(1);
        let mut question = Question {
            unit: (unit != "user_id").then(|| unit.to_owned()),
            phases: later.map(|it| PhaseStart { from_revision: it.revision, from_time: it.since }).collect(),
            dimension: self.by.map(str::to_owned),
            until: self.until,
            last_day: self.last_day(),
            ..Question::new(self.experiment.key(), self.experiment.epoch())
        };
        for metric in self.metrics() {
            if let Measure::Quantile { property, q, per } = &metric.measure {
                question.quantiles.push(QuantileQuestion {
                    key: metric.key.to_string(),
                    event: metric.event.to_string(),
                    property: property.to_string(),
                    q: *q,
                    per: match per {
                        QuantilePer::Unit => QuantileOf::Units,
                        QuantilePer::Event => QuantileOf::Events,
                    },
                    window_from_ms: milliseconds(metric.window.from),
                    window_to_ms: metric.window.to.map(milliseconds),
                    z: Z,
                });
            }
            question.metrics.extend(self.metric_question(metric));
            if let Measure::Sum { property } = &metric.measure {
                let property = property.to_string();
                let part = Part { event: metric.event.to_string(), measure: Total::CountUsable { property } };
                let values = MetricQuestion::new(&format!("{VALUES}{}", metric.key), part);
                question.metrics.push(in_window(values, metric));
            }
        }
        question
    }

    fn metric_question(&self, metric: &Metric) -> Option<MetricQuestion> {
        let total = |metric: &Metric| {
            let measure = match &metric.measure {
                Measure::Conversion => Total::Once,
                Measure::Count => Total::Count,
                Measure::Sum { property } => Total::Sum { property: property.to_string() },
                Measure::Mean { .. } | Measure::Ratio { .. } | Measure::Quantile { .. } => return None,
            };
            Some(Part { event: metric.event.to_string(), measure })
        };
        let part = |key: &str| total(self.metrics().iter().find(|it| *it.key == *key)?);
        let question = match &metric.measure {
            Measure::Quantile { .. } => return None,
            Measure::Mean { property } => MetricQuestion::mean(&metric.key, &metric.event, property),
            Measure::Ratio { numerator, denominator } => MetricQuestion {
                denominator: Some(part(denominator)?),
                ..MetricQuestion::new(&metric.key, part(numerator)?)
            },
            Measure::Conversion | Measure::Count | Measure::Sum { .. } => {
                MetricQuestion::new(&metric.key, total(metric)?)
            }
        };
        let cap = metric.cap.map(|cap| match cap {
            metric::Cap::Value(value) => Cap::Value(value),
            metric::Cap::Percentile(part) => Cap::Percentile(part),
        });
        Some(in_window(
            MetricQuestion { cap, covariate_ms: metric.covariate.map(milliseconds), ..question },
            metric,
        ))
    }

    fn evidence(&self, answer: &Answer, name: &str) -> (Evidence, Vec<DimensionEvidence>) {
        let variants = self.variants();
        let days: BTreeSet<Date> = answer.cells.iter().map(|it| it.day).collect();
        let now = self.until.or(answer.checks.latest_event).unwrap_or(Timestamp::UNIX_EPOCH);
        let (mut looks, mut state) = (Vec::new(), State::default());
        let mut units_by_phase: Vec<RatioPhase> =
            self.phases.iter().map(|it| ratio_phase(it, &variants)).collect();
        let mut reported = Vec::new();
        for day in &days {
            let of_day: Vec<_> = answer.cells.iter().filter(|it| it.day == *day).collect();
            for cell in &of_day {
                state.add(cell);
            }
            for (at, phase) in units_by_phase.iter_mut().enumerate() {
                phase.looks.push(variants.iter().map(|it| state.units(it, Some(at))).collect());
            }
            let new: u64 = of_day.iter().filter(|it| it.metric.is_none()).map(|it| it.sums.units).sum();
            if new > 0 {
                reported.push(HourReport { hour: format!("{day}T00:00:00Z"), units: new });
            }
            let end = results::end_of(*day).unwrap_or(now);
            looks.push(self.look(&state, answer, end.min(now.max(end)), *day == *days.last().unwrap_or(day)));
        }
        let units = |variant: &str| answer.checks.variants.iter().find(|it| it.variant == variant);
        let known = variants.iter().map(|key| {
            let (units, mixed) = units(key).map_or((0, 0), |it| (it.units, it.mixed));
            VariantReport {
                variant: (*key).to_owned(),
                units,
                exposures: units,
                conflicts: mixed,
                is_known: true,
            }
        });
        let others = answer.checks.variants.iter().filter(|it| !variants.contains(&&*it.variant));
        let others = others.map(|it| VariantReport {
            variant: it.variant.clone(),
            units: it.units,
            exposures: it.units,
            conflicts: it.mixed,
            is_known: false,
        });
        let all: Vec<VariantReport> = known.chain(others).collect();
        let (total, mixed) =
            all.iter().fold((0, 0), |(units, mixed), it| (units + it.units, mixed + it.conflicts));
        let conflict_share = Some(crate::render::numbers::share(mixed, total)).filter(|it| *it > NOTABLE);
        let by_value = self.by.map(|_| self.dimensions(answer)).unwrap_or_default();
        let evidence = Evidence {
            source: name.to_owned(),
            units: total,
            days: span(&days),
            variants: all,
            looks,
            sample_ratio: sample_ratio_of_phases(&units_by_phase, SampleRatioPlan::default()),
            mismatch_since: None,
            conflict_share,
            early: Vec::new(),
            with_mixed: conflict_share.map(|_| self.with_mixed(answer)),
            lopsided: Vec::new(),
            hours: reported,
            counted_metrics: BTreeSet::new(),
            archive: Some(archive_report(answer)),
        };
        (evidence, by_value)
    }

    /// What is known at the end of a day; quantiles at the last one alone.
    fn look(&self, state: &State, answer: &Answer, at: Timestamp, is_last: bool) -> Look {
        let variants = self.variants();
        let of_metric = |metric: &Metric| {
            let of_variant = |variant: &&str| self.archived(state, answer, metric, variant, is_last);
            results::archived(metric, &variants.iter().map(of_variant).collect::<Vec<_>>())
        };
        Look {
            at,
            units: variants.iter().map(|it| state.units(it, None)).collect(),
            measured: self.metrics().iter().map(of_metric).collect(),
        }
    }

    fn archived(
        &self,
        state: &State,
        answer: &Answer,
        metric: &Metric,
        variant: &str,
        is_last: bool,
    ) -> ArchivedVariant {
        let key = &*metric.key;
        if matches!(metric.measure, Measure::Quantile { .. }) {
            let found = answer.quantiles.iter().find(|it| it.key == *key && it.variant == variant && is_last);
            // Half of an interval of so many standard errors.
            let error = found.and_then(|it| Some((it.high?.as_f64() - it.low?.as_f64()) / (2.0 * Z)));
            let quantile = found
                .zip(error)
                .and_then(|(it, error)| RatioMean::of_units(it.units, it.value.as_f64(), error * error));
            let events = found.map_or(0, |it| it.n);
            return ArchivedVariant {
                quantile,
                events,
                phases: vec![UnitSums::default()],
                ..ArchivedVariant::default()
            };
        }
        let phases: Vec<Sums> =
            (0..self.phases.len().max(1)).map(|phase| state.sums(key, variant, phase)).collect();
        let all = phases.iter().fold(Sums::default(), |all, it| all.checked_add(it).unwrap_or(all));
        let values = match metric.measure {
            Measure::Sum { .. } => {
                let of = |phase| state.sums(&format!("{VALUES}{key}"), variant, phase).x.as_f64();
                (0..self.phases.len().max(1)).map(of).sum()
            }
            Measure::Mean { .. } | Measure::Ratio { .. } => all.y.as_f64(),
            Measure::Conversion | Measure::Count | Measure::Quantile { .. } => all.x.as_f64(),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of ones is a count"
        )]
        let events = values.abs() as u64;
        ArchivedVariant {
            pending: state.judged_units(variant).saturating_sub(all.units),
            phases: phases.iter().map(unit_sums).collect(),
            events,
            invalid: 0,
            sum: all.x.to_string().parse::<Amount>().unwrap_or_default(),
            quantile: None,
        }
    }

    /// The metrics at the end with the units that saw several variants, by the first one. Quantiles have none of these units.
    fn with_mixed(&self, answer: &Answer) -> Vec<MeasuredMetric> {
        let mut state = State { has_mixed: true, ..State::default() };
        answer.cells.iter().for_each(|it| state.add(it));
        self.look(&state, answer, Timestamp::UNIX_EPOCH, false).measured
    }

    /// The last state of the units with each value of the dimension, the largest first.
    fn dimensions(&self, answer: &Answer) -> Vec<DimensionEvidence> {
        let values: BTreeSet<Option<&str>> = answer.cells.iter().map(|it| it.dimension.as_deref()).collect();
        let of_value = |value: Option<&str>| {
            let mut state = State::default();
            for cell in answer.cells.iter().filter(|it| it.dimension.as_deref() == value) {
                state.add(cell);
            }
            let look = self.look(&state, answer, Timestamp::UNIX_EPOCH, false);
            DimensionEvidence {
                value: value.map(str::to_owned),
                units: look.units.iter().sum(),
                measured: look.measured,
            }
        };
        let mut all: Vec<DimensionEvidence> = values.into_iter().map(of_value).collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.units));
        all
    }
}

/// The sums so far, by metric, variant and phase; without a metric, the units. Units that saw several variants are left out of the metrics unless
/// they are asked for, because nobody knows which of them acted; the split is that of all units.
#[derive(Default)]
struct State {
    sums: BTreeMap<(Option<String>, String, usize), Sums>,
    /// The units of each variant that metrics are about.
    judged: BTreeMap<String, u64>,
    /// True if metrics are about units that saw several variants, too.
    has_mixed: bool,
}

impl State {
    fn add(&mut self, cell: &abx_analysis::Cell) {
        let is_judged = self.has_mixed || !cell.mixed;
        match cell.metric {
            Some(_) if !is_judged => return,
            None if is_judged => *self.judged.entry(cell.variant.clone()).or_default() += cell.sums.units,
            _ => {}
        }
        let key = (cell.metric.clone(), cell.variant.clone(), cell.phase as usize);
        let sums = self.sums.entry(key).or_default();
        // The sums of all cells were checked when the answer was made.
        *sums = sums.checked_add(&cell.sums).unwrap_or(*sums);
    }

    fn sums(&self, metric: &str, variant: &str, phase: usize) -> Sums {
        self.sums.get(&(Some(metric.to_owned()), variant.to_owned(), phase)).copied().unwrap_or_default()
    }

    fn judged_units(&self, variant: &str) -> u64 {
        self.judged.get(variant).copied().unwrap_or_default()
    }

    fn units(&self, variant: &str, phase: Option<usize>) -> u64 {
        let is_it = |(metric, of, at): &&(Option<String>, String, usize)| {
            metric.is_none() && of == variant && phase.is_none_or(|phase| phase == *at)
        };
        self.sums.iter().filter(|(key, _)| is_it(key)).map(|(_, sums)| sums.units).sum()
    }
}

fn in_window(question: MetricQuestion, metric: &Metric) -> MetricQuestion {
    let (from, to) = (metric.window.from, metric.window.to);
    MetricQuestion { window_from_ms: milliseconds(from), window_to_ms: to.map(milliseconds), ..question }
}

/// A length of time that is not negative.
fn milliseconds(time: SignedDuration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or_default()
}

fn ratio_phase(phase: &Phase, variants: &[&str]) -> RatioPhase {
    let share = |key: &&str| phase.shares.get(*key).copied().unwrap_or(0.0);
    RatioPhase { shares: variants.iter().map(share).collect(), looks: Vec::new() }
}

fn unit_sums(sums: &Sums) -> UnitSums {
    let Sums { units, x, y, c, xx, yy, cc, xy, xc, yc } = sums;
    UnitSums {
        units: *units,
        x: x.as_f64(),
        y: y.as_f64(),
        c: c.as_f64(),
        xx: xx.as_f64(),
        yy: yy.as_f64(),
        cc: cc.as_f64(),
        xy: xy.as_f64(),
        xc: xc.as_f64(),
        yc: yc.as_f64(),
    }
}

/// The days from the first to the last, both among them.
fn span(days: &BTreeSet<Date>) -> f64 {
    let Some((first, last)) = days.first().zip(days.last()) else { return 0.0 };
    f64::from((*last - *first).get_days() + 1)
}

fn archive_report(answer: &Answer) -> ArchiveReport {
    let checks = &answer.checks;
    let metrics = checks.metrics.iter().filter(|it| !it.metric.starts_with(VALUES));
    ArchiveReport {
        files: answer.read.files,
        lines: answer.read.lines,
        bad_lines: answer.read.bad_lines,
        bad: answer.read.bad.iter().map(ToString::to_string).collect(),
        duplicates: checks.exposures.duplicates() + checks.conversions.duplicates(),
        without_unit: answer.read.without_unit,
        missing_days: checks.missing_days.iter().map(ToString::to_string).collect(),
        scanned_bytes: answer.read.scanned_bytes,
        metrics: metrics
            .map(|it| ArchivedMetric {
                metric: it.metric.clone(),
                unusable: it.unusable,
                before_exposure: it.early,
                overtook: it.overtook,
            })
            .collect(),
    }
}
