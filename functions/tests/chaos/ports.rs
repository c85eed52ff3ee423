//! A plain store behind ports that fail as a seed says, and that never take what some records hold.

use crate::truth::{FULL, NO_LINES, NO_MARKS, NO_PUTS, UNKEEPABLE};
use abx_core::event::{
    Additions, Amount, Commit, Counter, Mark, MarkKey, Owner, Position, RowKey, Unexposed,
};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::adapters::keys;
use abx_functions::ports::{
    Archive, ArchiveLine, CatalogStore, Committed, Flip, Guard, Head, HeadMove, LEDGER_COMMITS, LogEntry,
    MarkPut, MetricStore, PortError, PortResult, PutRevision, Quarantine, Quarantined, RedrivenRecord,
    RevisionInfo, RevisionMeta, RowsOf, ShardState, StoredRow, TransactionLimits,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// A write that is under way.
type Write = Box<dyn FnOnce(&mut State) + Send>;

/// An entry of the log, the ids of its events, and its conversions of units that were not exposed.
type LoggedCommit = (LogEntry, Vec<u64>, Vec<Unexposed>);

/// The stored data.
#[derive(Default)]
pub(crate) struct State {
    heads: BTreeMap<String, (Position, u64)>,
    logs: BTreeMap<String, BTreeMap<Position, LoggedCommit>>,
    guards: BTreeMap<String, BTreeMap<Position, RedrivenRecord>>,
    /// The facts that were written, in their order.
    pub history: Vec<Fact>,
    pub marks: HashMap<(String, String), Mark>,
    /// The owners of marks that are in the history.
    noted: HashMap<(String, String), Owner>,
    /// By process.
    known: HashMap<usize, Knowledge>,
    pub rows: BTreeMap<(String, String, String), Amount>,
    /// Of lines with one `_id`, the one that is credited to the most.
    pub archive: BTreeMap<String, Value>,
    pub quarantine: BTreeMap<String, String>,
    /// Writes that were sent and have not arrived; and of these, those of marks.
    late: Vec<Write>,
    late_marks: Vec<Write>,
}

/// Something that was written, which others see from then on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    /// The records from one position to another were counted in their order.
    Counted { shard: String, first: Position, last: Position, by: Knowledge },
    /// Records were counted by a redrive.
    Redriven { shard: String, positions: Vec<Position>, by: Knowledge },
    /// A batch was given up.
    GivenUp { shard: String, sequences: Vec<u64> },
    /// A mark of a unit about something stands, for a record that may not be counted yet.
    Marked { unit: String, about: String, owner: Owner },
}

/// The marks that a process knows of: a commit that arrives late was made without those that came in between.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Knowledge {
    /// The number of facts when it read marks for the last time.
    pub facts: usize,
    /// The marks that it put, or met where it wanted to put one: unit and subject.
    pub put: BTreeSet<(String, String)>,
}

/// The frequency of each fault, in percent of all calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Plan {
    pub refuse: u8,
    pub lose_answer: u8,
    pub late: u8,
    pub hang: u8,
    pub crash: u8,
    pub zombie: u8,
    pub redeliver: u8,
    pub restart: u8,
    /// The share of failed batches that Lambda gives up.
    pub give_up: u8,
    pub redrive: u8,
}

/// The part that is broken on purpose, to check that this is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    Nothing,
    /// The ids of events are forgotten.
    Ledger,
    /// Conversions of units that were not exposed are forgotten.
    Unexposed,
    /// The head does not say which part of a record is counted.
    Part,
    /// The head is moved from wherever it is.
    Condition,
    /// Marks are read without their owners.
    Owner,
    /// Rows are written before the head, and not with it.
    Order,
    /// The archive says yes and forgets one in ten.
    Archive,
    /// The marks of events' ids are put over each other.
    Ids,
    /// A revision of the catalog is published after the events that it is about.
    Catalog,
    /// Redrives have no guards.
    Guard,
    /// The log does not say where a commit began.
    Log,
    /// Records that were given up are put on the stream again.
    NewPositions,
}

