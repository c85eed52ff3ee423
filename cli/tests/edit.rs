//! Writing fields and ranges into a document: every layout that people use keeps its comments, quotes and line ends, and one
//! that is not understood is left alone.

use abx_cli::source::{TargetField, TargetRanges, edit_fields, edit_variants, parse};
use abx_core::hash::Range;
use proptest::prelude::*;
use serde_json::{Value, json};

fn wanted(key: &str, ranges: &[(u32, u32)]) -> TargetRanges {
    let ranges = ranges.iter().map(|(start, end)| Range { start: *start, end: *end }).collect();
    TargetRanges { key: key.to_owned(), ranges }
}

fn thirds() -> Vec<TargetRanges> {
    vec![wanted("a", &[(0, 300_000)]), wanted("b", &[(300_000, 600_000), (900_000, 1_000_000)])]
}

/// The lines that differ, with a sign each.
fn lines(text: &str, wanted: &[TargetRanges]) -> Vec<String> {
    let edited = edited(text, wanted);
    let signed = |sign: char, from: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.split('\n').collect();
        from.split('\n').filter(|line| !other.contains(line)).map(|line| format!("{sign}{line}")).collect()
    };
    [signed('-', text, &edited), signed('+', &edited, text)].concat()
}

/// The file, with the ranges written into its first document.
fn edited(text: &str, wanted: &[TargetRanges]) -> String {
    edit_variants(text, 0, wanted).unwrap_or_else(|| panic!("not edited: {text}"))
}

const A: &str = "ranges: [[0, 300000]]";
const B: &str = "ranges: [[300000, 600000], [900000, 1000000]]";

#[test]
fn shares_in_lines_are_replaced_and_comments_stay() {
    let text = "# why\nexperiment: e # key\nvariants:\n  # the old one\n  - key: a\n    allocation: 0.5   # half\n    payload: {x: 'y'} \n  - allocation: 0.5\n    key: b\n\nowner: me\n";
    assert_eq!(
        lines(text, &thirds()),
        [
            "-    allocation: 0.5   # half".to_owned(),
            "-  - allocation: 0.5".to_owned(),
            format!("+    {A}   # half"),
            format!("+  - {B}"),
        ]
    );
}

#[test]
fn shares_and_ranges_are_replaced_in_any_layout() {
    let quoted = B.replace("ranges", "\"ranges\"");
    for (layout, text, expected) in [
        (
            "line ends of Windows stay",
            "experiment: e\r\nvariants:\r\n- key: a\r\n- key: b\r\n  description: x\r\n",
            format!(
                "experiment: e\r\nvariants:\r\n- key: a\r\n  {A}\r\n- key: b\r\n  {B}\r\n  description: x\r\n"
            ),
        ),
        (
            "shares in braces are replaced in place",
            "experiment: e\nvariants:\n  - {key: a, allocation: 0.2} # small\n  - { \"key\": \"b\", \"allocation\":0.8 , payload: 1 }",
            format!(
                "experiment: e\nvariants:\n  - {{key: a, {A}}} # small\n  - {{ \"key\": \"b\", {quoted} , payload: 1 }}"
            ),
        ),
        (
            "a document in one line",
            "{experiment: e, variants: [{key: a}, {key: b}]}\n",
            format!("{{experiment: e, variants: [{{key: a, {A}}}, {{key: b, {B}}}]}}\n"),
        ),
        (
            "equal ranges stay",
            "experiment: e\nvariants:\n  - key: a\n    ranges: [ [0,  300000] ] # mine\n  - key: b\n    ranges:\n      - [300000, 500000]\n      - [500000, 1000000]\n    payload: 1\n",
            format!(
                "experiment: e\nvariants:\n  - key: a\n    ranges: [ [0,  300000] ] # mine\n  - key: b\n    {B}\n    payload: 1\n"
            ),
        ),
    ] {
        assert_eq!(edited(text, &thirds()), expected, "{layout}");
    }
}

#[test]
fn other_documents_of_the_file_stay() {
    let text = "flag: f\nenabled: true\n---\nexperiment: e\nvariants: [{key: a}, {key: b}] # two\n---\nexperiment: x\nvariants: [{key: a}, {key: b}]\n";
    let edited = edit_variants(text, 1, &thirds()).expect("it is edited");
    assert_eq!(edited, text.replacen("{key: a}, {key: b}", &format!("{{key: a, {A}}}, {{key: b, {B}}}"), 1));
}

