//! What was measured of each metric in each variant, from whatever source: all that judging needs.

use super::Phase;
use crate::event::{Amount, MetricTotals, Totals, VariantTotals};
use crate::metric::{Measure, Metric};
use crate::statistics::{
    Anytime, Comparison, Estimate, Interval, Proportion, RatioMean, UnitSums, compare_grouped,
    compare_proportions, post_stratified, unit_means,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// What was measured of a metric, for each variant in turn.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredMetric {
    /// The variants.
    pub variants: Vec<MeasuredVariant>,
    /// The part of the variance that the covariate removed, 0 to 1; `None` without one.
    pub variance_removed: Option<f64>,
}

/// What was measured of a metric in a variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeasuredVariant {
    /// The units that count: all, or those whose window is over.
    pub units: u64,
    /// The units whose window is still open.
    pub pending: u64,
    /// The events of these units so far.
    pub pending_events: u64,
    /// Those of them that converted so far; `None` where the metric does not count units, or nobody knows.
    pub pending_converted: Option<u64>,
    /// Units that converted; `None` where the metric does not count units.
    pub converted: Option<u64>,
    /// Events.
    pub events: u64,
    /// The sum of the values; `None` of a metric without values.
    pub sum: Option<Amount>,
    /// Events without a usable amount.
    pub invalid: u64,
    /// Values of which few would decide; `None` where that cannot happen.
    pub values: Option<u64>,
    /// The value and how exactly it is known.
    pub value: MeasuredValue,
    /// The mean of the covariate, which the treatment cannot have changed.
    pub covariate: Option<RatioMean>,
}

/// The value of a metric in a variant; `None` where too little is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MeasuredValue {
    /// A share of units.
    Rate(Option<Proportion>),
    /// Anything else.
    Mean(Option<RatioMean>),
}

impl Default for MeasuredValue {
    fn default() -> Self {
        Self::Mean(None)
    }
}

/// What an archive holds of a metric in a variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArchivedVariant {
    /// The sums over units, for each time in which the allocations were the same.
    pub phases: Vec<UnitSums>,
    /// The units whose window is still open.
    pub pending: u64,
    /// Events, those without a usable amount among them.
    pub events: u64,
    /// Events without a usable amount.
    pub invalid: u64,
    /// The sum of the numerators, exactly.
    pub sum: Amount,
    /// A quantile with its variance, in place of sums.
    pub quantile: Option<RatioMean>,
}

/// Reads counters: what was measured of these variants up to a time. Of a metric with a window, only units whose window is over then
/// count; without a time all do.
///
/// Where the allocations changed (`phases` has more than one), a metric with a window is combined over them by the units' days of exposure; a day
/// in which they changed is left out. Of other metrics counters do not know when their units were exposed, so that nothing is compared.
#[must_use]
pub fn counted(
    metrics: &[Metric],
    variants: &[&str],
    totals: &Totals,
    phases: &[Phase],
    now: Option<Timestamp>,
) -> Vec<MeasuredMetric> {
    let none = VariantTotals::default();
    let of_metric = |metric: &Metric| {
        let all = |key: &str| totals.variants.get(key).unwrap_or(&none);
        let matured = |key: &str, phase: Option<usize>| {
            let counts = matured(metric, totals, key, now, phase.map(|it| (it, phases)));
            let (of_all, measured) = (all(key), of_counters(metric, &counts, all(key).units));
            let of_metric = |of: fn(&MetricTotals) -> u64| of_all.metrics.get(&*metric.key).map_or(0, of);
            MeasuredVariant {
                pending_events: of_metric(|it| it.events).saturating_sub(measured.events),
                pending_converted: measured.converted.map(|it| of_metric(|it| it.units).saturating_sub(it)),
                ..measured
            }
        };
        let of_all = |key: &&str| match metric.window.to {
            None => of_counters(metric, all(key), all(key).units),
            Some(_) => matured(key, None),
        };
        let mut measured: Vec<MeasuredVariant> = variants.iter().map(of_all).collect();
        if phases.len() > 1 {
            let of_phase = |phase: usize| -> Vec<Option<RatioMean>> {
                variants.iter().map(|key| matured(key, Some(phase)).value.mean()).collect()
            };
            let strata: Vec<Vec<Option<RatioMean>>> = match metric.window.to {
                None => Vec::new(),
                Some(_) => (0..phases.len()).map(of_phase).collect(),
            };
            let strata: Vec<&[Option<RatioMean>]> = strata.iter().map(|it| &**it).collect();
            for (variant, mean) in measured.iter_mut().zip(post_stratified(&strata, variants.len())) {
                variant.value = MeasuredValue::Mean(mean);
            }
        }
        MeasuredMetric { variants: measured, variance_removed: None }
    };
    metrics.iter().map(of_metric).collect()
}

