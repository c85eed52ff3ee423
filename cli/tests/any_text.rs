//! Whatever a text holds: reading it, compiling it and showing what was found never panics, and every finding
//! stands in the text.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot run has failed")]

use abx_cli::render::findings;
use abx_cli::source::{Checked, Corpus};
use proptest::prelude::*;

/// Everything that `abx validate` does with a text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let Checked { files, findings, .. } = Corpus::from_texts([("a.yaml", text), ("b.yaml", text)]).compile();
    for finding in &findings {
        let places = std::iter::once(&finding.place).chain(finding.related.iter().map(|it| &it.place));
        for place in places {
            let file = &files[place.index];
            prop_assert!(file.text.get(place.span.clone()).is_some(), "{finding:?}");
            prop_assert!((1, 1) <= (place.line, place.column), "{finding:?}");
            prop_assert!((place.line, place.column) <= (place.end_line, place.end_column), "{finding:?}");
        }
    }
    let human = findings::human(&findings, &files);
    prop_assert_eq!(human.matches(".yaml:").count() >= findings.len(), true, "{}", human);
    let sarif = serde_json::to_string(&findings::sarif(&findings)).expect("JSON");
    prop_assert!(sarif.contains("2.1.0"));
    let github = findings::github(&findings);
    prop_assert_eq!(github.lines().count(), findings.len(), "{}", github);
    prop_assert!(
        findings::junit(&findings, &files, true, jiff::Timestamp::UNIX_EPOCH).ends_with("</testsuites>\n")
    );
    Ok(())
}

/// Text that is nearly a document.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "experiment",
        "flag",
        "catalog",
        "enabled",
        "status",
        "active",
        "variants",
        "key",
        "allocation",
        "rules",
        "targeting_rules",
        "segments",
        "attribute",
        "operator",
        "matches",
        "value",
        "not",
        "ranges",
        "salt",
        "rollout_percentage",
        "overrides",
        "a",
        "1",
        "0.5",
        ".nan",
        "1e400",
        "true",
        "''",
        "\"\\u001b\"",
        "é",
        "日",
        "\u{202e}",
        "&a",
        "*a",
        "!x",
        "|",
        ">",
        "#",
        "?",
        "<<",
        "~",
        "\u{feff}",
        "\u{1b}",
        "\r",
        "%YAML",
    ]);
    let between = prop::sample::select(vec![
        ": ", ":\n  ", ":\n", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", ", ", " ", "[", "]", "{", "}",
        "\n---\n", "\r\n", "\t",
    ]);
    prop::collection::vec((word, between), 0..60)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, between)| [word, between]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn any_lines(text in "([ -~\u{e9}\u{4e00}\t]{0,30}\n){0,20}") {
        check(&text)?;
    }

    #[test]
    fn nearly_documents(text in nearly()) {
        check(&text)?;
    }

    #[test]
    fn long_lines(before in nearly(), length in 0_usize..2_000, after in nearly()) {
        check(&format!("{before}[{}{after}", "é, ".repeat(length)))?;
    }
}
