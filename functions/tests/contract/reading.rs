//! A store that is opened to read: nothing is changed by it, in any state that a writer leaves the file in.

use crate::assignments::assignment;
use crate::catalog::meta;
use crate::events::numbered;
use crate::metrics::{SHARD, small};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{
    AssignmentStore, CatalogStore, EventSink, Flip, MetricStore, PortResult, Quarantine, Quarantined, RowsOf,
    ShardState,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;
use tempfile::TempDir;

/// Every file of a folder: its bytes, its time and its permissions.
pub(crate) type Files = BTreeMap<PathBuf, (Vec<u8>, SystemTime, u32)>;

pub(crate) fn files(folder: &Path) -> Files {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let metadata = path.metadata().unwrap();
            (path.clone(), (fs::read(&path).unwrap(), metadata.modified().unwrap(), metadata.mode()))
        })
        .collect()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// A writer with something of everything in its store.
pub(crate) async fn writer(path: &Path) -> EmbeddedStore {
    let store = EmbeddedStore::open(path).unwrap();
    store.put_revision(1, b"one", &meta("first")).await.unwrap();
    assert_eq!(store.flip_head(None, 1, &meta("first")).await.unwrap(), Flip::Done);
    store.put_if_absent(&assignment("u", "e", "a"), 0).await.unwrap();
    assert!(store.send(&numbered(3)).await.failed.is_empty());
    store.commit(SHARD, &ShardState::default(), &small("1", 1)).await.unwrap();
    Quarantine::put(&store, &[bad()]).await.unwrap();
    store
}

pub(crate) fn bad() -> Quarantined {
    let (reason, detail) = ("not_json".to_owned(), String::new());
    Quarantined { id: "s:1".to_owned(), reason, detail, arrived: Timestamp::now(), data: vec![0] }
}

/// Reads all that there is, which is what [`writer`] wrote.
async fn read_all(store: &EmbeddedStore) {
    assert_eq!(store.head().await.unwrap().unwrap().revision, 1);
    assert_eq!(store.revision(1).await.unwrap().unwrap(), b"one");
    assert_eq!((store.revisions().await.unwrap().len(), store.head_moves().await.unwrap().len()), (1, 1));
    assert!(store.get("u", "e").await.unwrap().is_some());
    assert_eq!(store.events_after(0, 10).unwrap().len(), 3);
    assert!(store.shard(SHARD).await.unwrap().head.is_some());
    assert!(!store.rows(RowsOf::Stream).await.unwrap().is_empty());
    assert_eq!(store.list(Timestamp::MIN, 10).await.unwrap().len(), 1);
    assert_eq!(store.count(Timestamp::MIN).await.unwrap().len(), 1);
}

/// The result of each write of a store.
async fn write_all(store: &EmbeddedStore) -> Vec<PortResult<()>> {
    vec![
        store.put_revision(9, b"nine", &meta("")).await.map(drop),
        store.flip_head(Some(1), 1, &meta("")).await.map(drop),
        store.put_if_absent(&assignment("v", "e", "a"), 0).await.map(drop),
        store.send(&numbered(1)).await.cause.map_or(Ok(()), Err),
        store.put_marks(&[(crate::marks::key("v", None), crate::marks::mark("a", "1"))]).await.map(drop),
        store.commit("other", &ShardState::default(), &small("2", 2)).await.map(drop),
        Quarantine::put(store, &[bad()]).await,
        store.remove(&bad()).await,
        store.try_to_write(),
    ]
}

/// The states that a file can be in, each in a folder of its own.
#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    WriterLives,
    WriterWasKilled,
    WriterWasKilledAtItsStart,
    CopiedWithoutShm,
    CopiedWithEmptyWal,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Closed,
        Self::WriterLives,
        Self::WriterWasKilled,
        Self::WriterWasKilledAtItsStart,
        Self::CopiedWithoutShm,
        Self::CopiedWithEmptyWal,
    ];

    /// A folder with a store in this state, and the writer, if it lives.
    async fn made(self) -> (TempDir, Option<Living>) {
        let (source, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let copy = |suffixes: &[&str]| {
            for suffix in suffixes {
                let name = format!("abx.sqlite{suffix}");
                fs::copy(source.path().join(&name), folder.path().join(&name)).unwrap();
            }
        };
        let path = source.path().join("abx.sqlite");
        match self {
            Self::Closed => {
                drop(writer(&path).await);
                copy(&[""]);
            }
            Self::WriterLives => {
                let living = Living::over(&folder.path().join("abx.sqlite"), "reading::living_writer");
                return (folder, Some(living));
            }
            Self::WriterWasKilled => {
                let _alive = writer(&path).await;
                copy(&["", "-wal", "-shm"]);
            }
            Self::WriterWasKilledAtItsStart => {
                drop(writer(&path).await);
                // It has opened the file, and written nothing.
                let store = EmbeddedStore::open(&path).unwrap();
                store.head().await.unwrap();
                copy(&["", "-wal", "-shm"]);
            }
            Self::CopiedWithoutShm => {
                let _alive = writer(&path).await;
                copy(&["", "-wal"]);
            }
            Self::CopiedWithEmptyWal => {
                drop(writer(&path).await);
                copy(&[""]);
                fs::write(folder.path().join("abx.sqlite-wal"), b"").unwrap();
            }
        }
        (folder, None)
    }
}

/// A program that writes, as another process: within one, `SQLite` lets all connections to a file share what they have open.
struct Living(Child);

const STORE: &str = "ABX_TEST_STORE";

