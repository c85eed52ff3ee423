//! The first step: `abx init` in any folder, `abx new` beside any documents, and `abx list` of all of them.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use abx_cli::source::parse;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder of a project.
struct Project(TempDir);

impl Project {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        for (name, text) in files {
            let path = project.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    fn new() -> Self {
        let project = Self::empty();
        project.ok(&["init", "--yes"]);
        project
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.0.path().join(inner)
    }

    fn read(&self, inner: &str) -> String {
        fs::read_to_string(self.path(inner)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// The text of a command that must end with 0.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The report of a command that must end with 0.
    fn report(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--format", "json"]].concat())).unwrap()
    }

    /// The message of a command that must fail.
    fn fails(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// All files with their bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn add(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    add(&entry.path(), files);
                } else {
                    files.insert(entry.path(), fs::read(entry.path()).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        add(self.0.path(), &mut files);
        files
    }
}

#[test]
fn a_new_project_is_valid_tested_and_balanced() {
    let project = Project::new();
    project.ok(&["validate", "--deny-warnings"]);
    project.ok(&["test", "--coverage", "100%"]);
    project.ok(&["simulate", "--units", "100000"]);
    project.ok(&["publish", "--yes"]);
    let schema = project.ok(&["schema"]);
    let mut documents = 0;
    for (path, text) in
        project.files().into_iter().filter(|(path, _)| path.extension() == Some("yaml".as_ref()))
    {
        let text = String::from_utf8(text).unwrap();
        let named = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
        assert_eq!(fs::read_to_string(path.parent().unwrap().join(named)).unwrap(), schema, "{path:?}");
        assert!(text.lines().all(|line| line.len() <= 130), "{path:?}");
        documents += 1;
    }
    assert_eq!(documents, 4);
}

#[test]
fn nothing_is_written_without_yes_and_nothing_twice() {
    let project = Project::empty();
    let plan = project.ok(&["init"]);
    assert!(plan.contains("new  experiments/signup_button.yaml"), "{plan}");
    assert!(plan.contains("nothing was written: add --yes to write 6 files"), "{plan}");
    assert!(plan.lines().all(|line| line.chars().count() <= 80), "{plan}");
    assert_eq!(project.files().len(), 0);
    let written = project.ok(&["init", "--yes"]);
    assert!(
        written.ends_with("6 files written; next:\n  abx validate\n  abx simulate\n  abx dev\n"),
        "{written}"
    );
    let files = project.files();
    assert_eq!(files.len(), 6, "no temporary file is left");
    let again = project.report(&["init", "--yes"]);
    assert_eq!(again["written"], false);
    assert!(again["files"].as_array().unwrap().iter().all(|file| file["action"] == "keep"), "{again}");
    assert!(project.ok(&["init", "--yes"]).contains("nothing to write: all of it is there"));
    assert_eq!(project.files(), files);
}

#[test]
fn files_of_the_user_are_left_alone() {
    let project = Project::with(&[
        (".gitignore", "node_modules/\r\ndist/"),
        (
            "experiments/signup_button.yaml",
            "# mine\nexperiment: signup_button\nlayer: signup_page\nstatus: active\nvariants: [{key: control}, {key: free}]\noverrides: {qa_control: control, qa_free: free}\n",
        ),
        ("abx.schema.json", "{}"),
    ]);
    let mine = project.read("experiments/signup_button.yaml");
    let text = project.ok(&["init", "--yes"]);
    assert!(text.contains("keep experiments/signup_button.yaml"), "{text}");
    assert!(text.contains("`abx schema > abx.schema.json` updates it"), "{text}");
    assert_eq!(project.read("experiments/signup_button.yaml"), mine);
    assert_eq!(project.read("abx.schema.json"), "{}");
    let ignored = project.read(".gitignore");
    assert!(
        ignored.starts_with("node_modules/\r\ndist/\r\n#") && ignored.ends_with("/.abx/\r\n"),
        "{ignored:?}"
    );
    assert!(!ignored.replace("\r\n", "").contains('\n'));
    project.ok(&["validate", "--deny-warnings"]);
    project.ok(&["test", "--coverage", "100%"]);
}

#[test]
fn no_example_comes_beside_other_documents() {
    let project = Project::with(&[(
        "experiments/ours.yaml",
        "catalog:\n  segments: []\n---\nflag: f\nenabled: true\n",
    )]);
    let text = project.ok(&["init", "--yes"]);
    assert!(text.contains("experiments has documents already, so no examples are added"), "{text}");
    assert_eq!(fs::read_dir(project.path("experiments")).unwrap().count(), 1);
    assert!(project.path("abx.schema.json").is_file());
}

#[test]
fn a_folder_that_cannot_be_one_is_refused() {
    let project = Project::with(&[("file", ""), ("a/experiments", ""), ("b/experiments/tests", "")]);
    for (folder, file) in
        [("file", "file"), ("file/x", "file"), ("a", "a/experiments"), ("b", "b/experiments/tests")]
    {
        let said = project.fails(&["init", folder, "--yes"], 2);
        assert!(
            said.contains(&format!("{file} is a file, and not a folder\n  help: name another folder")),
            "{said}"
        );
    }
    assert_eq!(project.files().len(), 3);
    // Nobody may write there, not even root.
    if Path::new("/proc/self").is_dir() {
        let said = project.fails(&["init", "/proc/abx", "--yes"], 3);
        assert!(
            said.contains("/proc/abx") && said.contains("help: see the permissions of the folder"),
            "{said}"
        );
    }
}

#[test]
fn the_folder_is_made_and_named_in_the_next_commands() {
    let project = Project::empty();
    let text = project.ok(&["init", "my shop/web", "--yes"]);
    assert!(text.contains("next:\n  cd 'my shop/web' && abx validate\n"), "{text}");
    project.ok(&["validate", "my shop/web/experiments", "--deny-warnings"]);
}

#[test]
fn workflow_and_hook_are_written_on_request() {
    let project = Project::empty();
    project.ok(&["init", "--github", "--pre-commit", "--yes"]);
    for name in [".github/workflows/abx.yml", ".pre-commit-config.yaml"] {
        let parsed = parse(&project.read(name));
        assert!(parsed.faults.is_empty() && parsed.documents.len() == 1, "{name}: {:?}", parsed.faults);
    }
    let workflow = parse(&project.read(".github/workflows/abx.yml")).documents[0].0.clone();
    // Each command that it runs is one that works in a new project.
    for step in workflow["jobs"]["abx"]["steps"].as_array().unwrap() {
        let run = step["run"].as_str().filter(|run| run.starts_with("abx "));
        let words: Vec<&str> = run.map(|run| run.split_whitespace().skip(1).collect()).unwrap_or_default();
        if !words.is_empty() {
            project.ok(&words);
        }
    }
    assert!(project.ok(&["init", "--github", "--pre-commit"]).contains("all of it is there"));
}

#[test]
fn a_hook_is_added_to_those_that_are_there() {
    let theirs = "# ours\nrepos:\n- repo: https://example.com/hooks\n  rev: v1  # pinned\n  hooks:\n  - id: x\n\nfail_fast: true\n";
    let project = Project::with(&[(".pre-commit-config.yaml", theirs)]);
    let text = project.ok(&["init", "--pre-commit", "--yes"]);
    assert!(text.contains("add  .pre-commit-config.yaml"), "{text}");
    let after = project.read(".pre-commit-config.yaml");
    assert!(after.starts_with(theirs.split("\nfail_fast").next().unwrap()), "{after}");
    let value = parse(&after).documents[0].0.clone();
    assert_eq!(value["repos"][1]["hooks"][0]["entry"], "abx validate --deny-warnings");
    assert_eq!((&value["repos"][0]["rev"], &value["fail_fast"]), (&json!("v1"), &json!(true)));
    assert!(project.ok(&["init", "--pre-commit", "--yes"]).contains("all of it is there"), "once");

    let project = Project::with(&[(".pre-commit-config.yaml", "{repos: [], fail_fast: true}\n")]);
    let text = project.ok(&["init", "--pre-commit", "--yes"]).replace("\n  ", " ");
    assert!(text.contains("cannot be edited safely: add a local hook"), "{text}");
}

#[test]
fn a_workflow_inside_of_a_repository_would_never_run() {
    let project = Project::with(&[(".git/HEAD", ""), ("web/package.json", "{}")]);
    let said = project.fails(&["init", "web", "--github", "--yes"], 2);
    assert!(
        said.contains("web is inside of the git repository") && said.contains("help: run `abx init` there"),
        "{said}"
    );
    assert!(!project.path("web/experiments").exists());
    project.ok(&["init", "web", "--yes"]);
    project.ok(&["init", "--github", "--yes"]);
}

#[test]
fn an_empty_folder_offers_init() {
    let project = Project::empty();
    for command in [&["validate"][..], &["simulate"], &["dev", "--port", "0"], &["list"], &["test"]] {
        let said = project.fails(command, 3);
        assert!(said.contains("help: `abx init` writes a first experiment; or name"), "{command:?}: {said}");
    }
    fs::create_dir_all(project.path("experiments")).unwrap();
    fs::create_dir_all(project.path("my shop/experiments")).unwrap();
    for (folder, init) in [
        ("experiments", "init"),
        (".", "init"),
        ("my shop/experiments", "init 'my shop'"),
        ("my shop", "init 'my shop'"),
    ] {
        let said = project.fails(&["validate", folder], 2);
        assert!(said.contains(&format!("help: `abx {init}` writes a first experiment")), "{folder}: {said}");
    }
    assert!(!project.fails(&["validate", "experimnts"], 3).contains("abx init"), "a typing mistake");
}

#[test]
fn what_is_new_validates_beside_a_new_project() {
    let project = Project::new();
    let report = project.report(&["new", "experiment", "checkout", "--yes"]);
    assert_eq!((&report["document"], &report["written"]), (&json!("experiment checkout"), &json!(true)));
    assert_eq!(
        (&report["file"], &report["next"]),
        (&json!("experiments/checkout.yaml"), &json!("abx validate"))
    );
    project.ok(&["new", "flag", "checkout", "--yes"]);
    assert!(project.path("experiments/flag-checkout.yaml").is_file(), "the other has its key");
    project.ok(&[
        "new",
        "flag",
        "size",
        "--variants",
        "s,m,1",
        "--owner",
        "web: team #1",
        "--unit",
        "account.id",
        "--yes",
    ]);
    project.ok(&[
        "new",
        "experiment",
        "true",
        "--variants",
        "1,null,a-b",
        "--event",
        "Order \"<UNIT>\" placed",
        "--yes",
    ]);
    project.ok(&[
        "new",
        "segment",
        "eu",
        "--values",
        "AT,DE,NO,true,7",
        "--attribute",
        "user.country",
        "--yes",
    ]);
    project.ok(&["new", "layer", "cart", "--unit", "account.id", "--yes"]);
    let valid = project.report(&["validate"]);
    let codes: Vec<_> = valid["findings"].as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
    assert_eq!(codes, ["unused-segment"], "{valid}");
    let of = |file: &str| parse(&project.read(file)).documents[0].0.clone();
    let size = of("experiments/size.yaml");
    assert_eq!((&size["owner"], &size["unit"]), (&json!("web: team #1"), &json!("account.id")));
    assert_eq!((&size["variants"][2]["value"], &size["default_variant"]), (&json!("1"), &json!("s")));
    let odd = of("experiments/true.yaml");
    assert_eq!((&odd["experiment"], &odd["variants"][1]["key"]), (&json!("true"), &json!("null")));
    assert_eq!(odd["metrics"][0]["event"], "Order \"<UNIT>\" placed");
    let catalog = of("experiments/catalog.yaml");
    let values = &catalog["catalog"]["segments"][1]["when"][0]["value"];
    assert_eq!(values, &json!(["AT", "DE", "NO", true, 7]));
    assert_eq!(catalog["catalog"]["layers"][1], json!({"key": "cart", "unit": "account.id"}));
    let template = include_str!("../templates/init/experiments/catalog.yaml");
    let text = project.read("experiments/catalog.yaml");
    assert!(template.lines().all(|line| text.contains(line)), "comments stay: {text}");
    for file in ["checkout.yaml", "flag-checkout.yaml", "size.yaml", "true.yaml"] {
        let text = project.read(&format!("experiments/{file}"));
        assert!(text.starts_with("# yaml-language-server: $schema=../abx.schema.json\n"), "{text}");
    }
}

#[test]
fn what_is_new_needs_no_project() {
    for kind in ["experiment", "flag", "segment", "layer"] {
        let project = Project::empty();
        let shown = project.ok(&["new", kind, "first"]);
        assert!(shown.ends_with("nothing was written: add --yes\n"), "{shown}");
        assert_eq!(project.files().len(), 0);
        project.ok(&["new", kind, "first", "--yes"]);
        project.ok(&["validate"]);
        assert_eq!(project.files().len(), 1);
        let text = project.read(&format!(
            "experiments/{}.yaml",
            if kind == "segment" || kind == "layer" { "catalog" } else { "first" }
        ));
        assert!(!text.contains('<') && !text.contains("$schema"), "{text}");
        let said = project.fails(&["new", kind, "first", "--yes"], 2);
        assert!(said.contains(&format!("the {kind} `first` exists: experiments/")), "{said}");
        assert!(said.contains(".yaml:"), "{said}");
    }
    let project = Project::empty();
    assert!(
        project.fails(&["new", "flag", "f", "docs", "--yes"], 3).contains("docs: no such file or folder")
    );
    fs::create_dir(project.path("docs")).unwrap();
    project.ok(&["new", "flag", "f", "docs", "--yes"]);
    assert!(project.path("docs/f.yaml").is_file());
}

#[test]
fn what_does_not_fit_is_refused() {
    let project = Project::new();
    let before = project.files();
    for (args, said) in [
        (&["new", "flag", "Dark Mode", "--yes"][..], "a key has 1 to 64 of a-z"),
        (&["new", "flag", "../f", "--yes"], "a key has 1 to 64 of a-z"),
        (&["new", "flag", "", "--yes"], "a key has 1 to 64 of a-z"),
        (
            &["new", "flag", "f", "--event", "x", "--yes"],
            "a flag has no --event\n  help: --event is an option of `abx new experiment`",
        ),
        (&["new", "layer", "l", "--values", "x", "--yes"], "a layer has no --values"),
        (&["new", "experiment", "e", "--variants", "a,B", "--yes"], "a key has 1 to 64 of a-z"),
        (
            &["new", "experiment", "e", "--variants", "a,a", "--yes"],
            "the result would be wrong: experiments/e.yaml:",
        ),
        (&["new", "experiment", "e", "-", "--yes"], "standard input cannot be written to"),
        (&["new", "experiment", "e", "@head", "--yes"], "only files can be written to"),
        (
            &["new", "segment", "employees", "--yes"],
            "the segment `employees` exists: experiments/catalog.yaml:8:",
        ),
    ] {
        let message = project.fails(args, 2);
        let line = said.trim_end_matches(':');
        assert!(message.contains(line), "{args:?}: {message}");
    }
    assert_eq!(project.files(), before);
}

#[test]
fn parts_are_added_to_any_catalog_that_is_understood() {
    let item = "{attribute: country, operator: in, value: [DE]}";
    for (catalog, expected) in [
        ("catalog:\n", format!("catalog:\n  segments:\n    - key: new\n      when:\n        - {item}\n")),
        (
            "catalog: # ours\n",
            format!("catalog: # ours\n  segments:\n    - key: new\n      when:\n        - {item}\n"),
        ),
        (
            "catalog:\n    description: ours\n\n# end\n",
            format!(
                "catalog:\n    description: ours\n    segments:\n      - key: new\n        when:\n          - {item}\n\n# end\n"
            ),
        ),
        (
            "catalog:\n  segments: [] # none\n  description: ours\n",
            format!(
                "catalog:\n  segments:  # none\n    - key: new\n      when:\n        - {item}\n  description: ours\n"
            ),
        ),
        (
            "catalog:\r\n  segments:\r\n  - key: a\r\n    when: []\r\n    # why\r\n",
            format!(
                "catalog:\r\n  segments:\r\n  - key: a\r\n    when: []\r\n    # why\r\n  - key: new\r\n    when:\r\n      - {item}\r\n"
            ),
        ),
        (
            "catalog: {segments: [{key: a, when: []}]}\n",
            format!("catalog: {{segments: [{{key: a, when: []}}, {{key: new, when: [{item}]}}]}}\n"),
        ),
    ] {
        let project = Project::with(&[("experiments/shared.yaml", catalog)]);
        project.ok(&["new", "segment", "new", "--yes"]);
        assert_eq!(project.read("experiments/shared.yaml"), expected, "{catalog}");
    }
    for catalog in ["catalog: {}\n", "catalog: {description: ours}\n", "catalog: {segments: []}\n"] {
        let project = Project::with(&[("experiments/shared.yaml", catalog)]);
        let said = project.fails(&["new", "segment", "new", "--yes"], 2);
        assert!(said.contains("the layout of `catalog` cannot be edited safely"), "{catalog}: {said}");
        assert!(
            said.contains(&format!("segments:\n    - key: new\n      when:\n        - {item}")),
            "{said}"
        );
        assert_eq!(project.read("experiments/shared.yaml"), catalog);
    }
}

#[test]
fn all_documents_are_listed() {
    let project = Project::new();
    fs::write(
        project.path("experiments/broken.yaml"),
        "experiment: broken\nowner: ana\nstatus: activ\nvariants: [{key: a}, {key: b}]\n",
    )
    .unwrap();
    let report: Value = serde_json::from_str(&project.ok(&["list", "--json"])).unwrap();
    assert_eq!(report, project.report(&["list"]));
    assert_eq!(
        (&report["kind"], &report["schema"], &report["errors"]),
        (&json!("list"), &json!(1), &json!(1))
    );
    let rows: Vec<String> = report["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {} {}:{}",
                text("kind"),
                text("key"),
                text("status"),
                text("owner"),
                text("file"),
                row["line"]
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "experiment broken activ ana experiments/broken.yaml:1",
            "experiment signup_button active growth@example.com experiments/signup_button.yaml:6",
            "flag new_dashboard enabled growth@example.com experiments/new_dashboard.yaml:5",
            "segment employees - - experiments/catalog.yaml:8",
            "layer signup_page - - experiments/catalog.yaml:15",
            "tests signup_button - - experiments/tests/first.yaml:6",
            "tests new_dashboard - - experiments/tests/first.yaml:24",
        ]
    );
    fs::remove_file(project.path("experiments/broken.yaml")).unwrap();
    project.ok(&["publish", "--yes"]);
    let published = project.report(&["list", "@head"]);
    assert_eq!(published["documents"].as_array().unwrap().len(), 4, "tests are not published");
    let long = "k".repeat(64);
    fs::write(
        project.path("experiments/long.yaml"),
        format!("flag: {long}\nenabled: false\nowner: somebody.with.a.long.name@example.com\n"),
    )
    .unwrap();
    for folder in ["experiments", concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments")] {
        let text = project.ok(&["list", folder]);
        // A key and an owner are never cut.
        let too_long: Vec<&str> =
            text.lines().filter(|line| line.chars().count() > 80 && !line.contains(folder)).collect();
        assert_eq!(too_long, [""; 0], "{text}");
    }
}

/// As pre-commit names them: those that changed.
#[test]
fn files_that_are_named_alone_are_checked_with_their_folder() {
    let project = Project::new();
    project.ok(&["new", "experiment", "other", "--yes"]);
    fs::write(project.path("experiments/broken.yaml"), "experiment: broken\nstatus: often\n").unwrap();
    for (files, documents) in [
        (&["experiments/signup_button.yaml"][..], 1),
        (&["experiments/new_dashboard.yaml", "experiments/tests/first.yaml"], 3),
        (&["./experiments/catalog.yaml"], 1),
    ] {
        let report = project.report(&[&["validate"], files].concat());
        assert_eq!(
            (&report["files"], &report["documents"]),
            (&json!(files.len()), &json!(documents)),
            "{report}"
        );
        assert_eq!(report["findings"], json!([]), "{files:?}");
    }
    assert_eq!(project.run(&["validate", "experiments/broken.yaml"]).status.code(), Some(1));
    // What contradicts another file is found, whichever of the two is named.
    fs::write(project.path("experiments/again.yaml"), project.read("experiments/other.yaml")).unwrap();
    for file in ["experiments/again.yaml", "experiments/other.yaml"] {
        let output = project.run(&["validate", file]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && text.contains("duplicate-key"), "{file}: {text}");
        assert!(text.ends_with("explain-code duplicate-key\n"), "nothing about broken.yaml: {text}");
    }
}

#[test]
fn a_file_without_its_folder_says_what_it_lacks() {
    let flag = "flag: f\nenabled: true\nrules:\n  - when: [{segment: staff}]\n    serve: on\n";
    let catalog = "catalog:\n  segments:\n    - {key: staff, when: [{attribute: plan, operator: equals, value: pro}]}\n";
    let project =
        Project::with(&[("alone/f.yaml", flag), ("own/f.yaml", flag), ("own/catalog.yaml", catalog)]);
    let alone = String::from_utf8(project.run(&["validate", "alone/f.yaml"]).stdout).unwrap();
    assert!(alone.contains("no segment is defined in the files that were read"), "{alone}");
    let own = String::from_utf8(project.run(&["validate", "own/f.yaml"]).stdout).unwrap();
    assert_eq!(own, "1 document in 1 file: nothing wrong\n");
}
