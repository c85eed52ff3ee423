//! Events become what is to be written: marks, and additions to rows.

use super::data::{MAX_UNIT_BYTES, Text};
use super::{
    Amount, Counter, EventData, EventKind, GROUPS, Hour, ID_WINDOW, Mark, MarkKey, MetricCounter, Owner,
    Position, RecentUnexposed, RecordClass, Rejection, RowKey, StreamCounter, Unexposed, VariantCounter,
};
use crate::decide::{Catalog, Experiment, Subject};
use crate::document::Status;
use crate::hash::group_of;
use crate::metric::{Contribution, Metric};
use foldhash::fast::RandomState;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The longest time before its arrival at which an event may have happened.
const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest time after its arrival, because clocks differ.
const NEWEST: SignedDuration = SignedDuration::from_mins(5);

/// The most characters of a partition key: of a longer unit it is the beginning.
pub const MAX_PARTITION_KEY: usize = 256;

/// The name under which variants that no document has are counted. No key of a document begins with it.
pub const UNKNOWN_VARIANT: &str = "~unknown";

/// A record in its shard, and what became of it before it was counted.
#[derive(Debug)]
pub struct StreamItem<'a> {
    /// The position.
    pub position: &'a Position,
    /// The time of its arrival.
    pub arrived: Timestamp,
    /// The key that chose its shard, where that is known.
    pub partition_key: Option<&'a str>,
    /// Its bytes, as they came.
    pub data: &'a [u8],
    /// The meaning of the bytes.
    pub what: ItemContent<'a>,
}

impl StreamItem<'_> {
    /// True if the record was put on the stream under another partition key than this unit: its shard is then another one than that of
    /// the unit's other events, and their order is not known.
    fn is_misrouted(&self, unit: &str) -> bool {
        let is_other = |key: &str| {
            let [key, unit] = [key, unit].map(|text| text.chars().take(MAX_PARTITION_KEY));
            key.ne(unit)
        };
        self.partition_key.is_some_and(|key| key != unit && is_other(key))
    }

    /// The hash of its event's id; `None` for an event without an id, for a known duplicate, and for what is not an event.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        match &self.what {
            ItemContent::Event(_, id) => *id,
            ItemContent::Duplicate(_) | ItemContent::Rejected(_) => None,
        }
    }
}

/// The content of a record.
#[derive(Debug)]
pub enum ItemContent<'a> {
    /// An event, and the hash of its id if its producer gave it one; see [`EventData::fingerprint`].
    Event(EventData<'a>, Option<u64>),
    /// An event that was taken before: its producer sent it twice. A mark that it left in an attempt that was given up may be its
    /// unit's first all the same.
    Duplicate(EventData<'a>),
    /// Nothing that can be processed.
    Rejected(Rejection),
}

/// The marks that the store has. Their hash is a quick one, seeded anew in each process; a batch has so few keys that
/// somebody who found some that collide would gain nothing.
pub type Marks<'a> = HashMap<MarkKey<'a>, Mark, RandomState>;

/// An addition to a counter. Both are numbers of entries in the tables of [`Folded`], because a batch has few rows and
/// many events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    pub row: u32,
    pub counter: u32,
    pub amount: Amount,
}

/// An experiment that an event counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// The variant.
    pub variant: &'a str,
    /// The metric.
    pub metric: &'a str,
}

/// The result of folding the items of a batch.
#[derive(Debug, Default)]
pub struct Folded<'a> {
    /// Marks that must stand before the rows are written. Each is put if absent; if another one turns out to be there, the
    /// batch is folded again with that one.
    pub new_marks: Vec<(MarkKey<'a>, Mark)>,
    /// The number of them, from the first, that decide the credit of a conversion of this batch, and whether it is counted at all.
    /// Once these stand, no credit changes any more, whatever becomes of the others.
    pub decisive: usize,
    pub(super) rows: Interned<RowKey<'a>>,
    pub(super) counters: Interned<Counter<'a>>,
    effects: Vec<Effect>,
    credits: Vec<Credit<'a>>,
    /// For each credit, where its effects stand: they are a part that can be committed by itself.
    portions: Vec<Range<usize>>,
    /// Conversions of units that were not exposed, in the order of their items.
    unexposed: Vec<Unexposed>,
    /// For each item, its class.
    classes: Vec<RecordClass>,
    /// For each item, up to where its effects and its credits go.
    ends: Vec<End>,
}

