//! YAML text becomes values and marks, within limits.
//!
//! The parser under serde-saphyr is used rather than its deserialiser, because findings about meaning need the
//! places of all values, not only those of errors; and because budgets, duplicate keys and recovery at the
//! next document are decided here. `serde_yaml` is archived, and takes a minute for some files of 200 KB.

use super::mark::{Inside, Mark};
use abx_core::finding::Code;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, options};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::ops::Range;

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Lists and mappings inside one another.
const MAX_DEPTH: usize = 48;
/// Values in a file: more than fit into one that is written by a person, and few enough to be read at once.
const MAX_VALUES: usize = 32_768;
/// Values that all aliases of a file may stand for together.
const MAX_ALIASED: usize = 10_000;

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
        let mut builder = Builder { values, ..Builder::default() };
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
        values = builder.values;
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
    let indentation = text.get(line_start..start + length).unwrap_or_default();
    let help = if indentation.contains('\t') && indentation.trim().is_empty() {
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

fn too_deep(start: usize) -> Fault {
    let message = format!("values are nested more than {MAX_DEPTH} levels deep");
    let help = "documents need a few levels; use a segment for conditions that nest this far";
    Fault::new(Code::TooDeep, start..start + 1, message, help)
}

/// Makes values from events. The stack is its own, so that no nesting can overflow the thread's.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, Mark)>,
    values: usize,
    aliased: usize,
    faults: Vec<Fault>,
    done: Option<(Value, Mark)>,
}

/// A list or mapping whose end has not been seen.
struct Open {
    start: usize,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>, Vec<Mark>),
    Map(Map<String, Value>, Vec<(String, Range<usize>, Mark)>, Option<(String, Range<usize>)>),
}

/// The end of a document's parsing: with a fault, or with those already noted.
type Step<T> = Result<T, Option<Fault>>;

impl Builder {
    /// Takes an event; returns a document when it is complete.
    fn take(
        &mut self,
        event: Event<'_>,
        span: Range<usize>,
        tag: Option<Range<usize>>,
    ) -> Step<Option<(Value, Mark)>> {
        self.count(&event, &span)?;
        match event {
            Event::DocumentEnd => {
                self.anchors.clear();
                return Ok(self.done.take().filter(|(value, _)| !value.is_null()));
            }
            Event::SequenceStart(_, anchor, tag_name) => {
                self.refuse_tag(tag_name.is_some(), tag, &span);
                self.open(span.start, anchor, Kind::List(Vec::new(), Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag_name) => {
                self.refuse_tag(tag_name.is_some(), tag, &span);
                self.open(span.start, anchor, Kind::Map(Map::new(), Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Scalar(text, style, anchor, tag_name) => {
                self.refuse_tag(tag_name.is_some(), tag, &span);
                self.scalar(&text, style, anchor, span);
            }
            Event::Alias(id) => self.alias(id, span)?,
            _ => {}
        }
        Ok(None)
    }

    fn count(&mut self, event: &Event<'_>, span: &Range<usize>) -> Step<()> {
        let is_value =
            matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..));
        self.values += usize::from(is_value);
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        let message = format!("the file holds more than {MAX_VALUES} values");
        let help = "split it, or keep large sets of units in an attribute that your program computes";
        Err(Some(Fault::new(Code::TooLarge, span.clone(), message, help)))
    }

    fn refuse_tag(&mut self, is_tagged: bool, tag: Option<Range<usize>>, span: &Range<usize>) {
        if is_tagged {
            let span = tag.unwrap_or_else(|| span.clone());
            self.faults.push(Fault::new(
                Code::UnsupportedYaml,
                span,
                "tags have no meaning in documents",
                "drop the tag; quote a value to make it a string",
            ));
        }
    }

    fn open(&mut self, start: usize, anchor: usize, kind: Kind) -> Step<()> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Some(too_deep(start)));
        }
        if matches!(self.open.last(), Some(Open { kind: Kind::Map(_, _, None), .. })) {
            let message = "the name of a field must be plain text";
            let help = "quote it, if it starts with `[` or `{`";
            return Err(Some(Fault::new(Code::UnsupportedYaml, start..start + 1, message, help)));
        }
        self.open.push(Open { start, anchor, kind });
        Ok(())
    }

