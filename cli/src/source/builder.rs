//! Events of YAML become values and marks, within limits.

use super::fault::SourceFault;
use super::mark::{Field, FieldMarks, Inside, SourceMark};
use super::scalar;
use abx_core::finding::Code;
use granit_parser::{Event, ScalarStyle};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ops::Range;

/// Lists and mappings inside one another.
pub(super) const MAX_DEPTH: usize = 48;
/// Values in a file: more than fit into one that is written by a person, and few enough to be read at once.
const MAX_VALUES: usize = 32_768;
/// Values that all anchors and aliases of a document may stand for together.
const MAX_REPEATED: usize = 10_000;

/// Makes values from events. The stack is its own, so that no nesting can overflow the thread's.
#[derive(Default)]
pub(super) struct Builder {
    open: Vec<OpenNode>,
    anchors: HashMap<usize, Anchored>,
    values: usize,
    repeated: usize,
    pub(super) faults: Vec<SourceFault>,
    done: Option<(Value, SourceMark)>,
}

/// The value that an anchor refers to.
struct Anchored {
    value: Value,
    mark: SourceMark,
    /// The text of a scalar, as which it is the name of a field; `None` for a list or mapping.
    text: Option<String>,
}

/// A list or mapping whose end has not been seen.
struct OpenNode {
    start: usize,
    anchor: usize,
    kind: NodeKind,
}

enum NodeKind {
    List(Vec<Value>, Vec<SourceMark>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    values: Map<String, Value>,
    fields: Vec<Field>,
    /// Names that were there already.
    repeated: Vec<(String, Range<usize>)>,
    /// A name whose value has not been seen.
    pending: Option<FieldName>,
}

/// The name of a field.
struct FieldName {
    text: String,
    span: Range<usize>,
    /// True if the field is left out, because its name has a fault.
    is_refused: bool,
}

/// The end of a document's parsing: with a fault, or with those already noted.
pub(super) type BuildResult<T> = Result<T, Option<SourceFault>>;

impl Builder {
    /// A builder of one document, after so many values in those before it.
    pub(super) fn after(values: usize) -> Self {
        Self { values, ..Self::default() }
    }

    /// Returns the number of values in the file so far.
    pub(super) const fn values(&self) -> usize {
        self.values
    }

