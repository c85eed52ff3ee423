//! Files that a person, an editor, a merge or an enemy may produce. The real command reads each of them, says
//! what is wrong and where, and stays within 50 ms of CPU and 32 MiB of memory.

mod budget;

use abx_cli::source::Corpus;
use abx_core::Subject;
use abx_core::decide::FlagReason;
use budget::{Place, Ran};
use jiff::Timestamp;
use serde_json::Map;
use std::time::{Duration, Instant};

/// Every finding, as `code line:column`, in the order of the file.
fn expect(name: &str, text: impl AsRef<[u8]>, findings: &[&str]) {
    expect_repeated(name, text, 1, findings);
}

/// The same for a text so many times.
fn expect_repeated(name: &str, text: impl AsRef<[u8]>, times: usize, findings: &[&str]) {
    let ran = Ran::over(&["--format", "json"], text.as_ref(), times);
    let report = ran.report();
    let found: Vec<_> = report.findings.iter().map(Place::to_string).collect();
    assert_eq!(found, findings, "{name}");
    assert_eq!(ran.exit, i32::from(report.errors > 0), "{name}");
    ran.assert_cheap(name);
}

/// Checks the number of findings.
fn expect_count(name: &str, text: impl AsRef<[u8]>, count: usize) {
    let ran = Ran::over(&["--format", "json"], text.as_ref(), 1);
    assert_eq!(ran.report().findings.len(), count, "{name}");
    assert_eq!(ran.exit, 1, "{name}");
    ran.assert_cheap(name);
}

/// An experiment without mistakes.
const GOOD: &str = "experiment: a\nstatus: draft\nvariants: [{key: x}, {key: y}]\n";

/// A flag whose conditions are these.
fn flag_with(conditions: &str) -> String {
    format!("flag: f\nenabled: true\nrollout_percentage: 50\ntargeting_rules:\n{conditions}")
}

#[test]
fn nesting_of_any_style_is_refused_where_it_gets_too_deep() {
    let many = 100_000;
    expect("flow lists", format!("a: {}", "[".repeat(many)), &["too-deep 1:52"]);
    expect("closed flow lists", "[".repeat(many) + &"]".repeat(many), &["too-deep 1:49"]);
    expect("flow mappings", "{a: ".repeat(60_000), &["too-deep 1:193"]);
    expect("lists on a line", "- ".repeat(many), &["too-deep 1:97"]);
    expect("keys of keys", "? ".repeat(many), &["unsupported-yaml 1:3"]);
    let indented: String = (0..700).map(|depth| " ".repeat(depth) + "a:\n").collect();
    expect("indentation", indented, &["too-deep 49:49"]);
    let nested = "    not: {".to_owned() + &"not: {".repeat(60) + &"}".repeat(61);
    expect("conditions", flag_with(&format!("  -\n{nested}\n")), &["too-deep 6:280"]);
}

#[test]
fn aliases_stand_for_a_bounded_number_of_values() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.extend([format!("a{level}: &a{level} [{aliases}]\n")]);
    }
    expect("billion laughs", laughs, &["alias-budget 4:9"]);
    let list = format!("a: &a x\nb: [{}*a]\n", "*a, ".repeat(50_000));
    expect("alias list", list, &["alias-budget 2:40001"]);
    let long = format!("a: &a '{}'\nb: [{}*a]\n", "x".repeat(100_000), "*a, ".repeat(9_000));
    expect("a long text often", long, &["alias-budget 2:13"]);
    let nested = "&a [".repeat(40) + &"x, ".repeat(30_000) + &"]".repeat(40);
    expect("anchors in anchors", nested, &["alias-budget 1:160"]);
    expect("an alias of what is around it", "a: &a [*a]\n", &["alias-budget 1:8"]);
    expect("an alias of nothing", "a: *b\n", &["yaml-syntax 1:4"]);
    let good =
        "experiment: a\nstatus: draft\nvariants: [&x {key: x}, {key: y}]\noverrides: {u: &v x, w: *v}\n";
    expect("a use of aliases", good, &[]);
}

