//! Signals, and a port that is taken.

use crate::program::Place;
use std::io::{Read, Write};
use std::net::TcpStream;

fn place() -> Place {
    Place::with(&[("on.yaml", "flag: on\nenabled: true\n")])
}

#[test]
fn a_signal_ends_it_with_130() {
    let place = place();
    for signal in ["INT", "TERM", "HUP"] {
        assert_eq!(place.serve().end(signal), Some(130), "{signal}");
    }
}

#[test]
fn what_waits_is_written_before_it_ends() {
    for signal in ["INT", "TERM", "HUP"] {
        let place =
            Place::with(&[("e.yaml", "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n")]);
        let mut dev = place.serve();
        for unit in 0..50 {
            dev.get(&format!("/assign?user_id=u{unit}&experiment_key=e")).ok();
        }
        // At once: exposures of the last moment wait for the next tick.
        assert_eq!(dev.end(signal), Some(130));
        let results = place.report(&["results", "e"]);
        let units: u64 =
            results["variants"].as_array().unwrap().iter().map(|it| it["units"].as_u64().unwrap()).sum();
        assert_eq!(units, 50, "{signal}: {results}");
    }
}

#[test]
fn no_caller_keeps_it_from_ending() {
    let place = place();
    let mut dev = place.serve();
    let mut idle = TcpStream::connect(dev.address).unwrap();
    idle.write_all(b"GET /flags/on HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    assert_ne!(idle.read(&mut [0; 1]).unwrap(), 0, "answered, and kept open");
    let mut half = TcpStream::connect(dev.address).unwrap();
    half.write_all(b"POST /flags/on HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{").unwrap();
    assert_eq!(dev.get("/flags/on").status, 200);
    assert_eq!(dev.end("TERM"), Some(130));
}

#[test]
fn one_store_is_served_once() {
    let place = place();
    let mut dev = place.serve();
    let again = || place.run(&["dev", "docs", "--port", "0"]);
    let output = again();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let message = format!("another `abx dev` already serves store.sqlite (process {})", dev.process());
    assert!(said.contains(&message) && said.contains("--store"), "{said}");
    assert_eq!(dev.get("/flags/on").status, 200);
    assert_eq!(dev.end("KILL"), None);
    assert_eq!(place.serve().end("TERM"), Some(130), "the lock ends with its program");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = place();
    let disk = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        std::process::Command::new("mount")
            .args(arguments)
            .arg(disk.path())
            .output()
            .is_ok_and(|it| it.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "ro,size=1m", "tmpfs"]) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    for store in ["store.sqlite", "deep/store.sqlite"] {
        let store = disk.path().join(store).display().to_string();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_abx"));
        let output = command
            .current_dir(place.path())
            .args(["dev", "docs", "--port", "0", "--store", &store])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        let folder = disk.path().display().to_string();
        assert!(
            said.contains(&folder) && said.contains("--store") && said.to_lowercase().contains("read"),
            "{said}"
        );
    }
    let _ = std::process::Command::new("umount").arg(disk.path()).output();
}

#[test]
fn a_taken_port_is_the_worlds_fault_and_nothing_is_published() {
    let place = place();
    let dev = place.serve();
    let other = Place::with(&[("off.yaml", "flag: off\nenabled: false\n")]);
    let port = dev.address.port().to_string();
    let output = other.run(&["dev", "docs", "--port", &port]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("--port"), "{said}");
    assert_eq!(other.report(&["revisions"])["head"], serde_json::Value::Null);
    assert_eq!(dev.get("/flags/on").status, 200);
}

#[test]
fn without_documents_it_says_so() {
    let place = Place::with(&[]);
    let output = place.run(&["dev", "docs", "--port", "0"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = place.run(&["dev", "nowhere", "--port", "0"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    std::fs::write(place.store(), "this is no store".repeat(1000)).unwrap();
    let output = place.run(&["dev", "docs", "--port", "0"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be used as a store"));
}