/// The counts of the units whose window is over: those of whole days, by the day of their exposure. Of a phase, only days that lie in it.
fn matured(
    metric: &Metric,
    totals: &Totals,
    variant: &str,
    now: Option<Timestamp>,
    phase: Option<(usize, &[Phase])>,
) -> VariantTotals {
    let mut sum = VariantTotals::default();
    for (day, variants) in &totals.cohorts {
        let midnight = |day: Date| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
        let Some((start, end)) = midnight(*day).zip(day.tomorrow().ok().and_then(midnight)) else { continue };
        let is_over = |now: Timestamp| {
            metric.window.to.is_some_and(|window| end.checked_add(window).is_ok_and(|it| it <= now))
        };
        let is_of_phase = phase.is_none_or(|(at, phases)| {
            (at == 0 || phases.get(at).is_some_and(|it| it.since <= start))
                && phases.get(at + 1).is_none_or(|next| end <= next.since)
        });
        if let Some(cohort) = variants.get(variant).filter(|_| is_of_phase && now.is_none_or(is_over)) {
            sum.merge(cohort);
        }
    }
    sum.units = sum.groups.iter().sum();
    sum
}

/// Reads the counters of some of a variant's units, of which there are so many in all.
fn of_counters(metric: &Metric, variant: &VariantTotals, all: u64) -> MeasuredVariant {
    let none = MetricTotals::default();
    let of = |key: &str| variant.metrics.get(key).unwrap_or(&none);
    let counted = of(&metric.key);
    let grouped = |it: &MetricTotals| {
        let mut sums: Vec<f64> = it.groups.iter().map(|sum| sum.as_f64()).collect();
        sums.resize(variant.groups.len(), 0.0);
        sums
    };
    let usable = counted.events.saturating_sub(counted.invalid);
    let base = MeasuredVariant {
        units: variant.units,
        pending: all.saturating_sub(variant.units),
        events: counted.events,
        invalid: counted.invalid,
        ..MeasuredVariant::default()
    };
    match &metric.measure {
        Measure::Conversion => MeasuredVariant {
            converted: Some(counted.units),
            value: MeasuredValue::Rate(Proportion::new(counted.units, variant.units)),
            ..base
        },
        Measure::Count | Measure::Sum { .. } => MeasuredVariant {
            sum: Some(counted.sum),
            values: Some(usable),
            value: MeasuredValue::Mean(RatioMean::new(&variant.groups, &grouped(counted))),
            ..base
        },
        Measure::Mean { .. } => {
            let mut values = counted.group_values.clone();
            values.resize(variant.groups.len(), 0);
            // Where an earlier version counted a part of the events, their number in the groups is not known. There may be more of them
            // than events, because rows that are being written are not read all at once.
            let is_whole = values.iter().sum::<u64>() + counted.invalid >= counted.events;
            let mean = RatioMean::over(&variant.groups, &floats(&values), &grouped(counted));
            MeasuredVariant {
                sum: Some(counted.sum),
                values: Some(usable),
                value: MeasuredValue::Mean(mean.filter(|_| is_whole)),
                ..base
            }
        }
        Measure::Ratio { numerator, denominator } => {
            let (above, below) = (of(numerator), of(denominator));
            let usable = |it: &MetricTotals| it.events.saturating_sub(it.invalid);
            MeasuredVariant {
                sum: Some(above.sum),
                events: above.events + below.events,
                invalid: above.invalid + below.invalid,
                values: Some(usable(above).min(usable(below))),
                value: MeasuredValue::Mean(RatioMean::over(
                    &variant.groups,
                    &grouped(below),
                    &grouped(above),
                )),
                ..base
            }
        }
        Measure::Quantile { .. } => base,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn floats(counts: &[u64]) -> Vec<f64> {
    counts.iter().map(|it| *it as f64).collect()
}

/// Reads what an archive holds of a metric, for each variant in turn.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of ones is a count")]
pub fn archived(metric: &Metric, variants: &[ArchivedVariant]) -> MeasuredMetric {
    let sums: Vec<Vec<UnitSums>> = variants.iter().map(|it| it.phases.clone()).collect();
    let estimated = unit_means(&sums);
    let of_variant = |(at, it): (usize, &ArchivedVariant)| {
        let all: UnitSums = it.phases.iter().copied().sum();
        let mean = estimated.means.get(at).copied().flatten();
        let is_rate = metric.measure.kind().is_rate();
        let value = match it.quantile {
            Some(quantile) => MeasuredValue::Mean(Some(quantile)),
            // Without a covariate or another split it is a rate as counters have it.
            None if is_rate && it.phases.len() == 1 && estimated.variance_removed.is_none() => {
                MeasuredValue::Rate(Proportion::new(all.x as u64, all.units))
            }
            None => MeasuredValue::Mean(mean),
        };
        MeasuredVariant {
            units: all.units,
            pending: it.pending,
            pending_events: 0,
            pending_converted: None,
            converted: is_rate.then_some(all.x as u64),
            events: it.events,
            sum: (!is_rate).then_some(it.sum),
            invalid: it.invalid,
            values: (!is_rate).then(|| it.events.saturating_sub(it.invalid)),
            value,
            covariate: metric.covariate.and_then(|_| all.covariate()),
        }
    };
    MeasuredMetric {
        variants: variants.iter().enumerate().map(of_variant).collect(),
        variance_removed: estimated.variance_removed,
    }
}

/// Effective groups of units below which the variance of a mean is not known: its events are those of a few units.
const LEAST_GROUPS: f64 = 8.0;

impl MeasuredValue {
    /// The value with its interval for one look.
    pub(super) fn estimate(&self, alpha: f64) -> Option<Estimate> {
        match self {
            Self::Rate(rate) => {
                let rate = (*rate)?;
                let Interval { lower, upper } = rate.wilson(alpha)?;
                Some(Estimate { value: rate.rate(), lower, upper })
            }
            Self::Mean(mean) => (*mean)?.estimate(alpha),
        }
    }

    /// The value as a mean, whatever it is.
    fn mean(self) -> Option<RatioMean> {
        match self {
            Self::Rate(rate) => {
                let rate = rate.filter(|it| it.units() > 1)?;
                RatioMean::of_units(rate.units(), rate.rate(), rate.variance())
            }
            Self::Mean(mean) => mean,
        }
    }

    /// The variance of the value.
    pub(super) fn variance(&self) -> Option<f64> {
        match self {
            Self::Rate(rate) => rate.map(Proportion::variance),
            Self::Mean(mean) => mean.map(|it| it.variance()),
        }
    }

    /// The comparison with a treatment, at one look.
    pub(super) fn compare(&self, treatment: &Self, alpha: f64) -> Option<Comparison> {
        match (self, treatment) {
            (Self::Rate(a), Self::Rate(b)) => compare_proportions((*a)?, (*b)?, alpha),
            (Self::Mean(a), Self::Mean(b)) => compare_grouped(known(*a)?, known(*b)?, alpha),
            (Self::Rate(_), Self::Mean(_)) | (Self::Mean(_), Self::Rate(_)) => None,
        }
    }

    /// The comparison with a treatment, at every look.
    pub(super) fn compare_anytime(&self, treatment: &Self, anytime: Anytime) -> Option<Comparison> {
        match (self, treatment) {
            (Self::Rate(a), Self::Rate(b)) => anytime.compare_proportions((*a)?, (*b)?),
            (Self::Mean(a), Self::Mean(b)) => anytime.compare_grouped(known(*a)?, known(*b)?),
            (Self::Rate(_), Self::Mean(_)) | (Self::Mean(_), Self::Rate(_)) => None,
        }
    }
}

/// A mean whose variance is known well enough to be compared.
fn known(mean: Option<RatioMean>) -> Option<RatioMean> {
    mean.filter(|mean| mean.effective_groups() >= LEAST_GROUPS)
}
