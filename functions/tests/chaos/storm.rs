//! Delivers a story as Kinesis and Lambda do, while everything fails, and compares the counts with what happened.

use crate::ports::{Catalogs, Fact, Faults, Plan, Ports, Sabotage, State, credits};
use crate::truth::{
    Record, Shard, count, documents, published, second_documents, story, without_groups, without_wandering,
};
use abx_core::event::{Amount, Batch, Classes, Limits, Position};
use abx_functions::adapters::TRANSACTION_LIMITS;
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::events::{Options, Processor, RedriveSource, Redriver};
use abx_functions::ports::{CatalogStore, RevisionMeta, TransactionLimits};
use abx_functions::sources::kinesis::{self, KinesisRecord};
use abx_functions::telemetry::Telemetry;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) type Function = Processor<Catalogs, Ports, Ports, Ports>;

/// Everything that a run needs.
pub(crate) struct World {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) faults: Arc<Mutex<Faults>>,
    catalog: EmbeddedStore,
    processes: usize,
    /// True if invocations are payloads, as Lambda makes them, and not records that are read.
    is_by_bytes: bool,
    /// The outcome of the records that are done, as the processes reported it.
    said: Arc<Mutex<Classes>>,
}

/// A running function.
pub(crate) struct Process {
    pub(crate) function: Function,
    pub(crate) death: Arc<Notify>,
    is_by_bytes: bool,
    said: Arc<Mutex<Classes>>,
}

/// The outcome of an invocation.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    /// All is counted.
    Done,
    /// From this record on it is to be delivered again.
    From(u64),
    /// The process died.
    Crashed,
}

impl World {
    pub(crate) async fn new(seed: u64, plan: Plan, sabotage: Sabotage) -> Self {
        let catalog = EmbeddedStore::in_memory().unwrap();
        publish(&catalog, 1, &documents()).await;
        let faults = Faults {
            random: fastrand::Rng::with_seed(seed),
            plan,
            sabotage,
            left: 60,
            crash_at: None,
            takes_no_commit: false,
            no_catalog: false,
            calls: 0,
            calls_by_name: BTreeMap::new(),
            latency: Duration::ZERO,
            turns: std::collections::VecDeque::new(),
            log: Vec::new(),
        };
        let (state, said) = Default::default();
        // Reading takes longer than counting.
        let is_by_bytes = seed.is_multiple_of(8);
        Self { state, faults: Arc::new(Mutex::new(faults)), catalog, processes: 0, is_by_bytes, said }
    }

    fn ports(&mut self, limits: Limits, bundled: Snapshot) -> (Ports, Arc<CatalogHolder<Catalogs>>) {
        self.processes += 1;
        let (state, faults) = (Arc::clone(&self.state), Arc::clone(&self.faults));
        let limits = TransactionLimits { commit: Limits { items: usize::MAX, ..limits }, redrive: limits };
        let ports = Ports { limits, state, faults, death: Arc::new(Notify::new()), who: self.processes };
        let (store, faults) = (self.catalog.clone(), Arc::clone(&self.faults));
        let catalogs = Catalogs { store, faults, was_read: AtomicBool::new(false) };
        (ports, Arc::new(CatalogHolder::new(catalogs, bundled)))
    }

    /// Starts a process, which remembers nothing.
    pub(crate) async fn start(&mut self, limits: Limits) -> Process {
        let (ports, holder) = self.ports(limits, Snapshot::default());
        holder.load().await.unwrap();
        self.process(ports, holder)
    }

    /// Starts a process that has the first documents bundled, and has read nothing.
    pub(crate) fn start_unread(&mut self, limits: Limits) -> Process {
        let (ports, holder) = self.ports(limits, Snapshot::compile(1, documents(), &Snapshot::default()));
        self.process(ports, holder)
    }

