//! The embedded store keeps every promise, and what it kept survives its program.

use crate::archive::Kept;
use crate::assignments::assignment;
use crate::catalog::{Breakable, meta};
use crate::events::{Visible, numbered};
use crate::personal_data::Place;
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::ports::{AssignmentStore, CatalogStore, Event, EventSink, Flip, Head, PersonalData, Put};
use rusqlite::Connection;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A store whose file goes when it is dropped.
struct Temporary {
    store: EmbeddedStore,
    folder: TempDir,
}

impl Temporary {
    #[expect(clippy::unused_async, reason = "opened as the other stores are")]
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: EmbeddedStore::open(file(&folder)).unwrap(), folder }
    }

    /// As any other program would.
    fn execute(&self, sql: &str, revision: u64) {
        let connection = Connection::open(file(&self.folder)).unwrap();
        assert_eq!(connection.execute(sql, [revision]).unwrap(), 1);
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("abx.sqlite")
}

crate::deref_to_adapter!(Temporary: store, EmbeddedStore);

impl Breakable for Temporary {
    async fn lose_chunk(&self, revision: u64) {
        self.execute("UPDATE revisions SET data = substr(data, 1, 350000) WHERE revision = ?1", revision);
    }

    async fn change_byte(&self, revision: u64) {
        let sql = "UPDATE revisions SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE revision = ?1";
        self.execute(sql, revision);
    }

    async fn lose_manifest(&self, _: u64) -> bool {
        false
    }
}

impl Visible for Temporary {
    fn received(&self) -> Vec<Event> {
        self.events_after(0, u32::MAX).unwrap().into_iter().map(|stored| stored.event).collect()
    }
}

async fn in_memory() -> EmbeddedStore {
    EmbeddedStore::in_memory().unwrap()
}

crate::assignment_store!(in_memory);
crate::catalog_store!(Temporary::open);
crate::event_sink!(Temporary::open);
crate::metric_store!(in_memory);
crate::quarantine_port!(in_memory);
crate::personal_data_port!(one_file);

/// One store for all three ports.
async fn one_file() -> Place<EmbeddedStore, EmbeddedStore, EmbeddedStore> {
    let store = in_memory().await;
    Place { assignments: store.clone(), marks: store.clone(), personal_data: store }
}

#[tokio::test]
async fn events_of_a_unit_are_erased_from_the_file() {
    let place = Temporary::open().await;
    let event = |unit: &str| Event {
        partition_key: unit.to_owned(),
        data: format!(r#"{{"type":"conversion","event":"purchase","user_id":"{unit}"}}"#).into_bytes(),
    };
    let odd = Event { partition_key: "u".to_owned(), data: b"\xff no event of u".to_vec() };
    assert!(place.send(&[event("u"), event("v"), odd.clone(), event("u")]).await.failed.is_empty());
    assert_eq!(place.held("u").await.unwrap().events, 2);
    place.erase("u").await.unwrap();
    assert!(place.held("u").await.unwrap().is_empty());
    assert_eq!(place.received(), [event("v"), odd]);
    let bytes = std::fs::read(file(&place.folder)).unwrap();
    let trace = br#""user_id":"u""#;
    assert!(!bytes.windows(trace.len()).any(|part| part == trace), "nothing is left in the file's pages");
}

/// The archive in files, whose folder goes when it is dropped.
struct Files {
    archive: JsonlArchive,
    folder: TempDir,
}

async fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    Files { archive: JsonlArchive::new(folder.path()), folder }
}

crate::deref_to_adapter!(Files: archive, JsonlArchive);

impl Kept for Files {
    fn lines(&self) -> Vec<String> {
        let days = std::fs::read_dir(&self.folder).unwrap();
        let texts =
            days.map(|day| std::fs::read_to_string(day.unwrap().path().join("events.jsonl")).unwrap());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

crate::archive_port!(files);

#[tokio::test]
async fn all_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, events) = (assignment("u\0😀", "e", "a"), numbered(3));
    let store = EmbeddedStore::open(file(&folder)).unwrap();
    store.put_if_absent(&mine, 0).await.unwrap();
    store.put_revision(4, b"four", &meta("why")).await.unwrap();
    assert_eq!(store.flip_head(None, 4, &meta("why")).await.unwrap(), Flip::Done);
    assert!(store.send(&events).await.failed.is_empty());
    drop(store);
    let store = EmbeddedStore::open(file(&folder)).unwrap();
    assert_eq!(store.get("u\0😀", "e").await.unwrap(), Some(mine));
    assert_eq!(store.head().await.unwrap(), Some(Head { revision: 4 }));
    assert_eq!(store.revision(4).await.unwrap().unwrap(), b"four");
    let numbers: Vec<i64> = store.events_after(1, 10).unwrap().iter().map(|stored| stored.number).collect();
    assert_eq!(numbers, [2, 3]);
}