#[test]
fn a_field_is_written_once() {
    expect("twice", "flag: f\nenabled: true\nenabled: false\n", &["duplicate-field 3:1"]);
    expect(
        "twice in flow",
        "flag: f\nenabled: true\noverrides: {u: on, u: off}\n",
        &["duplicate-field 3:20"],
    );
    expect_count("often", format!("flag: f\n{}", "enabled: true\n".repeat(1_001)), 1_000);
}

#[test]
fn marks_and_line_ends_of_other_systems_are_fine() {
    expect("BOM", format!("\u{feff}{GOOD}"), &[]);
    expect("BOM and a mistake", "\u{feff}flog: f\n", &["unknown-kind 1:1"]);
    expect("CRLF", GOOD.replace('\n', "\r\n"), &[]);
    expect("CRLF and a mistake", "flag: f\r\nenabled: maybe\r\n", &["wrong-type 2:10"]);
    expect("CR", GOOD.replace('\n', "\r"), &[]);
    expect("UTF-16", b"\xff\xfef\0l\0a\0g\0", &["not-text 1:1"]);
    expect("columns are characters", "flag: f\nenabled: {äöü: true, é: 1}\n", &["wrong-type 2:1"]);
    expect("after wide characters", "flag: f\nowner: [日本語, ü]\nenabled: true\n", &["wrong-type 2:1"]);
}

#[test]
fn bytes_that_are_no_text_are_found_where_they_are() {
    expect("NUL", "flag: f\nenabled: tr\0ue\n", &["not-text 2:12"]);
    expect("escape", "flag: f\nowner: \u{1b}[31mred\n", &["not-text 2:8"]);
    expect("not UTF-8", b"flag: f\nowner: m\xfcller\n", &["not-text 2:9"]);
    expect("half a character", b"flag: \xe2\x82", &["not-text 1:7"]);
    expect("tabs", "flag: f\nenabled: true\nrules:\n\t- serve: on\n", &["yaml-syntax 4:2"]);
}

#[test]
fn what_holds_no_document_is_said_to() {
    expect("empty", "", &["unknown-kind 1:1"]);
    expect("blank lines", "\n\n\n", &["unknown-kind 1:1"]);
    expect("comments", "# a\n# b\n", &["unknown-kind 1:1"]);
    expect("end of nothing", "---\n...\n", &["unknown-kind 1:1"]);
    expect("a text", "hello\n", &["unknown-kind 1:1"]);
    expect("a list", "- flag: f\n  enabled: true\n", &["unknown-kind 1:3"]);
    expect("another tool's file", "name: CI\non: [push]\n", &["unknown-kind 1:1"]);
}

#[test]
fn documents_of_a_file_stand_alone() {
    let two = format!("{GOOD}---\nflag: f\nenabled: true\nrollout_percentage: 5\n");
    expect("two", &two, &[]);
    let bad_first = format!("flag: \"f\nenabled: true\n---\n{GOOD}");
    expect("a bad one first", bad_first, &["yaml-syntax 2:1"]);
    let bad_between = format!("{GOOD}---\nflag: f\nenabled: maybe\n---\nflag: g\nenabled: true\n");
    expect("a bad one between", bad_between, &["wrong-type 6:10"]);
    expect("many empty ones", "---\n".repeat(60_000), &["too-large 32769:4"]);
    expect_count("the same", format!("{GOOD}---\n").repeat(1_001), 1_000);
}