    fn process(&self, ports: Ports, holder: Arc<CatalogHolder<Catalogs>>) -> Process {
        let death = Arc::clone(&ports.death);
        let options = Options { cache_marks: NonZeroUsize::new(20).unwrap() };
        let kept = (ports.clone(), ports.clone());
        let function = Processor::new(holder, ports, kept, Arc::new(Telemetry::silent("events")), options);
        Process { function, death, is_by_bytes: self.is_by_bytes, said: Arc::clone(&self.said) }
    }

    /// Redrives records, in a process of its own. Whether that came to its end.
    pub(crate) async fn redrive(&mut self, shard: &Shard, records: &[Record], limits: Limits) -> bool {
        let (ports, holder) = self.ports(limits, Snapshot::default());
        holder.load().await.unwrap();
        let death = Arc::clone(&ports.death);
        let sabotage = self.faults.lock().unwrap().sabotage;
        let redriver = Redriver::new(holder, ports.clone(), (ports.clone(), ports));
        let batch = batch(shard, records);
        let [mut batch] = <[_; 1]>::try_from(batch.shards).unwrap();
        if sabotage == Sabotage::NewPositions {
            for payload in &mut batch.payloads {
                payload.position.sequence =
                    format!("9{}", payload.position.sequence.as_str()).parse().unwrap();
            }
        }
        let (redriven, ended) = tokio::select! {
            done = redriver.redrive(RedriveSource::Stream, &batch) => done,
            () = death.notified() => return false,
        };
        let read = batch.payloads.len() as u64;
        assert!(redriven.sum() <= read, "each record is in one line of the report");
        assert!(ended.is_err() || redriven.sum() == read, "every record is in the report");
        ended.is_ok()
    }

    /// Publishes the second revision, of which the processes that run learn by themselves.
    pub(crate) async fn publish_second(&self) {
        self.log("the second revision is published".to_owned());
        publish(&self.catalog, 2, &second_documents()).await;
    }

    fn chance(&self, percent: impl Fn(&Plan) -> u8) -> bool {
        let mut faults = self.faults.lock().unwrap();
        let percent = percent(&faults.plan);
        faults.left > 0 && faults.random.u8(0..100) < percent
    }

    /// The same world, for another who works in it at the same time.
    fn beside(&mut self) -> Self {
        let (state, faults) = (Arc::clone(&self.state), Arc::clone(&self.faults));
        let (catalog, said) = (self.catalog.clone(), Arc::clone(&self.said));
        self.processes += 1;
        Self { state, faults, catalog, processes: self.processes, is_by_bytes: self.is_by_bytes, said }
    }

    fn random(&self, range: std::ops::Range<usize>) -> usize {
        self.faults.lock().unwrap().random.usize(range)
    }

    /// Marks whose answer was lost stand now, and are noted in the history.
    fn note_marks(&self) {
        let mut state = self.state.lock().unwrap();
        state.settle_marks();
        state.note_marks();
    }

    pub(crate) fn log(&self, what: String) {
        self.faults.lock().unwrap().log.push(what);
    }
}

async fn publish(catalog: &EmbeddedStore, revision: u64, documents: &[Value]) {
    let meta =
        RevisionMeta { created_at: Timestamp::UNIX_EPOCH, author: String::new(), message: String::new() };
    catalog.put_revision(revision, &encode(documents).unwrap(), &meta).await.unwrap();
    catalog.flip_head((revision > 1).then_some(revision - 1), revision, &meta).await.unwrap();
}

impl Process {
    /// The outcome of the records that are done, as the processes of the world reported it.
    pub(crate) fn said(&self) -> Classes {
        *self.said.lock().unwrap()
    }

