//! Events become what is to be written: marks, and additions to rows.

use super::{
    Amount, Counter, EventData, EventKind, GROUPS, Hour, Mark, MarkKey, MetricCounter, Owner, Position,
    Rejection, RowKey, StreamCounter, VariantCounter,
};
use crate::decide::{Catalog, Experiment, Subject};
use crate::document::{MetricConfig, MetricKind};
use crate::hash::group_of;
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// How long before its arrival an event may have happened.
const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long after its arrival: clocks differ.
const NEWEST: SignedDuration = SignedDuration::from_mins(5);

/// A record in its shard, and what became of it before it was counted.
#[derive(Debug)]
pub struct Item<'a> {
    /// Where it stands.
    pub position: &'a Position,
    /// When it came.
    pub arrived: Timestamp,
    /// Its bytes, as they came.
    pub data: &'a [u8],
    /// What they say.
    pub what: What<'a>,
}

/// What a record says.
#[derive(Debug)]
pub enum What<'a> {
    /// An event, and the hash of its id.
    Event(EventData<'a>, u64),
    /// An event that was taken before: its producer sent it twice.
    Duplicate,
    /// Nothing that can be processed.
    Rejected(Rejection),
}

/// The marks that are known: from the store, and from this batch.
pub type Marks<'a> = HashMap<MarkKey<'a>, Mark>;

/// An addition to a counter. Both are numbers of entries in the tables of [`Folded`], because a batch has few rows and
/// many events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    pub row: u32,
    pub counter: u32,
    pub amount: Amount,
}

/// An experiment that an event counted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// The variant.
    pub variant: String,
    /// The metric.
    pub metric: &'a str,
}

/// What the items of a batch come to.
#[derive(Debug, Default)]
pub struct Folded<'a> {
    /// Marks that must stand before the rows are written, in the order of their records. Each is put if absent; if
    /// another one turns out to be there, the batch is folded again with that one.
    pub new_marks: Vec<(MarkKey<'a>, Mark)>,
    /// For each item, what it counted for.
    pub credits: Vec<Vec<Credit<'a>>>,
    pub(super) rows: Interned<RowKey<'a>>,
    pub(super) counters: Interned<Counter<'a>>,
    pub(super) effects: Vec<Effect>,
    /// For each item, the number of effects up to its end.
    pub(super) ends: Vec<usize>,
}

/// Values, each with the number under which it was seen first.
#[derive(Debug)]
pub(super) struct Interned<T> {
    numbers: HashMap<T, u32>,
    pub values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a batch is at most 6 MB")]
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// The marks that folding these items will ask for. Read them from the store, and leave out what is not there.
#[must_use]
pub fn wanted<'a>(catalog: &'a Catalog, items: &'a [Item<'_>]) -> Vec<MarkKey<'a>> {
    let mut keys = Vec::with_capacity(items.len());
    for item in items {
        let What::Event(event, _) = &item.what else { continue };
        match &event.kind {
            EventKind::Exposure { experiment, epoch, .. } => {
                keys.push(exposure_key(event, experiment, *epoch));
            }
            EventKind::Evaluation { .. } => {}
            EventKind::Conversion { event: name, context, .. } => {
                let context = attributes(*context);
                for (experiment, metric) in catalog.measures(name) {
                    let Some(unit) = unit(experiment, event, &context) else { continue };
                    let key = conversion_key(unit, experiment, metric);
                    keys.push(MarkKey { metric: None, ..key.clone() });
                    if metric.kind == MetricKind::Conversion {
                        keys.push(key);
                    }
                }
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Folds the items of a shard, in their order, given the marks that the store has.
///
/// A unit counts as exposed by the record that owns its mark, and by no other. A conversion is credited to an experiment if
/// the unit's mark stands before it in the shard and in time, and inside the metric's window. So the result does not depend
/// on how often, or in which portions, the items were folded before.
#[must_use]
pub fn fold<'a>(
    catalog: &'a Catalog,
    shard: &'a str,
    items: &'a [Item<'_>],
    known: &'a Marks<'_>,
) -> Folded<'a> {
    let mut fold = Fold { catalog, shard, known, fresh: Marks::new(), out: Folded::default() };
    for item in items {
        let credits = fold.item(item);
        fold.out.credits.push(credits);
        fold.out.ends.push(fold.out.effects.len());
    }
    fold.out
}

struct Fold<'a, 'k> {
    catalog: &'a Catalog,
    shard: &'a str,
    known: &'a Marks<'k>,
    /// Marks of this batch that the store does not have yet.
    fresh: Marks<'a>,
    out: Folded<'a>,
}