#[derive(Debug, Clone, Copy, Default)]
struct End {
    effects: usize,
    credits: usize,
    unexposed: usize,
}

impl<'a> Folded<'a> {
    /// For each item in turn, what it counted for.
    pub fn credits(&self) -> impl Iterator<Item = &[Credit<'a>]> {
        (0..self.ends.len()).map(|item| {
            let (start, end) = self.span(item);
            self.credits.get(start.credits..end.credits).unwrap_or_default()
        })
    }

    /// For each item in turn, its class.
    #[must_use]
    pub fn classes(&self) -> &[RecordClass] {
        &self.classes
    }

    /// The id that an item takes, so that its repetitions are duplicates: that of an exposure, of evaluations, or of a conversion that
    /// a metric was credited with. A conversion that counted for nothing leaves its id to a repetition that does: its unit may have been
    /// exposed by records that were given up, and are redriven before that. So does a duplicate: the record that owns the id may not be
    /// counted yet.
    pub(super) fn id_taken(&self, number: usize, item: &StreamItem<'_>) -> Option<u64> {
        let (start, end) = self.span(number);
        let is_for_metrics = match &item.what {
            ItemContent::Event(event, _) => matches!(event.kind, EventKind::Conversion { .. }),
            ItemContent::Duplicate(_) | ItemContent::Rejected(_) => return None,
        };
        let is_duplicate = self.classes.get(number) == Some(&RecordClass::Duplicate);
        item.id().filter(|_| !is_duplicate && (!is_for_metrics || start.credits < end.credits))
    }

    /// The counts of an item for each metric, by the names of experiment and metric, and apart from these its counts of the stream.
    pub(super) fn parts_of(&self, item: usize) -> (Vec<(Credit<'a>, &[Effect])>, Vec<Effect>) {
        let (start, end) = self.span(item);
        let credits = self.credits.get(start.credits..end.credits).unwrap_or_default();
        let portions = self.portions.get(start.credits..end.credits).unwrap_or_default();
        let effects = |range: &Range<usize>| self.effects.get(range.clone()).unwrap_or_default();
        let mut parts: Vec<_> =
            credits.iter().zip(portions).map(|(credit, range)| (*credit, effects(range))).collect();
        parts.sort_unstable_by_key(|(credit, _)| (credit.experiment, credit.metric));
        let is_rest = |number: &usize| !portions.iter().any(|range| range.contains(number));
        let rest = (start.effects..end.effects).filter(is_rest);
        (parts, rest.filter_map(|number| self.effects.get(number)).copied().collect())
    }

    pub(super) fn effects_of(&self, item: usize) -> &[Effect] {
        let (start, end) = self.span(item);
        self.effects.get(start.effects..end.effects).unwrap_or_default()
    }

    /// The conversions of these items whose unit was not exposed.
    pub(super) fn unexposed_of(&self, from: usize, upto: usize) -> &[Unexposed] {
        let (start, end) = (self.span(from).0, self.span(upto).0);
        self.unexposed.get(start.unexposed..end.unexposed).unwrap_or_default()
    }

    fn span(&self, item: usize) -> (End, End) {
        let start = item.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        (start, self.ends.get(item).copied().unwrap_or(start))
    }
}

/// Values, each with the number under which it was seen first.
#[derive(Debug)]
pub(super) struct Interned<T> {
    numbers: HashMap<T, u32, RandomState>,
    pub values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), values: Vec::new() }
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
pub fn wanted<'a>(catalog: &'a Catalog, items: &'a [StreamItem<'_>]) -> Vec<MarkKey<'a>> {
    let mut keys = Vec::with_capacity(items.len());
    for item in items {
        let (ItemContent::Event(event, _) | ItemContent::Duplicate(event)) = &item.what else { continue };
        match &event.kind {
            EventKind::Exposure { experiment, epoch, .. } => {
                keys.push(MarkKey::of_exposure(Cow::Borrowed(&event.unit), experiment, *epoch));
            }
            EventKind::Evaluation { .. } | EventKind::Evaluations { .. } => {}
            EventKind::Conversion { event: name, context, .. } => {
                let context = attributes(*context);
                for (experiment, metrics) in catalog.measures(name) {
                    let Some(exposure) = exposure_of(experiment, event, &context) else { continue };
                    let conversions = metrics.filter(|metric| metric.measure.aggregation().marks_units());
                    keys.extend(conversions.map(|metric| exposure.of_metric(&metric.key)));
                    keys.push(exposure);
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
///
/// A unit that is exposed now may have converted before, in these items or in the latest commits of the shard (`recent`): what the
/// exposure should have been before is counted as [`MetricCounter::Overtook`]. Without `recent` none is, and none is remembered.
#[must_use]
pub fn fold<'a>(
    catalog: &'a Catalog,
    shard: &str,
    items: &'a [StreamItem<'_>],
    known: &'a Marks<'_>,
    recent: Option<&RecentUnexposed>,
) -> Folded<'a> {
    let mut out = Folded::default();
    out.ends.reserve_exact(items.len());
    out.classes.reserve_exact(items.len());
    // About what an event adds that counts for two metrics; growing step by step would copy most of them again.
    out.effects.reserve(6 * items.len());
    let shard = shard.into();
    let mut fold = Fold {
        catalog,
        shard,
        known,
        recent,
        unexposed: RecentUnexposed::default(),
        fresh: HashMap::default(),
        asked: HashSet::default(),
        places: HashMap::default(),
        taken: HashSet::default(),
        accepted: None,
        out,
    };
    for (number, item) in items.iter().enumerate() {
        let class = fold.item(item);
        fold.out.classes.push(class);
        let Folded { effects, credits, unexposed, .. } = &fold.out;
        let end = End { effects: effects.len(), credits: credits.len(), unexposed: unexposed.len() };
        fold.out.ends.push(end);
        fold.taken.extend(fold.out.id_taken(number, item));
    }
    let Fold { asked, mut out, .. } = fold;
    let is_decisive = |key: &MarkKey<'a>| key.is_of_id() || asked.contains(key);
    out.new_marks.sort_by_key(|(key, _)| !is_decisive(key));
    out.decisive = out.new_marks.partition_point(|(key, _)| is_decisive(key));
    out
}

struct Fold<'a, 'k, 'r> {
    catalog: &'a Catalog,
    shard: Arc<str>,
    known: &'a Marks<'k>,
    /// The conversions of the latest commits whose units were not exposed.
    recent: Option<&'r RecentUnexposed>,
    /// Those of this batch.
    unexposed: RecentUnexposed,
    /// Marks of this batch that the store does not have yet.
    fresh: HashMap<MarkKey<'a>, Fresh<'a>, RandomState>,
    /// The exposures that conversions of this batch asked for and that the store does not have.
    asked: HashSet<MarkKey<'a>, RandomState>,
    places: MetricPlaces<'a>,
    /// Ids that events of this batch took.
    taken: HashSet<u64, RandomState>,
    /// The effect of accepting an event, and the hour of its arrival: nearly always that of the event before.
    accepted: Option<(Hour, Effect)>,
    out: Folded<'a>,
}