/// The faults of a run, and what happened.
pub(crate) struct Faults {
    pub random: fastrand::Rng,
    pub plan: Plan,
    pub sabotage: Sabotage,
    /// The number of faults that may still happen: a storm ends.
    pub left: u32,
    /// The number of the call at which to crash, and whether after it was done.
    pub crash_at: Option<(usize, bool)>,
    /// True if every commit is refused for its content.
    pub takes_no_commit: bool,
    /// True if the head of the catalog cannot be read.
    pub no_catalog: bool,
    pub calls: usize,
    /// The number of calls by name.
    pub calls_by_name: BTreeMap<&'static str, usize>,
    /// The duration of each call.
    pub latency: Duration,
    /// The processes that may go next, in turn, of those that run at the same time.
    pub turns: VecDeque<usize>,
    pub log: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Refuse,
    LoseAnswer,
    Late,
    Hang,
    Crash { after: bool },
}

/// The ports of one process.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) limits: TransactionLimits,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) faults: Arc<Mutex<Faults>>,
    /// Told when the process dies.
    pub(crate) death: Arc<Notify>,
    pub(crate) who: usize,
}

impl State {
    /// All late writes arrive.
    pub(crate) fn settle(&mut self) {
        self.settle_marks();
        for write in std::mem::take(&mut self.late) {
            write(self);
        }
    }

    /// All late marks arrive. One of another shard that arrives while a batch is folded may be seen by it or not.
    pub(crate) fn settle_marks(&mut self) {
        for write in std::mem::take(&mut self.late_marks) {
            write(self);
        }
    }

    /// Notes the marks that stand, and that a process reads them now.
    fn note_read(&mut self, who: usize) {
        self.note_marks();
        self.known.entry(who).or_default().facts = self.history.len();
    }

    fn knowledge(&self, who: usize) -> Knowledge {
        self.known.get(&who).cloned().unwrap_or_default()
    }

    /// Notes the marks that stand.
    pub(crate) fn note_marks(&mut self) {
        for (name, mark) in &self.marks {
            if self.noted.get(name) != Some(&mark.owner) {
                self.noted.insert(name.clone(), mark.owner.clone());
                let ((unit, about), owner) = (name.clone(), mark.owner.clone());
                self.history.push(Fact::Marked { unit, about, owner });
            }
        }
    }

    /// Records of which some parts are counted, and others not.
    pub(crate) fn in_parts(&self) -> Vec<(String, Position)> {
        let of_log = |(shard, log): (&String, &BTreeMap<_, (LogEntry, _, _)>)| -> Vec<_> {
            let lasts = log.values().map(|(entry, ..)| &entry.last).filter(|last| last.part.is_some());
            lasts.map(|last| (shard.clone(), last.whole())).collect()
        };
        let of_guards = |(shard, guards): (&String, &BTreeMap<Position, RedrivenRecord>)| -> Vec<_> {
            let parts = guards.values().filter(|it| it.reached.part.is_some());
            parts.map(|it| (shard.clone(), it.reached.whole())).collect()
        };
        let mut parts: Vec<_> = self.logs.iter().flat_map(of_log).collect();
        parts.extend(self.guards.iter().flat_map(of_guards));
        let is_counted = |(shard, record): &(String, Position)| {
            let by_log = self.logs.get(shard).is_some_and(|log| {
                log.values().any(|(entry, ..)| entry.first <= *record && *record <= entry.last)
            });
            let guard = self.guards.get(shard).and_then(|guards| guards.get(record));
            // What is rejected has no other parts.
            let is_rejected = |part: &(Box<str>, Box<str>)| part.0.starts_with('~');
            by_log || guard.is_some_and(|it| it.reached.part.as_ref().is_none_or(is_rejected))
        };
        parts.retain(|record| !is_counted(record));
        parts
    }
}

impl Faults {
    fn next_of_catalog(&mut self, is_first: bool) -> Fault {
        if self.no_catalog {
            return Fault::Refuse;
        }
        if is_first || self.crash_at.is_some() || self.left == 0 {
            return Fault::None;
        }
        let draw = self.random.u8(0..100);
        let Plan { refuse, hang, .. } = self.plan;
        let fault = match draw {
            _ if draw < refuse => Fault::Refuse,
            _ if draw < refuse + hang => Fault::Hang,
            _ => return Fault::None,
        };
        self.left -= 1;
        self.log.push("catalog not read".to_owned());
        fault
    }

