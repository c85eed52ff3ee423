//! The words of the command line: one vocabulary, older spellings, the same output options for every command, and their page.
#![expect(clippy::expect_used, reason = "a test that cannot run has failed")]

use clap::CommandFactory as _;
use clap_markdown::MarkdownOptions;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.args(arguments).current_dir(folder).output().expect("the command runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const EXPERIMENT: &str = "experiment: e\nstatus: active\nvariants:\n  - {key: a, allocation: 0.5}\n  - {key: b, allocation: 0.5}\n";
const CHANGED: &str = "experiment: e\nstatus: active\nvariants:\n  - {key: a, allocation: 0.6}\n  - {key: b, allocation: 0.4}\n";

/// A folder with `experiments/e.yaml`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("experiments")).expect("a folder");
    fs::write(folder.path().join("experiments/e.yaml"), EXPERIMENT).expect("a file");
    folder
}

/// The completions of the last of some words.
fn completed(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.env("ABX_COMPLETE", "fish").args(["--", "abx"]).args(words).current_dir(folder);
    let lines = stdout(&command.output().expect("the command runs"));
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_commands_and_the_keys_of_the_documents_here() {
    let folder = folder();
    let flag =
        "flag: new_search\ndescription: The search of 2027\nvalues: {on: true, off: false}\ndefault: off\n";
    fs::write(folder.path().join("experiments/f.yaml"), flag).expect("a file");
    let is_there = |words: &[&str], line: &str| completed(folder.path(), words).iter().any(|it| it == line);
    assert!(is_there(&["explain", "user_1", "new"], "new_search\tThe search of 2027"));
    assert!(is_there(&["explain", "user_1", ""], "e"));
    for words in [
        &["results", ""][..],
        &["conclude", ""],
        &["simulate", "--only", ""],
        &["invoke", "f", "--experiment", ""],
    ] {
        assert!(is_there(words, "e"), "{words:?}");
        assert!(!is_there(words, "new_search\tThe search of 2027"), "{words:?}: a flag is no experiment");
    }
    assert!(completed(folder.path(), &["vali"]).iter().any(|it| it.starts_with("validate\t")));
    fs::write(folder.path().join("experiments/f.yaml"), "flag: [").expect("a file");
    assert!(is_there(&["results", ""], "e"), "a broken file hides no other");
}

/// Updates the page with `UPDATE=1`.
#[test]
fn the_page_of_arguments_is_up_to_date() {
    let options = MarkdownOptions::new().title("Command line".to_owned());
    let options = options.show_footer(false).show_table_of_contents(false);
    let page = clap_markdown::help_markdown_command_custom(&abx_cli::commands::Abx::command(), &options);
    let page = with_examples_as_code(&page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).expect("the page is there");
    assert!(
        written == page,
        "docs/cli.md is out of date: UPDATE=1 cargo test --workspace --test command_line"
    );
}

/// The page, with each block of indented examples as code.
fn with_examples_as_code(page: &str) -> String {
    let mut text = String::new();
    let mut is_code = false;
    let mut was_empty = false;
    for line in page.lines().map(str::trim_end) {
        let follows = is_code && line.starts_with("  ");
        if is_code && !follows {
            text.push_str("```\n");
            is_code = false;
        }
        if !(line.is_empty() && was_empty) {
            text.push_str(line.strip_prefix("  ").filter(|_| follows).unwrap_or(line));
            text.push('\n');
        }
        was_empty = line.is_empty();
        if line == "Examples:" || line == "Example:" {
            text.push_str("\n```sh\n");
            is_code = true;
        }
    }
    text
}

#[test]
fn older_spellings_mean_the_same() {
    let folder = folder();
    fs::create_dir(folder.path().join("new")).expect("a folder");
    fs::write(folder.path().join("new/e.yaml"), CHANGED).expect("a file");
    fs::write(folder.path().join("units.csv"), "user_id\nu1\nu2\nu3\n").expect("a file");
    let same: [(&[&str], &[&str]); 4] = [
        (
            &["simulate", "experiments", "--users", "5000", "--experiment", "e"],
            &["simulate", "--units", "5000", "--only", "e"],
        ),
        (&["simulate", "--users-file", "units.csv"], &["simulate", "--units-file", "units.csv"]),
        (
            &["diff", "experiments", "new", "--at", "2026-11-24", "--fail-over", "5"],
            &["diff", "experiments", "new", "--at", "2026-11-24", "--max-moved", "5%"],
        ),
        (
            &["diff", "experiments", "new", "--at", "2026-11-24", "--fail-over", "0.5"],
            &["diff", "experiments", "new", "--at", "2026-11-24", "--max-moved", "0.005"],
        ),
    ];
    for (old, new) in same {
        let (old, new) = (run(folder.path(), old), run(folder.path(), new));
        assert_eq!((stdout(&old), old.status.code()), (stdout(&new), new.status.code()), "{old:?}");
        assert!(!old.stdout.is_empty(), "{old:?}");
    }
    let limit =
        |limit: &str| run(folder.path(), &["diff", "experiments", "new", "--max-moved", limit]).status.code();
    // Ten percent move, and that much need to.
    assert_eq!(
        (limit("9.9%"), limit("10%"), limit("0.1"), limit("0.099")),
        (Some(1), Some(0), Some(0), Some(1))
    );
}

#[test]
fn a_branch_alone_means_the_experiments_in_it() {
    let folder = folder();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=abx", "-c", "user.email=abx@example.com"]).args(arguments);
        assert!(
            command.current_dir(folder.path()).output().expect("git runs").status.success(),
            "{arguments:?}"
        );
    };
    git(&["init", "-q", "-b", "trunk"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    fs::write(folder.path().join("experiments/e.yaml"), CHANGED).expect("a file");
    let diff = run(folder.path(), &["diff", "trunk"]);
    assert!(stdout(&diff).contains("variants[0].allocation: 0.5 -> 0.6"), "{diff:?}");
    let valid = run(folder.path(), &["validate", "trunk"]);
    assert_eq!(valid.status.code(), Some(0), "{valid:?}");
    let nothing = run(folder.path(), &["validate", "trunc"]);
    assert_eq!(nothing.status.code(), Some(3), "{nothing:?}");
    // Neither can be written to.
    for writing in [
        &["rebalance", "e", "--to", "a=1", "trunk"][..],
        &["pause", "e", "trunk"],
        &["dev", "trunk", "--port", "0"],
    ] {
        let refused = run(folder.path(), writing);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("trunk:experiments is a revision"), "{said}");
    }
}

#[test]
fn every_command_has_the_same_output_options() {
    let folder = folder();
    let quiet = run(folder.path(), &["simulate", "--units", "1000", "-q"]);
    assert_eq!((stdout(&quiet).as_str(), quiet.stderr.len()), ("", 0), "{quiet:?}");
    let failed = run(folder.path(), &["-q", "validate", "nowhere"]);
    assert!(failed.stdout.is_empty() && !failed.stderr.is_empty(), "{failed:?}");

    let plain = stdout(&run(folder.path(), &["srm", "a=5000", "b=4000"]));
    let colored = stdout(&run(folder.path(), &["srm", "a=5000", "b=4000", "--color", "always"]));
    assert!(colored.contains('\u{1b}') && !plain.contains('\u{1b}'));
    let to_file = run(folder.path(), &["srm", "a=5000", "b=4000", "--color", "always", "-o", "srm.txt"]);
    assert_eq!((stdout(&to_file).as_str(), to_file.status.code()), ("", Some(1)));
    assert_eq!(fs::read_to_string(folder.path().join("srm.txt")).expect("a file"), plain);
    let nowhere = run(folder.path(), &["srm", "a=5000", "b=4000", "-o", "no/such/folder.txt"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&nowhere.stderr).contains("no/such/folder.txt: No such file"),
        "{nowhere:?}"
    );
}

#[test]
fn reports_and_errors_share_one_head() {
    let folder = folder();
    let head = |report: &Value| (report["schema"].clone(), report["abx"].clone(), report["kind"].clone());
    let expected = |kind: &str| (Value::from(1), Value::from(env!("CARGO_PKG_VERSION")), Value::from(kind));
    let valid = json(&run(folder.path(), &["validate", "-f", "json"]));
    assert_eq!(head(&valid), expected("validate"));
    assert_eq!((&valid["errors"], &valid["warnings"]), (&Value::from(0), &Value::from(0)));
    let errors: [(&[&str], i32, &str); 4] = [
        (&["validate", "nowhere", "--format", "json"], 3, "nowhere: no such file or folder"),
        (&["simulate", "--only", "other", "-f", "json"], 2, "there is no experiment \"other\""),
        (&["simulate", "--unts", "3", "--format=json"], 2, "unexpected argument '--unts' found"),
        (&["rollback", "-fjson"], 2, "there is no store"),
    ];
    for (arguments, code, message) in errors {
        let output = run(folder.path(), arguments);
        let error = json(&output);
        assert_eq!((output.status.code(), head(&error)), (Some(code), expected("error")), "{arguments:?}");
        assert!(error["message"].as_str().expect("a message").contains(message), "{error}");
        assert_eq!((error["exit"].as_i64(), output.stderr.len()), (Some(code.into()), 0), "{output:?}");
    }
}
