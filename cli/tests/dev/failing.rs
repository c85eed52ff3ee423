//! A store that fails while `abx dev` goes on answering.

use crate::mount::Mount;
use crate::program::{Dev, Place, until};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EXPERIMENT: &str = "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n";

fn place() -> Place {
    Place::with(&[("e.yaml", EXPERIMENT)])
}

/// True for each unit whose assignment is stored.
fn ask(dev: &Dev, units: std::ops::Range<u32>) -> Vec<bool> {
    let ask = |unit| dev.get(&format!("/assign?user_id=u{unit}&experiment_key=e")).ok();
    units.map(|unit| ask(unit)["persisted"].as_bool().unwrap()).collect()
}

/// The answer of `/health` about a store that fails.
fn degraded(dev: &Dev) -> Value {
    let answer = until("it is degraded", || Some(dev.get("/health")).filter(|answer| answer.status == 503));
    assert_eq!(
        (&answer.json["status"], &answer.json["revision"]),
        (&json!("degraded"), &json!(1)),
        "{answer:?}"
    );
    answer.json["store"].clone()
}

fn is_well(dev: &Dev) {
    let health = until("it is well", || Some(dev.get("/health")).filter(|answer| answer.status == 200));
    assert_eq!((&health.json["status"], health.json.get("store")), (&json!("ok"), None));
}

fn units(place: &Place, store: &Path) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    let args = ["results", "e", "--format", "json", "--store", store.to_str().unwrap()];
    let output = command.current_dir(place.path()).args(args).output().unwrap();
    let results: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    results["variants"].as_array().unwrap().iter().map(|it| it["units"].as_u64().unwrap()).sum()
}

/// A disk of one megabyte.
struct SmallDisk(Mount);

