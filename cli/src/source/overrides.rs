//! Overrides of a document that stand in a file of their own, `overrides_file:`, because thousands fit in no document.

use super::fault::SourceFault;
use super::files::SourceFile;
use super::written;
use abx_core::document::quote;
use abx_core::finding::{Code, Severity, did_you_mean};
use csv::{ErrorKind, StringRecord};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// The largest file of overrides, in bytes: some 80,000 units.
pub(super) const MAX_BYTES: usize = 4 << 20;
pub(super) const TOO_LARGE: &str = "let your program compute an attribute for sets of units of this size";
pub(super) const HELP: &str =
    "put a CSV or JSON file into the folder of this document or below it, and name it from there";
const COLUMNS: [&str; 2] = ["unit", "variant"];

/// Overrides of a file, each with the bytes where it stands.
#[derive(Debug, Default)]
pub(super) struct Listed {
    entries: Vec<(String, String, Range<usize>)>,
    pub(super) faults: Vec<SourceFault>,
}

/// Why a file cannot be one of overrides by its name.
pub(super) fn check_name(path: &str) -> Result<(), String> {
    // A search of the folder would take YAML for a document.
    form(path).map(|_| ()).ok_or_else(|| "its name ends neither with .csv nor with .json".to_owned())
}

#[derive(Clone, Copy)]
enum OverridesFormat {
    Csv,
    Json,
}

fn form(name: &str) -> Option<OverridesFormat> {
    let extension = Path::new(name).extension()?;
    let forms = [("csv", OverridesFormat::Csv), ("json", OverridesFormat::Json)];
    forms.into_iter().find(|(word, _)| extension.eq_ignore_ascii_case(word)).map(|(_, form)| form)
}

impl Listed {
    /// Nothing but a fault.
    pub(super) fn broken(fault: SourceFault) -> Self {
        Self { entries: Vec::new(), faults: vec![fault] }
    }

    /// Reads a file, as CSV or JSON by its name.
    pub(super) fn read(file: &SourceFile) -> Self {
        let mut listed = Self::default();
        match form(&file.name) {
            Some(OverridesFormat::Json) => listed.json(&file.text),
            Some(OverridesFormat::Csv) | None => listed.csv(&file.text),
        }
        for (unit, _, span) in &listed.entries {
            let fault = written::unit_fault(unit);
            listed.faults.extend(fault.map(|fault| SourceFault { span: span.clone(), ..fault }));
        }
        listed
    }

    /// True if the file cannot be taken as it is.
    pub(super) fn is_broken(&self) -> bool {
        self.faults.iter().any(|fault| fault.code.severity() == Severity::Error)
    }

    /// Adds the overrides to those that stand in the document, and returns where each one stands in the file.
    pub(super) fn merge(&mut self, overrides: &mut Map<String, Value>) -> HashMap<String, Range<usize>> {
        let mut spans: HashMap<String, Range<usize>> = HashMap::new();
        for (unit, variant, span) in std::mem::take(&mut self.entries) {
            match (overrides.get(&unit), spans.get(&unit)) {
                (Some(_), None) => {
                    let message = format!("{} stands in `overrides` as well", quote(&unit));
                    self.faults.push(SourceFault::new(Code::DuplicateField, span, message, KEEP_ONE));
                }
                (Some(first), Some(place)) if first.as_str() != Some(variant.as_str()) => {
                    let message = format!("{} is listed twice, with different variants", quote(&unit));
                    let mut fault = SourceFault::new(Code::DuplicateField, span, message, KEEP_ONE);
                    fault.related = Some((place.clone(), "first here".to_owned()));
                    self.faults.push(fault);
                }
                (Some(_), Some(_)) => {}
                (None, _) => {
                    overrides.insert(unit.clone(), Value::from(variant));
                    spans.insert(unit, span);
                }
            }
        }
        spans
    }

    fn fault(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        self.faults.push(SourceFault::new(Code::OverridesFile, span, message, help));
    }

    fn json(&mut self, text: &str) {
        let fields = match WrittenFields::read(text.trim_start_matches('\u{feff}')) {
            Ok(fields) => fields,
            Err(error) => {
                let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
                let at = lines.map(str::len).sum();
                return self.fault(
                    line(text, at),
                    format!("not a mapping from unit to variant: {error}"),
                    JSON,
                );
            }
        };
        for (unit, value) in fields {
            let start = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
            let span = start..start + value.get().len();
            match serde_json::from_str(value.get()) {
                Ok(variant) => self.entries.push((unit, variant, span)),
                Err(_) => {
                    self.fault(span, format!("the variant of {} is not a string", quote(&unit)), JSON);
                }
            }
        }
    }

    fn csv(&mut self, text: &str) {
        // Spreadsheets begin a file with a byte order mark.
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut reader = csv::Reader::from_reader(text.as_bytes().get(start..).unwrap_or_default());
        let columns = match reader.headers() {
            Ok(header) => columns(header),
            Err(error) => Err(error.to_string()),
        };
        let (unit, variant) = match columns {
            Ok(columns) => columns,
            Err(why) => return self.fault(line(text, start), why, CSV),
        };
        let mut record = StringRecord::new();
        loop {
            let at = start + usize::try_from(reader.position().byte()).unwrap_or(usize::MAX - start);
            match reader.read_record(&mut record) {
                Ok(false) => return,
                Ok(true) => {
                    let cell = |index| record.get(index).unwrap_or_default().to_owned();
                    self.entries.push((cell(unit), cell(variant), line(text, at)));
                }
                Err(error) => self.fault(line(text, at), wrong_row(&error), QUOTES),
            }
        }
    }
}

