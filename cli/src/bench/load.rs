//! The run itself: who sends what, and when.
//!
//! A thread by itself releases requests when they are due, because a timer of the asynchronous runtime is a millisecond coarse. Whoever of
//! the connections is free takes the next one; if none is, the request waits, and that is part of its latency.

use super::LoadArgs;
use super::function::{FunctionCaller, Invocation};
use super::http::{HttpCaller, HttpRequest};
use super::schedule::Schedule;
use super::tally::{BenchTally, LATE, RequestOutcome};
use super::template;
use crate::error::Error;
use crate::http::connector;
use crate::render::progress;
use indicatif::{HumanCount, ProgressBar};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

/// The time after the end of the run in which due requests may still be sent.
const DRAIN: Duration = Duration::from_secs(1);

/// The request that is sent.
#[derive(Debug, Clone)]
pub(super) enum BenchRequest {
    Http(Arc<HttpRequest>),
    Function(Arc<Invocation>),
}

/// The pace of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// The times at which they are due, whatever the target does.
    Open(Schedule),
    /// Each connection sends the next one after the answer to the last, for so long.
    Closed(Duration),
}

/// A run.
#[derive(Debug, Clone)]
pub(super) struct LoadGenerator {
    pub(super) work: BenchRequest,
    pub(super) pace: Pace,
    pub(super) args: LoadArgs,
}

/// The state that the parts of a run share.
struct BenchRun {
    load: LoadGenerator,
    /// Requests that are due and not taken.
    released: Semaphore,
    /// The next request to be taken.
    next: AtomicU64,
    is_over: AtomicBool,
    done: AtomicU64,
    failed: AtomicU64,
}

/// The measurements, and their duration from the first measured request on.
pub(super) struct Measured {
    pub(super) tally: BenchTally,
    pub(super) took: Duration,
}

