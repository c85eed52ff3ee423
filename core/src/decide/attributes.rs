//! The attributes that documents read, and the types that they compare them with.

use super::condition::ConditionInput;
use super::kinds::{Kinds, look, number, read};
use super::{AttributePath, CompiledCondition, Experiment, Flag, Serve, USER_ID};
use crate::document::describe;
use crate::finding::did_you_mean;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Every attribute that some documents read, with the types that their operators take.
///
/// A text that stands for an attribute (a cell of a table, `--context NAME=VALUE`, a parameter of a URL) has the type that
/// the operators of the attribute take, so that the version `5.10` stays a text and the age `42` becomes a number.
#[derive(Debug, Clone)]
pub struct AttributeTypes(BTreeMap<Box<str>, Types>);

/// The types that documents expect of one attribute.
#[derive(Debug, Clone, Copy)]
struct Types {
    /// The types that every operator takes; a text is read as one of them.
    wanted: Kinds,
    /// The types that at least one operator takes.
    accepted: Kinds,
}

/// The unit is a text, and an integer stands for its digits.
const UNIT: Types = Types { wanted: Kinds::TEXT, accepted: Kinds::TEXT.or(Kinds::NUMBER) };
/// The types of an attribute of which documents read only values inside it.
const PARENT: Types = Types { wanted: Kinds::OBJECT, accepted: Kinds::OBJECT };

/// A warning about an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Its dotted path.
    pub attribute: String,
    /// A sentence.
    pub message: String,
}

/// The types as which the texts of one attribute are read: all texts of a column get the same type.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    kinds: Kinds,
    accepted: Kinds,
    /// True if the texts determine the type, because the operators do not.
    is_open: bool,
}

impl Default for AttributeTypes {
    fn default() -> Self {
        Self(BTreeMap::from([(USER_ID.into(), UNIT)]))
    }
}

impl AttributeTypes {
    pub(crate) fn of(experiments: &[Experiment], flags: &[Flag]) -> Self {
        let mut types = Self::default();
        for experiment in experiments {
            let parts = experiment.parts();
            types.add_unit(&parts.unit);
            parts.holdouts.iter().for_each(|holdout| types.add_unit(&holdout.unit));
            types.add_conditions(&parts.targeting);
        }
        for flag in flags {
            if flag.draws_by_unit() {
                types.add_unit(&flag.unit);
            }
            flag.rules.iter().for_each(|rule| types.add_conditions(&rule.when));
            flag.rollout.iter().for_each(|rollout| types.add_conditions(&rollout.targeting));
        }
        types
    }

    /// Adds what other documents read.
    pub fn merge(&mut self, other: &Self) {
        for (name, types) in &other.0 {
            self.add(name, *types);
        }
    }

    fn add(&mut self, name: &str, types: Types) {
        let there = self.0.entry(name.into()).or_insert(types);
        there.wanted = there.wanted.and(types.wanted);
        there.accepted = there.accepted.or(types.accepted);
    }

    fn add_unit(&mut self, unit: &AttributePath) {
        self.add(unit.as_str(), UNIT);
    }

    fn add_conditions(&mut self, conditions: &[CompiledCondition]) {
        for condition in conditions {
            match condition {
                CompiledCondition::All(inner)
                | CompiledCondition::Any(inner)
                | CompiledCondition::Not(inner) => {
                    self.add_conditions(inner);
                }
                CompiledCondition::Segment(segment) => self.add_conditions(&segment.when),
                CompiledCondition::Leaf(leaf) => {
                    if let ConditionInput::Attribute(path) = &leaf.source {
                        let accepted = Kinds::accepted_by(&leaf.test);
                        let is_hashed = matches!(leaf.test, super::ConditionTest::Percentage(..));
                        let wanted = if is_hashed { Kinds::TEXT } else { accepted };
                        self.add(path.as_str(), Types { wanted, accepted });
                    }
                }
            }
        }
    }