/// By metric, variant and period. A metric is told by its address, because names would take longer than all the rest.
type MetricPlaces<'a> = HashMap<(*const Metric, &'a str, Period), MetricPlace<'a>, RandomState>;

/// What a metric is counted by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Period {
    /// The hour of the event.
    Hour(Hour),
    /// The day of the unit's first exposure, of a metric that has a window.
    Cohort(Date),
}

impl Period {
    fn of(metric: &Metric, at: RecordTime<'_>, exposed_at: Timestamp) -> Self {
        if metric.window.to.is_some() { Self::Cohort(day(exposed_at)) } else { Self::Hour(at.hour) }
    }
}

/// The day of a time, in UTC.
fn day(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

/// A mark of this batch.
struct Fresh<'a> {
    variant: &'a str,
    at: Timestamp,
    position: &'a Position,
}

/// The row and the counters of a metric of a variant in a period. Its counters get their numbers when they are first needed.
struct MetricPlace<'a> {
    experiment: &'a Experiment,
    metric: &'a Metric,
    variant: &'a str,
    row: u32,
    counters: [Option<u32>; MetricCounter::ALL.len()],
    groups_row: Option<u32>,
    group_sums: [Option<u32>; GROUPS as usize],
    group_values: [Option<u32>; GROUPS as usize],
}

impl<'a> MetricPlace<'a> {
    fn add(&mut self, out: &mut Folded<'a>, what: MetricCounter, amount: Amount) {
        let counter = || Counter::Metric(self.variant.into(), Cow::Borrowed(&*self.metric.key), what);
        let counter = remembered(self.counters.get_mut(what as usize), || out.counters.number(counter()));
        out.effects.push(Effect { row: self.row, counter, amount });
    }