    /// Takes an event; returns a document when it is complete.
    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        span: Range<usize>,
        tag: Option<Range<usize>>,
    ) -> BuildResult<Option<(Value, SourceMark)>> {
        self.count(&event, &span)?;
        match event {
            Event::DocumentEnd => {
                self.anchors.clear();
                return Ok(self.done.take().filter(|(value, _)| !value.is_null()));
            }
            Event::SequenceStart(_, anchor, tag_name) => {
                self.refuse_tag(tag_name.is_some(), tag, &span);
                self.open(span.start, anchor, NodeKind::List(Vec::new(), Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag_name) => {
                self.refuse_tag(tag_name.is_some(), tag, &span);
                self.open(span.start, anchor, NodeKind::Map(OpenMap::default()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end)?,
            Event::Scalar(text, style, anchor, tag_name) => {
                self.refuse_tag(tag_name.is_some(), tag, &span);
                self.scalar(&text, style, anchor, span)?;
            }
            Event::Alias(id) => self.alias(id, span)?,
            _ => {}
        }
        Ok(None)
    }

    fn count(&mut self, event: &Event<'_>, span: &Range<usize>) -> BuildResult<()> {
        let is_value =
            matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..));
        self.values += usize::from(is_value);
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        let message = format!("the file holds more than {MAX_VALUES} values");
        let help = "split it, or keep large sets of units in an attribute that your program computes";
        Err(Some(SourceFault::new(Code::TooLarge, span.clone(), message, help)))
    }

    fn refuse_tag(&mut self, is_tagged: bool, tag: Option<Range<usize>>, span: &Range<usize>) {
        if is_tagged {
            let span = tag.unwrap_or_else(|| span.clone());
            self.faults.push(SourceFault::new(
                Code::UnsupportedYaml,
                span,
                "tags have no meaning in documents",
                "drop the tag; quote a value to make it a string",
            ));
        }
    }

    fn open(&mut self, start: usize, anchor: usize, kind: NodeKind) -> BuildResult<()> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Some(too_deep(start)));
        }
        if self.expects_name() {
            return Err(Some(not_a_name(start..start + 1)));
        }
        self.open.push(OpenNode { start, anchor, kind });
        Ok(())
    }

    fn close(&mut self, end: usize) -> BuildResult<()> {
        let Some(OpenNode { start, anchor, kind }) = self.open.pop() else { return Ok(()) };
        let (value, inside) = match kind {
            NodeKind::List(values, marks) => (Value::Array(values), Inside::Items(marks)),
            NodeKind::Map(map) => {
                let fields = FieldMarks::new(map.fields);
                self.faults.extend(map.repeated.into_iter().map(|it| duplicate(it, &fields)));
                (Value::Object(map.values), Inside::Fields(fields))
            }
        };
        let mark = SourceMark { span: start..end, inside };
        self.remember(anchor, &value, &mark, None)?;
        self.put(value, mark);
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        span: Range<usize>,
    ) -> BuildResult<()> {
        let is_plain = style == ScalarStyle::Plain;
        let mark = SourceMark { span: span.clone(), inside: Inside::Nothing };
        if self.expects_name() {
            if anchor != 0 {
                // What an alias of it would complain about is not wrong with the name.
                let value = if is_plain { scalar::plain(text).unwrap_or_default() } else { text.into() };
                self.remember(anchor, &value, &mark, Some(text))?;
            }
            self.name(text, is_plain, span);
            return Ok(());
        }
        let value = if is_plain {
            scalar::plain(text).unwrap_or_else(|()| {
                self.faults.push(SourceFault::new(
                    Code::NonFiniteNumber,
                    span,
                    format!("{} is not a finite number", shortened(text)),
                    "write a finite number, or quote it to make it a string",
                ));
                Value::Null
            })
        } else {
            Value::String(text.to_owned())
        };
        self.remember(anchor, &value, &mark, Some(text))?;
        self.put(value, mark);
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Range<usize>) -> BuildResult<()> {
        let Some(Anchored { value, mark, text }) = self.anchors.get(&id) else {
            let message = "an alias is inside the value that it names";
            return Err(Some(SourceFault::new(Code::AliasBudget, span, message, "write the value out")));
        };
        let weight = weight(value);
        // Nothing is copied before the budget has room for it.
        let fits = weight <= MAX_REPEATED;
        if self.expects_name() {
            let text = text.clone().filter(|_| fits);
            self.repeat(weight, &span)?;
            let Some(text) = text else { return Err(Some(not_a_name(span))) };
            self.name(&text, false, span);
            return Ok(());
        }
        let inside = mark.inside.clone();
        let value = fits.then(|| value.clone());
        self.repeat(weight, &span)?;
        self.put(value.unwrap_or_default(), SourceMark { span, inside });
        Ok(())
    }

    /// Returns true if the next event is the name of a field.
    fn expects_name(&self) -> bool {
        matches!(self.open.last(), Some(OpenNode { kind: NodeKind::Map(OpenMap { pending: None, .. }), .. }))
    }

    /// Takes the name of a field; its value follows.
    fn name(&mut self, text: &str, is_plain: bool, span: Range<usize>) {
        let refusal = match text {
            "<<" if is_plain => Some((
                "`<<` does not merge: documents are YAML 1.2, which has no merge keys",
                "write the fields out, or use an alias for the whole value; quote a name that is `<<`",
            )),
            // The parser gives a scalar of nothing the text of null.
            _ if is_plain && span.is_empty() => {
                Some(("a field has no name", "write the name before the colon; quote one that is empty"))
            }
            _ => None,
        };
        if let Some((message, help)) = refusal {
            let span = if span.is_empty() { span.start..span.start + 1 } else { span.clone() };
            self.faults.push(SourceFault::new(Code::UnsupportedYaml, span, message, help));
        }
        let Some(OpenNode { kind: NodeKind::Map(map), .. }) = self.open.last_mut() else { return };
        if map.values.contains_key(text) {
            map.repeated.push((text.to_owned(), span.clone()));
        }
        map.pending = Some(FieldName { text: text.to_owned(), span, is_refused: refusal.is_some() });
    }

    /// Counts values that are held once more: both by an anchor, for aliases to come, and by an alias.
    fn repeat(&mut self, weight: usize, span: &Range<usize>) -> BuildResult<()> {
        self.repeated += weight;
        if self.repeated <= MAX_REPEATED {
            return Ok(());
        }
        let message = format!("anchors and aliases expand to more than {MAX_REPEATED} values");
        Err(Some(SourceFault::new(Code::AliasBudget, span.clone(), message, "write the values out")))
    }

    /// Keeps a value for the aliases of its anchor; 0 is none.
    fn remember(
        &mut self,
        anchor: usize,
        value: &Value,
        mark: &SourceMark,
        text: Option<&str>,
    ) -> BuildResult<()> {
        if anchor == 0 {
            return Ok(());
        }
        self.repeat(weight(value), &(mark.span.start..mark.span.start + 1))?;
        let text = text.map(str::to_owned);
        self.anchors.insert(anchor, Anchored { value: value.clone(), mark: mark.clone(), text });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn put(&mut self, value: Value, mark: SourceMark) {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.done = Some((value, mark)),
            Some(NodeKind::List(values, marks)) => {
                values.push(value);
                marks.push(mark);
            }
            Some(NodeKind::Map(map)) => match map.pending.take() {
                // The first of two fields of a name is kept; the second has its fault.
                Some(FieldName { text, span, is_refused: false }) if !map.values.contains_key(&text) => {
                    map.fields.push((text.clone(), span, mark));
                    map.values.insert(text, value);
                }
                _ => {}
            },
        }
    }
}

/// The fault of a name that is no text.
fn not_a_name(span: Range<usize>) -> SourceFault {
    let message = "the name of a field must be a text";
    SourceFault::new(Code::UnsupportedYaml, span, message, "quote it, if it starts with `[` or `{`")
}

/// The fault of nesting.
pub(super) fn too_deep(start: usize) -> SourceFault {
    let message = format!("values are nested more than {MAX_DEPTH} levels deep");
    let help = "documents need a few levels; use a segment for conditions that nest this far";
    SourceFault::new(Code::TooDeep, start..start + 1, message, help)
}

fn duplicate((name, span): (String, Range<usize>), fields: &FieldMarks) -> SourceFault {
    let first = fields.get(&name).map(|(_, span, _)| (span.clone(), "it is written here first".to_owned()));
    let message = format!("the field {:?} is written twice", shortened(&name));
    SourceFault {
        related: first,
        ..SourceFault::new(Code::DuplicateField, span, message, "keep one of the two")
    }
}

/// Returns the part of the alias budget that a value takes: one for each value in it, and more for long
/// texts.
fn weight(value: &Value) -> usize {
    let of_text = |text: &str| text.len() / 32;
    1 + match value {
        Value::String(text) => of_text(text),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map.iter().map(|(name, value)| of_text(name) + weight(value)).sum(),
        _ => 0,
    }
}

/// A text for a message.
fn shortened(text: &str) -> String {
    const LONG: usize = 60;
    match text.char_indices().nth(LONG) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}
