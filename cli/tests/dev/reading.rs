//! Commands that read change nothing, wherever they read; and what is kept is nobody else's.

use crate::mount::Mount;
use crate::program::Place;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

const EXPERIMENT: &str = "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n\
    metrics: [{key: paid, event: paid, kind: count}]\n";

/// Every command that reads a store, with the exit codes that say that it could. `OUT` is a folder elsewhere, `ID` a record.
const READING: [(&[&str], &[i32]); 19] = [
    (&["status", "--from", "docs", "--max-lag", "1h"], &[0, 1]),
    (&["results", "e"], &[0]),
    (&["revisions"], &[0]),
    (&["publish", "docs"], &[0]),
    (&["pull", "OUT/pulled"], &[0]),
    (&["pull", "OUT/pulled", "--yes"], &[0]),
    (&["rollback"], &[0]),
    (&["diff", "@1", "@head"], &[0, 1]),
    (&["diff", "@head", "docs"], &[0, 1]),
    (&["list", "@head"], &[0]),
    (&["assign", "u", "--from", "@head"], &[0]),
    (&["explain", "u", "e", "--from", "@head"], &[0]),
    (&["explain", "u", "e", "--from", "docs", "--at", "@1"], &[0]),
    (&["srm", "a=10", "b=10", "--experiment", "e", "--from", "@head"], &[0]),
    (&["quarantine", "list"], &[0]),
    (&["quarantine", "show", "ID"], &[0]),
    (&["redrive", "--quarantine"], &[1]),
    (&["quarantine", "list", "--reason", "not_json"], &[0]),
    (&["capture", "OUT/captured.json"], &[0]),
];

/// Every file below a folder: bytes, time and permissions.
type Files = BTreeMap<PathBuf, (Vec<u8>, SystemTime, u32)>;

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(files(&path));
        }
        let bytes = if metadata.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        found.insert(path, (bytes, metadata.modified().unwrap(), metadata.mode()));
    }
    found
}

/// The changes between two looks.
fn changed(before: &Files, after: &Files) -> Vec<String> {
    let paths = before.keys().chain(after.keys());
    paths.filter(|path| before.get(*path) != after.get(*path)).map(|it| it.display().to_string()).collect()
}

/// A store with two revisions, assignments, events, counts and a quarantined record.
fn place() -> Place {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    place.report(&["publish", "docs", "--yes"]);
    let events = r#"{"type": "exposure", "unit": "u", "experiment": "e", "variant": "a"}
{"type": "conversion", "unit": "u", "event": "paid"}
no JSON"#;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("events.jsonl");
    fs::write(&file, events).unwrap();
    let replayed = place.run(&["replay", file.to_str().unwrap(), "--from", "docs"]);
    assert!(replayed.status.code().is_some_and(|code| code <= 1), "{replayed:?}");
    place.write("on.yaml", "flag: on\nenabled: true\n");
    place.report(&["publish", "docs", "--yes"]);
    place
}