/// What a record stands for while it is folded.
#[derive(Clone, Copy)]
struct At<'a> {
    position: &'a Position,
    time: Timestamp,
    hour: Hour,
}

/// What stands under a key, for a record.
enum Standing {
    /// This record is the first.
    First,
    /// Another one was, with this variant.
    Before(String, Timestamp),
    /// Another one is, which comes later.
    After,
}

impl<'a> Fold<'a, '_> {
    fn item(&mut self, item: &'a Item<'_>) -> Vec<Credit<'a>> {
        let arrived = Hour::of(item.arrived);
        match &item.what {
            What::Duplicate => self.stream(arrived, Counter::Stream(StreamCounter::Duplicates)),
            What::Rejected(rejection) => self.stream(arrived, Counter::Rejected(rejection.reason)),
            What::Event(event, _) => return self.event(item, event),
        }
        Vec::new()
    }

    fn event(&mut self, item: &'a Item<'_>, event: &'a EventData<'_>) -> Vec<Credit<'a>> {
        let arrived = Hour::of(item.arrived);
        // Arrivals are told, and marks kept, to the millisecond: what is compared with them must not be finer.
        let own = event.timestamp.and_then(to_the_millisecond).unwrap_or(item.arrived);
        let ago = item.arrived.duration_since(own);
        let is_late = ago > OLDEST || ago < -NEWEST;
        // A clock that is so wrong tells nothing about what came before what; the arrival does.
        let (time, hour) = if is_late { (item.arrived, Hour::Late) } else { (own, Hour::of(own)) };
        let at = At { position: item.position, time, hour };
        self.stream(arrived, Counter::Stream(StreamCounter::Accepted));
        if is_late {
            self.stream(arrived, Counter::Stream(StreamCounter::Late));
        }
        match &event.kind {
            EventKind::Exposure { experiment, variant, epoch } => {
                self.exposure(at, exposure_key(event, experiment, *epoch), variant);
                Vec::new()
            }
            EventKind::Evaluation { .. } => {
                self.stream(arrived, Counter::Stream(StreamCounter::Evaluations));
                Vec::new()
            }
            EventKind::Conversion { event: name, properties, context } => {
                let measures = self.catalog.measures(name);
                let context = attributes(*context);
                let credits: Vec<_> = measures
                    .filter_map(|(experiment, metric)| {
                        let unit = unit(experiment, event, &context)?;
                        self.conversion(at, unit, (experiment, metric), *properties)
                    })
                    .collect();
                if credits.is_empty() {
                    let asked_for = self.catalog.measures(name).next().is_some();
                    let why = if asked_for { StreamCounter::Unattributed } else { StreamCounter::Unused };
                    self.stream(arrived, Counter::Stream(why));
                }
                credits
            }
        }
    }

    fn exposure(&mut self, at: At<'a>, key: MarkKey<'a>, variant: &'a str) {
        let standing = self.standing(at, &key);
        let experiment = key.experiment.clone();
        let row = RowKey::Experiment { experiment: experiment.clone(), epoch: key.epoch, hour: at.hour };
        // All of a unit's exposures belong to the variant that it saw first.
        let (variant, is_conflict) = match &standing {
            Standing::Before(first, _) if first != variant => (Cow::Owned(first.clone()), true),
            _ => (Cow::Borrowed(variant), false),
        };
        let counter = |what| Counter::Variant(variant.clone(), what);
        self.add(row.clone(), counter(VariantCounter::Exposures), Amount::ONE);
        if is_conflict {
            self.add(row.clone(), counter(VariantCounter::Conflicts), Amount::ONE);
        }
        if matches!(standing, Standing::First) {
            self.add(row, counter(VariantCounter::Units), Amount::ONE);
            if self.has_groups(&experiment) {
                let groups = RowKey::Groups { experiment, epoch: key.epoch, variant: variant.clone() };
                self.add(groups, Counter::GroupUnits(group_of(&key.unit, GROUPS)), Amount::ONE);
            }
            self.mark(at, key, &variant);
        }
    }

    /// Credits a conversion to a metric, if it belongs there.
    fn conversion(
        &mut self,
        at: At<'a>,
        unit: Cow<'a, str>,
        (experiment, metric): (&'a Experiment, &'a MetricConfig),
        properties: Option<&'a RawValue>,
    ) -> Option<Credit<'a>> {
        let key = conversion_key(unit, experiment, metric);
        let exposure = MarkKey { metric: None, ..key.clone() };
        let Standing::Before(variant, exposed_at) = self.standing(at, &exposure) else { return None };
        let after = at.time.duration_since(exposed_at);
        let window = metric.window.map_or(SignedDuration::MAX, |it| SignedDuration::from_secs(it.seconds));
        if after.is_negative() || after > window {
            return None;
        }
        let (name, epoch) = (experiment.key(), experiment.epoch());
        let row = RowKey::Experiment { experiment: Cow::Borrowed(name), epoch, hour: at.hour };
        let counter = |what| Counter::Metric(Cow::Owned(variant.clone()), Cow::Borrowed(&*metric.key), what);
        self.add(row.clone(), counter(MetricCounter::Events), Amount::ONE);
        if metric.kind == MetricKind::Conversion {
            if matches!(self.standing(at, &key), Standing::First) {
                self.add(row, counter(MetricCounter::Units), Amount::ONE);
                self.mark(at, key, &variant);
            }
        } else if let Some(value) = value_of(metric, properties) {
            self.add(row, counter(MetricCounter::Sum), value);
            let groups =
                RowKey::Groups { experiment: Cow::Borrowed(name), epoch, variant: variant.clone().into() };
            let group = group_of(&key.unit, GROUPS);
            self.add(groups, Counter::GroupSum(group, Cow::Borrowed(&*metric.key)), value);
        } else {
            self.add(row, counter(MetricCounter::Invalid), Amount::ONE);
        }
        Some(Credit { experiment: name, variant, metric: &metric.key })
    }

    fn standing(&self, at: At<'_>, key: &MarkKey<'_>) -> Standing {
        let Some(mark) = self.known.get(key).or_else(|| self.fresh.get(key)) else { return Standing::First };
        if mark.owner.is_at(self.shard, at.position) {
            Standing::First
        } else if mark.owner.is_before(self.shard, at.position) {
            Standing::Before(mark.variant.clone(), mark.at)
        } else {
            Standing::After
        }
    }

    /// Claims a first time for a record, unless an earlier attempt did already.
    fn mark(&mut self, at: At<'_>, key: MarkKey<'a>, variant: &str) {
        if self.known.contains_key(&key) {
            return;
        }
        let owner = Owner { shard: self.shard.to_owned(), position: at.position.clone() };
        let mark = Mark { variant: variant.to_owned(), at: at.time, owner };
        self.fresh.insert(key.clone(), mark.clone());
        self.out.new_marks.push((key, mark));
    }

    /// Whether a metric needs sums by group. An experiment that the catalog does not know may have one.
    fn has_groups(&self, experiment: &str) -> bool {
        let is_value = |metric: &MetricConfig| metric.kind != MetricKind::Conversion;
        self.catalog.experiment(experiment).is_none_or(|it| it.metrics().iter().any(is_value))
    }

    fn stream(&mut self, hour: Hour, counter: Counter<'a>) {
        self.add(RowKey::Stream { hour }, counter, Amount::ONE);
    }

    fn add(&mut self, row: RowKey<'a>, counter: Counter<'a>, amount: Amount) {
        let (row, counter) = (self.out.rows.number(row), self.out.counters.number(counter));
        self.out.effects.push(Effect { row, counter, amount });
    }
}

