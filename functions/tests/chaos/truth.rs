//! The events that really happened, and their expected counts: plain loops, without the code that is tested.

use crate::ports::{Fact, Knowledge};
use abx_core::event::{Amount, Classes, Position, RecordClass};
use abx_functions::sources::kinesis::aggregate;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write as _;

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;
/// The start of the story: after any process has read the catalog, whatever the clock of this machine says.
pub(crate) const START: i64 = 40_000 * DAY;

/// Something that was put on the stream.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    /// Named by its producer, who may have sent it twice, and who gives one number to events of several units and types.
    pub id: String,
    pub unit: String,
    /// By the unit's own clock.
    pub time: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// To a variant of an experiment.
    Exposure(&'static str, &'static str),
    Purchase(f64),
    Visit,
    /// The event that only the experiment that is published in the middle asks for.
    Signup,
    Evaluation,
    /// A summary of so many evaluations of two flags.
    Evaluations([u32; 2]),
    Unknown,
    /// Bytes that are no event, and why.
    Poison(&'static [u8], &'static str),
}

/// A record of the stream: one happening, or several in one.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub sequence: u64,
    pub arrived: i64,
    pub happenings: Vec<Happening>,
    pub form: Form,
}

/// The form in which a record holds its happenings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    /// One, as it is.
    Plain,
    /// By the Kinesis Producer Library.
    Aggregated,
    Lines,
    List,
    /// Lines, compressed.
    Gzip,
}

/// Experiments that only sum purchases: a unit that saw them all makes more rows than a transaction of a storm holds.
const MORE: [&str; 6] = ["e1", "e2", "e3", "e4", "e5", "e6"];

/// An experiment whose rows are full: they have the counters of variant a, and no room for those of b. Its exposures to b stay in the
/// marks and in the archive, and are refused by the commit.
pub(crate) const FULL: &str = "full";
/// An experiment whose units have exposures in several shards at once.
pub(crate) const WANDER: &str = "wander";
/// An experiment that the second revision of the catalog adds.
pub(crate) const SECOND: &str = "second";
/// A unit whose marks can neither be read nor put.
pub(crate) const NO_MARKS: &str = "unit without marks";
/// A unit whose marks can be read, and not put.
pub(crate) const NO_PUTS: &str = "unit without puts";
/// Bytes that are no event, and that no quarantine takes.
pub(crate) const UNKEEPABLE: &[u8] = b"{unkeepable";
/// A unit of which the archive takes no line.
pub(crate) const NO_LINES: &str = "unit without lines";

/// Experiments without a metric that is summed, so that no units are counted by group.
const WITHOUT_GROUPS: [&str; 2] = [FULL, WANDER];

/// A shard, which begins when its parents are drained.
#[derive(Debug, Clone)]
pub(crate) struct Shard {
    pub name: String,
    pub parents: Vec<usize>,
    pub records: Vec<Record>,
}

impl Shard {
    /// True if any of these records exposes the unit of an event of this shard.
    pub(crate) fn exposes_unit_of(&self, event: &Position, records: &[Record]) -> bool {
        let is_it = |it: &&Record| it.sequence.to_string() == event.sequence.as_str();
        let record = self.records.iter().find(is_it).unwrap();
        let unit = &record.happenings[usize::try_from(event.sub).unwrap()].unit;
        let exposes = |it: &Happening| matches!(it.what, What::Exposure(..)) && it.unit == *unit;
        records.iter().flat_map(|it| &it.happenings).any(exposes)
    }
}

/// The documents published in the middle of a story: the first revision, and one more experiment, which asks for purchases as those of the
/// first do, and for signups.
pub(crate) fn second_documents() -> Vec<Value> {
    let second = json!({
        "experiment": SECOND, "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
        "metrics": [
            {"key": "signups", "event": "signup", "kind": "count"},
            {"key": "spent", "event": "purchase", "kind": "sum", "property": "amount", "window": "1d"},
        ],
    });
    documents().into_iter().chain([second]).collect()
}

pub(crate) fn documents() -> Vec<Value> {
    let more = MORE.map(|key| {
        json!({
            "experiment": key, "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"}],
        })
    });
    let checkout = json!({
        "experiment": "checkout", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
        "metrics": [
            {"key": "bought", "event": "purchase", "kind": "conversion", "window": "2d"},
            {"key": "revenue", "event": "purchase", "kind": "sum", "property": "amount"},
            {"key": "visits", "event": "visit", "kind": "count"},
            {"key": "basket", "event": "purchase", "kind": "mean", "property": "amount"},
        ],
    });
    let only_units = WITHOUT_GROUPS.map(|key| {
        json!({
            "experiment": key, "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "finished", "event": "finish", "kind": "conversion"}],
        })
    });
    std::iter::once(checkout).chain(more).chain(only_units).collect()
}