#[test]
fn files_have_a_size() {
    let line = "# 0123456789012345678901234567890123456789\n";
    expect_repeated("300 KB", line, 7_000, &["too-large 1:1"]);
    expect_repeated("10 MB", line, 240_000, &["too-large 1:1"]);
    expect_repeated("10 MB without a line", "x", 10_000_000, &["too-large 1:1"]);
    expect("just not too large", format!("{GOOD}{}", line.repeat(6_000)), &[]);
    let long =
        format!("flag: f\nenabled: true\nrollout_percentage: 1\ndescription: {}\n", "é".repeat(100_000));
    expect("a long line", &long, &[]);
    let list = |values: usize| format!("flag: f\nenabled: [{}x]\n", "x, ".repeat(values));
    expect("a long list", list(32_000), &["wrong-type 2:1"]);
    expect("more values than that", list(66_000), &["too-large 2:98300"]);
    let line = format!("{GOOD}description: [{}x]\n", "é".repeat(100_000));
    expect("a mistake in a long line", line, &["wrong-type 4:1"]);
}

#[test]
fn numbers_are_finite() {
    let with = |number: &str| format!("flag: f\nenabled: true\nrollout_percentage: {number}\n");
    for number in [".nan", ".NaN", ".inf", "-.inf", "+.Inf", "1e400", "-1e999", &"9".repeat(400)] {
        expect(number, with(number), &["non-finite-number 3:21"]);
    }
    for number in ["-1", "100.001"] {
        expect(number, with(number), &["allocation-range 3:21"]);
    }
    expect("a small one", with("1e-400"), &["no-traffic 3:21"]);
    expect("nan is a text", with("nan"), &["wrong-type 3:21"]);
}

#[test]
fn shares_sum_to_one() {
    let with = |share: &str| {
        format!(
            "experiment: a\nstatus: draft\nvariants:\n- {{key: x, allocation: {share}}}\n- {{key: y, allocation: 0.5}}\n"
        )
    };
    expect("0.999", with("0.499"), &["allocation-normalised 3:1"]);
    expect("0.9", with("0.4"), &["allocation-sum 3:1"]);
    expect("1.1", with("0.6"), &["allocation-sum 3:1"]);
    expect("1", with("0.5"), &[]);
    expect("negative", with("-0.5"), &["allocation-range 4:24"]);
}

#[test]
fn expressions_are_linear_and_small() {
    let with =
        |regex: &str| flag_with(&format!("  - {{attribute: a, operator: matches, value: '{regex}'}}\n"));
    expect("catastrophic elsewhere", with("(a+)+$"), &[]);
    expect("large when compiled", with("a{1000}{1000}"), &["invalid-regex 5:46"]);
    expect("unicode", with(r"\pL{900}"), &["invalid-regex 5:46"]);
    expect("look-around", with("(?=a)"), &["invalid-regex 5:46"]);
    expect("open", with("(a"), &["invalid-regex 5:46"]);
    expect("nested", with(&("(".repeat(20_000) + &")".repeat(20_000))), &["invalid-regex 5:46"]);
}

#[test]
fn no_text_makes_an_expression_slow() {
    let flag = flag_with("  - {attribute: a, operator: matches, value: '(a+)+$'}\n");
    let catalog = Corpus::from_texts([("f.yaml", flag)]).compile().catalog;
    let attributes = Map::from_iter([("a".to_owned(), ("a".repeat(100_000) + "!").into())]);
    let started = Instant::now();
    let evaluation = catalog.evaluate("f", &Subject::new("u", &attributes), Timestamp::UNIX_EPOCH);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "back-tracking would take longer than the universe has"
    );
    assert_eq!(evaluation.reason, FlagReason::TargetingRulesNotMet);
}

#[test]
fn units_and_keys_say_something() {
    expect("an empty unit", format!("{GOOD}unit: ''\n"), &["blank-text 4:7"]);
    expect("a blank salt", format!("{GOOD}salt: ' '\n"), &["blank-text 4:7"]);
    expect("an override of nobody", format!("{GOOD}overrides: {{'': x}}\n"), &["blank-text 4:1"]);
    expect("an empty key", GOOD.replacen(" a\n", " ''\n", 1), &["invalid-key 1:13"]);
    expect("no key", GOOD.replacen(" a\n", "\n", 1), &["wrong-type 1:1"]);
    expect("a number for a key", GOOD.replacen(" a\n", " 1\n", 1), &["wrong-type 1:13"]);
    expect("a look-alike", GOOD.replacen(" a\n", " а\n", 1), &["invalid-key 1:13"]);
}

