//! `abx explain --at REVISION`, with the program itself: what a unit got by a commit or a published revision.
#![expect(clippy::expect_used, reason = "a test that cannot run has failed")]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A repository of its own, with documents in `docs`.
struct Place(tempfile::TempDir);

const FLAG: &str = "flag: banner\nenabled: true\nprerequisites: [{flag: base, variant: on}]\n";

fn experiment(country: &str, traffic: &str) -> String {
    format!(
        "experiment: pricing\nstatus: active\ntraffic_allocation: {traffic}\n\
         variants: [{{key: a, allocation: 0.5}}, {{key: b, allocation: 0.5}}]\n\
         targeting_rules: [{{attribute: country, operator: equals, value: {country}}}]\n"
    )
}

impl Place {
    /// With a first commit of these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.git(&["init", "-q", "-b", "main"]);
        if !files.is_empty() {
            place.commit("2026-03-01T09:00:00Z", files);
        }
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path: PathBuf = self.path().join("docs").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn commit(&self, at: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.write(name, text);
        }
        self.git(&["add", "--all"]);
        let mut command = Command::new("git");
        command.env("GIT_COMMITTER_DATE", at).args(["-c", "user.name=a", "-c", "user.email=a@b.example"]);
        let status = command.args(["commit", "-qm", "x"]).current_dir(self.path()).status();
        assert!(status.expect("git runs").success());
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").args(arguments).current_dir(self.path()).status();
        assert!(status.expect("git runs").success(), "{arguments:?}");
    }

    fn abx(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1");
        command.output().expect("the command runs")
    }

    /// The output for a person, and the exit code.
    fn explain(&self, key: &str, more: &[&str]) -> (String, Option<i32>) {
        let arguments =
            [&["explain", "user_1", key, "--from", "docs", "--context", "country=DE"], more].concat();
        let output = self.abx(&arguments);
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).expect("text"), output.status.code())
    }

    fn json(&self, key: &str, more: &[&str]) -> Value {
        let (text, exit) = self.explain(key, &[more, &["--format", "json"]].concat());
        assert_eq!(exit, Some(0), "{text}");
        serde_json::from_str(&text).expect("a report is JSON")
    }
}

#[test]
fn a_substituted_process_is_a_file() {
    let place = Place::with(&[("pricing.yaml", &experiment("DE", "1.0"))]);
    let script = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(place.path()).env("NO_COLOR", "1");
        let output = command.env("abx", env!("CARGO_BIN_EXE_abx")).output().expect("bash runs");
        (String::from_utf8([output.stdout, output.stderr].concat()).expect("text"), output.status.code())
    };
    let (text, code) = script("$abx validate <(cat docs/pricing.yaml)");
    assert_eq!((&*text, code), ("1 document in 1 file: nothing wrong\n", Some(0)));
    let (text, code) = script("$abx validate <(echo 'flog: x')");
    assert!(
        code == Some(1) && text.contains("unknown-kind") && text.contains("did you mean `flag`?"),
        "{text}"
    );
    let (text, code) = script("$abx diff <(sed s/DE/US/ docs/pricing.yaml) docs/pricing.yaml");
    assert!(code == Some(0) && text.contains("targeting_rules[0].value"), "{text}");
    let (text, code) = script("$abx diff <(cat docs/pricing.yaml) <(cat docs/pricing.yaml)");
    assert!(code == Some(0) && text.contains("0 added, 0 changed, 0 removed, 1 unchanged"), "{text}");
}