fn exposure_key<'a>(event: &'a EventData<'_>, experiment: &'a str, epoch: u32) -> MarkKey<'a> {
    MarkKey { unit: Cow::Borrowed(&event.unit), experiment: Cow::Borrowed(experiment), epoch, metric: None }
}

fn conversion_key<'a>(
    unit: Cow<'a, str>,
    experiment: &'a Experiment,
    metric: &'a MetricConfig,
) -> MarkKey<'a> {
    MarkKey {
        unit,
        experiment: Cow::Borrowed(experiment.key()),
        epoch: experiment.epoch(),
        metric: Some(Cow::Borrowed(&metric.key)),
    }
}

/// The unit of an event for an experiment that may randomise another attribute than `user_id`.
fn unit<'a>(
    experiment: &Experiment,
    event: &'a EventData<'_>,
    context: &Map<String, Value>,
) -> Option<Cow<'a, str>> {
    if experiment.has_user_unit() {
        return Some(Cow::Borrowed(&event.unit));
    }
    experiment.unit(&Subject::new(&event.unit, context)).map(|unit| Cow::Owned(unit.into_owned()))
}

fn to_the_millisecond(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.as_millisecond()).ok()
}

fn attributes(context: Option<&RawValue>) -> Map<String, Value> {
    // It is an object, but may hold a number that is none: then nothing is known of the unit.
    context.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// What an event adds to a metric.
fn value_of(metric: &MetricConfig, properties: Option<&RawValue>) -> Option<Amount> {
    if metric.kind == MetricKind::Count {
        return Some(Amount::ONE);
    }
    let name = metric.property.as_deref()?;
    let properties: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(properties?.get()).ok()?;
    Amount::from_f64(properties.get(name)?.get().parse().ok()?)
}
