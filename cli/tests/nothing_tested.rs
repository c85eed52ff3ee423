//! Commands that are asked to judge, and had nothing to judge by: none of them says that all is well, and none ends with 0.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The arguments of a command, its exit code, and a text that its output or its error must contain.
struct Case {
    args: &'static [&'static str],
    exit: i32,
    says: &'static str,
}

const fn case(args: &'static [&'static str], exit: i32, says: &'static str) -> Case {
    Case { args, exit, says }
}

/// Words that nobody may read where nothing was tested.
const ALL_IS_WELL: &[&str] = &["fits", "balanced\": true", "\"met\": true", "independent:"];

const CASES: &[Case] = &[
    // Counts of which there are none, too few, or that belong nowhere.
    case(&["srm", "a=0", "b=0"], 2, "nothing to test"),
    case(&["srm", "a=1", "b=0"], 2, "too few units"),
    case(&["srm", "a=6", "b=5"], 2, "too few units"),
    case(&["srm", "a=6", "b=5", "--format", "json"], 2, "\"too_few\""),
    case(&["srm", "a=4", "b=5", "--once"], 2, "too few units"),
    case(&["srm", "a=5"], 2, "nothing to test"),
    case(&["srm", "a=5", "--shares", "1"], 2, "nothing to test"),
    case(&["srm", "a=5", "b=0", "--shares", "1,0"], 2, "nothing to test"),
    case(&["srm", "a=5", "b=5", "--shares", "0,0"], 2, "nothing to test"),
    case(&["srm", "a=100", "b=5", "--shares", "1,0"], 1, "5 of b"),
    case(&["srm", "a=100", "b=1", "--shares", "1,0", "--once"], 1, "1 of b"),
    case(&["srm", "a=0", "b=1", "--shares", "1,0"], 1, "1 of b"),
    // Numbers that are none.
    case(&["srm", "a=-1", "b=5"], 2, "a whole number of units"),
    case(&["srm", "a=1e3", "b=5"], 2, "a whole number of units"),
    case(&["srm", "a=NaN", "b=5"], 2, "a whole number of units"),
    case(&["srm", "a=18446744073709551615", "b=18446744073709551615"], 2, "up to 10^15"),
    case(&["srm", "a=50", "b=50", "--shares", "-1,2"], 2, "below 0"),
    case(&["srm", "a=50", "b=50", "--shares", "NaN,1"], 2, "write a number"),
    case(&["srm", "a=50", "b=50", "--shares", "inf,1"], 2, "write a number"),
    case(&["srm", "a=50", "b=50", "--floor", "-1"], 2, "0 or more"),
    case(&["srm", "a=50", "b=50", "--alpha", "0"], 2, "between 0 and 1"),
    // Designs that show nothing.
    case(&["power", "--baseline", "10%", "--mde", "0"], 2, "no number of units can detect"),
    case(&["power", "--baseline", "10%", "--mde", "NaN"], 2, "write a number"),
    case(&["power", "--baseline", "10%", "--n", "2"], 2, "cannot detect any increase"),
    case(&["power", "--mean", "0", "--sd", "1", "--mde", "5%"], 2, "a mean of 0"),
    case(&["power", "--mean", "1", "--sd", "-1", "--mde", "5%"], 2, "deviation"),
    case(&["power", "--mean", "1", "--sd", "inf", "--mde", "5%"], 2, "write a number"),
    case(&["power", "--baseline", "10%", "--mde", "5%", "--units-per-day", "0"], 2, "1 or more"),
    case(
        &["power", "--baseline", "10%", "--mde", "5%", "--units-per-day", "10", "--traffic", "0"],
        2,
        "above 0",
    ),
    // Experiments that nobody is in.
    case(&["simulate", "paused.yaml", "--units", "1000"], 1, "nothing was tested"),
    case(&["simulate", "paused.yaml", "--units", "1000", "--format", "json"], 1, "\"tests\": 0"),
    case(&["simulate", "active.yaml", "--units", "3"], 1, "nothing was tested"),
    case(&["simulate", "targeted.yaml", "--units", "1000"], 1, "nothing was tested"),
    case(&["simulate", "active.yaml", "--units-file", "header.csv"], 2, "no units in this file"),
    case(&["simulate", "active.yaml", "--units", "0"], 2, "1 or more"),
    // Stores that nothing was counted in.
    case(&["results", "--store", "missing.sqlite"], 2, "there is no store"),
    case(&["results", "active", "--store", "missing.sqlite"], 2, "there is no store"),
    case(&["results", "active", "--store", "published.sqlite"], 1, "nothing was counted"),
    case(&["results", "active", "--store", "published.sqlite", "--epoch", "7"], 1, "nothing was counted"),
    case(&["results", "active", "--store", "published.sqlite", "--tuned-for", "0"], 2, "1 or more"),
    case(
        &["results", "active", "--store", "published.sqlite", "--format", "json"],
        1,
        "\"sample_ratio\": null",
    ),
    case(&["status", "--store", "missing.sqlite"], 2, "there is no store"),
    // Servers that are not there.
    case(&["bench", "http://127.0.0.1:1/", "--duration", "100ms"], 3, "127.0.0.1:1"),
    case(&["bench", "http://127.0.0.1:1/", "--duration", "0s"], 2, "greater than 0"),
    case(&["bench", "http://127.0.0.1:1/", "--rate", "NaN"], 2, "requests per second"),
];

fn abx(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_abx")).current_dir(folder).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), text)
}

#[test]
fn where_nothing_was_tested_nothing_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let variants = "variants: [{key: a}, {key: b}]\n";
    let targeting = "targeting_rules: [{attribute: country, operator: equals, value: DE}]\n";
    for (name, text) in [
        ("active.yaml", format!("experiment: active\nstatus: active\n{variants}")),
        ("paused.yaml", format!("experiment: paused\nstatus: paused\n{variants}")),
        ("targeted.yaml", format!("experiment: targeted\nstatus: active\n{variants}{targeting}")),
        ("header.csv", "user_id\n".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let published = abx(folder.path(), &["publish", "active.yaml", "--yes", "--store", "published.sqlite"]);
    assert_eq!(published.0, Some(0), "{}", published.1);
    for Case { args, exit, says } in CASES {
        let (ended, text) = abx(folder.path(), args);
        assert_eq!(ended, Some(*exit), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?} does not say {says:?}: {text}");
        for word in ALL_IS_WELL {
            assert!(!text.contains(word), "{args:?} says {word:?}: {text}");
        }
    }
}