/// The stage at which a store refuses a happening, seen from the archive.
enum Refused {
    /// Before it is archived, or so that it never can be.
    Before,
    /// While it is archived, or not yet.
    Beside,
    /// After that, and after its mark was put.
    After,
}

impl Happening {
    /// The scope in which an id is unique.
    fn identity(&self) -> (&str, &str, &str) {
        let about = match self.what {
            What::Exposure(experiment, _) => experiment,
            What::Purchase(_) => "purchase",
            What::Visit => "visit",
            What::Signup => "signup",
            What::Evaluation => "evaluation",
            // Its sender is no unit.
            What::Evaluations(_) => return ("evaluations", "", &self.id),
            What::Unknown => "scroll",
            What::Poison(..) => "poison",
        };
        (about, &self.unit, &self.id)
    }

    /// The stage at which a store refuses the writes that counting it takes, if one does, given the variant that its unit belongs to.
    fn refused(&self, belongs: Option<&str>) -> Option<Refused> {
        let asks = !matches!(self.what, What::Evaluation | What::Evaluations(_) | What::Unknown);
        match (&*self.unit, &self.what) {
            (NO_MARKS, _) if asks => Some(Refused::Before),
            // A summary has no unit.
            (NO_LINES, what) if !matches!(what, What::Evaluations(_)) => Some(Refused::Before),
            (NO_PUTS, What::Exposure(..)) => Some(Refused::Beside),
            (_, What::Exposure(FULL, _)) => (belongs == Some("b")).then_some(Refused::After),
            _ => None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { id, unit, time, what } = self;
        let event = match what {
            What::Exposure(experiment, variant) => json!({
                "event_id": id, "type": "exposure", "experiment": experiment, "variant": variant, "unit": unit, "timestamp": time,
            }),
            What::Purchase(amount) => json!({
                "event_id": id, "type": "conversion", "event": "purchase", "user_id": unit, "timestamp": time,
                "properties": {"amount": amount},
            }),
            What::Visit | What::Signup => {
                let name = if matches!(what, What::Visit) { "visit" } else { "signup" };
                json!({"event_id": id, "type": "conversion", "event": name, "user_id": unit, "timestamp": time})
            }
            What::Evaluation => {
                json!({"event_id": id, "type": "evaluation", "flag": "f", "variant": "on", "unit": unit, "timestamp": time})
            }
            What::Evaluations(counts) => {
                let counts = counts.map(|count| json!({"flag": "f", "variant": "on", "count": count}));
                json!({"event_id": id, "type": "evaluations", "timestamp": time, "counts": counts})
            }
            What::Unknown => {
                json!({"event_id": id, "type": "conversion", "event": "scroll", "user_id": unit, "timestamp": time})
            }
            What::Poison(bytes, _) => return bytes.to_vec(),
        };
        event.to_string().into_bytes()
    }
}

impl Record {
    /// Its partition key: that of its first happening, whoever the others are about.
    pub(crate) fn key(&self) -> &str {
        self.happenings.first().map_or("-", |it| &it.unit)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let events: Vec<Vec<u8>> = self.happenings.iter().map(Happening::bytes).collect();
        match self.form {
            Form::Plain => events.concat(),
            Form::Aggregated => aggregate(self.key(), &events),
            Form::Lines => events.join(&b'\n'),
            Form::List => [b"[".as_slice(), &events.join(&b','), b"]"].concat(),
            Form::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&events.join(&b'\n')).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

/// The expected counts.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    /// By partition, row and counter; groups are added up.
    pub rows: BTreeMap<(String, String, String), Amount>,
    /// The places of all events that were taken.
    pub archived: BTreeSet<String>,
    pub quarantined: BTreeMap<String, String>,
    /// The places of events that were given up, and whose repetition was counted before they were redriven, and of events that a store
    /// refuses while they are archived. Their lines may have been archived before.
    pub overtaken: BTreeSet<String>,
    /// The outcome of all events if each is delivered once.
    pub classes: Classes,
}

/// The place of a happening: its shard, its record, and its number in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    shard: usize,
    sequence: u64,
    sub: usize,
}

impl Place {
    /// True if this is seen as earlier: within a shard by position, and before those of any other.
    fn is_before(self, other: Self) -> bool {
        self.shard != other.shard || self < other
    }