impl Living {
    /// Runs one of the tests below as a program, and waits until it says that it is ready.
    fn over(path: &Path, test: &str) -> Self {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", test, "--ignored", "--nocapture"]).env(STORE, path);
        let mut program =
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"));
        // Nobody reads what the test harness says of it.
        std::thread::spawn(move || lines.count());
        Self(program)
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_ready() {
    std::io::stdout().write_all(b"\nready\n").unwrap();
}

/// Writes something of everything, and lives until it is killed.
#[tokio::test]
#[ignore = "the other half of the tests of readers"]
async fn living_writer() {
    let Ok(path) = std::env::var(STORE) else { return };
    let _alive = writer(Path::new(&path)).await;
    is_ready();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Opens, writes and closes, and so moves what it wrote into the file, many times.
#[tokio::test]
#[ignore = "the other half of the tests of readers"]
async fn busy_writer() {
    let Ok(path) = std::env::var(STORE) else { return };
    is_ready();
    for _ in 0..40 {
        let store = EmbeddedStore::open(&path).unwrap();
        assert!(store.send(&numbered(50)).await.failed.is_empty());
    }
}

#[tokio::test]
async fn a_reader_sees_everything_and_changes_nothing() {
    for state in State::ALL {
        let (folder, _writer) = state.made().await;
        let before = files(folder.path());
        let store = EmbeddedStore::open_to_read(folder.path().join("abx.sqlite")).unwrap();
        read_all(&store).await;
        for (number, written) in write_all(&store).await.into_iter().enumerate() {
            // To move the head where it is already is no write.
            assert!(number == 1 || written.is_err(), "{state:?}, write {number}");
        }
        read_all(&store).await;
        drop(store);
        assert!(before == files(folder.path()), "{state:?}: {:?}", names(folder.path()));
    }
}

/// A folder of which a mount that cannot be written shows the files. `None` where this machine lets nobody mount.
struct ReadOnlyMount(TempDir);

impl ReadOnlyMount {
    fn of(folder: &Path) -> Option<Self> {
        let mount = Self(tempfile::tempdir().unwrap());
        let run = |args: &[&std::ffi::OsStr]| {
            Command::new("mount").args(args).output().is_ok_and(|output| output.status.success())
        };
        let [bind, remount] = ["--bind", "-oremount,ro,bind"].map(std::ffi::OsStr::new);
        let (from, to) = (folder.as_os_str(), mount.0.path().as_os_str());
        (run(&[bind, from, to]) && run(&[remount, to])).then_some(mount)
    }
}

impl Drop for ReadOnlyMount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_medium_that_cannot_be_written_can_be_read() {
    for state in State::ALL {
        let (folder, _writer) = state.made().await;
        let Some(mount) = ReadOnlyMount::of(folder.path()) else {
            eprintln!("skipped: nothing can be mounted here");
            return;
        };
        let path = mount.0.path().join("abx.sqlite");
        assert!(fs::write(mount.0.path().join("new"), b"").is_err(), "it can be written");
        read_all(&EmbeddedStore::open_to_read(&path).unwrap()).await;
        assert!(EmbeddedStore::open(&path).is_err(), "{state:?}");
    }
}

#[tokio::test]
async fn a_reader_follows_a_writer_that_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abx.sqlite");
    drop(writer(&path).await);
    let reader = EmbeddedStore::open_to_read(&path).unwrap();
    let events = |reader: &EmbeddedStore| reader.events_after(0, 1000).unwrap().len();
    assert_eq!(events(&reader), 3);
    for round in 1..=3 {
        let writer = EmbeddedStore::open(&path).unwrap();
        assert!(writer.send(&numbered(2)).await.failed.is_empty());
        assert_eq!(events(&reader), 3 + 4 * round - 2, "while the writer lives");
        assert!(writer.send(&numbered(2)).await.failed.is_empty());
        drop(writer);
        assert_eq!(events(&reader), 3 + 4 * round, "after it");
    }
}

#[tokio::test]
async fn a_reader_beside_a_busy_writer_never_sees_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abx.sqlite");
    drop(writer(&path).await);
    let mut writer = Living::over(&path, "reading::busy_writer");
    let (mut seen, mut refused) = (0, 0);
    while writer.0.try_wait().unwrap().is_none() {
        let read = EmbeddedStore::open_to_read(&path).and_then(|store| store.events_after(0, u32::MAX));
        match read {
            Ok(events) => {
                assert_eq!(events.len() % 50, 3, "a part of what was sent at once");
                assert!(events.len() >= seen, "{} events after {seen}", events.len());
                seen = events.len();
            }
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                refused += 1;
            }
        }
    }
    assert!(writer.0.wait().unwrap().success());
    eprintln!("{refused} reads had to be repeated, and the latest saw {seen} events");
    assert_eq!(EmbeddedStore::open_to_read(&path).unwrap().events_after(0, u32::MAX).unwrap().len(), 2003);
}

#[test]
fn nothing_to_read_is_an_error_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let error = EmbeddedStore::open_to_read(folder.path().join("abx.sqlite")).unwrap_err();
    assert!(error.to_string().contains("abx.sqlite cannot be used as a store: No such file"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn an_empty_file_is_an_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abx.sqlite");
    fs::write(&path, b"").unwrap();
    let store = EmbeddedStore::open_to_read(&path).unwrap();
    assert_eq!((store.head().await.unwrap(), store.events_after(0, 1).unwrap()), (None, vec![]));
    assert!(write_all(&store).await.iter().filter(|it| it.is_err()).count() >= 8, "in memory neither");
    assert_eq!(fs::read(&path).unwrap(), b"");
}
