//! Publishing from other processes while `abx dev` serves; two publishers; and one that is killed.

use crate::program::{Place, until};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

fn flag(key: &str, enabled: bool) -> String {
    format!("flag: {key}\nenabled: {enabled}\n")
}

fn place() -> Place {
    let place = Place::with(&[("on.yaml", &flag("on", true))]);
    fs::create_dir(place.path().join("other")).unwrap();
    fs::write(place.path().join("other/on.yaml"), flag("on", false) + "---\n" + &flag("new", true)).unwrap();
    place
}

#[test]
fn a_file_of_overrides_is_watched_with_its_document() {
    let document = flag("on", false) + "overrides_file: qa.csv\n";
    let place = Place::with(&[("on.yaml", &flag("on", false)), ("qa.csv", "unit,variant\n")]);
    let dev = place.serve();
    let reason = |reason: &str| {
        let answer = dev.get("/flags/on?user_id=qa").ok()["reason"].clone();
        (answer == reason).then_some(())
    };
    place.write("on.yaml", &document.replace("false", "true"));
    until("the field", || (dev.revision() == 2).then_some(()));
    place.write("qa.csv", "unit,variant\nqa,off\n");
    until("the new row", || reason("override"));
    place.write("qa.csv", "unit,variant\nqa,of\n");
    until("what is wrong", || dev.said().contains("qa.csv:2:1").then_some(()));
    assert_eq!(reason("override"), Some(()), "the last good form serves");
    place.write("qa.csv", "unit,variant\n");
    until("the row is gone", || reason("override").is_none().then_some(()));
}

#[test]
fn what_others_publish_and_roll_back_is_served() {
    let place = place();
    let dev = place.serve();
    let on = || dev.get("/flags/on").ok()["value"].clone();
    let plan = place.report(&["publish", "other"]);
    assert_eq!((&plan["head"], &plan["published"]), (&json!(1), &Value::Null), "only shown");
    assert_eq!(place.report(&["publish", "other", "--yes", "-m", "why not"])["published"], 2);
    dev.until_revision(2);
    assert_eq!((on(), dev.get("/flags/new").status), (json!(false), 200));
    assert_eq!(place.report(&["rollback", "--yes"])["to"], 1);
    dev.until_revision(1);
    assert_eq!((on(), dev.get("/flags/new").status), (json!(true), 404));
    let listed = place.report(&["revisions"]);
    assert_eq!(listed["head"], 1);
    let told: Vec<_> = listed["revisions"].as_array().unwrap().iter().map(|it| &it["message"]).collect();
    assert_eq!(told, ["why not", "saved"]);
    assert_eq!(
        place.report(&["pull", "--yes", "pulled", "--revision", "2"])["files"].as_array().unwrap().len(),
        2
    );
    assert!(fs::read_to_string(place.path().join("pulled/flag-on.yaml")).unwrap().contains("false"));
    // What was rolled back stays so, also over a restart, until somebody saves.
    drop(dev);
    let dev = place.serve();
    assert_eq!(dev.revision(), 3, "the files here are not the newest revision");
    assert_eq!(
        place.report(&["rollback", "--yes", "2", "--author", "zoe", "-m", "too\u{1b}[2J soon"])["from"],
        3
    );
    until("it is said", || {
        dev.said().contains("the files are revision 3, and revision 2 serves").then_some(())
    });
    drop(dev);
    let dev = place.serve();
    assert_eq!(dev.revision(), 2, "the files are the newest revision, which was rolled back");
    let said = dev.said();
    assert!(said.contains("the files are revision 3, and revision 2 serves since "), "{said}");
    assert!(said.contains(", by zoe (too\\u{1b}[2J soon): it stays so until a file is saved"), "{said}");
    assert!(said.contains("`abx rollback 3` lets the files serve"), "{said}");
    place.write("on.yaml", &(flag("on", true) + "---\n" + &flag("more", true)));
    until("the saved file", || (dev.get("/flags/more").status == 200).then_some(()));
    assert_eq!(dev.revision(), 4);
}

#[test]
fn publishers_at_once_do_not_mix_and_do_not_lose() {
    let place = place();
    let publishers: Vec<_> = (0..6)
        .map(|number| {
            let file = format!("by_{number}.yaml");
            fs::write(place.path().join(&file), flag(&format!("by_{number}"), true)).unwrap();
            let args = ["publish", &file, "--yes", "--format", "json"];
            place.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut published = Vec::new();
    for (number, publisher) in publishers.into_iter().enumerate() {
        let output = publisher.wait_with_output().unwrap();
        // The errors of a program that asks for JSON are JSON, too.
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) => {
                let report: Value = serde_json::from_slice(&output.stdout).unwrap();
                published.push((report["published"].as_u64().unwrap(), format!("flag-by_{number}.yaml")));
            }
            Some(3) => assert!(said.contains("somebody else published meanwhile"), "{said}"),
            _ => panic!("{output:?}"),
        }
    }
    published.sort();
    let (head, _) = published.last().expect("one has won");
    assert_eq!(place.report(&["revisions"])["head"], *head, "who came last of those that won");
    for (number, file) in &published {
        let folder = format!("pulled/{number}");
        place.report(&["pull", "--yes", &folder, "--revision", &number.to_string()]);
        let files: Vec<_> =
            fs::read_dir(place.path().join(folder)).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(files, [file.as_str()], "a revision is what one of them published");
    }
}

