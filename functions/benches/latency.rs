//! The latency of a batch of new units and of a new assignment over slow stores, by the clock: the real handlers, adapters and SDK,
//! over sockets, to a DynamoDB and a Firehose in this process whose latencies are drawn with a seed (`tests/latency/aws.rs`). A
//! drawn time is slept to the next millisecond, and nothing is taken off for the server or the sockets.
//!
//! `before` is what batches did until they were put to this test: 32 marks at once in their order, and the archive after them.
//!
//! `cargo bench -p abx-functions --bench latency`; a number after `--` is how many batches each row has.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking, and prints what it measured"
)]

#[path = "../tests/latency/aws.rs"]
mod aws;
#[expect(dead_code, reason = "its server answers only what is known beforehand")]
#[path = "../tests/contract/http.rs"]
mod http;
#[path = "../tests/latency/world.rs"]
mod world;

use abx_core::event::{Additions, Commit, Mark, MarkKey, Position};
use abx_functions::adapters::aws::emulator;
use abx_functions::ports::{
    Archive, ArchiveLine, Committed, Guard, LogEntry, MarkPut, MetricStore, PortResult, RedrivenRecord,
    RowsOf, ShardState, StoredRow, TransactionLimits,
};
use aws::{Aws, FAULTS, Plan};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use world::{Assigned, Shape, assign, assign_half_known, batches, percentile, ports};

const SEED: u64 = 14;

/// Serves in a thread of its own, so that the clients' tasks are not in its way. Returns the endpoint.
fn serve(aws: Arc<Aws>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(converse(stream, Arc::clone(&aws)));
            }
        });
    });
    endpoint
}

async fn converse(mut stream: TcpStream, aws: Arc<Aws>) -> Option<()> {
    let mut unread = Vec::new();
    loop {
        let request = http::message(&mut stream, &mut unread).await?;
        let head = String::from_utf8_lossy(&request.bytes);
        let target = head.lines().find(|line| line.starts_with("x-amz-target")).unwrap().trim();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        drop(head);
        let (status, json) = aws.meet(&operation, request.body()).await?;
        http::respond(&mut stream, status, json.len(), &json).await?;
    }
}

/// The ports as they were used before: one at a time, and marks in their order.
struct Before<P> {
    port: P,
    turn: Arc<Mutex<()>>,
}

impl<M: MetricStore> MetricStore for Before<M> {
    fn limits(&self) -> TransactionLimits {
        self.port.limits()
    }

    async fn shard(&self, shard: &str) -> PortResult<ShardState> {
        self.port.shard(shard).await
    }

    async fn marks(&self, keys: &[MarkKey<'_>]) -> PortResult<Vec<Option<Mark>>> {
        let gets: Vec<_> = keys.chunks(100).map(|keys| self.port.marks(keys)).collect();
        let found: Vec<_> = stream::iter(gets).buffered(4).try_collect().await?;
        Ok(found.concat())
    }

    async fn put_marks(&self, marks: &[(MarkKey<'_>, Mark)]) -> PortResult<Vec<MarkPut>> {
        let _turn = self.turn.lock().await;
        let puts: Vec<_> = marks.chunks(1).map(|mark| self.port.put_marks(mark)).collect();
        let put: Vec<_> = stream::iter(puts).buffered(32).try_collect().await?;
        Ok(put.concat())
    }

    async fn commit(&self, shard: &str, state: &ShardState, commit: &Commit<'_>) -> PortResult<Committed> {
        self.port.commit(shard, state, commit).await
    }

    async fn log(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<LogEntry>> {
        self.port.log(shard, from, to).await
    }

    async fn redriven(&self, shard: &str, from: &Position, to: &Position) -> PortResult<Vec<RedrivenRecord>> {
        self.port.redriven(shard, from, to).await
    }

    async fn redrive(&self, shard: &str, guards: &[Guard], rows: &[Additions<'_>]) -> PortResult<Committed> {
        self.port.redrive(shard, guards, rows).await
    }

    async fn rows(&self, of: RowsOf<'_>) -> PortResult<Vec<StoredRow>> {
        self.port.rows(of).await
    }
}

impl<A: Archive> Archive for Before<A> {
    async fn append(&self, lines: &[ArchiveLine]) -> PortResult<()> {
        let _turn = self.turn.lock().await;
        self.port.append(lines).await
    }
}

async fn batch_rows(times: usize) {
    let new = Shape { records: 500, of_a_unit: 1, known: false };
    println!("| batch, {times} of each | before P50 | P99 | now P50 | P99 |\n|---|---|---|---|---|");
    for (name, shape) in [
        ("500 new units", new),
        ("250 new units", Shape { records: 250, ..new }),
        ("100 new units, one exposure and four purchases each", Shape { of_a_unit: 5, ..new }),
        ("500 known units", Shape { known: true, ..new }),
    ] {
        let config = || emulator(&serve(Aws::new(Plan::USUAL, SEED)));
        let before = {
            let (config, turn) = (config(), Arc::new(Mutex::new(())));
            let (store, archive) = ports(&config);
            let store = Before { port: store, turn: Arc::clone(&turn) };
            batches(&config, (store, Before { port: archive, turn }), shape, times).await
        };
        let now = {
            let config = config();
            batches(&config, ports(&config), shape, times).await
        };
        let [a, b, c, d] = [(&before, 50.0), (&before, 99.0), (&now, 50.0), (&now, 99.0)]
            .map(|(taken, percent)| percentile(taken, percent));
        println!("| {name} | {a:.0} ms | {b:.0} ms | {c:.0} ms | {d:.0} ms |");
    }
}

async fn assignment_rows(users: usize) {
    println!("\n| store, {users} users | said to be stored | P50 | P99 |\n|---|---|---|---|");
    let faulty =
        FAULTS.map(|fault| (format!("{fault:?}: 10 %"), Plan { fault: Some((fault, 0.1)), ..Plan::USUAL }));
    let plans = [("puts 4/15 ms".to_owned(), Plan::USUAL), ("puts 8/60 ms".to_owned(), Plan::SLOW_PUTS)];
    for (name, plan) in plans.into_iter().chain(faulty) {
        let aws = Aws::new(plan, SEED);
        let endpoint = serve(Arc::clone(&aws));
        row(&name, &assign(&emulator(&endpoint), &aws, 0..users).await);
    }
    let aws = Aws::new(Plan::SLOW_PUTS, SEED);
    let endpoint = serve(Arc::clone(&aws));
    let half_known = assign_half_known(&emulator(&endpoint), &aws, users).await;
    row("puts 8/60 ms, every other user assigned by another environment", &half_known);
}

fn row(name: &str, Assigned { persisted, taken, .. }: &Assigned) {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let share = 100.0 * *persisted as f64 / taken.len() as f64;
    let (p50, p99) = (percentile(taken, 50.0), percentile(taken, 99.0));
    println!("| {name} | {share:.1} % | {p50:.1} ms | {p99:.1} ms |");
}

fn main() {
    let times = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(200);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        batch_rows(times).await;
        assignment_rows(10 * times).await;
    });
}
