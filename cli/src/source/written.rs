//! Values whose written form is not what they mean: only who has the text can tell.

use super::fault::SourceFault;
use super::mark::SourceMark;
use abx_core::finding::Code;
use serde_json::{Number, Value};
use std::ops::Range;
use unicode_normalization::is_nfc;
use unicode_security::skeleton;

/// Notes values of a document that can hardly be meant as they are read.
pub(super) fn faults(text: &str, value: &Value, mark: &SourceMark) -> Vec<SourceFault> {
    let mut reader = TextReader { text, is_tests: value.get("tests").is_some(), faults: Vec::new() };
    reader.walk(value, mark, Role::Known, "");
    reader.faults
}

/// Notes what can hardly be meant in a unit that stands in another file.
pub(super) fn unit_fault(unit: &str) -> Option<SourceFault> {
    let mut reader = TextReader { text: unit, is_tests: false, faults: Vec::new() };
    reader.compared(unit, &(0..unit.len()), Role::Same);
    reader.faults.pop()
}

/// The treatment of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A field of documents; its reader knows what it wants.
    Known,
    /// Handed on, or compared in size.
    Free,
    /// Compared for equality.
    Same,
    /// Looked for in a text.
    Part,
    /// A regular expression.
    Pattern,
}

impl Role {
    /// The role of the value that an operator takes.
    fn of_operator(operator: &str) -> Self {
        match operator {
            "equals" | "not_equals" | "in" | "not_in" => Self::Same,
            "contains" | "not_contains" | "contains_any" | "contains_all" | "starts_with" | "ends_with" => {
                Self::Part
            }
            "matches" => Self::Pattern,
            "greater_than" | "greater_or_equal" | "less_than" | "less_or_equal" | "between" => Self::Free,
            _ => Self::Known,
        }
    }
}

struct TextReader<'t> {
    text: &'t str,
    is_tests: bool,
    faults: Vec<SourceFault>,
}

impl<'t> TextReader<'t> {
    fn walk(&mut self, value: &Value, mark: &SourceMark, role: Role, name: &str) {
        match value {
            Value::Array(items) => {
                for (item, mark) in items.iter().zip(mark.items()) {
                    self.walk(item, mark, role, name);
                }
            }
            Value::Object(fields) => {
                let operator = value.get("operator").and_then(Value::as_str);
                let attribute = value.get("attribute").and_then(Value::as_str).unwrap_or_default();
                for (field, inner) in fields {
                    let Some((_, mark)) = mark.field(field) else { continue };
                    let inner_role = match (role, field.as_str(), operator) {
                        (Role::Known, "value", Some(operator)) => Role::of_operator(operator),
                        (Role::Known, "value" | "payload" | "context" | "matrix", _) => Role::Free,
                        (Role::Known, "when", _) if inner.is_object() => Role::Free,
                        (Role::Known, "attribute" | "event" | "property", _) => Role::Same,
                        (Role::Known, "unit", _) if !self.is_tests => Role::Same,
                        _ => role,
                    };
                    if role == Role::Known && field == "overrides" {
                        self.names(inner, mark);
                    }
                    // The value of an operator belongs to its attribute.
                    let name = if operator.is_some() { attribute } else { field };
                    self.walk(inner, mark, inner_role, name);
                }
            }
            Value::Number(number) => self.number(number, mark, role, name),
            Value::String(text) => self.string(text, &mark.span, role),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The names of a mapping that are compared: units with overrides.
    fn names(&mut self, value: &Value, mark: &SourceMark) {
        for name in value.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if let Some((span, _)) = mark.field(name) {
                self.compared(name, span, Role::Same);
            }
        }
    }

    /// The text of a scalar; `None` for an alias, whose anchor is checked itself.
    fn raw(&self, span: &Range<usize>) -> Option<&'t str> {
        self.text.get(span.clone()).filter(|raw| !raw.starts_with('*'))
    }