#[test]
fn variants_are_added_behind_the_last() {
    let three =
        [wanted("a", &[(0, 1)]), wanted("b", &[(1, 2)]), wanted("on", &[(2, 3)]), wanted("7", &[(3, 4)])];
    for (layout, text, end) in [
        (
            "lines",
            "experiment: e\nvariants:\n  - key: a\n    # of a\n  - key: b # last\n    # of b\n# of nobody\nowner: me\n",
            "  - key: b # last\n    ranges: [[1, 2]]\n    # of b\n  - key: on\n    ranges: [[2, 3]]\n  - key: \"7\"\n    ranges: [[3, 4]]\n# of nobody\nowner: me\n",
        ),
        (
            "braces",
            "experiment: e\nvariants:\n  - {key: a}\n  - {key: b}",
            "{key: b, ranges: [[1, 2]]}\n  - {key: on, ranges: [[2, 3]]}\n  - {key: \"7\", ranges: [[3, 4]]}",
        ),
        (
            "brackets",
            "experiment: e\nvariants: [\n  {key: a},\n  {key: b} # last\n  ]\n",
            "{key: b, ranges: [[1, 2]]}, # last\n  {key: on, ranges: [[2, 3]]},\n  {key: \"7\", ranges: [[3, 4]]}\n  ]\n",
        ),
        (
            "a comma at the end",
            "experiment: e\nvariants: [\n  {key: a},\n  {key: b},\n  ]\n",
            "{key: on, ranges: [[2, 3]]},\n  {key: \"7\", ranges: [[3, 4]]},\n  ]\n",
        ),
    ] {
        let edited = edited(text, &three);
        assert!(edited.ends_with(end), "{layout}: {edited}");
    }
}

#[test]
fn variants_are_dropped_with_their_lines() {
    let only = [wanted("b", &[(0, 1_000_000)])];
    let block = "experiment: e\nvariants:\n  # of a\n  - key: a\n    description: |\n      two\n      lines\n    # in a\n\n  # of b\n  - key: b\n  - key: c\n    payload: {x: 1}\nowner: me\n";
    assert_eq!(
        edited(block, &only),
        "experiment: e\nvariants:\n  # of a\n\n  # of b\n  - key: b\n    ranges: [[0, 1000000]]\nowner: me\n"
    );
    let flow = "experiment: e\nvariants: [{key: a}, {key: b}, {key: c}]\n";
    assert_eq!(edited(flow, &only), "experiment: e\nvariants: [{key: b, ranges: [[0, 1000000]]}]\n");
}

#[test]
fn what_is_not_understood_is_left_alone() {
    for text in [
        // An anchor that another document part uses: both would change.
        "experiment: e\nvariants:\n  - &x {key: a, payload: {k: &r 0.5}, allocation: 0.5}\n  - {key: b, allocation: *r, payload: *x}\n",
        "experiment: e\npayloads: &v [{key: a}, {key: b}]\nvariants: *v\n",
        // A comment among the ranges has no place in one line.
        "experiment: e\nvariants:\n  - key: a\n    ranges:\n      - [0, 500000] # mine\n      - [500000, 600000]\n  - key: b\n    ranges: [[600000, 1000000]]\n",
    ] {
        let mut wanted = thirds();
        wanted.push(wanted_new());
        assert_eq!(edit_variants(text, 0, &wanted), None, "{text}");
    }
    let own_line = "experiment: e\nvariants:\n  -\n    key: a\n  - key: b\n";
    assert_eq!(edit_variants(own_line, 0, &[wanted("b", &[(0, 1)])]), None, "the dash has a line of its own");
    assert_eq!(edit_variants("experiment: e\n", 0, &thirds()), None, "no variants");
    assert_eq!(
        edit_variants("experiment: e\nvariants: [{key: a}, {key: b}]\n", 1, &thirds()),
        None,
        "no such document"
    );
}

fn wanted_new() -> TargetRanges {
    wanted("c", &[(0, 1)])
}