    fn position(self) -> Position {
        let Self { sequence, sub, .. } = self;
        format!("{sequence}:{sub}").parse().unwrap()
    }
}

/// The first record that a mark tells of.
#[derive(Debug, Clone, Copy)]
struct First {
    variant: &'static str,
    time: i64,
    place: Place,
    /// The number of facts before the one that wrote it.
    after: usize,
}

impl First {
    /// True if the mark is an earlier one for a record that a process counts which knows these. Those of its own shard it always
    /// knows, because the shard writes them itself.
    fn is_before(&self, at: Place, known: Option<&Knowledge>, name: &(String, String)) -> bool {
        let is_known = |by: &Knowledge| self.after < by.facts || by.put.contains(name);
        self.place.is_before(at) && (self.place.shard == at.shard || known.is_none_or(is_known))
    }
}

/// The places of a story that facts speak of, in the order in which they were counted; each once, and those that were not counted at the
/// end. A mark that was left by a record that is not counted yet is in the order as well.
fn in_order<'h>(shards: &[Shard], history: &'h [Fact]) -> Vec<Step<'h>> {
    let mut left: BTreeMap<Place, Position> = BTreeMap::new();
    for (shard, it) in shards.iter().enumerate() {
        for record in &it.records {
            let places =
                (0..record.happenings.len()).map(|sub| Place { shard, sequence: record.sequence, sub });
            left.extend(places.map(|place| (place, place.position())));
        }
    }
    let mut steps = Vec::new();
    for (after, fact) in history.iter().enumerate() {
        let name = match fact {
            Fact::Counted { shard, .. } | Fact::Redriven { shard, .. } | Fact::GivenUp { shard, .. } => shard,
            Fact::Marked { owner, .. } => &*owner.shard,
        };
        let Some(shard) = shards.iter().position(|it| it.name == *name) else { continue };
        let is_meant = |position: &Position| match fact {
            Fact::Counted { first, last, .. } => first <= position && position <= last,
            Fact::Redriven { positions, .. } => positions.contains(position),
            Fact::Marked { owner, .. } => owner.position == *position,
            Fact::GivenUp { .. } => false,
        };
        let meant = left.iter().filter(|(place, position)| place.shard == shard && is_meant(position));
        let meant: Vec<Place> = meant.map(|(place, _)| *place).collect();
        if let Fact::Marked { about, .. } = fact {
            let step = |place| Step { place, after, what: StepKind::Marked(about.clone()) };
            steps.extend(meant.into_iter().map(step));
            continue;
        }
        let (Fact::Counted { by, .. } | Fact::Redriven { by, .. }) = fact else { continue };
        let is_redriven = matches!(fact, Fact::Redriven { .. });
        for place in meant {
            left.remove(&place);
            steps.push(Step { place, after, what: StepKind::Counted { is_redriven, by: Some(by) } });
        }
    }
    let after = history.len();
    let counted = |place| Step { place, after, what: StepKind::Counted { is_redriven: false, by: None } };
    steps.extend(left.into_keys().map(counted));
    steps
}

/// Something that is seen by what comes later.
struct Step<'h> {
    place: Place,
    /// The number of facts before it.
    after: usize,
    what: StepKind<'h>,
}

enum StepKind<'h> {
    /// Counted by a process that knows some marks; at the end, all.
    Counted { is_redriven: bool, by: Option<&'h Knowledge> },
    /// A mark of it, about something.
    Marked(String),
}