    /// One invocation, as Lambda makes it.
    pub(crate) async fn invoke(&self, shard: &Shard, records: &[Record]) -> Ended {
        let deadline = Instant::now() + Duration::from_secs(30);
        let count = async {
            if self.is_by_bytes {
                let written: Vec<KinesisRecord> = records.iter().map(write).collect();
                let (stream, id) = shard.name.split_once('/').unwrap();
                kinesis::handle(&self.function, &kinesis::write(stream, id, &written), deadline).await
            } else {
                self.function.count(batch(shard, records), deadline).await
            }
        };
        let outcome = tokio::select! {
            outcome = count => outcome.unwrap(),
            () = self.death.notified() => return Ended::Crashed,
        };
        assert!(Instant::now() <= deadline - Duration::from_millis(290), "it answers before its deadline");
        let json = serde_json::to_value(&outcome.response).unwrap();
        let failures =
            json["batchItemFailures"].as_array().expect("the outer key is the one that Lambda knows");
        assert!(failures.len() <= 1, "one shard, one place");
        let happenings = records.iter().map(|record| record.happenings.len() as u64).sum();
        assert_eq!(outcome.response.counted, outcome.classes);
        self.said.lock().unwrap().merge(&outcome.classes);
        let Some(first) = failures.first() else {
            assert_eq!(outcome.classes.sum(), happenings, "each record has one class");
            return Ended::Done;
        };
        assert!(outcome.classes.sum() < happenings, "what is given back has none");
        let first: u64 = first["itemIdentifier"].as_str().expect("never null").parse().expect("never empty");
        assert!(records.iter().any(|record| record.sequence == first), "never unknown");
        Ended::From(first)
    }
}

fn batch(shard: &Shard, records: &[Record]) -> Batch {
    let name = Arc::from(&*shard.name);
    Batch::from_records(records.iter().map(|record| write(record).into_record(&name).unwrap()))
}

fn write(record: &Record) -> KinesisRecord {
    KinesisRecord {
        sequence: record.sequence.to_string(),
        partition_key: record.key().to_owned(),
        arrived: Timestamp::from_millisecond(record.arrived).unwrap(),
        data: record.bytes(),
    }
}

/// One run; what is wrong, if anything, with the schedule of its faults.
pub(crate) fn run(seed: u64, length: usize, plan: Plan, sabotage: Sabotage) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(storm(seed, length, plan, sabotage))
}

/// A batch that Lambda gave up, as it lies in the bucket of failures.
struct GivenUp {
    shard: usize,
    records: std::ops::Range<usize>,
    is_redriven: bool,
}