/// A variant in one of the layouts that people use.
fn item(key: &str, layout: u8, share: u8) -> String {
    let share = match share {
        0 => String::new(),
        1 => "allocation: 0.25".to_owned(),
        _ => "ranges: [[1, 2], [3, 4]]".to_owned(),
    };
    let comma = if share.is_empty() { "" } else { ", " };
    match layout {
        0 => format!("  - {{key: {key}{comma}{share}}}  # {key}\n"),
        1 if share.is_empty() => format!("  # of {key}\n  - key: \"{key}\"  # it\n    payload: [1,  2]\n"),
        1 => format!("  # of {key}\n  - key: {key}\n    {share}  # it\n    payload: [1,  2]\n\n"),
        _ if share.is_empty() => format!("  - description: >-\n      folded\n      text\n    key: {key}\n"),
        _ => format!("  - {share}\n    description: 'it''s: {key}'\n    key: {key}\n"),
    }
}

proptest! {
    /// Whatever the layout, the result is the wanted value, and what is no share, key or line of a dropped variant
    /// is still there, in its order.
    #[test]
    fn every_layout_is_edited_or_left_alone(
        items in prop::collection::vec((0..4_u8, 0..3_u8, prop::bool::ANY), 1..5), add in prop::bool::ANY,
        crlf in prop::bool::ANY,
    ) {
        let keys = ["a", "b", "c", "d"];
        let lines: String = items.iter().zip(keys).map(|((layout, share, _), key)| item(key, *layout, *share)).collect();
        let mut text = format!("experiment: e # first\nvariants: # list\n{lines}# after\nowner: me\n---\nflag: f\nenabled: true\n");
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let kept = items.iter().zip(keys).filter(|((.., keep), _)| *keep);
        let mut wanted: Vec<TargetRanges> = kept.map(|(_, key)| wanted(key, &[(0, 5), (7, 9)])).collect();
        if add {
            wanted.push(wanted_new_of("new"));
        }
        prop_assume!(!wanted.is_empty());
        let edited = edit_variants(&text, 0, &wanted);
        let Some(edited) = edited else { return Err(TestCaseError::fail(format!("not edited: {text}"))) };
        let keys_now: Vec<String> = parse(&edited).documents[0].0["variants"].as_array().expect("a list").iter()
            .map(|it| it["key"].as_str().expect("a key").to_owned()).collect();
        let keys_wanted: Vec<String> = wanted.iter().map(|it| it.key.clone()).collect();
        prop_assert_eq!(keys_now, keys_wanted);
        for comment in ["# first", "# list", "# after"] {
            prop_assert!(edited.contains(comment), "{}", edited);
        }
        // Where no variant comes or goes, every line without a share is still there, byte for byte and in its order.
        if !add && items.iter().all(|(.., keep)| *keep) {
            let others = |text: &str| -> Vec<String> {
                let is_other = |line: &&str| !line.contains("allocation") && !line.contains("ranges");
                text.split('\n').filter(is_other).map(str::to_owned).collect()
            };
            let (before, after) = (others(&text), others(&edited));
            prop_assert!(after.iter().all(|line| before.contains(line)), "{:?}", edited);
        }
        prop_assert!(crlf || !edited.contains('\r'));
        prop_assert!(!crlf || edited.matches('\n').count() == edited.matches("\r\n").count(), "{:?}", edited);
    }
}

proptest! {
    /// Whatever stands in a file, it is edited to the wanted value or left alone, and nothing panics.
    #[test]
    fn any_text_is_edited_or_left_alone(
        lines in prop::collection::vec("[ ]{0,4}(- )?(key|allocation|ranges|variants|&a|\\*a|#|---)(: )?[\\[{\\]}ab,'\"|>.0-9é]{0,4}\r?", 0..12),
    ) {
        let text = format!("experiment: e\nvariants:\n{}", lines.join("\n"));
        if let Some(edited) = edit_variants(&text, 0, &[wanted("a", &[(0, 5)]), wanted("new", &[(5, 6)])]) {
            let variants = &parse(&edited).documents[0].0["variants"];
            let keys: Vec<&str> = variants.as_array().into_iter().flatten().filter_map(|it| it["key"].as_str()).collect();
            prop_assert!(keys == ["a", "new"] || keys == ["new"], "{edited}");
        }
    }
}

fn wanted_new_of(key: &str) -> TargetRanges {
    wanted(key, &[(9, 10)])
}

