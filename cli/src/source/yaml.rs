//! YAML text becomes values and marks, within limits.
//!
//! The parser under serde-saphyr is used rather than its deserialiser, because findings about meaning need the
//! places of all values, not only those of errors; and because budgets, duplicate keys and recovery at the
//! next document are decided here. `serde_yaml` is archived, and takes a minute for some files of 200 KB.

use super::builder::{Builder, MAX_DEPTH, too_deep};
use super::fault::SourceFault;
use super::mark::SourceMark;
use abx_core::finding::Code;
use granit_parser::{ErrorKind, Parser, ScanError, options};
use serde_json::Value;

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// The documents and faults of a parsed text.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents that could be parsed, and where their values are.
    pub documents: Vec<(Value, SourceMark)>,
    /// The parts that could not be parsed.
    pub faults: Vec<SourceFault>,
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
        // As YAML 1.2 has it. Other readers put a line that goes on at column 0 elsewhere, or nowhere.
        strict_indentation: true,
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
            |fault: &SourceFault| matches!(fault.code, Code::TooDeep | Code::TooLarge | Code::AliasBudget);
        if ended || parsed.faults.iter().any(over_budget) || !parser.proceed_next_document().unwrap_or(false)
        {
            return parsed;
        }
    }
}

fn control_character(text: &str) -> Option<SourceFault> {
    let is_bad = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    let at = text.bytes().position(is_bad)?;
    let byte = text.as_bytes().get(at).copied().unwrap_or_default();
    let message = format!("the file holds the control character U+{byte:04X}");
    Some(SourceFault::new(Code::NotText, at..at + 1, message, "delete it; it is invisible in most editors"))
}

fn syntax(error: &ScanError, text: &str) -> SourceFault {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let start = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let length = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let before = text.get(..start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    // The marker stands at the tab, or behind it.
    let at_tab = text.get(start..).is_some_and(|rest| rest.starts_with('\t'));
    let is_indentation = line.trim_start_matches(['-', '?', ' ', '\t']).is_empty();
    let help = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return too_deep(start),
        _ if is_indentation && (at_tab || line.contains('\t')) => TABS,
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => TABS,
        ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidIndentation => {
            "indent the further lines of a value more than its field, a closing bracket too; or close what is open before"
        }
        // A backslash in double quotes begins an escape.
        _ if has_backslash(line, text.get(start..).unwrap_or_default()) => {
            "put a text with backslashes in single quotes; paths are written with `/` on every system"
        }
        _ if line.contains('\u{a0}') || text.get(start..).is_some_and(starts_with_odd_space) => {
            "there is a space here that is none (U+00A0): type it anew"
        }
        _ if text.get(start..).is_some_and(|rest| rest.starts_with("```")) => {
            "delete the line with the three backticks, which belongs to Markdown"
        }
        _ if text.get(start..).is_some_and(|rest| rest.starts_with(['@', '`', '%'])) => {
            "put a text that begins with `@`, a backtick or `%` in quotes"
        }
        ErrorKind::UnknownAnchor => "write `&name` before an earlier value of the same document",
        _ => "check the indentation, and quote texts that hold `: `, `#`, `{` or `[`",
    };
    SourceFault::new(Code::YamlSyntax, start..start + length, error.info(), help)
}

/// True if a text in double quotes, open at the end of `line`, holds a backslash in what follows on its line.
fn has_backslash(line: &str, rest: &str) -> bool {
    let rest = rest.lines().next().unwrap_or_default();
    rest.starts_with('"') && rest.contains('\\')
        || line.rsplit('"').next().is_some_and(|it| line.contains('"') && it.contains('\\'))
}

/// True if the first line holds a space that only looks like one.
fn starts_with_odd_space(rest: &str) -> bool {
    rest.lines().next().is_some_and(|line| line.contains('\u{a0}'))
}

const TABS: &str = "YAML indents with spaces, never with tabs";