async fn storm(seed: u64, length: usize, plan: Plan, sabotage: Sabotage) -> Result<(), String> {
    let mut world = World::new(seed, plan, sabotage).await;
    let mut random = fastrand::Rng::with_seed(seed ^ 0xabcd);
    let shards = story(&mut random, length);
    let limits = Limits { rows: random.usize(5..12), ..TRANSACTION_LIMITS.commit };
    let mut done = vec![0; shards.len()];
    let mut bucket: Vec<GivenUp> = Vec::new();
    let mut process = world.start(limits).await;
    let (mut rounds, mut is_published) = (0, false);
    loop {
        world.note_marks();
        let mut open: Vec<usize> = (0..shards.len()).filter(|at| is_open(&shards, &done, *at)).collect();
        let mut ready: Vec<usize> = (0..bucket.len()).collect();
        let in_parts = world.state.lock().unwrap().in_parts();
        hold_back(&in_parts, &shards, &done, &bucket, (&mut ready, &mut open));
        let is_left = ready.iter().any(|at| !bucket[*at].is_redriven);
        if open.is_empty() && !is_left {
            break;
        }
        rounds += 1;
        if rounds > 20_000 {
            return Err(told(&world, "it does not come to an end"));
        }
        if world.chance(|plan| plan.restart) {
            process = world.start(limits).await;
        }
        let is_time = !ready.is_empty() && world.chance(|plan| plan.redrive);
        if is_time || open.is_empty() {
            let left: Vec<usize> = ready.iter().copied().filter(|at| !bucket[*at].is_redriven).collect();
            let ready = if is_time { ready } else { left };
            let at = ready[world.random(0..ready.len())];
            redrive(&mut world, &shards, &mut bucket[at], limits).await;
            continue;
        }
        let at = open[world.random(0..open.len())];
        let (shard, from) = (&shards[at], done[at]);
        if from > 0 && world.chance(|plan| plan.redeliver) {
            // Hours later, some of what was counted comes again.
            let (a, b) = (world.random(0..from), world.random(0..from));
            let (a, b) = (a.min(b), a.max(b));
            let is_given_up = |it: &GivenUp| it.shard == at && it.records.start <= b && a < it.records.end;
            if !bucket.iter().any(is_given_up) {
                world.log(format!("{} {a}..={b} again", shard.name));
                if process.invoke(shard, &shard.records[a..=b]).await == Ended::Crashed {
                    process = world.start(limits).await;
                }
            }
            continue;
        }
        let to = (from + 1 + world.random(0..25)).min(shard.records.len());
        let records = &shard.records[from..to];
        if !is_published && records.iter().any(|record| record.arrived >= published(length)) {
            is_published = true;
            if sabotage != Sabotage::Catalog {
                world.publish_second().await;
            }
        }
        let ended = if world.chance(|plan| plan.zombie) {
            world.log(format!("{} {from}..{to} twice at the same time", shard.name));
            let zombie = world.start(limits).await;
            // What the zombie says reaches nobody.
            tokio::join!(zombie.invoke(shard, records), process.invoke(shard, records)).1
        } else {
            process.invoke(shard, records).await
        };
        let failed = match ended {
            Ended::Done => {
                done[at] = to;
                continue;
            }
            Ended::From(first) => shard.records.iter().position(|it| it.sequence == first).unwrap(),
            // The same records come again, in whichever portions.
            Ended::Crashed => {
                process = world.start(limits).await;
                from
            }
        };
        done[at] = failed;
        if world.chance(|plan| plan.give_up) {
            // Hours later, so that nothing is under way any more.
            let sequences = shard.records[failed..to].iter().map(|it| it.sequence).collect();
            let mut state = world.state.lock().unwrap();
            state.settle();
            state.history.push(Fact::GivenUp { shard: shard.name.clone(), sequences });
            drop(state);
            world.log(format!("{} {failed}..{to} given up", shard.name));
            bucket.push(GivenUp { shard: at, records: failed..to, is_redriven: false });
            done[at] = to;
        }
    }
    world.state.lock().unwrap().settle();
    let said = *world.said.lock().unwrap();
    let expected = count(&shards, &world.state.lock().unwrap().history).classes;
    if plan == Plan::default() && said != expected {
        return Err(told(&world, &format!("  classes: {said:?} instead of {expected:?}")));
    }
    compare(&world, &shards)
}

impl GivenUp {
    /// True if a record of a shard is among these.
    fn has(&self, shards: &[Shard], name: &str, record: &Position) -> bool {
        let Shard { name: own, records, .. } = &shards[self.shard];
        let is_it = |it: &Record| it.sequence.to_string() == record.sequence.as_str();
        own == name && records[self.records.clone()].iter().any(is_it)
    }
}

/// Leaves out what would change the marks that the other parts of a record hang on of which some are counted.
///
/// Parts go by name, so that one before the last that is counted would be left out if its unit's exposure were counted in between. In the
/// world that takes a unit in some fifty experiments that measure one event (a transaction holds 97 rows), a function that ends between
/// two commits of that event, a batch that is given up for that, and an exposure of that unit that was given up as well and is redriven
/// first: the event then misses that experiment. Everything else comes in between: repetitions find the mark of the id.
fn hold_back(
    in_parts: &[(String, Position)],
    shards: &[Shard],
    done: &[usize],
    bucket: &[GivenUp],
    (ready, open): (&mut Vec<usize>, &mut Vec<usize>),
) {
    for (name, record) in in_parts {
        let shard = shards.iter().find(|it| it.name == *name).unwrap();
        let exposes = |records: &[Record]| shard.exposes_unit_of(record, records);
        let (mut first, mut others) = (ready.clone(), open.clone());
        first.retain(|at| {
            let it = &bucket[*at];
            it.has(shards, name, record) || !exposes(&shards[it.shard].records[it.records.clone()])
        });
        others.retain(|at| shards[*at].name == *name || !exposes(&shards[*at].records[done[*at]..]));
        // Of two that wait for each other one goes on.
        if !others.is_empty() || first.iter().any(|at| !bucket[*at].is_redriven) {
            (*ready, *open) = (first, others);
        }
    }
}