/// Runs a command over the store of a place that may be mounted elsewhere.
fn run(folder: &Path, args: &[&str], out: &Path, id: &str) -> Output {
    let args = args.iter().map(|arg| match *arg {
        "ID" => id.to_owned(),
        arg => arg.replace("OUT", out.to_str().unwrap()),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.current_dir(folder).args(args).args(["--store", "store.sqlite"]).env("USER", "ana");
    command.output().unwrap()
}

fn a_record(place: &Place) -> String {
    place.report(&["quarantine", "list"])["records"][0]["id"].as_str().unwrap().to_owned()
}

/// Runs all commands in a folder, each of which must do its work and change nothing there.
fn assert_nothing_changes(what: &str, folder: &Path, id: &str) {
    for (args, codes) in READING {
        let out = tempfile::tempdir().unwrap();
        let before = files(folder);
        let output = run(folder, args, out.path(), id);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(codes.contains(&output.status.code().unwrap()), "{what}, {args:?}: {said}");
        assert_eq!(changed(&before, &files(folder)), [""; 0], "{what}, {args:?}");
    }
}

#[test]
fn commands_that_read_change_no_file() {
    let place = place();
    let id = a_record(&place);
    assert_nothing_changes("closed", place.path(), &id);
    // A program that was killed leaves what it wrote beside the file.
    let mut dev = place.serve();
    assert_eq!(dev.get("/assign?user_id=u&experiment_key=e").status, 200);
    dev.end("KILL");
    assert!(place.path().join("store.sqlite-wal").exists(), "nothing is left beside the file");
    assert_nothing_changes("killed", place.path(), &id);
}

#[test]
fn commands_that_read_see_what_a_running_program_wrote() {
    let place = place();
    let dev = place.serve();
    for unit in 0..30 {
        dev.get(&format!("/assign?user_id=u{unit}&experiment_key=e")).ok();
    }
    crate::program::until("they are counted", || {
        let results = place.report(&["results", "e"]);
        let units = results["variants"].as_array().unwrap().iter().map(|it| it["units"].as_u64().unwrap());
        (units.sum::<u64>() == 31).then_some(())
    });
}

/// The folder again, mounted so that nothing can be written; `None` where this machine lets nobody mount.
fn read_only(folder: &Path) -> Option<Mount> {
    Mount::by(&[&["--bind", folder.to_str()?], &["-o", "remount,ro,bind"]])
}

#[test]
fn commands_that_read_work_where_nothing_can_be_written() {
    let place = place();
    let id = a_record(&place);
    let Some(mount) = read_only(place.path()) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    assert_nothing_changes("read-only", mount.path(), &id);
    for writing in
        [&["publish", "docs", "--yes"][..], &["rollback", "--yes"], &["dev", "docs", "--port", "0"]]
    {
        let output = run(mount.path(), writing, place.path(), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{writing:?}: {said}");
        assert!(said.contains("store.sqlite") && said.contains("whether its disk can be written"), "{said}");
    }
    drop(mount);
    let mut dev = place.serve();
    dev.end("KILL");
    let mount = read_only(place.path()).unwrap();
    assert_nothing_changes("read-only, killed", mount.path(), &id);
}

#[test]
fn a_store_that_is_not_there_is_said_to_be_missing() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let before = files(place.path());
    let rollback: (&[&str], &[i32]) = (&["rollback", "--yes"], &[0]);
    for (args, _) in READING.into_iter().chain([rollback]) {
        let out = tempfile::tempdir().unwrap();
        let output = run(place.path(), args, out.path(), "x");
        let said = String::from_utf8_lossy(&output.stderr);
        if args == ["publish", "docs"] {
            assert_eq!(output.status.code(), Some(0), "a plan against nothing: {said}");
        } else {
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(
                said.contains("store.sqlite: there is no store\n  help: `abx dev` and `abx publish --yes`"),
                "{said}"
            );
        }
        assert_eq!(changed(&before, &files(place.path())), [""; 0], "{args:?}");
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_kept() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let theirs = rusqlite::Connection::open(place.store()).unwrap();
    theirs.execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')").unwrap();
    drop(theirs);
    let before = files(place.path());
    let writing: [(&[&str], &[i32]); 4] = [
        (&["publish", "docs", "--yes"], &[]),
        (&["rollback", "--yes"], &[]),
        (&["redrive", "--quarantine", "--yes"], &[]),
        (&["dev", "docs", "--port", "0"], &[]),
    ];
    for (args, _) in READING.into_iter().chain(writing) {
        let out = tempfile::tempdir().unwrap();
        let output = run(place.path(), args, out.path(), "x");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
        assert!(
            said.contains("store.sqlite") && said.contains("database of another program (tables: notes)"),
            "{said}"
        );
        assert_eq!(changed(&before, &files(place.path())), [""; 0], "{args:?}");
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

/// `abx` with the store at its usual place.
fn at_home(place: &Place, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_abx")).current_dir(place.path()).args(args).output().unwrap()
}

#[test]
fn what_is_kept_is_private_and_in_no_repository() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let home = place.path().join(".abx");
    assert_eq!(at_home(&place, &["publish", "docs"]).status.code(), Some(0));
    assert!(!home.exists(), "a plan makes nothing");
    assert_eq!(at_home(&place, &["publish", "docs", "--yes"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(home.join(".gitignore")).unwrap(), "*\n");
    assert_eq!((mode(&home), mode(&home.join("store.sqlite"))), (0o700, 0o600));
    // What somebody wrote into it stays.
    fs::write(home.join(".gitignore"), "!keep\n").unwrap();
    assert_eq!(at_home(&place, &["publish", "docs", "--yes"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(home.join(".gitignore")).unwrap(), "!keep\n");
    let other = ["publish", "docs", "--yes", "--store", "data/store.sqlite"];
    assert_eq!(at_home(&place, &other).status.code(), Some(0));
    assert!(!place.path().join("data/.gitignore").exists(), "another folder is not ours");
    assert_eq!(mode(&place.path().join("data")), 0o700);
}

#[test]
fn the_archive_is_private() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let mut dev = place.serve();
    dev.get("/assign?user_id=u&experiment_key=e").ok();
    dev.end("TERM");
    let of = |path: &Path| -> Vec<(PathBuf, u32)> {
        files(path).into_iter().map(|(path, (_, _, mode))| (path, mode & 0o777)).collect()
    };
    let folders: Vec<_> = fs::read_dir(place.path()).unwrap().map(|it| it.unwrap().path()).collect();
    let archives =
        folders.iter().filter(|path| path.file_name().unwrap().to_string_lossy().contains("archive"));
    let mut count = 0;
    for archive in archives {
        assert_eq!(mode(archive), 0o700);
        for (path, mode) in of(archive) {
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 2, "nothing was archived: {folders:?}");
}

#[test]
fn what_git_says_is_passed_on() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(place.path()).args(["-c", "user.name=a", "-c", "user.email=a@b.example"]);
        assert!(command.args(args).output().unwrap().status.success(), "{args:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "docs"]);
    git(&["commit", "-qm", "x"]);
    let diff = |name: &str, value: &str| {
        let mut command = place.command(&["diff", "main:docs", "docs"]);
        let output = command.env(name, value).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(diff("UNUSED", "1").0, Some(0));
    // As if the folder belonged to somebody else.
    let (code, said) = diff("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("dubious ownership in repository at"), "{said}");
    assert!(said.contains("help: `git config --global --add safe.directory "), "{said}");
    fs::write(place.path().join(".git/config"), "[core\n").unwrap();
    let (code, said) = diff("UNUSED", "1");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("bad config line 1"), "{said}");
}

#[test]
fn a_report_of_the_store_shows_no_control_character() {
    let place = Place::with(&[("e.yaml", EXPERIMENT)]);
    let evil = "a\u{1b}[31mb\u{9b}c\u{202e}d\re";
    place.report(&["publish", "docs", "--yes", "--author", evil, "--message", evil]);
    place.write("on.yaml", "flag: on\nenabled: true\n");
    place.report(&["publish", "docs", "--yes", "--author", evil, "--message", evil]);
    place.report(&["rollback", "--yes", "--author", evil, "--message", evil]);
    let stdout = |args: &[&str]| String::from_utf8(place.run(args).stdout).unwrap();
    for args in [&["revisions"][..], &["status", "--from", "docs"], &["publish", "docs"]] {
        let text = stdout(args);
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']), "{args:?}: {text:?}");
    }
    assert!(stdout(&["revisions"]).contains("a\\u{1b}[31mb\\u{9b}c\\u{202e}d\\re"));
    let json: Value = place.report(&["revisions"]);
    assert_eq!(json["moves"][0]["author"], evil, "a program gets it as it is");
}