    fn add_to_group(&mut self, out: &mut Folded<'a>, group: u8, amount: Amount) {
        let row = *self.groups_row.get_or_insert_with(|| {
            let (experiment, epoch) = (self.experiment.key().into(), self.experiment.epoch());
            out.rows.number(RowKey::Groups { experiment, epoch, variant: self.variant.into() })
        });
        let key = || Cow::Borrowed(&*self.metric.key);
        let (sums, values) = (&mut self.group_sums, &mut self.group_values);
        let mut push = |slot: Option<&mut Option<u32>>, counter: &dyn Fn() -> Counter<'a>, amount| {
            let counter = remembered(slot, || out.counters.number(counter()));
            out.effects.push(Effect { row, counter, amount });
        };
        push(sums.get_mut(usize::from(group)), &|| Counter::GroupSum(group, key()), amount);
        if self.metric.measure.aggregation().counts_values() {
            let counter = || Counter::GroupValues(group, key());
            push(values.get_mut(usize::from(group)), &counter, Amount::ONE);
        }
    }
}

/// The place of a metric of a variant in a period, which may be new.
fn place_of<'p, 'a>(
    places: &'p mut MetricPlaces<'a>,
    out: &mut Folded<'a>,
    (period, experiment, metric, variant): (Period, &'a Experiment, &'a Metric, &'a str),
) -> &'p mut MetricPlace<'a> {
    places.entry((metric, variant, period)).or_insert_with(|| {
        let (key, epoch) = (experiment.key().into(), experiment.epoch());
        let (row, groups_row) = match period {
            Period::Hour(hour) => {
                (out.rows.number(RowKey::Experiment { experiment: key, epoch, hour }), None)
            }
            Period::Cohort(day) => {
                let row = RowKey::Cohort { experiment: key, epoch, variant: variant.into(), day };
                let row = out.rows.number(row);
                (row, Some(row))
            }
        };
        let (counters, group_sums, group_values) = Default::default();
        MetricPlace { experiment, metric, variant, row, counters, groups_row, group_sums, group_values }
    })
}

/// A number, found once for its slot; where there is no slot, each time.
fn remembered(slot: Option<&mut Option<u32>>, find: impl FnOnce() -> u32) -> u32 {
    match slot {
        Some(slot) => *slot.get_or_insert_with(find),
        None => find(),
    }
}

/// The place and the time of a record while it is folded.
#[derive(Clone, Copy)]
struct RecordTime<'a> {
    position: &'a Position,
    time: Timestamp,
    hour: Hour,
}

impl<'a> RecordTime<'a> {
    fn of(item: &'a StreamItem<'_>, event: &EventData<'_>) -> Self {
        // Arrivals are told, and marks kept, to the millisecond: what is compared with them must not be finer.
        let own = event.timestamp.and_then(to_the_millisecond).unwrap_or(item.arrived);
        let ago = item.arrived.duration_since(own);
        let is_late = ago > OLDEST || ago < -NEWEST;
        // A clock that is so wrong tells nothing about what came before what; the arrival does.
        let (time, hour) = if is_late { (item.arrived, Hour::Late) } else { (own, Hour::of(own)) };
        Self { position: item.position, time, hour }
    }
}

/// A unit that was exposed before a record.
struct Exposed<'a> {
    experiment: &'a Experiment,
    key: MarkKey<'a>,
    variant: &'a str,
    since: Timestamp,
}

/// The mark under a key, compared with a record.
#[derive(Clone, Copy)]
enum MarkStanding<'a> {
    /// This record is the first.
    First,
    /// Another one was, with this variant.
    Before(&'a str, Timestamp),
    /// Another one is, which comes later.
    After,
}

impl<'a> Fold<'a, '_, '_> {
    fn item(&mut self, item: &'a StreamItem<'_>) -> RecordClass {
        let arrived = Hour::of(item.arrived);
        match &item.what {
            ItemContent::Duplicate(event) => self.duplicate(item, event),
            ItemContent::Rejected(rejection) => {
                self.stream(arrived, Counter::Rejected(rejection.reason));
                RecordClass::Rejected
            }
            ItemContent::Event(event, id) => self.event(item, event, *id),
        }
    }

    fn duplicate(&mut self, item: &'a StreamItem<'_>, event: &'a EventData<'_>) -> RecordClass {
        self.stream(Hour::of(item.arrived), Counter::Stream(StreamCounter::Duplicates));
        self.units_of_duplicate(item, event);
        RecordClass::Duplicate
    }