impl LoadGenerator {
    /// Runs it. Every connection stands before the first request is due.
    pub(super) fn run(self) -> Result<Measured, Error> {
        let threads = self.args.threads().clamp(1, self.args.connections());
        let run = Arc::new(BenchRun {
            load: self,
            released: Semaphore::new(0),
            next: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let (ready, readiness) = mpsc::channel();
        let mut starts = Vec::new();
        let mut workers = Vec::new();
        for number in 0..threads {
            let (start, started) = mpsc::channel();
            let (run, ready) = (Arc::clone(&run), ready.clone());
            workers.push(thread::spawn(move || work(&run, (number, threads), &ready, &started)));
            starts.push(start);
        }
        for answer in readiness.iter().take(threads) {
            answer?;
        }
        let begin = Instant::now();
        for start in starts {
            // A thread that is gone has panicked, which `join` tells.
            let _ = start.send(begin);
        }
        run.pace(begin);
        let mut tally = BenchTally::new();
        for worker in workers {
            match worker.join() {
                Ok(part) => tally.merge(&part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(run.close(tally, begin))
    }
}

/// A thread with its share of the connections.
fn work(
    run: &Arc<BenchRun>,
    share: (usize, usize),
    ready: &mpsc::Sender<Result<(), Error>>,
    started: &mpsc::Receiver<Instant>,
) -> BenchTally {
    let tally = Arc::new(Mutex::new(BenchTally::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let opened = runtime
        .map_err(|error| Error::world("no thread").because(error))
        .and_then(|runtime| Ok((runtime.block_on(open(&run.load, share))?, runtime)));
    match opened {
        Err(error) => {
            let _ = ready.send(Err(error));
        }
        Ok((callers, runtime)) => {
            let _ = ready.send(Ok(()));
            // Without a beginning another thread has failed, and there is nothing to do.
            if let Ok(begin) = started.recv() {
                runtime.block_on(async {
                    let mut tasks = JoinSet::new();
                    for caller in callers {
                        tasks.spawn(Arc::clone(run).serve(caller, Arc::clone(&tally), begin));
                    }
                    tasks.join_all().await;
                });
            }
        }
    }
    Arc::try_unwrap(tally)
        .map_or_else(|_| BenchTally::new(), |it| it.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Opens every connection of a thread.
async fn open(load: &LoadGenerator, (number, threads): (usize, usize)) -> Result<Vec<Caller>, Error> {
    let patience = load.args.timeout;
    let mine = (number..load.args.connections()).step_by(threads);
    match &load.work {
        BenchRequest::Http(request) => {
            let (connector, signer) = (connector(patience)?, request.signer().await?);
            let mut callers = Vec::new();
            for _ in mine {
                let mut caller =
                    HttpCaller::new(Arc::clone(request), connector.clone(), signer.clone(), patience);
                caller.connect().await.map_err(|error| Error::world(request.host()).because(error))?;
                callers.push(Caller::Http(Box::new(caller)));
            }
            Ok(callers)
        }
        BenchRequest::Function(invocation) => {
            let client = invocation.client(patience).await?;
            if number == 0 {
                invocation.check(&client).await?;
            }
            let caller = || FunctionCaller { invocation: Arc::clone(invocation), client: client.clone() };
            Ok(mine.map(|_| Caller::Function(caller())).collect())
        }
    }
}

/// One of the connections.
enum Caller {
    // In a box, because it holds the buffers of its connection.
    Http(Box<HttpCaller>),
    Function(FunctionCaller),
}

impl Caller {
    async fn call(&mut self, user: u64) -> RequestOutcome {
        match self {
            Self::Http(it) => it.call(user).await,
            Self::Function(it) => it.call(user).await,
        }
    }
}

impl BenchRun {
    /// Sends one request after the other.
    async fn serve(self: Arc<Self>, mut caller: Caller, tally: Arc<Mutex<BenchTally>>, begin: Instant) {
        while let Some((index, due)) = self.take().await {
            let sent = begin.elapsed();
            let due = due.unwrap_or(sent);
            let outcome = caller.call(template::user(index, self.load.args.units)).await;
            let latency = begin.elapsed().saturating_sub(due);
            self.done.fetch_add(1, Relaxed);
            if outcome.failure.is_some() {
                self.failed.fetch_add(1, Relaxed);
            }
            if index >= self.warm_up() {
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.late += u64::from(sent.saturating_sub(due) > LATE);
                tally.record(&outcome, latency);
            }
        }
    }

    /// The next request, and when it was due; `None` at the end.
    async fn take(&self) -> Option<(u64, Option<Duration>)> {
        match &self.load.pace {
            Pace::Open(schedule) => {
                self.released.acquire().await.ok().map(SemaphorePermit::forget)?;
                let index = self.next.fetch_add(1, Relaxed);
                Some((index, Some(schedule.due(index))))
            }
            Pace::Closed(_) => (!self.is_over.load(Relaxed)).then(|| (self.next.fetch_add(1, Relaxed), None)),
        }
    }

    fn warm_up(&self) -> u64 {
        match &self.load.pace {
            Pace::Open(schedule) => schedule.warm_up(),
            Pace::Closed(_) => 0,
        }
    }

    /// Releases what is due, until all is taken or the time is over.
    fn pace(&self, begin: Instant) {
        let bar = progress(self.load.args.length());
        match &self.load.pace {
            Pace::Open(schedule) => {
                let mut released = 0;
                while released < schedule.total() {
                    let now = begin.elapsed();
                    let mut due = 0;
                    while released < schedule.total() && schedule.due(released) <= now {
                        released += 1;
                        due += 1;
                    }
                    self.released.add_permits(due);
                    self.show(&bar, now, released);
                    thread::sleep(schedule.due(released).saturating_sub(begin.elapsed()).min(TICK));
                }
                let end = self.load.args.length() + DRAIN;
                while self.next.load(Relaxed) < schedule.total() && begin.elapsed() < end {
                    self.show(&bar, begin.elapsed(), released);
                    thread::sleep(Duration::from_millis(1));
                }
            }
            Pace::Closed(length) => {
                while begin.elapsed() < *length {
                    self.show(&bar, begin.elapsed(), self.next.load(Relaxed));
                    thread::sleep(TICK.min(length.saturating_sub(begin.elapsed())));
                }
            }
        }
        self.is_over.store(true, Relaxed);
        self.released.close();
        bar.finish_and_clear();
    }

    fn show(&self, bar: &ProgressBar, now: Duration, released: u64) {
        // The time moves the bar at most ten times a second.
        let tenths = u64::try_from(now.as_millis() / 100).unwrap_or(u64::MAX);
        if bar.is_hidden() || bar.position() == tenths {
            return;
        }
        bar.set_position(tenths);
        let done = self.done.load(Relaxed);
        let waiting = HumanCount(released.saturating_sub(done));
        let failed = HumanCount(self.failed.load(Relaxed));
        bar.set_message(format!("{} answered, {waiting} waiting, {failed} failed", HumanCount(done)));
    }

    /// The measurements, including the requests that were never sent.
    fn close(&self, mut tally: BenchTally, begin: Instant) -> Measured {
        let end = begin.elapsed();
        if let Pace::Open(schedule) = &self.load.pace {
            for index in self.next.load(Relaxed).max(schedule.warm_up())..schedule.total() {
                tally.leave_out(end.saturating_sub(schedule.due(index)));
            }
            return Measured { tally, took: end.saturating_sub(schedule.due(schedule.warm_up())) };
        }
        Measured { tally, took: end }
    }
}

/// The longest sleep of the pacing thread.
const TICK: Duration = Duration::from_millis(50);

/// The time so far, and what is measured.
fn progress(length: Duration) -> ProgressBar {
    progress::bar(u64::try_from(length.as_millis() / 100).unwrap_or(u64::MAX), "{bar:30} {elapsed} {msg}")
}