#[test]
fn a_killed_publisher_leaves_the_old_revision_or_the_new_one() {
    let place = place();
    // Enough that writing it takes a while.
    let many: String = (0..2000).map(|number| flag(&format!("flag_{number}"), true) + "---\n").collect();
    let forms = [flag("on", true), flag("on", false)].map(|on| many.clone() + &on);
    fs::write(place.path().join("many.yaml"), &forms[0]).unwrap();
    let publish = ["publish", "many.yaml", "--yes"];
    let start = Instant::now();
    place.report(&publish);
    let whole = start.elapsed();
    let (mut killed, mut head) = (0, head_of(&place));
    for attempt in 0..24 {
        fs::write(place.path().join("many.yaml"), &forms[(attempt + 1) % 2]).unwrap();
        let mut publisher =
            place.command(&publish).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // All moments of its life: the first one, which makes the store, may have taken several times as long.
        thread::sleep(whole.mul_f64(1.0 - f64::from(u32::try_from(attempt).unwrap()) / 25.0));
        publisher.kill().unwrap();
        killed += usize::from(publisher.wait().unwrap().code().is_none());
        let now = head_of(&place);
        assert!(now >= head, "a head never goes back by itself");
        let folder = format!("after/{attempt}");
        place.report(&["pull", "--yes", &folder]);
        head = now;
    }
    assert!(killed > 0, "no publisher was killed while it worked, each of {whole:?}");
    eprintln!("{killed} of 24 publishers were killed while they worked; one takes {whole:?}");
    fs::write(place.path().join("many.yaml"), flag("last", true)).unwrap();
    assert!(place.report(&publish)["published"].as_u64().unwrap() > head);
    assert_eq!(place.report(&["pull", "--yes", "last"])["files"].as_array().unwrap().len(), 1);
}

fn head_of(place: &Place) -> u64 {
    place.report(&["revisions"])["head"].as_u64().unwrap()
}

#[test]
fn every_move_of_the_head_is_listed() {
    let place = place();
    place.report(&["publish", "docs", "--yes", "-m", "first"]);
    place.report(&["publish", "other", "--yes", "--author", "bo"]);
    place.report(&["rollback", "--yes", "--author", "zoe\u{202e}", "-m", "orders fell\nby half"]);
    let told = place.report(&["revisions"]);
    let moves: Vec<_> = told["moves"].as_array().unwrap().iter().collect();
    let of = |it: &Value| (it["from"].clone(), it["to"].clone(), it["author"].clone(), it["message"].clone());
    assert_eq!(of(moves[0]), (json!(2), json!(1), json!("zoe\u{202e}"), json!("orders fell\nby half")));
    assert_eq!(of(moves[1]), (json!(1), json!(2), json!("bo"), json!("")));
    assert_eq!(of(moves[2]), (Value::Null, json!(1), json!("ana"), json!("first")));
    assert!(moves.iter().all(|it| it["moved_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok()));
    let human = String::from_utf8(place.run(&["revisions"]).stdout).unwrap();
    assert!(human.contains("2 to 1") && human.contains("zoe\\u{202e}"), "{human}");
    assert!(human.contains("orders fell\\nby half") && !human.contains('\u{202e}'), "{human}");
    let status = place.run(&["status", "--from", "docs"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(
        status.contains("revision 2 is newer: rolled back at ") && status.contains("orders fell"),
        "{status}"
    );
}

/// Whoever publishes writes a revision whole, and makes it the head then; it may end in between.
fn publisher_ends_between(place: &Place, revision: u64) {
    let store = rusqlite::Connection::open(place.store()).unwrap();
    let before: Option<u64> = store
        .query_row("SELECT from_revision FROM head_moves WHERE to_revision = ?1", [revision], |row| {
            row.get(0)
        })
        .unwrap();
    store.execute("DELETE FROM head_moves WHERE to_revision = ?1", [revision]).unwrap();
    match before {
        Some(before) => store.execute("UPDATE head SET revision = ?1", [before]),
        None => store.execute("DELETE FROM head", ()),
    }
    .unwrap();
}

#[test]
fn what_a_publisher_did_not_bring_to_serve_is_served() {
    for revisions in 1..=2 {
        let place = place();
        if revisions == 2 {
            place.report(&["publish", "other", "--yes"]);
        }
        place.report(&["publish", "docs", "--yes"]);
        publisher_ends_between(&place, revisions);
        let dev = place.serve();
        assert_eq!(dev.revision(), revisions, "the files serve");
        let said = dev.said();
        assert!(said.contains(&format!("revision {revisions} was published and never served")), "{said}");
        let moves = place.report(&["revisions"])["moves"].clone();
        assert_eq!((&moves[0]["to"], &moves[0]["author"]), (&json!(revisions), &json!("abx dev")));
        drop(dev);
        // What was rolled back meanwhile stays so, although the files are the newest revision.
        if revisions == 2 {
            place.report(&["rollback", "--yes"]);
            assert_eq!(place.serve().revision(), 1);
        }
    }
}

#[test]
fn a_store_without_a_record_of_moves_works() {
    let place = place();
    place.report(&["publish", "other", "--yes"]);
    place.report(&["publish", "docs", "--yes"]);
    place.report(&["rollback", "--yes"]);
    let store = rusqlite::Connection::open(place.store()).unwrap();
    store.execute_batch("DROP TABLE head_moves; PRAGMA application_id = 0").unwrap();
    drop(store);
    assert_eq!(place.report(&["revisions"])["moves"], json!([]));
    let dev = place.serve();
    assert_eq!(dev.revision(), 1, "who rolled back, or whether, is not known: it stays");
    assert!(
        dev.said().contains("the files are revision 2, and revision 1 serves: it stays so"),
        "{}",
        dev.said()
    );
    drop(dev);
    assert_eq!(place.report(&["rollback", "--yes", "2"])["to"], 2);
    assert_eq!(place.report(&["revisions"])["moves"].as_array().unwrap().len(), 1);
}