#[test]
fn yaml_beyond_documents_is_refused() {
    expect("a tag", "flag: !!str f\nenabled: true\n", &["unsupported-yaml 1:7"]);
    expect("a tag of one's own", "flag: f\nenabled: !x true\n", &["unsupported-yaml 2:10"]);
    expect("a list for a name", "flag: f\n? [a]\n: b\n", &["unsupported-yaml 2:3"]);
    expect("a mapping for a name", "{a: 1}: x\n", &["unsupported-yaml 1:1"]);
    expect("a merge", "flag: f\nenabled: true\n<<: {owner: me}\n", &["unsupported-yaml 3:1"]);
    expect("a directive", "%YAML 3.7\n---\nflag: f\nenabled: true\n", &["yaml-syntax 1:1"]);
    expect("an open quote", "flag: f\nowner: \"me\nenabled: true\n", &["yaml-syntax 3:1"]);
    expect("an open list", "flag: f\nrules: [a, b\nenabled: true\n", &["yaml-syntax 3:1"]);
    expect("a colon in a text", "flag: f\ndescription: note: this\n", &["yaml-syntax 2:18"]);
}

#[test]
fn words_of_older_yaml_are_texts() {
    expect("on", "flag: f\nenabled: on\n", &["wrong-type 2:10"]);
    expect("yes", "flag: f\nenabled: yes\n", &["wrong-type 2:10"]);
    expect("on as a name", "flag: f\nenabled: true\non: x\n", &["unknown-field 3:1"]);
    let good =
        "flag: f\nenabled: true\ndefault_variant: off\noverrides: {u: on, no: off}\nrollout_percentage: 5\n";
    expect("on and off as variants", good, &[]);
}

#[test]
fn a_thousand_mistakes_are_all_found() {
    let variant = "- {key: A B, allocaton: 0.5, payload: {x: .nan}}\n";
    let text = format!("experiment: a\nstatus: draft\nvariants:\n{}", variant.repeat(350));
    expect_count("of three kinds", text, 1_050);
    let unknown = (0..1_000).map(|number| format!("field_{number}: 1\n")).collect::<Vec<_>>().concat();
    expect_count("unknown fields", format!("{GOOD}{unknown}"), 1_000);
    let names = (0..1_000).map(|number| format!("u{number}: x, ")).collect::<Vec<_>>().concat();
    expect_count("names written twice", format!("{GOOD}overrides: {{{names}{names}}}\n"), 1_000);
}

#[test]
fn tests_may_stand_for_a_bounded_number_of_combinations() {
    let values = "x, ".repeat(100);
    let case = format!("- {{matrix: {{a: [{values}], b: [{values}]}}, expect: {{value: true}}}}\n");
    let tests =
        |cases: usize| format!("flag: f\nenabled: true\n---\ntests: f\ncases:\n{}", case.repeat(cases));
    expect("10,000", tests(1), &[]);
    expect("1,500,000", tests(150), &["matrix-invalid 5:1"]);
    let list = format!("tests: f\ncases: [{}]\n", "{}, ".repeat(1_000));
    expect_count("tests of nothing", list, 1_001);
}

#[test]
fn every_format_is_cheap() {
    let line = format!("experiment: a\nstatus: draft\nvariants: [{}]\n", "{key: A}, ".repeat(1_000));
    for format in ["human", "json", "sarif", "github", "junit"] {
        let ran = Ran::over(&["--format", format], line.as_bytes(), 1);
        assert_eq!(ran.exit, 1, "{format}");
        let length = std::fs::metadata(&ran.output).expect("the output is there").len();
        assert!(length < 1_000_000, "{format}: {length}");
        ran.assert_cheap(format);
    }
}
