//! Rows become what results are made from.

use super::{
    Amount, Counter, GROUPS, Hour, MetricCounter, RejectionReason, RowKey, StreamCounter, VariantCounter,
};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// The counts of an experiment's epoch, over all hours and shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// By variant.
    pub variants: BTreeMap<String, VariantTotals>,
    /// The same by hour, without groups and without metrics that have a window.
    pub hours: BTreeMap<Hour, BTreeMap<String, VariantTotals>>,
    /// Metrics that have a window by the day of the units' first exposure, and the units of that day by group.
    pub cohorts: BTreeMap<Date, BTreeMap<String, VariantTotals>>,
}

/// The counts of a variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantTotals {
    /// Units that saw it first.
    pub units: u64,
    /// Exposures of these units.
    pub exposures: u64,
    /// Exposures of these units to another variant.
    pub conflicts: u64,
    /// By metric.
    pub metrics: BTreeMap<String, MetricTotals>,
    /// Units by group; empty where no metric has a value.
    pub groups: Vec<u64>,
}

/// The counts of a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricTotals {
    /// Units that converted.
    pub units: u64,
    /// Events.
    pub events: u64,
    /// The sum of the property, or the number of events for a count.
    pub sum: Amount,
    /// Events whose property is missing or no number.
    pub invalid: u64,
    /// Events that reached their shard before the exposure of their unit and happened after it: they count for nothing else.
    pub overtook: u64,
    /// The sum by group.
    pub groups: Vec<Amount>,
    /// The number of values by group, for a mean; else empty.
    pub group_values: Vec<u64>,
}

/// The counts of streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// By what it is; see [`StreamCounter`].
    pub counts: BTreeMap<StreamCounter, u64>,
    /// Records that can never be processed.
    pub rejected: BTreeMap<RejectionReason, u64>,
}

impl Totals {
    /// Adds a counter of a row. What is not about an experiment is left out.
    pub fn add(&mut self, row: &RowKey<'_>, counter: &Counter<'_>, amount: Amount) {
        match row {
            RowKey::Experiment { hour, .. } => {
                add(self.hours.entry(*hour).or_default(), counter, amount);
                add(&mut self.variants, counter, amount);
            }
            RowKey::Groups { variant, .. } => {
                self.variants.entry(variant.to_string()).or_default().add_to_group(counter, amount);
            }
            RowKey::Cohort { variant, day, .. } => {
                let cohort = self.cohorts.entry(*day).or_default();
                add(cohort, counter, amount);
                cohort.entry(variant.to_string()).or_default().add_to_group(counter, amount);
                // The units of all days are counted by hour, and by group for metrics without a window.
                if !matches!(counter, Counter::GroupUnits(_)) {
                    add(&mut self.variants, counter, amount);
                    self.variants.entry(variant.to_string()).or_default().add_to_group(counter, amount);
                }
            }
            RowKey::Stream { .. } | RowKey::UnknownEvents { .. } => {}
        }
    }

    /// All units.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.variants.values().map(|variant| variant.units).sum()
    }
}

impl VariantTotals {
    /// Adds a counter of a group. Others are left out.
    fn add_to_group(&mut self, counter: &Counter<'_>, amount: Amount) {
        match counter {
            Counter::GroupUnits(group) => {
                self.groups.resize(GROUPS.into(), 0);
                if let Some(units) = self.groups.get_mut(usize::from(*group)) {
                    *units += count(amount);
                }
            }
            Counter::GroupSum(group, metric) => {
                let groups = &mut self.metrics.entry(metric.to_string()).or_default().groups;
                groups.resize(GROUPS.into(), Amount::default());
                if let Some(sum) = groups.get_mut(usize::from(*group)) {
                    *sum += amount;
                }
            }
            Counter::GroupValues(group, metric) => {
                let groups = &mut self.metrics.entry(metric.to_string()).or_default().group_values;
                groups.resize(GROUPS.into(), 0);
                if let Some(values) = groups.get_mut(usize::from(*group)) {
                    *values += count(amount);
                }
            }
            Counter::Variant(..)
            | Counter::Metric(..)
            | Counter::Stream(_)
            | Counter::Rejected(_)
            | Counter::Unknown(_) => {}
        }
    }

    /// Adds the counts of other units of the variant.
    pub fn merge(&mut self, other: &Self) {
        self.units += other.units;
        self.exposures += other.exposures;
        self.conflicts += other.conflicts;
        add_each(&mut self.groups, &other.groups);
        for (key, metric) in &other.metrics {
            let sum = self.metrics.entry(key.clone()).or_default();
            sum.units += metric.units;
            sum.events += metric.events;
            sum.sum += metric.sum;
            sum.invalid += metric.invalid;
            sum.overtook += metric.overtook;
            add_each(&mut sum.groups, &metric.groups);
            add_each(&mut sum.group_values, &metric.group_values);
        }
    }
}

/// Adds lists of which one may be shorter.
fn add_each<T: Copy + Default + AddAssign>(sums: &mut Vec<T>, others: &[T]) {
    sums.resize(sums.len().max(others.len()), T::default());
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += *other;
    }
}

fn add(variants: &mut BTreeMap<String, VariantTotals>, counter: &Counter<'_>, amount: Amount) {
    match counter {
        Counter::Variant(variant, what) => {
            let variant = variants.entry(variant.to_string()).or_default();
            let counter = match what {
                VariantCounter::Units => &mut variant.units,
                VariantCounter::Exposures => &mut variant.exposures,
                VariantCounter::Conflicts => &mut variant.conflicts,
            };
            *counter += count(amount);
        }
        Counter::Metric(variant, metric, what) => {
            let variant = variants.entry(variant.to_string()).or_default();
            let metric = variant.metrics.entry(metric.to_string()).or_default();
            match what {
                MetricCounter::Units => metric.units += count(amount),
                MetricCounter::Events => metric.events += count(amount),
                MetricCounter::Sum => metric.sum += amount,
                MetricCounter::Invalid => metric.invalid += count(amount),
                MetricCounter::Overtook => metric.overtook += count(amount),
            }
        }
        Counter::GroupUnits(_)
        | Counter::GroupSum(..)
        | Counter::GroupValues(..)
        | Counter::Stream(_)
        | Counter::Rejected(_)
        | Counter::Unknown(_) => {}
    }
}

/// Only sums can be no count.
fn count(amount: Amount) -> u64 {
    amount.as_count().unwrap_or_default()
}

impl StreamTotals {
    /// Adds a counter of a row. What is not about a stream is left out.
    pub fn add(&mut self, row: &RowKey<'_>, counter: &Counter<'_>, amount: Amount) {
        match (row, counter) {
            (RowKey::Stream { .. }, Counter::Stream(what)) => {
                *self.counts.entry(*what).or_default() += count(amount);
            }
            (RowKey::Stream { .. }, Counter::Rejected(reason)) => {
                *self.rejected.entry(*reason).or_default() += count(amount);
            }
            _ => {}
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(*what).or_default() += count;
        }
        for (reason, count) in &other.rejected {
            *self.rejected.entry(*reason).or_default() += count;
        }
    }

    /// One of the counts.
    #[must_use]
    pub fn count(&self, what: StreamCounter) -> u64 {
        self.counts.get(&what).copied().unwrap_or_default()
    }
}
