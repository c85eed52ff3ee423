//! `overrides_file:`, with the program itself: a file beside a document is read wherever the document is.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot run has failed")]

use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const EXPERIMENT: &str = "experiment: pricing\nstatus: active\nvariants: [{key: a}, {key: b}]\n";
const NAMED: &str = "overrides_file: units/qa.csv\n";

struct Place(tempfile::TempDir);

impl Place {
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// All that a command says, and how it ended.
    fn run(&self, program: &str, arguments: &[&str]) -> (String, Option<i32>) {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1").env("USER", "ana");
        let output = command.output().expect("the command runs");
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).expect("text"), output.status.code())
    }

    fn abx(&self, arguments: &[&str]) -> (String, Option<i32>) {
        self.run(env!("CARGO_BIN_EXE_abx"), arguments)
    }

    fn git(&self, arguments: &[&str]) {
        let name = ["-c", "user.name=a", "-c", "user.email=a@b.example"];
        let (text, code) = self.run("git", &[&name, arguments].concat());
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
    }

    /// The variant and the reason that a unit gets.
    fn got(&self, unit: &str, from: &str) -> (String, String) {
        let store: &[&str] = if from.starts_with('@') { &["--store", "s"] } else { &[] };
        let arguments = ["explain", unit, "pricing", "--from", from, "--format", "json"];
        let (text, code) = self.abx(&[&arguments, store].concat());
        assert_eq!(code, Some(0), "{text}");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        let outcome = &report["experiment"]["outcome"];
        let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
        (text("variant"), text("reason"))
    }
}

fn owned(pair: [&str; 2]) -> (String, String) {
    (pair[0].to_owned(), pair[1].to_owned())
}