#[tokio::test]
async fn two_programs_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [EmbeddedStore::open(file(&folder)).unwrap(), EmbeddedStore::open(file(&folder)).unwrap()];
    let (first, second) = (assignment("u", "e", "first"), assignment("u", "e", "second"));
    assert_eq!(stores[0].put_if_absent(&first, 0).await.unwrap(), Put::Stored);
    assert_eq!(stores[1].put_if_absent(&second, 0).await.unwrap(), Put::Existing(first));
}

#[test]
fn what_is_not_a_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        file(&folder),
        "a text, long enough that nobody could take it for an empty file".repeat(100),
    )
    .unwrap();
    for path in [file(&folder), folder.path().to_owned(), folder.path().join("no/such/folder")] {
        let error = EmbeddedStore::open(&path).unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
    let newer = folder.path().join("newer.sqlite");
    drop(EmbeddedStore::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(EmbeddedStore::open(&newer).unwrap_err().to_string().contains("newer abx"));
}

#[test]
fn each_store_has_a_stream_of_its_own_and_old_ones_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| EmbeddedStore::open(folder.path().join(name)).unwrap();
    let (one, two) = (open("one"), open("two"));
    assert_ne!(one.stream_name().unwrap(), two.stream_name().unwrap());
    assert_eq!(one.stream_name().unwrap(), open("one").stream_name().unwrap());
    // Counted before stores had names: under another name its events would be counted again.
    drop(open("old"));
    let sql = "DELETE FROM stream_name; INSERT INTO shards (shard, position, commits) VALUES ('local/shardId-000000000000', '7', 1);
        INSERT INTO events (id, partition_key, arrived, data) VALUES (7, 'u', 0, '{}')";
    Connection::open(folder.path().join("old")).unwrap().execute_batch(sql).unwrap();
    let old = open("old");
    assert_eq!(old.stream_name().unwrap(), "local");
    let shard = old.local_shard().unwrap();
    let has = |place: &str, data: &[u8]| old.has_counted(&shard, &place.parse().unwrap(), data).unwrap();
    assert!(has("7", b"{}"), "its own event");
    assert!(
        !has("7", b"[]") && !has("8", b"{}"),
        "the event of another store, and one that is still to come"
    );
    assert!(!old.has_counted("events/shardId-000000000001", &"1".parse().unwrap(), b"{}").unwrap());
}

const WRITER_FILE: &str = "ABX_TEST_WRITER_FILE";

/// The program that is killed: this test again, in a process of its own. It says what it stored, after it stored it.
#[test]
#[ignore = "the other half of `a_killed_program_loses_nothing`"]
fn writer() {
    let Ok(path) = std::env::var(WRITER_FILE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = EmbeddedStore::open(path).unwrap();
    for number in 0.. {
        let mine = assignment(&number.to_string(), "e", "a");
        assert_eq!(runtime.block_on(store.put_if_absent(&mine, 0)).unwrap(), Put::Stored);
        writeln!(std::io::stdout(), "\nstored {number}").unwrap();
    }
}

#[tokio::test]
async fn a_killed_program_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let last = write_until_killed(&file(&folder));
    let store = EmbeddedStore::open(file(&folder)).unwrap();
    for number in 0..=last {
        assert!(store.get(&number.to_string(), "e").await.unwrap().is_some(), "{number}");
    }
}

/// The last number that the killed program said it stored.
fn write_until_killed(path: &Path) -> u64 {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "embedded::writer", "--ignored", "--nocapture"]).env(WRITER_FILE, path);
    let mut writer = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut stored =
        lines.filter_map(|line| line.strip_prefix("stored ").and_then(|number| number.parse().ok()));
    let seen: Option<u64> = stored.by_ref().find(|number| *number >= 500);
    writer.kill().unwrap();
    writer.wait().unwrap();
    stored.last().or(seen).expect("it stored something")
}

#[tokio::test]
#[ignore = "a measurement: cargo test -p abx-functions --test contract latency -- --ignored --nocapture"]
async fn latency() {
    let store = Temporary::open().await;
    let assignments: Vec<_> =
        (0..20_000).map(|number| assignment(&format!("user_{number}"), "e", "a")).collect();
    let (mut put, mut again, mut get) = (Vec::new(), Vec::new(), Vec::new());
    for mine in &assignments {
        let start = Instant::now();
        store.put_if_absent(mine, 0).await.unwrap();
        put.push(start.elapsed());
    }
    for mine in &assignments {
        let start = Instant::now();
        store.put_if_absent(mine, 0).await.unwrap();
        again.push(start.elapsed());
        let start = Instant::now();
        store.get(&mine.user_id, "e").await.unwrap();
        get.push(start.elapsed());
    }
    for (what, times) in [("put_if_absent, new", put), ("put_if_absent, there", again), ("get", get)] {
        let (p50, p99, worst) = percentiles(times);
        eprintln!("{what}: p50 {p50:?}, p99 {p99:?}, worst {worst:?}");
    }
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100], times[times.len() - 1])
}