    fn number(&mut self, number: &Number, mark: &SourceMark, role: Role, name: &str) {
        let Some(raw) = self.raw(&mark.span).map(str::trim) else { return };
        let is_version = name.to_lowercase().contains("version");
        let is_text = role == Role::Same || is_version;
        let Some(change) = change_of(raw, number, role != Role::Known, is_text && role != Role::Known) else {
            return;
        };
        let message = match change {
            TextChange::Beyond => {
                format!("{raw} is beyond 2^53: JavaScript and others cannot hold it, and send another number")
            }
            TextChange::Rewritten => format!("{raw} is read as the number {number}"),
        };
        let help = match change {
            TextChange::Beyond => format!("quote it, if it is an id: \"{raw}\""),
            TextChange::Rewritten => {
                format!("quote it to keep what is written: \"{raw}\"; or write {number}")
            }
        };
        self.faults.push(SourceFault::new(Code::NumberNotAsWritten, mark.span.clone(), message, &help));
    }

    fn string(&mut self, text: &str, span: &Range<usize>, role: Role) {
        let Some(raw) = self.raw(span) else { return };
        let is_plain = !raw.starts_with(['"', '\'', '|', '>']);
        if is_plain
            && matches!(role, Role::Free | Role::Same)
            && let Some((looks, instead)) = looks_like(text)
        {
            let message = format!("{text} is a text, and looks like {looks}");
            let help = format!("write {instead}, or quote it to say that it is a text: \"{text}\"");
            self.faults.push(SourceFault::new(Code::TextLooksTyped, span.clone(), message, &help));
        }
        if !matches!(role, Role::Known | Role::Free) {
            self.compared(text, span, role);
        }
    }

    /// A text that is compared with what programs send.
    fn compared(&mut self, text: &str, span: &Range<usize>, role: Role) {
        let Some(raw) = self.raw(span) else { return };
        let hidden = hidden(text, raw, role);
        if let Some((what, help)) = hidden {
            let message = format!("the text {} {what}", abx_core::document::quote(text));
            self.faults.push(SourceFault::new(Code::HiddenCharacters, span.clone(), message, help));
            return;
        }
        let mixed = text
            .split(|c: char| !c.is_alphanumeric())
            .find(|word| role != Role::Pattern && is_mixed(word, raw));
        let what = match mixed {
            Some(word) => format!("the word {word:?} has letters of two scripts that look alike"),
            None if !is_nfc(raw) => {
                "an accent is a character of its own here, and programs send both in one".to_owned()
            }
            None => return,
        };
        let help =
            "retype it; if it is intended, write it as an escape in double quotes, for example \"\\u0430\"";
        self.faults.push(SourceFault::new(Code::LookAlikeCharacters, span.clone(), what, help));
    }
}

/// The difference between a number and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextChange {
    /// It is written otherwise than it is.
    Rewritten,
    /// It is what is written, and not for everybody.
    Beyond,
}

/// `is_free`: a value of the document's own; `is_text`: one that stands for a text, where every digit counts.
fn change_of(raw: &str, number: &Number, is_free: bool, is_text: bool) -> Option<TextChange> {
    const EXACT: u64 = 1 << 53;
    let unsigned = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    let is_led_by_zero =
        unsigned.strip_prefix('0').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    if is_led_by_zero {
        return Some(TextChange::Rewritten);
    }
    if !is_free {
        return None;
    }
    let has_exponent = unsigned.contains(['e', 'E']);
    let is_bare = unsigned.starts_with('.') || unsigned.ends_with('.');
    let ends_in_zero = unsigned.contains('.') && unsigned.ends_with('0');
    let is_lost = decimal(raw) != decimal(&number.to_string());
    if has_exponent || is_bare || raw.starts_with('+') || is_lost || (is_text && ends_in_zero) {
        return Some(TextChange::Rewritten);
    }
    let is_beyond =
        number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)).is_some_and(|it| it > EXACT);
    is_beyond.then_some(TextChange::Beyond)
}

/// The digits of a decimal number without zeros around them, and the power of ten of the last.
fn decimal(text: &str) -> (String, i64) {
    let text = text.trim_start_matches(['-', '+']);
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    let kept = digits.trim_end_matches('0');
    let length = |text: &str| i64::try_from(text.len()).unwrap_or_default();
    let power = exponent.parse::<i64>().unwrap_or_default() - length(part) + length(&digits) - length(kept);
    let kept = kept.trim_start_matches('0').to_owned();
    if kept.is_empty() { (kept, 0) } else { (kept, power) }
}