    fn next(&mut self, what: &'static str, who: usize) -> Fault {
        self.calls += 1;
        *self.calls_by_name.entry(what).or_default() += 1;
        if let Some((at, after)) = self.crash_at {
            let now = self.calls == at;
            return if now { Fault::Crash { after } } else { Fault::None };
        }
        let mut draw = self.random.u8(0..100);
        let after = self.random.bool();
        let Plan { refuse, lose_answer, late, hang, crash, .. } = self.plan;
        let all = [
            (refuse, Fault::Refuse, "refused"),
            (lose_answer, Fault::LoseAnswer, "answer lost"),
            (late, Fault::Late, "late"),
            (hang, Fault::Hang, "silent"),
            (crash, Fault::Crash { after }, "crash"),
        ];
        for (percent, fault, name) in all {
            if draw < percent && self.left > 0 {
                self.left -= 1;
                self.log.push(format!("process {who}: {what} {name}"));
                return fault;
            }
            draw = draw.saturating_sub(percent);
        }
        Fault::None
    }
}

/// The catalog of one process, whose head is read without fault the first time.
pub(crate) struct Catalogs {
    pub(crate) store: EmbeddedStore,
    pub(crate) faults: Arc<Mutex<Faults>>,
    pub(crate) was_read: AtomicBool,
}

impl CatalogStore for Catalogs {
    async fn head(&self) -> PortResult<Option<Head>> {
        let is_first = !self.was_read.swap(true, Relaxed);
        let fault = self.faults.lock().unwrap().next_of_catalog(is_first);
        match fault {
            Fault::None => self.store.head().await,
            Fault::Hang => {
                // Longer than a batch waits; the adapter ends each call at last.
                tokio::time::sleep(Duration::from_secs(5)).await;
                Err(PortError::transient("no answer"))
            }
            _ => Err(PortError::transient("throttled")),
        }
    }

    async fn revision(&self, revision: u64) -> PortResult<Option<Vec<u8>>> {
        self.store.revision(revision).await
    }

    async fn put_revision(&self, _: u64, _: &[u8], _: &RevisionMeta) -> PortResult<PutRevision> {
        unreachable!("the handler publishes nothing")
    }

    async fn flip_head(&self, _: Option<u64>, _: u64, _: &RevisionMeta) -> PortResult<Flip> {
        unreachable!("the handler publishes nothing")
    }

    async fn head_moves(&self) -> PortResult<Vec<HeadMove>> {
        unreachable!("the handler lists nothing")
    }

    async fn revisions(&self) -> PortResult<Vec<RevisionInfo>> {
        unreachable!("the handler lists nothing")
    }
}

impl Ports {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap()
    }

    /// Lets others go first, by chance or by schedule.
    async fn wait(&self) {
        let yields = self.faults().random.u8(0..4);
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        for _ in 0..10_000 {
            match self.faults().turns.front() {
                Some(who) if *who != self.who => {}
                _ => break,
            }
            tokio::task::yield_now().await;
        }
        self.faults().turns.pop_front();
    }

    async fn call<T>(
        &self,
        what: &'static str,
        apply: impl Fn(&mut State) -> T + Send + 'static,
    ) -> PortResult<T> {
        self.wait().await;
        let latency = self.faults().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let fault = self.faults().next(what, self.who);
        let refused = |why: &'static str| Err(PortError::transient(why));
        // What was late arrives between any two calls of anybody.
        if self.faults().random.u8(0..4) == 0 {
            let mut state = self.state();
            let State { late, late_marks, .. } = &mut *state;
            let queue = if late.is_empty() { late_marks } else { late };
            if !queue.is_empty() {
                let write = queue.remove(0);
                write(&mut state);
            }
        }
        match fault {
            Fault::None => Ok(apply(&mut self.state())),
            Fault::Refuse => refused("throttled"),
            Fault::LoseAnswer => {
                apply(&mut self.state());
                refused("the answer was lost")
            }
            Fault::Late => {
                let write: Write = Box::new(move |state| drop(apply(state)));
                let mut state = self.state();
                if what.contains("marks") {
                    state.late_marks.push(write);
                } else {
                    state.late.push(write);
                }
                refused("no answer in time")
            }
            Fault::Hang => {
                tokio::time::sleep(Duration::from_hours(1)).await;
                refused("no answer")
            }
            Fault::Crash { after } => {
                if after {
                    apply(&mut self.state());
                }
                self.death.notify_one();
                std::future::pending().await
            }
        }
    }
}