    fn event(&mut self, item: &'a StreamItem<'_>, event: &'a EventData<'_>, id: Option<u64>) -> RecordClass {
        let arrived = Hour::of(item.arrived);
        let at = RecordTime::of(item, event);
        let is_elsewhere = |id| {
            self.is_counted_elsewhere(item, &MarkKey::of_id(&event.unit, id)) && self.adds_to_sum(at, event)
        };
        if id.is_some_and(|id| self.taken.contains(&id) || is_elsewhere(id)) {
            return self.duplicate(item, event);
        }
        let is_late = at.hour == Hour::Late;
        self.accepted(arrived);
        if is_late {
            self.stream(arrived, Counter::Stream(StreamCounter::Late));
        }
        let mut is_misrouted = false;
        let class = match &event.kind {
            EventKind::Exposure { experiment, variant, epoch } => {
                let key = MarkKey::of_exposure(Cow::Borrowed(&event.unit), experiment, *epoch);
                is_misrouted = item.is_misrouted(&key.unit);
                self.exposure(at, key, (experiment, *epoch), variant);
                RecordClass::Counted
            }
            EventKind::Evaluation { .. } => {
                self.stream(arrived, Counter::Stream(StreamCounter::Evaluations));
                RecordClass::Counted
            }
            EventKind::Evaluations { counts } => {
                let count: u64 = counts.iter().map(|it| it.count).sum();
                self.stream_by(arrived, Counter::Stream(StreamCounter::Evaluations), count.into());
                RecordClass::Counted
            }
            EventKind::Conversion { event: name, properties, context } => {
                let context = attributes(*context);
                let (mut is_asked_for, mut is_credited, mut is_value) = (false, false, false);
                for (experiment, metrics) in self.catalog.measures(name) {
                    is_asked_for = true;
                    let Some(key) = exposure_of(experiment, event, &context) else { continue };
                    is_misrouted |= item.is_misrouted(&key.unit);
                    if !self.known.contains_key(&key) {
                        self.asked.insert(key.clone());
                    }
                    let MarkStanding::Before(variant, exposed_at) = self.standing(at, &key) else {
                        self.note_unexposed(at, experiment, &key, name);
                        continue;
                    };
                    let exposed = Exposed { experiment, key, variant, since: exposed_at };
                    for metric in metrics {
                        let is_counted = self.conversion(at, &exposed, metric, *properties);
                        is_credited |= is_counted;
                        is_value |= is_counted && metric.measure.aggregation().adds_values();
                    }
                }
                if let Some(id) = id.filter(|_| is_value) {
                    self.mark_id(item, event, id);
                }
                let (why, class) = match (is_asked_for, is_credited) {
                    (_, true) => (None, RecordClass::Counted),
                    (true, false) => (Some(StreamCounter::Unattributed), RecordClass::Unattributed),
                    (false, false) => (Some(StreamCounter::Unused), RecordClass::UnknownEvent),
                };
                if let Some(why) = why {
                    self.stream(arrived, Counter::Stream(why));
                }
                class
            }
        };
        if is_misrouted {
            self.stream(arrived, Counter::Stream(StreamCounter::Misrouted));
        }
        // An event that nobody asks for has no name that could be right, whenever it happened.
        if is_late && class != RecordClass::UnknownEvent { RecordClass::Late } else { class }
    }

