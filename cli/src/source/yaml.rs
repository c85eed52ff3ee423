//! YAML text becomes values and marks, within limits.
//!
//! The parser under serde-saphyr is used rather than its deserialiser, because findings about meaning need the
//! places of all values, not only those of errors; and because budgets, duplicate keys and recovery at the
//! next document are decided here. `serde_yaml` is archived, and takes a minute for some files of 200 KB.

use super::builder::{Builder, MAX_DEPTH, too_deep};
use super::mark::Mark;
use abx_core::finding::Code;
use granit_parser::{Parser, ScanError, options};
use serde_json::Value;
use std::ops::Range;

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// What a text holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents that could be parsed, and where their values are.
    pub documents: Vec<(Value, Mark)>,
    /// What could not be.
    pub faults: Vec<Fault>,
}

/// Something in a text that is not YAML, or not the YAML of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of thing.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Where: bytes of the text.
    pub span: Range<usize>,
    /// How to mend it.
    pub help: Option<String>,
    /// An earlier place that it is about.
    pub related: Option<(Range<usize>, String)>,
}

impl Fault {
    pub(super) fn new(code: Code, span: Range<usize>, message: impl Into<String>, help: &str) -> Self {
        Self { code, message: message.into(), span, help: Some(help.to_owned()), related: None }
    }
}

/// Parses a text. A document that is not YAML leaves a fault, and parsing goes on at the next `---`.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    if let Some(fault) = control_character(text) {
        parsed.faults.push(fault);
        return parsed;
    }
    let options = options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut values = 0;
    loop {
        let mut builder = Builder::after(values);
        let mut ended = true;
        while let Some(next) = parser.next_event() {
            let step = match next {
                Ok((event, span)) => {
                    let bytes = span.byte_range().unwrap_or_default();
                    builder.take(event, bytes, span.tag_span().and_then(|tag| tag.byte_range()))
                }
                Err(error) => Err(Some(syntax(&error, text))),
            };
            match step {
                Ok(None) => {}
                Ok(Some(document)) => parsed.documents.push(document),
                Err(fault) => {
                    ended = false;
                    parsed.faults.extend(fault);
                    break;
                }
            }
        }
        values = builder.values();
        parsed.faults.append(&mut builder.faults);
        // What is not YAML may be followed by what is; who breaks a budget is not read any further.
        let over_budget =
            |fault: &Fault| matches!(fault.code, Code::TooDeep | Code::TooLarge | Code::AliasBudget);
        if ended || parsed.faults.iter().any(over_budget) || !parser.proceed_next_document().unwrap_or(false)
        {
            return parsed;
        }
    }
}

fn control_character(text: &str) -> Option<Fault> {
    let is_bad = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    let at = text.bytes().position(is_bad)?;
    let byte = text.as_bytes().get(at).copied().unwrap_or_default();
    let message = format!("the file holds the control character U+{byte:04X}");
    Some(Fault::new(Code::NotText, at..at + 1, message, "delete it; it is invisible in most editors"))
}

fn syntax(error: &ScanError, text: &str) -> Fault {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let start = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let length = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    // The marker stands at the tab, or behind it.
    let before = text.get(line_start..start).unwrap_or_default();
    let at_tab = text.get(start..).is_some_and(|rest| rest.starts_with('\t'));
    let help = if before.trim().is_empty() && (at_tab || before.contains('\t')) {
        "YAML indents with spaces, never with tabs"
    } else {
        "check the indentation, and quote texts that hold `: `, `#`, `{` or `[`"
    };
    let kind = error.kind().to_string();
    if kind.contains("nesting") || kind.contains("recursion") {
        return too_deep(start);
    }
    Fault::new(Code::YamlSyntax, start..start + length, error.info(), help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(text: &str) -> Vec<Value> {
        let parsed = parse(text);
        assert_eq!(parsed.faults, [], "{text}");
        parsed.documents.into_iter().map(|(value, _)| value).collect()
    }

    fn faults(text: &str) -> Vec<(Code, &str)> {
        let parsed = parse(text);
        parsed.faults.into_iter().map(|it| (it.code, text.get(it.span).unwrap_or("?"))).collect()
    }

    #[test]
    fn every_style_gives_the_same_values() {
        let block = "a:\n  - 1\n  - b: 'on'\n    c: |\n      two\n      lines\n";
        let flow = "{a: [1, {b: \"on\", c: \"two\\nlines\\n\"}]}";
        assert_eq!(values(block), [json!({"a": [1, {"b": "on", "c": "two\nlines\n"}]})]);
        assert_eq!(values(flow), values(block));
    }

    #[test]
    fn documents_end_at_three_dashes_and_empty_ones_are_none() {
        assert_eq!(values("a: 1\n---\n---\n# nothing\n---\nb: 2\n...\n"), [json!({"a": 1}), json!({"b": 2})]);
    }

    #[test]
    fn a_document_that_is_not_yaml_costs_no_other() {
        let parsed = parse("a: 1\n---\nb: [\n---\nc: 3\n");
        assert_eq!(parsed.faults.len(), 1);
        let values: Vec<_> = parsed.documents.into_iter().map(|(value, _)| value).collect();
        assert_eq!(values, [json!({"a": 1}), json!({"c": 3})]);
    }

    #[test]
    fn an_alias_is_its_anchors_value_at_its_own_place() {
        let text = "a: &x [1, 2]\nb: *x\n";
        let parsed = parse(text);
        let (value, mark) = parsed.documents.first().expect("a document");
        assert_eq!(*value, json!({"a": [1, 2], "b": [1, 2]}));
        assert_eq!(
            text.get(mark.locate("b[1]", Code::WrongType)),
            Some("2"),
            "the value stands at the anchor"
        );
        assert_eq!(text.get(mark.locate("b", Code::WrongType)), Some("b"));
    }

    #[test]
    fn anchors_do_not_reach_into_the_next_document() {
        assert_eq!(faults("a: &x 1\n---\nb: *x\n"), [(Code::YamlSyntax, "*")]);
    }

    #[test]
    fn the_first_of_two_fields_is_kept_and_the_second_is_marked() {
        let parsed = parse("a: 1\na: 2\n");
        assert_eq!(parsed.documents.first().map(|(value, _)| value.clone()), Some(json!({"a": 1})));
        assert_eq!(parsed.faults.first().map(|it| it.span.clone()), Some(5..6));
    }

    #[test]
    fn anchors_inside_anchors_are_bounded() {
        let text = "&a [".repeat(40) + &"x, ".repeat(1_000) + &"]".repeat(40);
        assert_eq!(faults(&text).first().map(|(code, _)| *code), Some(Code::AliasBudget));
    }

    #[test]
    fn tabs_are_told_to_be_tabs() {
        let parsed = parse("a:\n\tb: 1\n");
        let help = parsed.faults.into_iter().next().and_then(|it| it.help);
        assert_eq!(help.as_deref(), Some("YAML indents with spaces, never with tabs"));
    }
}