    /// The dotted paths of the attributes, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// Returns true if documents read an attribute, or one inside it.
    #[must_use]
    pub fn reads(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<Types> {
        self.0.get(name).copied().or_else(|| self.is_parent(name).then_some(PARENT))
    }

    fn is_parent(&self, name: &str) -> bool {
        let start = format!("{name}.");
        let next = self.0.range::<str, _>((Bound::Included(&*start), Bound::Unbounded)).next();
        next.is_some_and(|(path, _)| path.starts_with(&*start))
    }

    /// Returns the reader for the texts of an attribute.
    #[must_use]
    pub fn column(&self, name: &str) -> Column {
        let Some(Types { wanted, accepted }) = self.find(name) else {
            return Column { kinds: Kinds::ALL, accepted: Kinds::ALL, is_open: true };
        };
        let (kinds, is_open) = match wanted {
            Kinds::NONE => (Kinds::ALL, true),
            // It only has to be there.
            Kinds::ALL => (Kinds::TEXT, false),
            decided => (decided, false),
        };
        Column { kinds, accepted, is_open }
    }

    /// Reads the one text of an attribute.
    #[must_use]
    pub fn read(&self, name: &str, text: &str) -> Value {
        let mut column = self.column(name);
        column.look(text);
        column.read(text)
    }

    /// Returns a warning about the value that a text was read as, if there is cause for one.
    #[must_use]
    pub fn hint_of_text(&self, name: &str, text: &str, value: &Value) -> Option<String> {
        let types = self.find(name);
        if types.is_some_and(|types| types.wanted == Kinds::NONE) {
            let found = describe(value);
            return Some(format!("documents do not agree on the type of `{name}`; it is read as {found}"));
        }
        let accepted = types.map_or(Kinds::ALL, |types| types.accepted);
        match value {
            Value::String(_) if !accepted.has(Kinds::TEXT) => {
                Some(format!("{text:?} cannot match: documents compare `{name}` with {accepted}"))
            }
            Value::String(_)
                if number(text).is_some() && !types.is_some_and(|it| it.accepted.has(Kinds::NUMBER)) =>
            {
                Some(match types {
                    Some(_) => {
                        format!("`{name}` is the text {text:?}, because documents compare it with {accepted}")
                    }
                    None => format!("`{name}` is the text {text:?}, although it looks like a number"),
                })
            }
            Value::Number(number) if has_leading_zero(text) => Some(format!(
                "`{name}` is the number {number}: documents compare it with a number, and {text} is the same number written differently"
            )),
            _ => None,
        }
    }

    /// Returns warnings about attributes that came with their types: those that no document reads, and values
    /// of a type that no operator takes.
    #[must_use]
    pub fn hints(&self, attributes: &Map<String, Value>) -> Vec<Hint> {
        let mut hints = Vec::new();
        for (name, value) in attributes {
            self.add_hints(name, value, &mut hints);
        }
        hints
    }

    fn add_hints(&self, name: &str, value: &Value, hints: &mut Vec<Hint>) {
        match (self.find(name), value) {
            (Some(_), Value::Object(inner)) if !self.0.contains_key(name) => {
                inner.iter().for_each(|(key, value)| self.add_hints(&format!("{name}.{key}"), value, hints));
            }
            (Some(types), value) if !types.accepted.has(Kinds::of(value)) => {
                let (found, accepted) = (describe(value), types.accepted);
                let message =
                    format!("`{name}` is {found}, which cannot match: documents compare it with {accepted}");
                hints.push(Hint { attribute: name.to_owned(), message });
            }
            (None, _) => hints
                .extend(self.hint_of_name(name).map(|message| Hint { attribute: name.to_owned(), message })),
            _ => {}
        }
    }

    /// Returns a warning about an attribute that no document reads.
    #[must_use]
    pub fn hint_of_name(&self, name: &str) -> Option<String> {
        if self.reads(name) {
            return None;
        }
        let near = did_you_mean(name, self.names()).map(|near| format!("; did you mean `{near}`?"));
        Some(format!("no document reads the attribute `{name}`{}", near.unwrap_or_default()))
    }
}

impl Column {
    /// Returns true if the texts determine the type, so that all of them must be looked at before one is
    /// read.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.is_open
    }

    /// Takes a text into account. A type is kept only if all texts look like it.
    pub fn look(&mut self, text: &str) {
        if self.is_open {
            self.kinds = self.kinds.and(look(text));
        }
    }

    /// Returns true if an operator can hold for a value.
    #[must_use]
    pub fn fits(self, value: &Value) -> bool {
        self.accepted.has(Kinds::of(value))
    }

    /// Reads a text.
    #[must_use]
    pub fn read(self, text: &str) -> Value {
        read(text, self.kinds)
    }
}

impl Flag {
    fn draws_by_unit(&self) -> bool {
        let draws = |serve: &Serve| matches!(serve, Serve::Split(_));
        self.rollout.is_some()
            || !self.overrides.is_empty()
            || self.rules.iter().any(|rule| draws(&rule.serve))
    }
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use crate::decide::{AttributeTypes, Catalog};
    use crate::read_and_compile;
    use serde_json::{Value, json};

    fn catalog(conditions: &Value) -> Catalog {
        let experiment = json!({
            "experiment": "e", "status": "active", "unit": "account",
            "variants": [{"key": "a"}, {"key": "b"}], "targeting_rules": conditions,
        });
        let flag = json!({"flag": "f", "enabled": true, "rules": [
            {"when": [{"segment": "s"}, {"attribute": "device.os", "operator": "starts_with", "value": "i"}], "serve": "on"},
        ]});
        let shared = json!({"catalog": {"segments": [
            {"key": "s", "when": [{"attribute": "plan", "operator": "in", "value": ["pro", "1"]}]},
        ]}});
        let compilation = read_and_compile(&[experiment, flag, shared]);
        assert_eq!(compilation.catalog.experiments().len(), 1, "{:?}", compilation.findings);
        compilation.catalog
    }