    /// The name that a variant is counted under. Those that no document knows share one, because a producer that puts an id there
    /// would make the row of the experiment grow until no store takes it. That holds for each epoch and for experiments without a
    /// document as well, since producers write these names too.
    fn variant_of(&self, experiment: &str, variant: &'a str) -> &'a str {
        let experiment = self.catalog.experiment(experiment);
        let is_known = experiment.is_some_and(|it| it.variants().iter().any(|known| &*known.key == variant));
        if is_known { variant } else { UNKNOWN_VARIANT }
    }

    fn exposure(&mut self, at: RecordTime<'a>, key: MarkKey<'a>, of: (&'a str, u32), written: &'a str) {
        let standing = self.standing(at, &key);
        let variant = self.variant_of(of.0, written);
        let row = RowKey::Experiment { experiment: of.0.into(), epoch: of.1, hour: at.hour };
        let row = self.out.rows.number(row);
        // All of a unit's exposures belong to the variant that it saw first.
        let (variant, is_conflict) = match standing {
            // A variant that was removed since is not another one for the units that saw it before.
            MarkStanding::Before(first, _) => (first, first != variant && first != written),
            MarkStanding::First | MarkStanding::After => (variant, false),
        };
        let counter = |what| Counter::Variant(Cow::Borrowed(variant), what);
        self.add(row, counter(VariantCounter::Exposures));
        if is_conflict {
            self.add(row, counter(VariantCounter::Conflicts));
        }
        if matches!(standing, MarkStanding::First) {
            self.unit((row, at), (&key, of), variant);
            self.mark(at, key, variant);
        }
    }

    /// Remembers a conversion of a unit that an experiment has not exposed, but may expose yet.
    fn note_unexposed(
        &mut self,
        at: RecordTime<'a>,
        experiment: &Experiment,
        key: &MarkKey<'a>,
        event: &str,
    ) {
        let Some(recent) = self.recent.filter(|_| experiment.status() == Status::Active) else { return };
        let of = Unexposed::new(key, event, at.time);
        if !recent.contains(&of) && self.unexposed.insert(of) {
            self.out.unexposed.push(of);
        }
    }

    /// Counts the conversions of a unit that reached the shard before its exposure and happened after it.
    fn overtaken(
        &mut self,
        at: RecordTime<'a>,
        (key, (experiment, epoch)): (&MarkKey<'a>, (&'a str, u32)),
        variant: &'a str,
    ) {
        let Some(recent) = self.recent.filter(|it| !it.is_empty() || !self.unexposed.is_empty()) else {
            return;
        };
        let catalog = self.catalog;
        let Some(experiment) = catalog.experiment(experiment).filter(|it| it.epoch() == epoch) else {
            return;
        };
        for metric in experiment.metrics() {
            let times = |of: &RecentUnexposed| {
                let after = of.after(key, &metric.event, at.time);
                after.filter(|after| metric.is_within_window(*after)).count() as u64
            };
            let count = times(recent) + times(&self.unexposed);
            if count > 0 {
                let of = (Period::of(metric, at, at.time), experiment, metric, variant);
                let place = place_of(&mut self.places, &mut self.out, of);
                place.add(&mut self.out, MetricCounter::Overtook, count.into());
            }
        }
    }

    /// Counts a unit as exposed by a record, in the row of an hour.
    fn unit(
        &mut self,
        (row, at): (u32, RecordTime<'a>),
        (key, (experiment, epoch)): (&MarkKey<'a>, (&'a str, u32)),
        variant: &'a str,
    ) {
        self.overtaken(at, (key, (experiment, epoch)), variant);
        let (unit, time) = (&*key.unit, at.time);
        self.add(row, Counter::Variant(Cow::Borrowed(variant), VariantCounter::Units));
        let group = Counter::GroupUnits(group_of(unit, GROUPS));
        let (key, named) = (Cow::Borrowed(experiment), Cow::Borrowed(variant));
        if self.has_metric(experiment, |metric| metric.measure.aggregation().adds_values()) {
            let (experiment, variant) = (key.clone(), named.clone());
            let groups = self.out.rows.number(RowKey::Groups { experiment, epoch, variant });
            self.add(groups, group.clone());
        }
        if self.has_metric(experiment, |metric| metric.window.to.is_some()) {
            let cohort = RowKey::Cohort { experiment: key, epoch, variant: named, day: day(time) };
            let cohort = self.out.rows.number(cohort);
            self.add(cohort, group);
        }
    }

    /// Counts the units whose marks a duplicate owns. An attempt that was given up left them, and the repetition that was counted
    /// meanwhile found the units exposed, or converted, before.
    fn units_of_duplicate(&mut self, item: &'a StreamItem<'_>, event: &'a EventData<'_>) {
        let at = RecordTime::of(item, event);
        match &event.kind {
            EventKind::Exposure { experiment, epoch, .. } => {
                let key = MarkKey::of_exposure(Cow::Borrowed(&event.unit), experiment, *epoch);
                let Some(variant) = self.own(at, &key) else { return };
                let of = (&**experiment, *epoch);
                let row = RowKey::Experiment { experiment: of.0.into(), epoch: of.1, hour: at.hour };
                let row = self.out.rows.number(row);
                self.unit((row, at), (&key, of), variant);
            }
            EventKind::Evaluation { .. } | EventKind::Evaluations { .. } => {}
            EventKind::Conversion { event: name, context, .. } => {
                let context = attributes(*context);
                for (experiment, metrics) in self.catalog.measures(name) {
                    let Some(exposure) = exposure_of(experiment, event, &context) else { continue };
                    // A mark of a metric rests on that of the exposure.
                    let MarkStanding::Before(_, exposed_at) = self.standing(at, &exposure) else { continue };
                    for metric in metrics.filter(|metric| metric.measure.aggregation().marks_units()) {
                        let Some(variant) = self.own(at, &exposure.of_metric(&metric.key)) else { continue };
                        let start = self.out.effects.len();
                        let period = Period::of(metric, at, exposed_at);
                        let of = (period, experiment, metric, variant);
                        let place = place_of(&mut self.places, &mut self.out, of);
                        place.add(&mut self.out, MetricCounter::Units, Amount::ONE);
                        self.out.credits.push(Credit {
                            experiment: experiment.key(),
                            variant,
                            metric: &metric.key,
                        });
                        self.out.portions.push(start..self.out.effects.len());
                    }
                }
            }
        }
    }

    /// The variant of a mark that stands and is a record's own.
    fn own(&self, at: RecordTime<'_>, key: &MarkKey<'a>) -> Option<&'a str> {
        let mark = self.known.get(key)?;
        let is_own = mark.owner.order(&self.shard, at.position) == Ordering::Equal;
        is_own.then_some(&*mark.variant)
    }