    fn close(&mut self, end: usize) {
        let Some(Open { start, anchor, kind }) = self.open.pop() else { return };
        let (value, inside) = match kind {
            Kind::List(values, marks) => (Value::Array(values), Inside::Items(marks)),
            Kind::Map(map, fields, _) => (Value::Object(map), Inside::Fields(fields)),
        };
        self.put(value, Mark { span: start..end, inside }, anchor);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Range<usize>) {
        if let Some(Open { kind: Kind::Map(map, fields, pending @ None), .. }) = self.open.last_mut() {
            if map.contains_key(text) {
                let first = fields.iter().find(|(name, ..)| name == text).map(|(_, span, _)| span.clone());
                self.faults.push(Fault {
                    related: first.map(|span| (span, "it is written here first".to_owned())),
                    ..Fault::new(
                        Code::DuplicateField,
                        span.clone(),
                        format!("the field {text:?} is written twice"),
                        "keep one of the two",
                    )
                });
            }
            *pending = Some((text.to_owned(), span));
            return;
        }
        let value = if style == ScalarStyle::Plain {
            plain(text).unwrap_or_else(|message| {
                self.faults.push(Fault::new(
                    Code::NonFiniteNumber,
                    span.clone(),
                    message,
                    "write a finite number, or quote it to make it a string",
                ));
                Value::Null
            })
        } else {
            Value::String(text.to_owned())
        };
        self.put(value, Mark { span, inside: Inside::Nothing }, anchor);
    }

    fn alias(&mut self, id: usize, span: Range<usize>) -> Step<()> {
        let Some((value, mark)) = self.anchors.get(&id) else {
            let message = "an alias stands inside the value that it names";
            return Err(Some(Fault::new(Code::AliasBudget, span, message, "write the value out")));
        };
        self.aliased += mark.count();
        if self.aliased > MAX_ALIASED {
            let message = format!("the aliases stand for more than {MAX_ALIASED} values");
            return Err(Some(Fault::new(Code::AliasBudget, span, message, "write the values out")));
        }
        let (value, inside) = (value.clone(), mark.inside.clone());
        self.put(value, Mark { span, inside }, 0);
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn put(&mut self, value: Value, mark: Mark, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), mark.clone()));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.done = Some((value, mark)),
            Some(Kind::List(values, marks)) => {
                values.push(value);
                marks.push(mark);
            }
            Some(Kind::Map(map, fields, pending)) => match pending.take() {
                // The first of two fields of a name is kept; the second has its fault.
                Some((name, span)) if !map.contains_key(&name) => {
                    fields.push((name.clone(), span, mark));
                    map.insert(name, value);
                }
                _ => {}
            },
        }
    }
}

/// A plain scalar by the core schema of YAML 1.2: `on`, `off`, `yes` and `no` are strings.
fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text) {
            Some(Ok(number)) => Value::Number(number),
            Some(Err(())) => return Err(format!("{text} is not a finite number")),
            None => Value::String(text.to_owned()),
        },
    })
}

/// `None`: not a number. `Err`: infinite, or not a number by name.
fn number(text: &str) -> Option<Result<Number, ()>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err(()));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok().map(|it| Ok(it.into()));
        }
    }
    let first = unsigned.bytes().next()?;
    let decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !(first.is_ascii_digit() || first == b'.') || !unsigned.bytes().all(decimal) {
        return None;
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Ok(integer.into()));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(Ok(integer.into()));
    }
    let float: f64 = text.parse().ok()?;
    Some(Number::from_f64(float).ok_or(()))
}