impl Ports {
    /// A call that asks for something that is never taken.
    async fn refuse<T>(&self, what: &'static str) -> PortResult<T> {
        self.call(what, |_| ()).await?;
        Err(PortError::unprocessable("it is too long"))
    }
}

/// True if a row has no room for a counter.
fn overflows(rows: &[Additions<'_>]) -> bool {
    let is_full = |row: &&Additions<'_>| matches!(&row.row, RowKey::Experiment { experiment, .. } if experiment == FULL);
    let is_of_b = |counter: &Counter<'_>| matches!(counter, Counter::Variant(variant, _) if variant == "b");
    rows.iter().filter(is_full).flat_map(|row| &row.counters).any(|(counter, _)| is_of_b(counter))
}

fn name(key: &MarkKey<'_>) -> (String, String) {
    (key.unit.to_string(), keys::mark(&key.subject))
}

impl MetricStore for Ports {
    fn limits(&self) -> TransactionLimits {
        self.limits
    }

    async fn shard(&self, shard: &str) -> PortResult<ShardState> {
        let shard = shard.to_owned();
        let sabotage = self.faults().sabotage;
        let forgets = sabotage == Sabotage::Ledger;
        self.call("shard", move |state| {
            let Some((mut head, commits)) = state.heads.get(&shard).cloned() else {
                return ShardState::default();
            };
            if sabotage == Sabotage::Part {
                head.part = None;
            }
            let log = state.logs.get(&shard).into_iter().flat_map(BTreeMap::values).rev();
            let latest: Vec<_> = log.take(usize::try_from(LEDGER_COMMITS).unwrap()).collect();
            let ids = latest.iter().flat_map(|(_, ids, _)| ids);
            let ledger = if forgets { Vec::new() } else { ids.copied().collect() };
            let unexposed = latest.iter().flat_map(|(_, _, unexposed)| unexposed).copied();
            let unexposed = if sabotage == Sabotage::Unexposed { Vec::new() } else { unexposed.collect() };
            ShardState { head: Some(head), commits, ledger, unexposed }
        })
        .await
    }

    async fn marks(&self, keys: &[MarkKey<'_>]) -> PortResult<Vec<Option<Mark>>> {
        let names: Vec<_> = keys.iter().map(name).collect();
        if keys.iter().any(|key| key.unit == NO_MARKS) {
            return self.refuse("marks").await;
        }
        let blind = self.faults().sabotage == Sabotage::Owner;
        let who = self.who;
        self.call("marks", move |state| {
            state.note_read(who);
            let of = |name| {
                let mut mark: Mark = state.marks.get(name).cloned()?;
                if blind {
                    mark.owner.shard = "nobody".into();
                }
                Some(mark)
            };
            names.iter().map(of).collect()
        })
        .await
    }

    async fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> PortResult<Vec<MarkPut>> {
        let marks: Vec<_> = marks.iter().map(|(key, mark)| (name(key), mark.clone())).collect();
        let forgets = self.faults().sabotage == Sabotage::Ids;
        let put = move |state: &mut State, marks: &[((String, String), Mark)]| -> Vec<MarkPut> {
            let one = |(name, mark): &((String, String), Mark)| {
                let there = state.marks.entry(name.clone()).or_insert_with(|| mark.clone());
                let is_of_id = name.1.starts_with("id#");
                if is_of_id && (forgets || mark.at.duration_since(there.at) >= SignedDuration::from_hours(24))
                {
                    *there = mark.clone();
                }
                if there.owner == mark.owner { MarkPut::First } else { MarkPut::Existing(there.clone()) }
            };
            marks.iter().map(one).collect()
        };
        // A call for many may stop half-way.
        let is_taken = |((unit, _), _): &((String, String), Mark)| unit != NO_PUTS && unit != NO_MARKS;
        let half: Vec<_> =
            marks.iter().take(marks.len() / 2).filter(|mark| is_taken(mark)).cloned().collect();
        self.call("half of the marks", move |state| drop(put(state, &half))).await?;
        if !marks.iter().all(is_taken) {
            return self.refuse("marks put").await;
        }
        let who = self.who;
        self.call("marks put", move |state| {
            let names = marks.iter().map(|(name, _)| name.clone());
            state.known.entry(who).or_default().put.extend(names);
            put(state, &marks)
        })
        .await
    }

    async fn commit(&self, shard: &str, state: &ShardState, commit: &Commit<'_>) -> PortResult<Committed> {
        if self.faults().takes_no_commit || overflows(&commit.rows) {
            return self.refuse("commit").await;
        }
        let rows = written(shard, &commit.rows);
        let (first, last, ids) = (commit.first.clone(), commit.head.clone(), commit.ids.clone());
        let unexposed = commit.unexposed.clone();
        let (shard, expected) = (shard.to_owned(), state.clone());
        let (sabotage, by) = (self.faults().sabotage, self.state().knowledge(self.who));
        if sabotage == Sabotage::Order {
            let rows = rows.clone();
            self.call("rows", move |state| add(state, &rows)).await?;
        }
        self.call("commit", move |state| {
            let head = state.heads.get(&shard).map(|(head, _)| head);
            if head != expected.head.as_ref() && sabotage != Sabotage::Condition {
                return Committed::Moved;
            }
            let commits = expected.commits;
            state.heads.insert(shard.clone(), (last.clone(), commits + 1));
            let entry = LogEntry { number: commits, first: first.clone(), last: last.clone() };
            let log = state.logs.entry(shard.clone()).or_default();
            log.insert(last.clone(), (entry, ids.clone(), unexposed.clone()));
            state.note_marks();
            let (first, last) = (first.clone(), last.clone());
            state.history.push(Fact::Counted { shard: shard.clone(), first, last, by: by.clone() });
            if sabotage != Sabotage::Order {
                add(state, &rows);
            }
            Committed::Done
        })
        .await
    }

    async fn log(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<LogEntry>> {
        let (shard, from, to) = (shard.to_owned(), from.clone(), to.clone());
        let forgets = self.faults().sabotage == Sabotage::Log;
        self.call("log", move |state| {
            let Some(log) = state.logs.get(&shard) else { return Vec::new() };
            let before = log.range(..from.clone()).next_back();
            let mut entries: Vec<_> = before.map(|(_, entry)| entry).into_iter().collect();
            for (last, entry) in log.range(from.clone()..) {
                entries.push(entry);
                if *last >= to {
                    break;
                }
            }
            let read = |entry: &LogEntry| {
                let first = if forgets { &entry.last } else { &entry.first };
                LogEntry { first: first.clone(), ..entry.clone() }
            };
            entries.into_iter().map(|(entry, ..)| read(entry)).collect()
        })
        .await
    }

    async fn redriven(&self, shard: &str, _: &Position, _: &Position) -> PortResult<Vec<RedrivenRecord>> {
        let shard = shard.to_owned();
        let forgets = self.faults().sabotage == Sabotage::Guard;
        self.call("redriven", move |state| {
            let guards = state.guards.get(&shard).filter(|_| !forgets);
            guards.map(|guards| guards.values().cloned().collect()).unwrap_or_default()
        })
        .await
    }

    async fn redrive(&self, shard: &str, guards: &[Guard], rows: &[Additions<'_>]) -> PortResult<Committed> {
        if overflows(rows) {
            return self.refuse("redrive").await;
        }
        let (rows, shard, guards) = (written(shard, rows), shard.to_owned(), guards.to_vec());
        let (is_blind, by) = (self.faults().sabotage == Sabotage::Guard, self.state().knowledge(self.who));
        self.call("redrive", move |state| {
            let there = state.guards.entry(shard.clone()).or_default();
            let reached = |guard: &Guard| there.get(&guard.after.whole()).map(|it| &it.reached);
            if !is_blind && guards.iter().any(|guard| reached(guard) != guard.before.as_ref()) {
                return Committed::Moved;
            }
            let mut positions = Vec::new();
            let there = {
                state.note_marks();
                state.guards.entry(shard.clone()).or_default()
            };
            for Guard { after, id, .. } in &guards {
                there.insert(after.whole(), RedrivenRecord { reached: after.clone(), id: *id });
                let is_whole = after.part.as_ref().is_none_or(|(part, _)| part.starts_with('~'));
                positions.extend(is_whole.then(|| after.whole()));
            }
            state.history.push(Fact::Redriven { shard: shard.clone(), positions, by: by.clone() });
            add(state, &rows);
            Committed::Done
        })
        .await
    }

    async fn rows(&self, of: RowsOf<'_>) -> PortResult<Vec<StoredRow>> {
        let partition = keys::partition(of);
        let found = self.call("rows", move |state| {
            let rows = state.rows.iter().filter(|((of, ..), _)| *of == partition);
            rows.map(|((_, sort, counter), amount)| (sort.clone(), counter.clone(), *amount))
                .collect::<Vec<_>>()
        });
        let found = found.await?;
        let row = |(sort, counter, amount): &(String, String, Amount)| {
            let (row, shard) = keys::read_row(of, sort).unwrap();
            let counters = vec![(keys::read_counter(counter).unwrap(), *amount)];
            StoredRow { row, shard: shard.to_owned(), counters }
        };
        Ok(found.iter().map(row).collect())
    }
}

/// The counters of an event, by a line of the archive.
pub(crate) fn credits(line: &Value) -> impl Iterator<Item = String> {
    let credits = line["credited"].as_array().map_or(&[][..], Vec::as_slice);
    credits
        .iter()
        .map(|it| format!("me#{}#{}", it["variant"].as_str().unwrap(), it["metric"].as_str().unwrap()))
}

/// Additions as they are written: partition, place and counter.
type Written = Vec<((String, String, String), Amount)>;

fn written(shard: &str, rows: &[Additions<'_>]) -> Written {
    let of_row = |row: &Additions<'_>| {
        let (partition, sort) = keys::row(&row.row, shard);
        let key = |counter: &Counter<'_>| (partition.clone(), sort.clone(), keys::counter(counter));
        row.counters.iter().map(|(counter, amount)| (key(counter), *amount)).collect::<Written>()
    };
    rows.iter().flat_map(of_row).collect()
}

fn add(state: &mut State, rows: &Written) {
    for (key, amount) in rows {
        *state.rows.entry(key.clone()).or_default() += *amount;
    }
}

impl Archive for Ports {
    async fn append(&self, lines: &[ArchiveLine]) -> PortResult<()> {
        let lines: Vec<String> = lines.iter().map(|line| line.json.clone()).collect();
        if lines.iter().any(|line| line.contains(NO_LINES)) {
            return self.refuse("archive").await;
        }
        let forgets = self.faults().sabotage == Sabotage::Archive;
        self.call("archive", move |state| {
            for (index, line) in lines.iter().enumerate() {
                assert!(!line.contains('\n'), "a line is one line");
                let value: Value = serde_json::from_str(line).unwrap();
                let id = value["_id"].as_str().unwrap().to_owned();
                if !(forgets && index % 10 == 3) {
                    let there = state.archive.entry(id).or_default();
                    if there.is_null() || credits(&value).count() > credits(there).count() {
                        *there = value;
                    }
                }
            }
        })
        .await
    }
}

impl Quarantine for Ports {
    async fn put(&self, records: &[Quarantined]) -> PortResult<()> {
        if records.iter().any(|record| record.data == UNKEEPABLE) {
            return self.refuse("quarantine").await;
        }
        let records = records.to_vec();
        self.call("quarantine", move |state| {
            let reasons = records.iter().map(|record| (record.id.clone(), record.reason.clone()));
            state.quarantine.extend(reasons);
        })
        .await
    }

    async fn list(&self, _: Timestamp, _: usize) -> PortResult<Vec<Quarantined>> {
        unreachable!("the handler lists nothing")
    }

    async fn count(&self, _: Timestamp) -> PortResult<BTreeMap<String, u64>> {
        unreachable!("the handler counts no records that it keeps")
    }

    async fn remove(&self, _: &Quarantined) -> PortResult<()> {
        unreachable!("the handler forgets nothing")
    }
}