#[cfg(test)]
mod tests {
    use super::*;
    use abx_core::finding::Path;
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
            text.get(mark.locate(&Path::of("b").index(1), Code::WrongType)),
            Some("2"),
            "the value stands at the anchor"
        );
        assert_eq!(text.get(mark.locate(&Path::of("b"), Code::WrongType)), Some("b"));
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
        for text in [
            "a:\n\tb: 1\n",
            "a:\n  b: 1\n\tc: 2\n",
            "a:\n\t- 1\n",
            "a:\n - b: 1\n \tc: 2\n",
            "-\t- a\n",
            "a: [1,\n\t2]\n",
            "a: [\n\t1\n ]\n",
            "a: {\n\tb: 1 }\n",
            "a: |\n\tb\n",
            "a: \"b\n\tc\"\n",
            "a: 'b\n\tc'\n",
        ] {
            let help = parse(text).faults.into_iter().next().and_then(|it| it.help);
            assert_eq!(help.as_deref(), Some(TABS), "{text:?}");
        }
    }

    #[test]
    fn what_goes_on_at_the_column_of_its_field_is_refused() {
        for text in [
            "a: [1,\n2]\n",
            "a: [\n1\n ]\n",
            "a: [\n  1\n]\n",
            "a: {b: 1,\nc: 2}\n",
            "a: {\n  b: 1\n}\n",
            "a: \"b\nc\"\n",
            "a: 'b\nc'\n",
            "a:\n  b: [1,\n  2]\n",
            "a:\n  b: \"c\n  d\"\n",
            "a: b\nc\n",
        ] {
            assert_eq!(faults(text).first().map(|(code, _)| *code), Some(Code::YamlSyntax), "{text:?}");
            let indented = parse(text).faults.into_iter().next().and_then(|it| it.help);
            assert!(indented.is_some_and(|it| it.contains("indent")), "{text:?}");
        }
        for text in [
            "{\n\"a\": [\n1\n]\n}\n",
            "[\n1\n]\n",
            "--- \"a\nb\"\n",
            "a: [\n  1\n ]\n",
            "a: \"b\n c\"\n",
            "a: {\t}\n",
            "a:\t1\t# x\n",
            "a: [1,\t2]\n",
            "a:\n - \t1\n",
            "a: [\n \t1 ]\n",
        ] {
            assert_eq!(faults(text), [], "{text:?}");
        }
    }

    #[test]
    fn an_alias_is_the_name_of_a_field_as_yaml_says() {
        let who = "owner: &who user_2\noverrides: {*who : off, b: on}\n";
        assert_eq!(values(who), [json!({"owner": "user_2", "overrides": {"user_2": "off", "b": "on"}})]);
        assert_eq!(values("a: {&u user_9: off}\nb: *u\n"), [json!({"a": {"user_9": "off"}, "b": "user_9"})]);
        let typed = "a: &n 007\n*n : 1\nb:\n  ? *n\n  : &m \"x y\"\n  *m : *n\n";
        assert_eq!(values(typed), [json!({"a": 7, "007": 1, "b": {"007": "x y", "x y": 7}})]);
        let block = "a: &t |\n  x\n? *t\n: 1\n";
        assert_eq!(values(block), [json!({"a": "x\n", "x\n": 1})]);
    }

    #[test]
    fn names_that_are_no_text_are_refused_and_cost_no_other_field() {
        assert_eq!(faults("a: &l [1]\nb: {*l : 1}\n"), [(Code::UnsupportedYaml, "*l")]);
        for text in [
            "a: {: 1, b: 2}\n",
            "a: {<<: {x: 1}, b: 2}\n",
            "a:\n  <<: [1]\n  b: 2\n",
            "a:\n  ? \n  : 1\n  b: 2\n",
        ] {
            let parsed = parse(text);
            assert_eq!(parsed.faults.len(), 1, "{text:?}");
            assert_eq!(parsed.faults.first().map(|it| it.code), Some(Code::UnsupportedYaml), "{text:?}");
            let value = parsed.documents.first().map(|(value, _)| value.clone());
            assert_eq!(value, Some(json!({"a": {"b": 2}})), "{text:?}");
        }
        assert_eq!(values("{\"<<\": 1, \"\": 2}"), [json!({"<<": 1, "": 2})]);
        assert_eq!(faults("a: 1\n? &a [*a]\n: 2\n").first().map(|it| it.0), Some(Code::UnsupportedYaml));
        assert_eq!(faults("a: &x b\n*x : 1\nb: 2\n"), [(Code::DuplicateField, "b")]);
    }
}