const KEEP_ONE: &str = "keep one of the two";
const JSON: &str = "write {\"UNIT\": \"VARIANT\", …}";
const CSV: &str = "the first line is `unit,variant`, and each further one a unit and its variant";
const QUOTES: &str = "a cell with a comma or a quote stands in double quotes, as \"a, b\"";

/// The columns of the units and of the variants.
fn columns(header: &StringRecord) -> Result<(usize, usize), String> {
    for (at, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name) {
            let near = did_you_mean(name, COLUMNS).map(|it| format!("; did you mean `{it}`?"));
            return Err(format!("unknown column {}{}", quote(name), near.unwrap_or_default()));
        }
        if let Some(first) = header.iter().take(at).position(|other| other == name) {
            return Err(format!("columns {} and {} are both named {name:?}", first + 1, at + 1));
        }
    }
    let [unit, variant] = COLUMNS.map(|wanted| {
        header.iter().position(|name| name == wanted).ok_or_else(|| format!("there is no column `{wanted}`"))
    });
    Ok((unit?, variant?))
}

fn wrong_row(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this row has {len} cells, and the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

/// Reads the fields of a JSON object as they are written, so that one that is there twice is seen.
struct WrittenFields;

impl<'t> Visitor<'t> for WrittenFields {
    type Value = Vec<(String, &'t RawValue)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

impl WrittenFields {
    fn read(text: &str) -> serde_json::Result<Vec<(String, &RawValue)>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let fields = reader.deserialize_map(Self)?;
        reader.end()?;
        Ok(fields)
    }
}

/// The bytes of the line that a row starts in; the position of a row may stand at the end of the line before.
fn line(text: &str, at: usize) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let start = at + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
    let length = text.get(start..).map_or(0, |rest| rest.find(['\r', '\n']).unwrap_or(rest.len()));
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(name: &str, text: &str) -> (Value, Vec<String>) {
        let file = SourceFile { name: name.to_owned(), text: text.to_owned(), named_by: None };
        let mut listed = Listed::read(&file);
        let mut overrides = json!({"in_yaml": "a"});
        let map = overrides.as_object_mut().unwrap();
        let spans = listed.merge(map);
        map.remove("in_yaml");
        assert_eq!(spans.len(), map.len());
        let faults = listed.faults.iter().map(|it| {
            let line = text.get(..it.span.start).unwrap().matches('\n').count() + 1;
            format!("{} {line}: {}", it.code, it.message)
        });
        (overrides, faults.collect())
    }

    #[test]
    fn csv_and_json_are_read_with_their_places() {
        let expected = json!({"u1": "a", "u, 2": "b", " ": "a"});
        for (name, text) in [
            ("x.csv", "unit,variant\nu1,a\n\"u, 2\",b\n\" \",a\n"),
            ("x.csv", "\u{feff}variant,unit\r\na,u1\r\n\r\nb,\"u, 2\"\r\na,\" \""),
            ("x.csv", "unit,variant\nu1,a\nu1,a\n\"u, 2\",b\n\" \",a\n"),
            ("x.json", "{\"u1\": \"a\",\n\"u, 2\": \"b\", \" \": \"a\"}"),
            ("x.json", "{\n\t\"u1\": \"a\",\n\t\"u, 2\": \"b\", \"\\u0020\": \"a\"\n}\n"),
        ] {
            assert_eq!(read(name, text).0, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        let in_csv = [
            ("", "overrides-file 1: there is no column `unit`"),
            ("unit\nu1\n", "overrides-file 1: there is no column `variant`"),
            ("units,variant\n", "overrides-file 1: unknown column \"units\"; did you mean `unit`?"),
            ("unit,variant,unit\n", "overrides-file 1: columns 1 and 3 are both named \"unit\""),
            ("unit,variant\nu1,a\nu2\n", "overrides-file 3: this row has 1 cells, and the header 2"),
            (
                "unit,variant\nu1,a\n\nu1,b\n",
                "duplicate-field 4: \"u1\" is listed twice, with different variants",
            ),
            (
                "unit,variant\r\nu1,a\r\nin_yaml,a\r\n",
                "duplicate-field 3: \"in_yaml\" stands in `overrides` as well",
            ),
            (
                "unit,variant\nu1,a\nu2\u{a0},a\n",
                "hidden-characters 3: the text \"u2\\u{a0}\" starts or ends with a blank",
            ),
        ];
        let in_json = [
            (
                "[]",
                "overrides-file 1: not a mapping from unit to variant: invalid type: sequence, expected an object",
            ),
            ("{\"u1\": 1}", "overrides-file 1: the variant of \"u1\" is not a string"),
            ("{\"u1\": \"a\",\n\"u1\": \"b\"}", "duplicate-field 2: \"u1\" is listed twice"),
            (
                "{\n\"u1\": \"a\"\n\"u2\"",
                "overrides-file 3: not a mapping from unit to variant: expected `,`",
            ),
        ];
        let assert_faults = |name: &str, cases: &[(&str, &str)]| {
            for (text, fault) in cases {
                let (_, faults) = read(name, text);
                assert!(faults.len() == 1 && faults[0].starts_with(fault), "{text:?}: {faults:?}");
            }
        };
        assert_faults("x.csv", &in_csv);
        assert_faults("x.json", &in_json);
    }
}