#[test]
fn ranges_in_another_order_are_the_same() {
    let text = "experiment: e\nvariants:\n  - {key: a, ranges: [[500000, 1000000], [0, 100000], [100000, 200000]]}\n  - {key: b, ranges: [[200000, 500000]]}\n";
    let same = [wanted("a", &[(0, 200_000), (500_000, 1_000_000)]), wanted("b", &[(200_000, 500_000)])];
    assert_eq!(edit_variants(text, 0, &same).as_deref(), Some(text));
}

/// What `abx conclude` and `abx ramp` write.
fn fields(winner: &str, traffic: Value) -> [TargetField<'static>; 3] {
    [
        TargetField { name: "status", value: json!("completed"), behind: &[] },
        TargetField { name: "winner", value: json!(winner), behind: &["status"] },
        TargetField { name: "traffic_allocation", value: traffic, behind: &["salt", "unit", "status"] },
    ]
}

#[test]
fn fields_are_replaced_or_added_in_any_layout() {
    for (layout, text, expected) in [
        (
            "lines, with comments",
            "# why\nexperiment: e # key\nstatus: active   # since May\n# of all\nunit: user_id # it\n\nvariants: [{key: b}]\n",
            "# why\nexperiment: e # key\nstatus: completed   # since May\nwinner: b\n# of all\nunit: user_id # it\ntraffic_allocation: 0.5\n\nvariants: [{key: b}]\n",
        ),
        (
            "fields that are there, in any order",
            "winner: a # not yet\ntraffic_allocation: 10% # slowly\nexperiment: e\nstatus: active",
            "winner: b # not yet\ntraffic_allocation: 0.5 # slowly\nexperiment: e\nstatus: completed",
        ),
        (
            "line ends of Windows, and none after the last",
            "experiment: e\r\nstatus: active",
            "experiment: e\r\nstatus: completed\r\nwinner: b\r\ntraffic_allocation: 0.5",
        ),
        (
            "quotes",
            "\"experiment\": \"e\"\n'status': 'active' # now\nwinner: \"a\"\nsalt: 'it''s'\n",
            "\"experiment\": \"e\"\n'status': 'completed' # now\nwinner: \"b\"\nsalt: 'it''s'\ntraffic_allocation: 0.5\n",
        ),
        (
            "values without a text",
            "experiment: e\nstatus: active\nwinner:   # soon\ntraffic_allocation: ~ # all\n",
            "experiment: e\nstatus: completed\nwinner: b   # soon\ntraffic_allocation: 0.5 # all\n",
        ),
        (
            "a value that ends the text",
            "experiment: e\nstatus: active\ntraffic_allocation: 0.5\nwinner:",
            "experiment: e\nstatus: completed\ntraffic_allocation: 0.5\nwinner: b",
        ),
        (
            "a value in lines",
            "experiment: e\nstatus: >- # now\n  active\nunit: x\n",
            "experiment: e\nstatus: >- # now\n  completed\nwinner: b\nunit: x\ntraffic_allocation: 0.5\n",
        ),
        (
            "braces",
            "{experiment: e, status: active, variants: [{key: b}]} # x\n",
            "{experiment: e, status: completed, winner: b, traffic_allocation: 0.5, variants: [{key: b}]} # x\n",
        ),
        (
            "braces over several lines",
            "{\n  experiment: e,\n  unit: user_id, # it\n  status: active # now\n}\n",
            "{\n  experiment: e,\n  unit: user_id, traffic_allocation: 0.5, # it\n  status: completed, winner: b # now\n}\n",
        ),
        (
            "JSON",
            "{\"experiment\":\"e\",\"status\":\"active\"}",
            "{\"experiment\":\"e\",\"status\":\"completed\", \"winner\": \"b\", \"traffic_allocation\": 0.5}",
        ),
        (
            "anchors and aliases",
            "experiment: &k e\nstatus: &s active # s\nsalt: *k\n",
            "experiment: &k e\nstatus: &s completed # s\nwinner: b\nsalt: *k\ntraffic_allocation: 0.5\n",
        ),
        (
            "an alias is replaced, and not what it stands for",
            "experiment: e\nowner: &o active\nstatus: *o\n",
            "experiment: e\nowner: &o active\nstatus: completed\nwinner: b\ntraffic_allocation: 0.5\n",
        ),
        (
            "an indented document",
            "---\n  experiment: e\n  status: active\n  description: |\n    two\n    lines\n...\n",
            "---\n  experiment: e\n  status: completed\n  winner: b\n  traffic_allocation: 0.5\n  description: |\n    two\n    lines\n...\n",
        ),
        (
            "a value on a line of its own",
            "experiment: e\nstatus:\n  # now\n  active # x\nunit: |-\n  user_id\n",
            "experiment: e\nstatus:\n  # now\n  completed # x\nwinner: b\nunit: |-\n  user_id\ntraffic_allocation: 0.5\n",
        ),
    ] {
        let edited = edit_fields(text, 0, &fields("b", json!(0.5)));
        assert_eq!(edited.as_deref(), Some(expected), "{layout}");
    }
}