#[test]
fn a_comment_on_hundreds_of_documents_fits_and_says_what_is_left_out() {
    let place = Place::with(&[]);
    let documents = |percent: u32| {
        let document = |number: u32| {
            format!(
                "flag: flag_with_a_rather_long_name_{number:03}\nenabled: true\ndescription: {}\nrollout_percentage: {percent}\n---\n",
                "word ".repeat(percent as usize)
            )
        };
        (0..700).map(document).collect::<String>()
    };
    place.write("before/a.yaml", &documents(10));
    place.write("after/a.yaml", &documents(20));
    let output = place.abx(&["diff", "docs/before", "docs/after", "--format", "markdown"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.len() <= 65_536, "{}", text.len());
    assert!(text.len() > 50_000, "it is filled: {}", text.len());
    let left_out = text.lines().find(|line| line.starts_with("**Left out**")).expect("it says so");
    assert!(
        left_out.contains("documents") && left_out.contains("`abx diff docs/before docs/after"),
        "{left_out}"
    );
}

#[test]
fn a_commit_tells_what_a_unit_got_and_which_step_has_changed() {
    let place = Place::with(&[("pricing.yaml", &experiment("DE", "1.0"))]);
    place.git(&["tag", "v1"]);
    place.commit("2026-03-02T09:00:00Z", &[("pricing.yaml", &experiment("US", "1.0"))]);
    for revision in ["v1", "HEAD~1", "v1:docs", "v1:docs/pricing.yaml", "v1:./docs"] {
        let report = place.json("pricing", &["--at", revision]);
        let since = &report["since"];
        assert_eq!(report["experiment"]["outcome"]["reason"], "targeting", "{revision}");
        assert_eq!(since["experiment"]["outcome"]["reason"], "assigned", "{revision}");
        assert_eq!(since["at"], "2026-03-01T09:00:00Z", "as of the commit's time");
        let changed = &since["steps"][0];
        assert_eq!(
            (&changed["then"][0]["holds"], &changed["now"][0]["holds"]),
            (&json!(true), &json!(false))
        );
        let fields = &since["changes"]["documents"][0]["fields"];
        assert_eq!(fields[0]["path"], "targeting_rules[0].value");
    }
    let (text, _) = place.explain("pricing", &["--at", "v1"]);
    for line in [
        "  then  2026-03-01T09:00:00Z  v1:docs",
        "- experiment pricing: b (assigned)",
        "+ experiment pricing: no variant (targeting)",
        "- ✓ country equals \"DE\"; actual: \"DE\"",
        "+ ✗ country equals \"US\"; actual: \"DE\"",
        "  ○ status       active",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn the_time_of_a_revision_may_be_another() {
    let dated = experiment("DE", "1.0") + "starts_at: 2026-03-02\n";
    let place = Place::with(&[("pricing.yaml", &dated)]);
    let reason =
        |more: &[&str]| place.json("pricing", more)["since"]["experiment"]["outcome"]["reason"].clone();
    assert_eq!(reason(&["--at", "main"]), "not_active", "it had not started when it was committed");
    assert_eq!(reason(&["--at", "main", "--at", "2026-03-02"]), "assigned");
    // A time alone means what it always did.
    let report = place.json("pricing", &["--at", "2026-03-01"]);
    assert_eq!(
        (&report["experiment"]["outcome"]["reason"], &report["since"]),
        (&json!("not_active"), &json!(null))
    );
}

#[test]
fn what_is_published_is_a_revision_and_what_others_ask_is_shown() {
    let base = |percent: &str| format!("flag: base\nenabled: true\nrollout_percentage: {percent}\n");
    let place = Place::with(&[
        ("banner.yaml", FLAG),
        ("base.yaml", &base("100")),
        ("other.yaml", "flag: other\nenabled: true\n"),
    ]);
    assert!(place.abx(&["publish", "docs", "--yes"]).status.success());
    place.write("base.yaml", &base("0.0001"));
    place.write("other.yaml", "flag: other\nenabled: false\n");
    for revision in ["@1", "@head"] {
        let report = place.json("banner", &["--at", revision]);
        assert_eq!(report["flag"]["outcome"]["value"], false);
        assert_eq!(report["since"]["flag"]["outcome"]["value"], true);
        let changed = report["since"]["changes"]["documents"].as_array().expect("a list");
        let changed: Vec<_> = changed.iter().map(|it| it["document"].clone()).collect();
        assert_eq!(changed, ["flag banner", "flag base"], "and nothing that it does not ask");
    }
    let (text, exit) = place.explain("banner", &["--at", "@7"]);
    assert_eq!(
        (text.as_str(), exit),
        ("abx: there is no revision 7\n  help: `abx revisions` lists them\n", Some(2))
    );
}

#[test]
fn a_key_may_be_new_or_gone() {
    let place = Place::with(&[("a.yaml", "flag: old\nenabled: true\n")]);
    place.write("a.yaml", "flag: new\nenabled: true\n");
    let (text, exit) = place.explain("new", &["--at", "main"]);
    assert!(text.contains("- no experiment or flag has this key") && exit == Some(0), "{text}");
    let (text, exit) = place.explain("old", &["--at", "main"]);
    assert!(text.contains("+ no experiment or flag has this key") && exit == Some(0), "{text}");
    let (text, exit) = place.explain("newt", &["--at", "main"]);
    assert!(text.contains("did you mean `new`?") && exit == Some(2), "{text}");
}

#[test]
fn nothing_is_made_where_nothing_was_published_and_no_git_is_told() {
    let place = Place::with(&[("a.yaml", "flag: a\nenabled: true\n")]);
    let (text, exit) = place.explain("a", &["--at", "@head"]);
    assert!(text.contains("there is no store") && exit == Some(2), "{text}");
    assert!(!place.path().join(".abx").exists());
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.args(["explain", "u", "a", "--from", "docs", "--at", "main"]).current_dir(place.path());
    let output = command.env("PATH", place.path()).output().expect("the command runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.contains("install git, or name files") && output.status.code() == Some(3), "{text}");
}

#[test]
fn a_revision_that_is_not_there_is_said() {
    let place = Place::with(&[("a.yaml", "flag: a\nenabled: true\n")]);
    let error = |at: &str| {
        let (text, exit) = place.explain("a", &["--at", at]);
        assert_eq!(exit, Some(2), "{text}");
        text
    };
    assert!(error("mian").starts_with("abx: mian:docs: there is no git revision \"mian\""));
    assert!(error("main:dogs").starts_with("abx: main:dogs: there was no such file or folder"));
    let misspelt_time = error("2026-13-01");
    assert!(misspelt_time.contains("a time is written as 2026-03-01T09:00:00Z"), "{misspelt_time}");
}

#[test]
fn tests_are_neither_published_nor_served() {
    let tests = "tests: a\ncases: [{expect: {value: true}}]\n";
    let place = Place::with(&[("a.yaml", &format!("flag: a\nenabled: true\n---\n{tests}"))]);
    let output = place.abx(&["publish", "docs", "--yes", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report is JSON");
    assert_eq!(
        report["plan"],
        json!({"documents": [{"document": "flag a", "change": "added"}], "unchanged": 0})
    );
    place.write("a.yaml", "flag: a\nenabled: false\n");
    // Tests of today against what serves.
    place.write("tests/a.yaml", tests);
    assert_eq!(place.abx(&["test", "@head", "docs/tests"]).status.code(), Some(0));
    assert_eq!(place.abx(&["test", "docs"]).status.code(), Some(1));
    assert_eq!(place.abx(&["test", "main:docs"]).status.code(), Some(0));
}