    fn types() -> AttributeTypes {
        let leaf = |attribute: &str, operator: &str, value: Value| json!({"attribute": attribute, "operator": operator, "value": value});
        let conditions = json!([
            leaf("app_version", "semver_greater_or_equal", json!("3.1.0")),
            leaf("zip", "equals", json!("12345")),
            {"not": leaf("age", "greater_than", json!(17))},
            leaf("paying", "equals", json!(true)),
            leaf("tags", "contains", json!("a")),
            leaf("since", "after", json!("2026-01-01")),
            leaf("place", "geo_within", json!({"lat": 1, "lon": 1, "radius_km": 1})),
            leaf("level", "equals", json!("1")),
            {"any": [leaf("level", "less_than", json!(5))]},
            {"attribute": "referrer", "operator": "exists"},
        ]);
        catalog(&conditions).attributes().clone()
    }

    #[test]
    fn a_text_has_the_type_that_the_operators_take() {
        let types = types();
        for (name, text, expected) in [
            ("app_version", "5.10", json!("5.10")),
            ("app_version", "6", json!("6")),
            ("zip", "12345", json!("12345")),
            ("zip", "true", json!("true")),
            ("age", "42", json!(42)),
            ("age", "042", json!(42)),
            ("age", "old", json!("old")),
            ("paying", "TRUE", json!(true)),
            ("tags", "[\"a\", \"b\"]", json!(["a", "b"])),
            ("tags", "12", json!("12")),
            ("since", "1767225600", json!(1_767_225_600)),
            ("since", "2026-01-01", json!("2026-01-01")),
            ("place", "[52.5, 13.4]", json!([52.5, 13.4])),
            ("account", "0042", json!("0042")),
            ("user_id", "42", json!("42")),
            ("plan", "1", json!("1")),
            ("device", "{\"os\": \"ios\"}", json!({"os": "ios"})),
            ("device.os", "10", json!("10")),
            // Nobody says what these are: a number, unless something would be lost.
            ("level", "3", json!(3)),
            ("referrer", "7", json!("7")),
            ("other", "7.5", json!(7.5)),
            ("other", "01234", json!("01234")),
            ("other", "5.10", json!("5.10")),
            ("other", "true", json!(true)),
        ] {
            assert_eq!(types.read(name, text), expected, "{name}={text}");
        }
    }

    #[test]
    fn a_column_has_one_type() {
        let types = types();
        let read = |name: &str, texts: &[&str]| {
            let mut column = types.column(name);
            for text in texts {
                column.look(text);
            }
            texts.iter().map(|text| column.read(text)).collect::<Vec<_>>()
        };
        assert_eq!(read("app_version", &["5.12", "6"]), [json!("5.12"), json!("6")]);
        assert_eq!(read("other", &["12345", "01234"]), [json!("12345"), json!("01234")]);
        assert_eq!(read("other", &["1", "2.5"]), [json!(1), json!(2.5)]);
        assert_eq!(read("level", &["1", "x"]), [json!("1"), json!("x")]);
        assert_eq!(read("other", &["true", "1"]), [json!("true"), json!("1")]);
        assert!(types.column("level").is_open() && !types.column("zip").is_open());
    }

    #[test]
    fn what_is_in_doubt_is_said() {
        let types = types();
        for (name, text, expected) in [
            ("zip", "12345", Some("`zip` is the text \"12345\", because documents compare it with a text")),
            ("zip", "DE", None),
            ("age", "old", Some("\"old\" cannot match: documents compare `age` with a number")),
            (
                "age",
                "042",
                Some(
                    "`age` is the number 42: documents compare it with a number, and 042 is the same number written differently",
                ),
            ),
            ("age", "0", None),
            ("account", "42", None),
            ("level", "3", Some("documents do not agree on the type of `level`; it is read as the number 3")),
            ("other", "5.10", Some("`other` is the text \"5.10\", although it looks like a number")),
        ] {
            assert_eq!(
                types.hint_of_text(name, text, &types.read(name, text)).as_deref(),
                expected,
                "{name}={text}"
            );
        }
        for (context, expected) in [
            (json!({"contry": "DE", "plan": "pro"}), vec!["no document reads the attribute `contry`"]),
            (json!({"plann": "pro"}), vec!["no document reads the attribute `plann`; did you mean `plan`?"]),
            (
                json!({"device": {"oss": 1}}),
                vec!["no document reads the attribute `device.oss`; did you mean `device.os`?"],
            ),
            (
                json!({"device": 1}),
                vec!["`device` is the number 1, which cannot match: documents compare it with an object"],
            ),
            (
                json!({"app_version": 5.1}),
                vec!["`app_version` is the number 5.1, which cannot match: documents compare it with a text"],
            ),
            (json!({"account": 7, "level": "1", "since": 1.5, "referrer": [], "age": null}), vec![]),
        ] {
            let hints = types.hints(context.as_object().unwrap());
            let messages: Vec<String> = hints.into_iter().map(|it| it.message).collect();
            assert_eq!(messages, expected, "{context}");
        }
    }
}
