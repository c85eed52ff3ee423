//! Proves that finding codes, which are part of the API, change only on purpose: they equal a checked-in list.

use abx_core::finding::{Code, Severity};
use std::collections::HashSet;

#[test]
fn the_codes_are_those_of_the_list() {
    let listed: Vec<&str> = include_str!("data/codes.txt").lines().collect();
    let actual: Vec<String> = Code::ALL.iter().map(|code| format!("{code} {}", code.severity())).collect();
    assert_eq!(actual, listed, "codes are added to core/tests/data/codes.txt, never renamed or taken away");
}

#[test]
fn codes_are_kebab_case_and_differ() {
    let mut seen = HashSet::new();
    for code in Code::ALL {
        let plain = code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(plain, "{code}");
        assert!(seen.insert(code.as_str()), "{code} is there twice");
        assert_eq!(Code::of_word(code.as_str()), Some(code));
        assert_eq!(serde_json::to_value(code).ok(), Some(code.as_str().into()), "{code}");
    }
    assert_eq!(Code::of_word("no-such-code"), None);
}

#[test]
fn every_code_is_explained_in_sentences() {
    for code in Code::ALL {
        for text in [code.summary(), code.explanation()] {
            assert!(text.trim().len() > 10 && text.ends_with('.'), "{code}: {text:?}");
            assert!(!text.contains("  "), "{code}: {text:?}");
        }
    }
}

#[test]
fn errors_come_before_warnings() {
    assert!(Severity::Error < Severity::Warning);
}