#[test]
fn a_file_is_read_beside_its_document_in_a_folder_a_revision_and_a_pipe() {
    let document = format!("{EXPERIMENT}{NAMED}overrides: {{in_yaml: b}}\n");
    let place =
        Place::with(&[("docs/pricing.yaml", &document), ("docs/units/qa.csv", "unit,variant\nqa,b\n")]);
    place.git(&["init", "-q", "-b", "main"]);
    place.git(&["add", "docs"]);
    place.git(&["commit", "-qm", "x"]);
    place.git(&["tag", "v1"]);
    place.write("docs/units/qa.csv", "unit,variant\nqa,a\n");
    for (from, variant) in [
        ("docs", "a"),
        ("docs/pricing.yaml", "a"),
        ("v1:docs", "b"),
        ("v1:docs/pricing.yaml", "b"),
        ("v1:./docs/pricing.yaml", "b"),
        ("v1:", "b"),
    ] {
        assert_eq!(place.got("qa", from), owned([variant, "override"]), "{from}");
        assert_eq!(place.got("in_yaml", from), owned(["b", "override"]), "{from}");
    }
    let (text, code) = place.run(
        "bash",
        &["-c", &format!("cd docs && {} validate <(cat pricing.yaml)", env!("CARGO_BIN_EXE_abx"))],
    );
    assert_eq!((code, &*text), (Some(0), "1 document in 1 file: nothing wrong\n"), "from a pipe");
    let (text, _) = place.abx(&["diff", "v1:docs", "docs", "--format", "json"]);
    let diff: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(diff["documents"][0]["fields"][0]["path"], "overrides.qa", "{text}");
    let (text, code) = place.abx(&["rebalance", "pricing", "docs", "--to", "a=0.5", "--to", "b=0.5"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn what_is_wrong_with_a_file_is_a_finding_where_it_stands() {
    let place = Place::with(&[
        ("docs/units/fine.csv", "unit,variant\nqa,a\n"),
        ("docs/units/typo.csv", "unit,variant\nqa,a\nu1,c\nu2,c\nu3,\n"),
        ("docs/units/twice.csv", "unit,variant\nu,a\nu,b\n"),
        ("docs/units/both.csv", "unit,variant\nin_yaml,b\n"),
        ("docs/units/blank.csv", "unit,variant\n,b\n"),
        ("secret.csv", "unit,variant\n"),
    ]);
    place.write("docs/units/large.csv", &format!("unit,variant\n{}", "unit,a\n".repeat(700_000)));
    place.write("docs/units/qa.txt", "unit,variant\n");
    fs::write(place.path("docs/units/latin.csv"), b"unit,variant\n\xe9,a\n").expect("a file");
    std::os::unix::fs::symlink(place.path("secret.csv"), place.path("docs/units/link.csv")).expect("a link");
    std::os::unix::fs::symlink("nothing", place.path("docs/units/dangling.csv")).expect("a link");
    for (file, findings) in [
        ("units/fine.csv", &[][..]),
        ("units/gone.csv", &["overrides-file docs/e.yaml:4:17 there is no docs/units/gone.csv"]),
        ("../secret.csv", &["overrides-file docs/e.yaml:4:17 leads out of the folder"]),
        ("/etc/passwd.csv", &["overrides-file docs/e.yaml:4:17 leads out of the folder"]),
        ("units/link.csv", &["overrides-file docs/e.yaml:4:17 docs/units/link.csv is a link"]),
        ("units/dangling.csv", &["overrides-file docs/e.yaml:4:17 docs/units/dangling.csv is a link"]),
        ("units/qa.txt", &["overrides-file docs/e.yaml:4:17 ends neither with .csv nor with .json"]),
        ("units/large.csv", &["too-large docs/units/large.csv:1:1 the file has more than 4096 KiB"]),
        ("units/latin.csv", &["not-text docs/units/latin.csv:2:1 this byte is not UTF-8"]),
        ("units/twice.csv", &["duplicate-field docs/units/twice.csv:3:1 \"u\" is listed twice"]),
        ("units/both.csv", &["duplicate-field docs/units/both.csv:2:1 stands in `overrides` as well"]),
        ("units/blank.csv", &["blank-text docs/e.yaml:5:1 a unit is blank"]),
        (
            "units/typo.csv",
            &[
                "unknown-variant docs/units/typo.csv:3:1 there is no variant \"c\"; 2 units of this file have it",
                "unknown-variant docs/units/typo.csv:5:1 there is no variant \"\"",
            ],
        ),
    ] {
        let document = format!("{EXPERIMENT}overrides_file: {file}\noverrides: {{in_yaml: a}}\n");
        place.write("docs/e.yaml", &document);
        let (text, code) = place.abx(&["validate", "docs", "--format", "json"]);
        let report: Value = serde_json::from_str(&text).expect("JSON");
        let found = report["findings"].as_array().expect("a list");
        assert_eq!(found.len(), findings.len(), "{file}: {text}");
        assert_eq!(code, Some(i32::from(!findings.is_empty())), "{file}");
        for (found, expected) in found.iter().zip(findings) {
            let of = |name: &str| found[name].as_str().unwrap_or_default();
            let place = format!("{} {}:{}:{} ", of("code"), of("file"), found["line"], found["column"]);
            let rest = expected.strip_prefix(&*place).unwrap_or_else(|| panic!("{file}: {place} {expected}"));
            assert!(of("message").contains(rest), "{file}: {found}");
            assert!(!of("help").is_empty(), "{file}: {found}");
        }
    }
}

#[test]
fn a_revision_of_git_has_no_links_either() {
    let place =
        Place::with(&[("docs/e.yaml", &format!("{EXPERIMENT}{NAMED}")), ("secret.csv", "unit,variant\n")]);
    fs::create_dir(place.path("docs/units")).expect("a folder");
    std::os::unix::fs::symlink("../../secret.csv", place.path("docs/units/qa.csv")).expect("a link");
    place.git(&["init", "-q", "-b", "main"]);
    place.git(&["add", "."]);
    place.git(&["commit", "-qm", "x"]);
    place.git(&["rm", "-q", "docs/units/qa.csv"]);
    place.git(&["commit", "-qm", "y"]);
    for (revision, why) in
        [("main~1", "main~1:docs/units/qa.csv is a link"), ("main", "there is no main:docs/units/qa.csv")]
    {
        let from = format!("{revision}:docs");
        let (text, code) = place.abx(&["diff", &from, "docs"]);
        assert!(code != Some(0) || text.contains(why), "{text}");
    }
}

#[test]
fn twenty_thousand_overrides_are_published_and_pulled_again() {
    let mut rows = String::from("unit,variant\n");
    for number in 0..20_000_u64 {
        // 40 hexadecimal digits that do not compress well.
        let mixed =
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let _ = writeln!(
            rows,
            "{mixed:016x}{:016x}{:08x},{}",
            mixed.wrapping_mul(31),
            mixed >> 32,
            if number % 2 == 0 { "a" } else { "b" }
        );
    }
    let (last, variant) = rows.lines().last().and_then(|line| line.split_once(',')).expect("a row");
    let place =
        Place::with(&[("docs/pricing.yaml", &format!("{EXPERIMENT}{NAMED}")), ("docs/units/qa.csv", &rows)]);
    let (text, code) = place.abx(&["publish", "docs", "--yes", "--store", "s"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(place.got(last, "@head"), owned([variant, "override"]));
    let (text, code) = place.abx(&["pull", "--yes", "pulled", "--store", "s"]);
    assert!(code == Some(0) && place.path("pulled/experiment-pricing.overrides.csv").is_file(), "{text}");
    assert_eq!(place.got(last, "pulled"), owned([variant, "override"]));
    let (text, code) = place.abx(&["publish", "pulled", "--store", "s"]);
    assert!(code == Some(0) && text.contains("nothing to publish"), "{text}");
}