    /// Credits a conversion to a metric, if it belongs there. Whether it does.
    fn conversion(
        &mut self,
        at: RecordTime<'a>,
        exposed: &Exposed<'a>,
        metric: &'a Metric,
        properties: Option<&'a RawValue>,
    ) -> bool {
        let Exposed { experiment, variant, since: exposed_at, .. } = *exposed;
        if !metric.is_within_window(at.time.duration_since(exposed_at)) {
            return false;
        }
        let key = metric.measure.aggregation().marks_units().then(|| exposed.key.of_metric(&metric.key));
        let first = key.filter(|key| matches!(self.standing(at, key), MarkStanding::First));
        let out = &mut self.out;
        let start = out.effects.len();
        let period = Period::of(metric, at, exposed_at);
        let place = place_of(&mut self.places, out, (period, experiment, metric, variant));
        place.add(out, MetricCounter::Events, Amount::ONE);
        match metric.measure.contribution(properties) {
            Contribution::Unit if first.is_some() => place.add(out, MetricCounter::Units, Amount::ONE),
            Contribution::Unit | Contribution::Nothing => {}
            Contribution::Value(value) => {
                place.add(out, MetricCounter::Sum, value);
                place.add_to_group(out, group_of(&exposed.key.unit, GROUPS), value);
            }
            Contribution::Unusable => place.add(out, MetricCounter::Invalid, Amount::ONE),
        }
        out.credits.push(Credit { experiment: experiment.key(), variant, metric: &metric.key });
        out.portions.push(start..out.effects.len());
        if let Some(key) = first {
            self.mark(at, key, variant);
        }
        true
    }

    /// True if another record with an event's id is the event. That is known once its mark was found in the way of this record's.
    fn is_counted_elsewhere(&self, item: &StreamItem<'_>, key: &MarkKey<'_>) -> bool {
        self.known.get(key).is_some_and(|mark| {
            let is_own = mark.owner.order(&self.shard, item.position) == Ordering::Equal;
            !is_own && item.arrived.duration_since(mark.at).abs() < ID_WINDOW
        })
    }

    /// True if an event adds to a sum: only then a mark of its id says whose it is. One that does not puts none, so that whether it
    /// knows of another one's depends on the records that are folded with it.
    fn adds_to_sum(&self, at: RecordTime<'a>, event: &'a EventData<'_>) -> bool {
        let EventKind::Conversion { event: name, context, .. } = &event.kind else { return false };
        let context = attributes(*context);
        self.catalog.measures(name).any(|(experiment, mut metrics)| {
            let standing = exposure_of(experiment, event, &context).map(|key| self.standing(at, &key));
            let Some(MarkStanding::Before(_, exposed_at)) = standing else { return false };
            let after = at.time.duration_since(exposed_at);
            metrics.any(|it| it.measure.aggregation().adds_values() && it.is_within_window(after))
        })
    }