#[test]
fn a_text_that_looks_like_something_else_is_quoted() {
    let text = "experiment: e\nstatus: active\n";
    for (winner, traffic, expected) in [
        ("7", json!("50%"), "winner: \"7\"\ntraffic_allocation: 50%\n"),
        ("true", json!(1.0), "winner: \"true\"\ntraffic_allocation: 1.0\n"),
        ("on", json!(0.000_01), "winner: on\ntraffic_allocation: 0.00001\n"),
    ] {
        let edited = edit_fields(text, 0, &fields(winner, traffic)).expect("it is edited");
        assert_eq!(edited, format!("experiment: e\nstatus: completed\n{expected}"));
    }
}

#[test]
fn fields_of_other_documents_stay() {
    let text = "tests: e\ncases: []\n---\nexperiment: d\nstatus: active\n--- # second\nexperiment: e\nstatus: active\n---\nflag: f\nenabled: true\n";
    let edited = edit_fields(text, 2, &fields("b", json!(0.5))).expect("it is edited");
    let after = "experiment: e\nstatus: completed\nwinner: b\ntraffic_allocation: 0.5\n";
    assert_eq!(edited, text.replacen("experiment: e\nstatus: active\n", after, 1));
}

#[test]
fn fields_that_are_there_change_nothing() {
    let text = "status: 'completed'\nexperiment: e\ntraffic_allocation: 0.50\nwinner: \"b\"\n";
    assert_eq!(edit_fields(text, 0, &fields("b", json!(0.5))).as_deref(), Some(text));
    assert_eq!(edit_fields(text, 0, &[]).as_deref(), Some(text));
}

#[test]
fn fields_in_a_layout_that_is_not_understood_are_left_alone() {
    for text in [
        // Another value is the same by its anchor.
        "experiment: e\nstatus: &s active\nowner: *s\n",
        "experiment: e\nstatus: \"act\\\n  ive\"\n",
        "? experiment\n: e\n? status\n: active\n",
        "experiment: e\nunit: x\n",
        "just a text\n",
        "- experiment: e\n",
        "",
    ] {
        let edited = edit_fields(text, 0, &fields("b", json!(0.5)));
        assert_eq!(edited, None, "{text}");
    }
    assert_eq!(
        edit_fields("experiment: e\nstatus: active\n", 1, &fields("b", json!(0.5))),
        None,
        "no such document"
    );
}

proptest! {
    /// Whatever stands in a file, its fields are set or it is left alone, and nothing panics.
    #[test]
    fn fields_of_any_text_are_set_or_left_alone(
        lines in prop::collection::vec("[ ]{0,2}(\\? )?(status|winner|unit|&a|\\*a|#|---|\\{|\"x\")(: )?[\\[{\\]}a,'\"|>.0-9é#&*]{0,4}\r?", 0..12),
    ) {
        let text = format!("experiment: e\nstatus: active\n{}", lines.join("\n"));
        if let Some(edited) = edit_fields(&text, 0, &fields("b", json!(0.5))) {
            let (before, after) = (parse(&text), parse(&edited));
            let value = &after.documents[0].0;
            prop_assert_eq!(&value["winner"], "b");
            prop_assert_eq!(&value["status"], "completed");
            prop_assert_eq!(&value["traffic_allocation"], 0.5);
            prop_assert_eq!(before.documents.len(), after.documents.len());
            prop_assert!(text.matches('#').count() == edited.matches('#').count(), "{}", edited);
        }
    }
}