/// The type that an unquoted text looks like, and the spelling of that.
fn looks_like(text: &str) -> Option<(&'static str, String)> {
    match text {
        "yes" | "Yes" | "on" | "On" => return Some(("a boolean", "true".to_owned())),
        "no" | "No" | "off" | "Off" => return Some(("a boolean", "false".to_owned())),
        "None" | "none" | "nil" | "undefined" | "nan" | "NaN" | "inf" | "Infinity" => {
            return Some(("nothing", "null, or use `not_exists`".to_owned()));
        }
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if let Some(bits) = unsigned.strip_prefix("0b").filter(|it| !it.is_empty()) {
        return u64::from_str_radix(bits, 2).ok().map(|it| ("a number", it.to_string()));
    }
    let is_grouped = unsigned.contains('_')
        && unsigned.starts_with(|c: char| c.is_ascii_digit())
        && is_number(&unsigned.replace('_', "").replacen('.', "", 1));
    if is_grouped {
        return Some(("a number", text.replace('_', "")));
    }
    let is_decimal =
        unsigned.split_once(',').is_some_and(|(whole, part)| is_number(whole) && is_number(part));
    is_decimal.then(|| ("a number", text.replace(',', ".")))
}

/// The hidden characters of a text, and the fix. A character that is written as an escape is visible, so it is intended.
fn hidden(text: &str, raw: &str, role: Role) -> Option<(String, &'static str)> {
    if text.ends_with(['\n', '\r']) {
        let help = "write it in quotes on one line; or with `|-` or `>-`, which drop the last line break";
        return Some(("ends with a line break".to_owned(), help));
    }
    let inner = raw.trim_matches(['"', '\'']);
    if role == Role::Same && text.trim() != text && inner.trim() != inner {
        return Some((
            "starts or ends with a blank".to_owned(),
            "delete it; attributes are compared as they are",
        ));
    }
    let is_plain_script = text.chars().all(|c| c.is_ascii() || !c.is_alphanumeric());
    let is_hidden = |c: &char| match c {
        '\u{a0}'
        | '\u{ad}'
        | '\u{2007}'
        | '\u{202f}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => true,
        // They join letters of some scripts, and emoji.
        '\u{200c}' | '\u{200d}' => is_plain_script && text.chars().any(char::is_alphanumeric),
        _ => false,
    };
    let found = text.chars().find(|c| is_hidden(c) && raw.contains(*c))?;
    let name = match found {
        '\u{a0}' | '\u{2007}' | '\u{202f}' => "no-break space",
        _ => "invisible character",
    };
    let help = "delete it; where it is meant, write it as an escape in double quotes, as \"\\u00a0\"";
    Some((format!("holds the {name} U+{:04X}", u32::from(found)), help))
}

/// True if a word has Latin letters, and others that all look like Latin ones.
fn is_mixed(word: &str, raw: &str) -> bool {
    let mut others = word.chars().filter(|c| !c.is_ascii()).peekable();
    let looks_latin = |c: char| {
        let mut seen = skeleton(c.encode_utf8(&mut [0; 4]))
            .fold(String::new(), |all, c| all + c.encode_utf8(&mut [0; 4]));
        seen.pop().is_some_and(|c| c.is_ascii_alphanumeric()) && seen.is_empty()
    };
    word.contains(|c: char| c.is_ascii_alphabetic())
        && others.peek().is_some()
        && others.all(|c| raw.contains(c) && looks_latin(c))
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    /// The codes that a flag with this written value of an operator has, and what is underlined.
    fn found(operator: &str, written: &str) -> Vec<(&'static str, String)> {
        let text = format!(
            "flag: f\nenabled: true\ntargeting_rules:\n  - attribute: a\n    operator: {operator}\n    value: {written}\n"
        );
        of(&text)
    }

    fn of(text: &str) -> Vec<(&'static str, String)> {
        let parsed = parse(text);
        let (value, mark) = parsed.documents.first().expect("a document");
        assert_eq!(parsed.faults, [], "{text}");
        let faults = faults(text, value, mark).into_iter();
        faults.map(|it| (it.code.as_str(), text.get(it.span).unwrap_or("?").to_owned())).collect()
    }

    #[test]
    fn numbers_that_are_not_what_is_written_are_named() {
        for written in [
            "01234",
            "-007",
            "72225e2",
            "1e3",
            "1E3",
            "0x1F",
            "0o17",
            ".5",
            "5.",
            "+1",
            "+491701234567",
            "1.10",
            "9007199254740993",
            "-9007199254740993",
            "123456789012345678901234567890",
            "0.12345678901234567890123",
            "18446744073709551616",
            "1.0",
        ] {
            assert_eq!(
                found("equals", written),
                [("number-not-as-written", written.to_owned())],
                "{written}"
            );
        }
        for fine in [
            "0",
            "-1",
            "1.5",
            "0.1",
            "10",
            "9007199254740992",
            "100",
            "0.001",
            "1200.25",
            "\"01234\"",
            "'1e3'",
        ] {
            assert_eq!(found("equals", fine), [], "{fine}");
        }
        let elements = found("in", "[01234, 72225e2, 5]");
        assert_eq!(elements.iter().map(|it| &*it.1).collect::<Vec<_>>(), ["01234", "72225e2"]);
        assert_eq!(found("greater_than", "9.90"), [], "a size may be written as money");
        let payload = "flag: f\nvariants: [{key: a, value: {min_version: 1.10, price: 9.90, id: 0123}}]\n";
        assert_eq!(of(payload).len(), 2, "{:?}", of(payload));
        let known = "flag: f\nrollout_percentage: 010\nepoch: 0x1\nvariants: [{key: a, allocation: .50}]\n";
        assert_eq!(of(known).len(), 2, "{:?}", of(known));
    }

    #[test]
    fn unquoted_texts_that_look_typed_are_named() {
        for written in
            ["yes", "No", "on", "off", "1_000", "-1_000.5", "0,5", "0b101", "None", "nil", "undefined", "nan"]
        {
            assert_eq!(found("equals", written), [("text-looks-typed", written.to_owned())], "{written}");
            assert_eq!(found("equals", &format!("\"{written}\"")), [], "{written}");
        }
        for fine in ["NO", "ON", "DE", "2026-03-01", "12:30", "1.2.3", "a_b", "_1", "1,2,3", "10%", "not yet"]
        {
            assert_eq!(found("equals", fine), [], "{fine}");
        }
        assert_eq!(of("flag: f\nvariants: [{key: on, value: on}]\ndefault_variant: on\n").len(), 1);
    }

    #[test]
    fn characters_that_nobody_sees_are_named() {
        let hidden = |operator, written: &str| found(operator, written).first().map(|it| it.0);
        for written in [
            "\"DE \"",
            "\" DE\"",
            "\"DE\\n\"",
            "|\n      DE",
            "\"D\u{a0}E\"",
            "D\u{a0}E",
            "D\u{200b}E",
            "'DE\u{feff}'",
            "\"D\u{200d}E\"",
            "\"\u{202e}DE\"",
            "\"a\u{ad}b\"",
            "\"\t\"",
        ] {
            assert_eq!(hidden("equals", written), Some("hidden-characters"), "{written:?}");
        }
        for fine in [
            "DE",
            "\"D\\u00a0E\"",
            "\"DE\\x20\"",
            "\"\"",
            "\"👩\u{200d}💻\"",
            "\"می\u{200c}خواهم\"",
            "|-\n      DE",
        ] {
            assert_eq!(hidden("equals", fine), None, "{fine:?}");
        }
        assert_eq!(hidden("contains", "\" and \""), None);
        assert_eq!(hidden("starts_with", "\"Mr \""), None);
        assert_eq!(hidden("matches", "|\n      ^DE$"), Some("hidden-characters"));
        assert_eq!(hidden("in", "[DE, \"AT \"]"), Some("hidden-characters"));
        assert_eq!(of("flag: f\noverrides: {\"u \": on}\n").len(), 1);
        assert_eq!(of("experiment: e\nmetrics: [{key: m, event: \"paid \"}]\n").len(), 1);
    }

    #[test]
    fn characters_that_look_like_others_are_named() {
        let alike = |written: &str| found("equals", written).first().map(|it| it.0);
        for written in ["\"D\u{415}\"", "p\u{430}ypal", "\"e\u{301}cole\"", "\"\u{3bf}ffice\""] {
            assert_eq!(alike(written), Some("look-alike-characters"), "{written:?}");
        }
        for fine in
            ["école", "Москва", "T恤", "iPhoneの", "\"D\\u0415\"", "Größe", "кофе2go", "Ελλάδα", "naïve"]
        {
            assert_eq!(alike(fine), None, "{fine:?}");
        }
    }
}
