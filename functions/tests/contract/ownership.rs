//! Whose file a store is: one of another program is refused, one of an earlier version is known, and nobody else looks into ours.

use crate::assignments::assignment;
use crate::catalog::meta;
use crate::reading::{bad, files, writer};
use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::ports::{
    AssignmentStore, CatalogStore, Flip, MetricStore, PutRevision, Quarantine, ShardState,
};
use jiff::Timestamp;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[test]
fn the_file_of_another_program_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str, sql: &str| {
        let path = folder.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        (path, name.to_owned())
    };
    let theirs = [
        made("notes", "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')"),
        made("some of ours", "CREATE TABLE events (id INTEGER); CREATE TABLE head (id INTEGER)"),
        made("marked", "PRAGMA application_id = 252006674"),
        made("wal", "PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)"),
    ];
    for (path, name) in theirs {
        let before = fs::read(&path).unwrap();
        for opened in [EmbeddedStore::open_to_read(&path), EmbeddedStore::open(&path)] {
            let error = opened.unwrap_err();
            assert!(!error.is_transient(), "{name}");
            assert!(error.to_string().contains("it is a database of another program"), "{name}: {error}");
        }
        assert!(before == fs::read(&path).unwrap(), "{name} has changed");
    }
}

fn application_id(path: &Path) -> i64 {
    let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap()
}

/// A store that some SQL turned into one of an earlier version, and its folder.
async fn earlier_store(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abx.sqlite");
    drop(writer(&path).await);
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_store_of_an_earlier_version_is_known_by_its_tables_and_marked_by_the_next_writer() {
    let sql = "PRAGMA application_id = 0; DROP TABLE head_moves; DROP TABLE quarantine";
    let (folder, path) = earlier_store(sql).await;
    let before = files(folder.path());
    let store = EmbeddedStore::open_to_read(&path).unwrap();
    assert_eq!(
        (store.head().await.unwrap().unwrap().revision, store.head_moves().await.unwrap()),
        (1, vec![])
    );
    assert_eq!(store.count(Timestamp::MIN).await.unwrap().len(), 0);
    assert!(Quarantine::put(&store, &[bad()]).await.is_err(), "what a reader sees as empty takes nothing");
    drop(store);
    assert!(before == files(folder.path()));
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(store.put_revision(2, b"two", &meta("")).await.unwrap(), PutRevision::Stored);
    assert_eq!(store.flip_head(Some(1), 2, &meta("")).await.unwrap(), Flip::Done);
    assert_eq!(store.head_moves().await.unwrap().len(), 1);
    drop(store);
    assert_eq!(application_id(&path), 0x6162_7831);
}

#[tokio::test]
async fn a_store_of_the_first_version_can_be_read_before_it_is_migrated() {
    let sql = "PRAGMA user_version = 1; PRAGMA application_id = 0; ALTER TABLE events DROP COLUMN arrived";
    let (_folder, path) = earlier_store(sql).await;
    for store in [EmbeddedStore::open_to_read(&path).unwrap(), EmbeddedStore::open(&path).unwrap()] {
        let events = store.events_after(1, 10).unwrap();
        assert_eq!((events.len(), events[0].arrived), (2, Timestamp::UNIX_EPOCH));
    }
}

#[tokio::test]
async fn a_store_without_conversions_of_units_that_were_not_exposed_can_be_read_and_counted_on() {
    let (_folder, path) = earlier_store("ALTER TABLE commits DROP COLUMN unexposed").await;
    for _ in 0..2 {
        let store = EmbeddedStore::open_to_read(&path).unwrap();
        assert_eq!(store.shard("events/1").await.unwrap(), ShardState::default());
        let store = EmbeddedStore::open(&path).unwrap();
        assert_eq!(store.shard("events/1").await.unwrap(), ShardState::default());
    }
}

#[test]
fn only_its_user_can_look_into_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abx.sqlite");
    let _store = EmbeddedStore::open(&path).unwrap();
    for (name, (_, _, mode)) in files(folder.path()) {
        assert_eq!(mode & 0o777, 0o600, "{}", name.display());
    }
    // What is there already keeps what its user gave it.
    let shared = folder.path().join("shared.sqlite");
    fs::write(&shared, b"").unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
    drop(EmbeddedStore::open(&shared).unwrap());
    assert_eq!(shared.metadata().unwrap().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn a_writer_whose_file_is_gone_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abx.sqlite");
    let store = writer(&path).await;
    store.is_in_place().unwrap();
    fs::remove_file(&path).unwrap();
    for error in [store.put_if_absent(&assignment("w", "e", "a"), 0).await.map(drop), store.is_in_place()] {
        let error = error.unwrap_err();
        assert!(error.to_string().contains("abx.sqlite: the file was deleted"), "{error}");
    }
    let _other = writer(&path).await;
    let error = store.head().await.unwrap_err();
    assert!(error.to_string().contains("another file took its place"), "{error}");
}