    /// Claims the id of an event for a record: what it adds to a sum no mark of its unit protects.
    fn mark_id(&mut self, item: &'a StreamItem<'_>, event: &'a EventData<'_>, id: u64) {
        let happened = event.timestamp.unwrap_or(item.arrived);
        if item.arrived.duration_since(happened) > ID_WINDOW {
            self.stream(Hour::of(item.arrived), Counter::Stream(StreamCounter::OutsideIdWindow));
        }
        let key = MarkKey::of_id(&event.unit, id);
        // One that ended is put over.
        if self.known.get(&key).is_none_or(|mark| item.arrived.duration_since(mark.at) >= ID_WINDOW) {
            let owner = Owner { shard: Arc::clone(&self.shard), position: item.position.clone() };
            self.out.new_marks.push((key, Mark { variant: "".into(), at: item.arrived, owner }));
        }
    }

    fn standing(&self, at: RecordTime<'_>, key: &MarkKey<'a>) -> MarkStanding<'a> {
        let (variant, first_at, order) = if let Some(mark) = self.known.get(key) {
            (&*mark.variant, mark.at, mark.owner.order(&self.shard, at.position))
        } else if let Some(mark) = self.fresh.get(key) {
            (mark.variant, mark.at, mark.position.cmp(at.position))
        } else {
            return MarkStanding::First;
        };
        match order {
            Ordering::Less => MarkStanding::Before(variant, first_at),
            Ordering::Equal => MarkStanding::First,
            Ordering::Greater => MarkStanding::After,
        }
    }

    /// Claims a first time for a record, unless an earlier attempt did already.
    fn mark(&mut self, at: RecordTime<'a>, key: MarkKey<'a>, variant: &'a str) {
        if self.known.contains_key(&key) {
            return;
        }
        self.fresh.insert(key.clone(), Fresh { variant, at: at.time, position: at.position });
        let owner = Owner { shard: Arc::clone(&self.shard), position: at.position.clone() };
        self.out.new_marks.push((key, Mark { variant: variant.into(), at: at.time, owner }));
    }

    /// True if an experiment has such a metric. One that the catalog does not know may have it.
    fn has_metric(&self, experiment: &str, is_such: impl Fn(&Metric) -> bool) -> bool {
        self.catalog.experiment(experiment).is_none_or(|it| it.metrics().iter().any(is_such))
    }

    fn accepted(&mut self, arrived: Hour) {
        match self.accepted {
            Some((hour, effect)) if hour == arrived => self.out.effects.push(effect),
            _ => {
                self.stream(arrived, Counter::Stream(StreamCounter::Accepted));
                self.accepted = self.out.effects.last().map(|effect| (arrived, *effect));
            }
        }
    }

    fn stream(&mut self, hour: Hour, counter: Counter<'a>) {
        self.stream_by(hour, counter, Amount::ONE);
    }

    fn stream_by(&mut self, hour: Hour, counter: Counter<'a>, amount: Amount) {
        let row = self.out.rows.number(RowKey::Stream { hour });
        let counter = self.out.counters.number(counter);
        self.out.effects.push(Effect { row, counter, amount });
    }

    fn add(&mut self, row: u32, counter: Counter<'a>) {
        let counter = self.out.counters.number(counter);
        self.out.effects.push(Effect { row, counter, amount: Amount::ONE });
    }
}

/// The key of the exposure of an event's unit, for an experiment that may randomise another attribute than `user_id`.
fn exposure_of<'a>(
    experiment: &'a Experiment,
    event: &'a EventData<'_>,
    context: &Map<String, Value>,
) -> Option<MarkKey<'a>> {
    let unit = if experiment.has_user_unit() {
        Cow::Borrowed(&*event.unit)
    } else {
        Cow::Owned(experiment.unit(&Subject::new(&event.unit, context))?.into_owned())
    };
    // Beyond the limit of a key of a store it is no unit here either: no exposure of it was taken.
    (unit.len() <= MAX_UNIT_BYTES).then(|| MarkKey::of_exposure(unit, experiment.key(), experiment.epoch()))
}

fn to_the_millisecond(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.as_millisecond()).ok()
}

fn attributes(context: Option<&RawValue>) -> Map<String, Value> {
    // It is an object, but may hold a number that is none: then nothing is known of the unit.
    context.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The value of a property; the last one where the object has it twice, as elsewhere.
pub(crate) fn property<'a>(properties: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    struct Named<'n>(&'n str);
    impl<'de> Visitor<'de> for Named<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<Text<'de>>()? {
                if key.0 == self.0 {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(properties.get()).deserialize_map(Named(name)).ok()?
}