/// Redrives a batch, maybe twice at the same time, and maybe one that was redriven before.
async fn redrive(world: &mut World, shards: &[Shard], batch: &mut GivenUp, limits: Limits) {
    let shard = &shards[batch.shard];
    let records = &shard.records[batch.records.clone()];
    let limits = Limits { items: 1 + world.random(0..8), ..limits };
    let is_twice = world.chance(|plan| plan.zombie);
    world.log(format!("{} {:?} redriven{}", shard.name, batch.records, if is_twice { " twice" } else { "" }));
    let is_done = if is_twice {
        let (mut one, mut two) = (world.beside(), world.beside());
        let (one, two) =
            tokio::join!(one.redrive(shard, records, limits), two.redrive(shard, records, limits));
        one || two
    } else {
        world.redrive(shard, records, limits).await
    };
    world.state.lock().unwrap().settle();
    batch.is_redriven |= is_done;
}

/// True if a shard has records that are not done, and no parent with such records.
fn is_open(shards: &[Shard], done: &[usize], at: usize) -> bool {
    let drained = |at: usize| done[at] == shards[at].records.len();
    !drained(at) && shards[at].parents.iter().all(|parent| drained(*parent))
}

/// Checks that the stored data is what happened.
pub(crate) fn compare(world: &World, shards: &[Shard]) -> Result<(), String> {
    let state = world.state.lock().unwrap();
    let expected = count(shards, &state.history);
    let rows = without_wandering(without_groups(&state.rows));
    let expected_rows = without_wandering(expected.rows.clone());
    let mut wrong = String::new();
    for key in rows.keys().chain(expected_rows.keys()).collect::<BTreeSet<_>>() {
        let (found, expected) = (rows.get(key), expected_rows.get(key));
        if found != expected {
            let show = |it: Option<&Amount>| it.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            let _ = writeln!(wrong, "  {key:?}: {} instead of {}", show(found), show(expected));
        }
    }
    let archived: BTreeSet<String> = state.archive.keys().cloned().collect();
    let may_be_there = |id: &&String| expected.overtaken.contains(*id);
    for id in archived.symmetric_difference(&expected.archived).filter(|id| !may_be_there(id)) {
        let _ = writeln!(wrong, "  archive: {id} is there {}", archived.contains(id));
    }
    if state.quarantine != expected.quarantined {
        let _ = writeln!(wrong, "  quarantine: {:?} instead of {:?}", state.quarantine, expected.quarantined);
    }
    let _ = write!(wrong, "{}", miscredited(&state, &expected.overtaken));
    drop(state);
    if wrong.is_empty() { Ok(()) } else { Err(told(world, &wrong)) }
}

/// The differences between the lines of the archive and the counts; empty if there are none.
pub(crate) fn miscredited(state: &State, overtaken: &BTreeSet<String>) -> String {
    let mut archived: BTreeMap<String, Amount> = BTreeMap::new();
    let lines = state.archive.iter().filter(|(id, _)| !overtaken.contains(*id));
    for counter in lines.flat_map(|(_, line)| credits(line)) {
        *archived.entry(counter).or_default() += Amount::ONE;
    }
    let mut counted: BTreeMap<String, Amount> = BTreeMap::new();
    for ((_, _, counter), amount) in
        state.rows.iter().filter(|((_, _, counter), _)| counter.starts_with("me#"))
    {
        *counted.entry(counter.clone()).or_default() += *amount;
    }
    if archived == counted {
        String::new()
    } else {
        format!("  credited {archived:?}, counted {counted:?}\n")
    }
}

fn told(world: &World, wrong: &str) -> String {
    format!("{wrong}\nschedule:\n  {}", world.faults.lock().unwrap().log.join("\n  "))
}