/// Counts what happened, each once, in the order in which it was counted.
#[expect(clippy::too_many_lines, reason = "one plain loop, to be read beside the handler")]
pub(crate) fn count(shards: &[Shard], history: &[Fact]) -> Expected {
    let mut expected = Expected::default();
    let mut first: HashMap<(String, &'static str), First> = HashMap::new();
    let mut converted: HashMap<String, Place> = HashMap::new();
    // The records that have the ids of events that count for a sum, and when they came.
    let mut ids: HashMap<(&str, &str, &str), (Place, i64)> = HashMap::new();
    // Conversions of units that were not exposed to an experiment: their shard, experiment, event and time.
    let mut unexposed: BTreeSet<(usize, String, &str, &str, i64)> = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut seen_by_redrives = HashSet::new();
    for step in in_order(shards, history) {
        let Step { place: at, after, what: step } = step;
        let (is_redriven, known) = match step {
            StepKind::Counted { is_redriven, by } => (is_redriven, by),
            StepKind::Marked(_) => (false, None),
        };
        let shard = &shards[at.shard];
        let record = shard.records.iter().find(|it| it.sequence == at.sequence).unwrap();
        let happening = &record.happenings[at.sub];
        let (sub, at_shard) = (at.sub, at.shard);
        let skew = record.arrived - happening.time;
        let is_late = !(-5 * 60_000..=7 * DAY).contains(&skew);
        let time = if is_late { record.arrived } else { happening.time };
        let unit = &happening.unit;
        if let StepKind::Marked(about) = step {
            match happening.what {
                _ if about.starts_with("id#") => {
                    // Whoever puts a mark over one that has not ended shall be caught.
                    let there = ids.entry(happening.identity()).or_insert((at, record.arrived));
                    if record.arrived - there.1 >= DAY {
                        *there = (at, record.arrived);
                    }
                }
                What::Exposure(experiment, variant) => {
                    let mark = First { variant, time, place: at, after };
                    first.entry((unit.clone(), experiment)).or_insert(mark);
                }
                _ if about.ends_with("#bought") => {
                    converted.entry(unit.clone()).or_insert(at);
                }
                _ => {}
            }
            continue;
        }
        let place = if sub == 0 { record.sequence.to_string() } else { format!("{}:{sub}", record.sequence) };
        let place = format!("{}:{place}", shard.name);
        let arrived = hour(record.arrived);
        let mut add = |partition: &str, row: &str, counter: String, amount: f64| {
            let key = (partition.to_owned(), format!("{row}#{}", shard.name), counter);
            *expected.rows.entry(key).or_default() += Amount::from_f64(amount).unwrap();
        };
        if let What::Poison(_, reason) = happening.what {
            add("stream", &arrived, format!("rejected#{reason}"), 1.0);
            expected.quarantined.insert(place, reason.to_owned());
            expected.classes.add(RecordClass::Rejected, 1);
            continue;
        }
        let exposed = |first: &HashMap<(String, &'static str), First>, experiment: &'static str| {
            let seen = first.get(&(unit.clone(), experiment)).copied();
            let name = (unit.clone(), format!("{experiment}#1"));
            let seen = seen.filter(|it| it.is_before(at, known, &name) && time >= it.time);
            seen.map(|it| (it.variant, it.time))
        };
        let is_value = match happening.what {
            What::Purchase(_) => {
                MORE.iter().chain(&["checkout"]).any(|it| exposed(&first, it).is_some())
                    || exposed(&first, SECOND).is_some_and(|it| time - it.1 <= DAY)
            }
            What::Visit => exposed(&first, "checkout").is_some(),
            What::Signup => exposed(&first, SECOND).is_some(),
            _ => false,
        };
        let identity = (at.shard, happening.identity());
        let mut is_repeated = seen.contains(&identity) || is_redriven && seen_by_redrives.contains(&identity);
        if is_value && !is_repeated {
            let (owner, came) = *ids.entry(identity.1).or_insert((at, record.arrived));
            if owner != at && (record.arrived - came).abs() < DAY {
                is_repeated = true;
                // An attempt before may have found nothing that it counts for, and archived it.
                expected.overtaken.insert(place.clone());
            } else if record.arrived - came >= DAY {
                ids.insert(identity.1, (at, record.arrived));
            }
        }
        // What its first exposure adds to each metric of checkout and its like.
        let overtaken = |unexposed: &BTreeSet<(usize, String, &str, &str, i64)>,
                         experiment: &str,
                         variant: &str| {
            let row = if is_late { "late".to_owned() } else { hour(time) };
            let metrics = [
                ("bought", "purchase"),
                ("revenue", "purchase"),
                ("basket", "purchase"),
                ("visits", "visit"),
            ];
            let has =
                |metric: &str| experiment == "checkout" || MORE.contains(&experiment) && metric == "revenue";
            let count = |(metric, event): (&str, &str)| {
                let of = unexposed.iter().filter(|(shard, of, to, name, at)| {
                    let longest = if metric == "bought" { 2 * DAY } else { i64::MAX };
                    (*shard, &**of, *to, *name) == (at_shard, unit, experiment, event)
                        && (0..=longest).contains(&(at - time))
                });
                let row = if metric == "bought" { cohort(variant, time) } else { row.clone() };
                (row, format!("mo#{variant}#{metric}"), f64::from(u32::try_from(of.count()).unwrap()))
            };
            let counts: Vec<_> =
                metrics.into_iter().filter(|(metric, _)| has(metric) && !is_redriven).map(count).collect();
            counts.into_iter().filter(|it| it.2 > 0.0).collect::<Vec<_>>()
        };
        if is_repeated {
            // An attempt before it may have archived it: what it repeats was given up then, and counted since, or was not credited then,
            // because its unit's exposure came from another shard since.
            let is_it = |fact: &Fact| matches!(fact, Fact::GivenUp { shard: it, .. } if *it == shard.name);
            let is_credited_by =
                |experiment: &str| MORE.contains(&experiment) || ["checkout", SECOND].contains(&experiment);
            let is_elsewhere = |((of, experiment), mark): (&(String, &str), &First)| {
                of == unit && is_credited_by(experiment) && mark.place.shard != at.shard
            };
            let is_conversion = matches!(happening.what, What::Purchase(_) | What::Visit | What::Signup);
            if history.iter().any(is_it) || is_conversion && first.iter().any(is_elsewhere) {
                expected.overtaken.insert(place.clone());
            }
            let own = |experiment| first.get(&(unit.clone(), experiment)).filter(|it| it.place == at);
            if matches!(happening.what, What::Exposure(FULL, _))
                && own(FULL).is_some_and(|it| it.variant == "b")
            {
                // The unit that its mark says is its own does not fit into the row either.
                add("stream", &arrived, "rejected#refused_by_store".into(), 1.0);
                expected.classes.add(RecordClass::Rejected, 1);
                expected.overtaken.insert(place.clone());
                expected.quarantined.insert(place, "refused_by_store".to_owned());
                continue;
            }
            add("stream", &arrived, "duplicates".into(), 1.0);
            expected.classes.add(RecordClass::Duplicate, 1);
            // What was counted in its place found its unit exposed, or converted, by the marks that it left.
            let row = if is_late { "late".to_owned() } else { hour(time) };
            match happening.what {
                What::Exposure(experiment, _) => {
                    if let Some(First { variant, time, .. }) = own(experiment) {
                        for (row, counter, of) in overtaken(&unexposed, experiment, variant) {
                            add(&format!("exp#{experiment}"), &row, counter, of);
                        }
                        add(&format!("exp#{experiment}"), &row, format!("u#{variant}"), 1.0);
                        if ["checkout", SECOND].contains(&experiment) {
                            add(&format!("exp#{experiment}"), &cohort(variant, *time), "units".into(), 1.0);
                        }
                        if !WITHOUT_GROUPS.contains(&experiment) {
                            add(
                                &format!("exp#{experiment}"),
                                &format!("groups#{variant}"),
                                "units".into(),
                                1.0,
                            );
                        }
                    }
                }
                What::Purchase(_) if converted.get(unit) == Some(&at) => {
                    let First { variant, time, .. } = first[&(unit.clone(), "checkout")];
                    add("exp#checkout", &cohort(variant, time), format!("mu#{variant}#bought"), 1.0);
                }
                _ => {}
            }
            continue;
        }
        // The mark of what only the commit refuses stands; of others there is none.
        let belongs = match happening.what {
            What::Exposure(FULL, variant) if happening.refused(None).is_none() => {
                let mark = First { variant, time, place: at, after };
                let mark = *first.entry((unit.clone(), FULL)).or_insert(mark);
                Some(if mark.place.is_before(at) { mark.variant } else { variant })
            }
            _ => None,
        };
        if let Some(refused) = happening.refused(belongs) {
            add("stream", &arrived, "rejected#refused_by_store".into(), 1.0);
            expected.classes.add(RecordClass::Rejected, 1);
            expected.quarantined.insert(place.clone(), "refused_by_store".to_owned());
            match refused {
                Refused::Before => false,
                Refused::Beside => expected.overtaken.insert(place),
                Refused::After => expected.archived.insert(place),
            };
            continue;
        }
        let mut take_id =
            || if is_redriven { seen_by_redrives.insert(identity) } else { seen.insert(identity) };
        add("stream", &arrived, "accepted".into(), 1.0);
        let is_of_unit =
            matches!(happening.what, What::Exposure(..) | What::Purchase(_) | What::Visit | What::Signup);
        if is_of_unit && record.key() != unit {
            add("stream", &arrived, "misrouted".into(), 1.0);
        }
        let row = if is_late { "late".to_owned() } else { hour(time) };
        if is_late {
            add("stream", &arrived, "late".into(), 1.0);
        }
        let class = if is_late { RecordClass::Late } else { RecordClass::Counted };
        match happening.what {
            What::Exposure(experiment, variant) => {
                take_id();
                let partition = &format!("exp#{experiment}");
                let mark = First { variant, time, place: at, after };
                let mark = *first.entry((unit.clone(), experiment)).or_insert(mark);
                let belongs = if mark.place.is_before(at) { mark.variant } else { variant };
                add(partition, &row, format!("x#{belongs}"), 1.0);
                if belongs != variant {
                    add(partition, &row, format!("c#{belongs}"), 1.0);
                }
                if mark.place == at {
                    for (row, counter, of) in overtaken(&unexposed, experiment, belongs) {
                        add(partition, &row, counter, of);
                    }
                    add(partition, &row, format!("u#{belongs}"), 1.0);
                    if ["checkout", SECOND].contains(&experiment) {
                        add(partition, &cohort(belongs, time), "units".into(), 1.0);
                    }
                    if !WITHOUT_GROUPS.contains(&experiment) {
                        add(partition, &format!("groups#{belongs}"), "units".into(), 1.0);
                    }
                }
            }
            What::Evaluation => {
                take_id();
                add("stream", &arrived, "evaluations".into(), 1.0);
            }
            What::Evaluations(counts) => {
                take_id();
                add("stream", &arrived, "evaluations".into(), counts.map(f64::from).iter().sum());
            }
            What::Unknown => {
                add("stream", &arrived, "unused".into(), 1.0);
                add(&format!("unknown#{}", shard.name), "", "unknown#scroll".into(), 1.0);
                expected.classes.add(RecordClass::UnknownEvent, 1);
                expected.archived.insert(place);
                continue;
            }
            What::Purchase(_) | What::Visit | What::Signup => {
                if is_value && record.arrived - happening.time > DAY {
                    add("stream", &arrived, "outside_id_window".into(), 1.0);
                }
                let lacks = |experiment: &str| {
                    let mark = first.iter().find(|((of, to), _)| of == unit && *to == experiment);
                    let name = (unit.clone(), format!("{experiment}#1"));
                    mark.is_none_or(|(_, mark)| !mark.is_before(at, known, &name))
                };
                let (event, of): (_, &[&str]) = match happening.what {
                    What::Purchase(_) => ("purchase", &MORE),
                    _ => ("visit", &[]),
                };
                let is_signup = matches!(happening.what, What::Signup);
                for experiment in
                    of.iter().chain(&["checkout"]).filter(|it| !is_signup && !is_redriven && lacks(it))
                {
                    unexposed.insert((at.shard, unit.clone(), experiment, event, time));
                }
                // To a row, and to that of its groups.
                let mut value =
                    |[experiment, variant, metric]: [&str; 3], amount: f64, rows: &[String; 2]| {
                        let partition = &format!("exp#{experiment}");
                        add(partition, &rows[0], format!("me#{variant}#{metric}"), 1.0);
                        add(partition, &rows[0], format!("ms#{variant}#{metric}"), amount);
                        add(partition, &rows[1], metric.into(), amount);
                    };
                let hourly = |variant: &str| [row.clone(), format!("groups#{variant}")];
                let mut is_credited = false;
                if let What::Purchase(amount) = happening.what {
                    for experiment in MORE {
                        let Some((variant, _)) = exposed(&first, experiment) else { continue };
                        value([experiment, variant, "revenue"], amount, &hourly(variant));
                        is_credited = true;
                    }
                    if let Some((variant, exposed_at)) =
                        exposed(&first, SECOND).filter(|it| time - it.1 <= DAY)
                    {
                        let daily = [(); 2].map(|()| cohort(variant, exposed_at));
                        value([SECOND, variant, "spent"], amount, &daily);
                        is_credited = true;
                    }
                }
                if let What::Signup = happening.what {
                    if let Some((variant, _)) = exposed(&first, SECOND) {
                        value([SECOND, variant, "signups"], 1.0, &hourly(variant));
                        is_credited = true;
                    }
                } else if let Some((variant, exposed_at)) = exposed(&first, "checkout") {
                    is_credited = true;
                    if let What::Purchase(amount) = happening.what {
                        value(["checkout", variant, "revenue"], amount, &hourly(variant));
                        value(["checkout", variant, "basket"], amount, &hourly(variant));
                        add("exp#checkout", &format!("groups#{variant}"), "e#basket".into(), 1.0);
                        let cohort = &cohort(variant, exposed_at);
                        if time - exposed_at <= 2 * DAY {
                            add("exp#checkout", cohort, format!("me#{variant}#bought"), 1.0);
                            if *converted.entry(unit.clone()).or_insert(at) == at {
                                add("exp#checkout", cohort, format!("mu#{variant}#bought"), 1.0);
                            }
                        }
                    } else {
                        value(["checkout", variant, "visits"], 1.0, &hourly(variant));
                    }
                }
                if is_credited {
                    take_id();
                } else {
                    // Its id is left to a repetition that counts for something.
                    add("stream", &arrived, "unattributed".into(), 1.0);
                    let class = if is_late { class } else { RecordClass::Unattributed };
                    expected.classes.add(class, 1);
                    expected.archived.insert(place);
                    continue;
                }
            }
            What::Poison(..) => {}
        }
        expected.classes.add(class, 1);
        expected.archived.insert(place);
    }
    expected
}

/// Rows as a store holds them, with groups added up, and days of unknown events.
pub(crate) fn without_groups(
    rows: &BTreeMap<(String, String, String), Amount>,
) -> BTreeMap<(String, String, String), Amount> {
    let mut sums = BTreeMap::new();
    for ((partition, sort, counter), amount) in rows {
        let counter = match counter.split_once('#') {
            Some((group, metric)) if group.parse::<u8>().is_ok() => metric,
            None if counter.parse::<u8>().is_ok() => "units",
            _ => counter,
        };
        let day_or_row = if partition.starts_with("unknown#") {
            format!("#{}", sort.split_once('#').unwrap().1)
        } else {
            sort.clone()
        };
        // Whether a conversion is remembered for the second catalog's experiment depends on when a process reads that.
        if partition == &format!("exp#{SECOND}") && counter.starts_with("mo#") {
            continue;
        }
        *sums.entry((partition.clone(), day_or_row, counter.to_owned())).or_default() += *amount;
    }
    sums
}

/// Rows in which each unit of more than one shard is counted once, and each of its exposures, wherever and to whichever variant: which is
/// first, and what conflicts with it, depends on when late writes arrive.
pub(crate) fn without_wandering(
    rows: BTreeMap<(String, String, String), Amount>,
) -> BTreeMap<(String, String, String), Amount> {
    let mut sums = BTreeMap::new();
    for ((partition, sort, counter), amount) in rows {
        let key = match counter.split_once('#') {
            Some(("c", _)) if partition == "exp#wander" => continue,
            Some((what, _)) if partition == "exp#wander" => (partition, String::new(), what.to_owned()),
            _ => (partition, sort, counter),
        };
        *sums.entry(key).or_default() += amount;
    }
    sums
}

/// The row of metrics with a window, by the day of the unit's first exposure.
fn cohort(variant: &str, exposed_at: i64) -> String {
    format!("cohort#{}#{variant}", Timestamp::from_millisecond(exposed_at).unwrap().strftime("%Y-%m-%d"))
}

fn hour(time: i64) -> String {
    Timestamp::from_millisecond(time).unwrap().strftime("%Y-%m-%dT%H").to_string()
}

/// The time at which the second revision of the catalog is published: nothing of its experiment happens before.
pub(crate) fn published(length: usize) -> i64 {
    arrival(length / 3)
}

fn arrival(step: usize) -> i64 {
    START + i64::try_from(step).unwrap() * 20 * 60_000
}

/// A story: units that see variants, buy, visit and err, over shards of which one may be split, and two may be merged.
pub(crate) fn story(random: &mut fastrand::Rng, length: usize) -> Vec<Shard> {
    let mut shards: Vec<Shard> = (0..2).map(|index| shard(index, Vec::new())).collect();
    // By the parity of a unit, the shards that its records go to: one, or one of two by the unit.
    let mut homes = [vec![0], vec![1]];
    let split_at = if random.bool() { length / 2 } else { usize::MAX };
    let merge_at = if random.bool() { length * 3 / 4 } else { usize::MAX };
    let mut sequence = 1000;
    for step in 0..length {
        if step == split_at {
            shards.extend([shard(2, vec![0]), shard(3, vec![0])]);
            homes[0] = vec![2, 3];
        }
        if step == merge_at {
            let parents = vec![homes[0][0], homes[1][0]];
            let child = shards.len();
            shards.push(shard(child, parents));
            homes[0][0] = child;
            homes[1][0] = child;
        }
        let unit = if random.u8(0..20) == 0 { random.u8(12..15) } else { random.u8(0..12) };
        let of_parity = &homes[usize::from(unit % 2)];
        let home = of_parity[usize::from(unit / 2) % of_parity.len()];
        let arrived = arrival(step);
        let is_new = arrived >= published(length);
        let several = random.u8(0..10) == 0;
        let mut happenings: Vec<_> = (0..if several { random.usize(1..5) } else { 1 })
            .map(|part| happening(random, unit, (arrived, is_new), step * 10 + part))
            .collect();
        let sees_more = random.u8(0..5) == 0;
        if sees_more {
            happenings = MORE
                .map(|experiment| Happening {
                    what: What::Exposure(experiment, either(random)),
                    ..happening(random, unit, (arrived, is_new), step * 10)
                })
                .into();
        }
        if random.u8(0..12) == 0
            && let Some(old) = shards[home].records.last().and_then(|record| record.happenings.first())
        {
            happenings[0] = old.clone();
        }
        if random.u8(0..20) == 0 {
            let others: Vec<_> = shards.iter().filter(|shard| shard.name != shards[home].name).collect();
            let records: Vec<_> = others.iter().flat_map(|shard| &shard.records).collect();
            if let Some(record) = records.get(random.usize(..records.len().max(1))) {
                let old = &record.happenings[0];
                if matches!(old.what, What::Purchase(_) | What::Visit) {
                    happenings[0] = old.clone();
                }
            }
        }
        // Sequence numbers grow by leaps, and get longer.
        sequence += random.u64(1..5_000);
        let form = form(random, &happenings);
        shards[home].records.push(Record { sequence, arrived, happenings, form });
        if random.u8(0..10) == 0 {
            let of_parity = &homes[random.usize(0..2)];
            let anywhere = of_parity[random.usize(0..of_parity.len())];
            sequence += random.u64(1..5_000);
            shards[anywhere].records.push(wanderer(random, sequence, arrived, step));
        }
    }
    shards
}

/// A record of a unit that shows up in any shard.
fn wanderer(random: &mut fastrand::Rng, sequence: u64, arrived: i64, step: usize) -> Record {
    let (id, unit) = (format!("w{step}"), format!("wanderer {}", random.u8(0..4)));
    let what = What::Exposure(WANDER, either(random));
    Record {
        sequence,
        arrived,
        happenings: vec![Happening { id, unit, time: arrived, what }],
        form: Form::Plain,
    }
}

fn either(random: &mut fastrand::Rng) -> &'static str {
    if random.bool() { "a" } else { "b" }
}

/// A form that these happenings may have. A list is one text, which is broken as a whole.
fn form(random: &mut fastrand::Rng, happenings: &[Happening]) -> Form {
    let is_json = |it: &Happening| serde_json::from_slice::<Value>(&it.bytes()).is_ok();
    let list = if happenings.iter().all(is_json) { Form::List } else { Form::Aggregated };
    let forms = [Form::Aggregated, Form::Lines, list, Form::Gzip];
    match happenings {
        [_] => [Form::Plain, Form::Plain, Form::Plain, Form::Gzip][random.usize(..4)],
        _ => forms[random.usize(..4)],
    }
}

fn shard(index: usize, parents: Vec<usize>) -> Shard {
    Shard { name: format!("events/shardId-{index:012}"), parents, records: Vec::new() }
}

fn happening(
    random: &mut fastrand::Rng,
    unit: u8,
    (arrived, is_new): (i64, bool),
    number: usize,
) -> Happening {
    const POISON: [(&[u8], &str); 5] = [
        (b"{", "not_json"),
        (b"\xff", "not_utf8"),
        (b"{\"type\":\"conversion\",\"event\":\"purchase\"}", "missing_field"),
        (b"{\"type\":\"click\",\"user_id\":\"u\"}", "unknown_type"),
        (
            b"{\"type\":\"conversion\",\"event\":\"e\",\"user_id\":\"u\",\"timestamp\":\"soon\"}",
            "invalid_time",
        ),
    ];
    let skew = match random.u8(0..20) {
        0 => -365 * DAY,
        1 => HOUR,
        2 => -7 * DAY,
        _ => -random.i64(0..2 * HOUR),
    };
    let what = match random.u8(0..23) {
        0..=6 => What::Exposure("checkout", if random.u8(0..10) < 7 { "a" } else { "b" }),
        7..=12 => What::Purchase(f64::from(random.i16(..)) / 100.0),
        13..=15 => What::Visit,
        16 if random.bool() => What::Evaluation,
        16 => What::Evaluations([1, 1_000_000_000].map(|most| random.u32(1..=most))),
        17 => What::Unknown,
        18 => What::Exposure(FULL, either(random)),
        19 if is_new => What::Exposure(SECOND, either(random)),
        20 if is_new => What::Signup,
        _ => {
            let (bytes, reason) = POISON[random.usize(..POISON.len())];
            What::Poison(bytes, reason)
        }
    };
    Happening {
        id: format!("e{}", number / 40),
        unit: match unit {
            12 => NO_MARKS.to_owned(),
            13 => NO_PUTS.to_owned(),
            14 => NO_LINES.to_owned(),
            _ => format!("unit \u{202e}{unit}"),
        },
        time: arrived + skew,
        what,
    }
}