impl SmallDisk {
    /// `None` where this machine lets nobody mount.
    fn new() -> Option<Self> {
        Mount::by(&[&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]]).map(Self)
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store.sqlite")
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let filler = self.0.path().join("filler");
        assert!(fs::write(&filler, vec![0; 2 << 20]).is_err(), "it is not full");
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

#[test]
fn an_archive_that_fails_alone_is_said_with_its_cause() {
    let place = place();
    let mut dev = place.serve();
    let archive = place.path().join("store.sqlite-archive");
    fs::write(&archive, "in the way").unwrap();
    assert_eq!(ask(&dev, 0..3), [true; 3]);
    let told = until("it is degraded", || Some(dev.get("/health")).filter(|answer| answer.status == 503));
    let error = told.json["events"]["error"].as_str().unwrap_or_else(|| panic!("{told:?}"));
    for part in ["events wait to be counted", "store.sqlite-archive", "events.jsonl"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(told.json.get("store"), None, "{told:?}");
    let event = json!({"type": "exposure", "experiment": "e", "variant": "a", "unit": "u"});
    let answer = dev.post("/events", &event);
    assert_eq!((answer.status, &answer.json["accepted"]), (202, &json!(1)), "{answer:?}");
    assert!(answer.json["not_counted"].as_str().unwrap().contains("events.jsonl"), "{answer:?}");
    until("it is said", || dev.said().contains("events.jsonl").then_some(()));
    fs::remove_file(&archive).unwrap();
    is_well(&dev);
    assert_eq!(dev.end("TERM"), Some(130));
    assert_eq!(units(&place, &place.store()), 4, "{}", dev.said());
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    let place = place();
    let store = disk.store();
    let mut dev = place.serve_over(store.to_str().unwrap());
    assert_eq!(ask(&dev, 0..20), [true; 20]);
    is_well(&dev);
    disk.fill();
    let stored = ask(&dev, 20..320).into_iter().filter(|is_stored| *is_stored).count();
    assert!(stored < 300, "the disk is not full");
    let told = degraded(&dev);
    assert_eq!(told["assignments_not_stored"], 300 - stored, "{told}");
    assert!(told["error"].as_str().unwrap().contains("full"), "{told}");
    assert!(told["since"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{told}");
    until("it is said", || dev.said().contains("answers go on and are not stored").then_some(()));
    ask(&dev, 0..50);
    assert_eq!(dev.said().matches("answers go on").count(), 1, "once: {}", dev.said());
    disk.free();
    until("it is said that it is well", || dev.said().contains("the store is written again").then_some(()));
    is_well(&dev);
    let said = dev.said();
    let not_stored = 300 - stored;
    let told = said.lines().find(|line| line.contains("written again")).unwrap();
    assert!(told.contains("assignments not stored"), "{told}");
    assert!(!told.contains(" 0 assignments"), "{told} of {not_stored}");
    assert_eq!(ask(&dev, 400..420), [true; 20]);
    assert_eq!(dev.end("TERM"), Some(130));
    assert_eq!(units(&place, &store), 340, "every exposure waited for the disk: {}", dev.said());
}

#[test]
fn what_is_lost_at_the_end_is_said() {
    let Some(disk) = SmallDisk::new() else { return };
    let place = place();
    let mut dev = place.serve_over(disk.store().to_str().unwrap());
    disk.fill();
    let stored = ask(&dev, 0..300).into_iter().filter(|is_stored| *is_stored).count();
    assert!(stored < 300, "the disk is not full");
    degraded(&dev);
    assert_eq!(dev.end("TERM"), Some(130));
    let said = dev.said();
    assert!(
        said.contains("the store could not be written for") && said.contains("lost with this program"),
        "{said}"
    );
}

#[test]
fn a_locked_store_is_said_and_costs_one_request_a_second() {
    let place = place();
    let dev = place.serve();
    let other = rusqlite::Connection::open(place.store()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = std::time::Instant::now();
    assert_eq!(ask(&dev, 0..20), [false; 20]);
    assert!(start.elapsed().as_secs() < 15, "each request waited for the lock: {:?}", start.elapsed());
    let told = degraded(&dev);
    assert!(told["error"].as_str().unwrap().contains("locked"), "{told}");
    other.execute_batch("ROLLBACK").unwrap();
    is_well(&dev);
    assert_eq!(ask(&dev, 0..20), [true; 20]);
    until("it is said", || dev.said().contains("the store is written again").then_some(()));
}

#[test]
fn a_store_that_is_deleted_is_said() {
    let place = place();
    let dev = place.serve();
    assert_eq!(ask(&dev, 0..1), [true]);
    fs::remove_file(place.store()).unwrap();
    until("it is said", || {
        dev.said().contains("store.sqlite: the file was deleted: start again").then_some(())
    });
    let told = degraded(&dev);
    assert!(told["error"].as_str().unwrap().contains("deleted"), "{told}");
    assert_eq!(ask(&dev, 1..3), [false; 2], "what nobody can find again is not stored");
    let answer = dev.post("/events", &json!({"type": "conversion", "user_id": "u", "event": "paid"}));
    answer.refused(503, "unavailable");
    assert_eq!(dev.said().matches("answers go on").count(), 1, "once: {}", dev.said());
}

#[test]
fn rebalance_leaves_whole_files_when_it_is_killed() {
    let variants: Vec<_> = (0..60).map(|it| format!("  - {{key: v{it}, allocation: 0.01}}\n")).collect();
    let variants = variants.concat();
    let text = |first: &str| {
        let rest = "# nothing\n".repeat(15_000);
        format!(
            "experiment: e\nstatus: active\nvariants:\n  - {{key: a, allocation: {first}}}\n{variants}{rest}"
        )
    };
    let place = Place::with(&[("e.yaml", &text("0.4"))]);
    let shares: Vec<_> = (0..60).map(|it| format!(",v{it}=0.01")).collect();
    let to = format!("a=0.3,b=0.1{}", shares.concat());
    let start = std::time::Instant::now();
    let plan = ["rebalance", "e", "--to", &to, "docs"];
    let abx = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.current_dir(place.path()).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    abx(&plan).output().unwrap();
    let whole = start.elapsed();
    let (mut killed, mut left) = (0, 0);
    for attempt in 0..40 {
        place.write("e.yaml", &text("0.4"));
        let mut program = abx(&[&plan[..], &["--yes"]].concat()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(0.6 + f64::from(attempt) / 50.0));
        program.kill().unwrap();
        killed += usize::from(program.wait().unwrap().code().is_none());
        let names: Vec<_> =
            fs::read_dir(place.path().join("docs")).unwrap().map(|it| it.unwrap().file_name()).collect();
        // The new file has a name of its own for the moment between being whole and taking the place of the old one.
        for other in names.iter().filter(|name| *name != "e.yaml") {
            let path = place.document(other.to_str().unwrap());
            assert!(
                fs::read_to_string(&path).unwrap().ends_with("# nothing\n"),
                "attempt {attempt}: {other:?}"
            );
            fs::remove_file(path).unwrap();
            left += 1;
        }
        let now = fs::read_to_string(place.document("e.yaml")).unwrap();
        assert!(now.ends_with("# nothing\n"), "whole, old or new");
    }
    assert!(left <= 3, "{left} of 40 left a file");
    eprintln!("{killed} of 40 were killed; one takes {whole:?}");
}
