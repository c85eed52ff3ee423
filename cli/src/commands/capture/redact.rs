//! Events without what they tell of a person.

use abx_core::event::{EventData, EventKind};
use abx_functions::telemetry::hashed;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, RandomState};

/// The type of a text.
const REDACTED: &str = "redacted";

/// Replaces units by pseudonyms: one unit has one pseudonym in a capture, and another one in the next, so that captures
/// count as the stream did, and nobody can be followed from one to another.
#[derive(Debug)]
pub(super) struct Redactor {
    key: [u64; 2],
}

impl Redactor {
    /// With a key that is forgotten at the end.
    pub(super) fn new() -> Self {
        // Seeded by the system's randomness: whoever guessed it could look for known units.
        let random = RandomState::new();
        Self { key: [random.hash_one(0), random.hash_one(1)] }
    }

    /// The pseudonym of a unit, or of another text that tells events apart.
    pub(super) fn pseudonym(&self, text: &str) -> String {
        let [a, b] = self.key;
        hashed(&format!("{a:016x}{b:016x}:{text}"))
    }

    /// The event with pseudonyms, without the texts of its properties, and without the fields that nobody reads here. `None`
    /// for what is no event.
    pub(super) fn event(&self, data: &[u8]) -> Option<Vec<u8>> {
        let event = EventData::read(data).ok()?;
        let mut out = json!({"type": event.kind.as_str()});
        let fields = out.as_object_mut()?;
        if !event.unit.is_empty() {
            fields.insert("unit".to_owned(), self.pseudonym(&event.unit).into());
        }
        if let Some(id) = &event.event_id {
            fields.insert("event_id".to_owned(), self.pseudonym(id).into());
        }
        if let Some(time) = event.timestamp {
            fields.insert("timestamp".to_owned(), time.to_string().into());
        }
        match &event.kind {
            EventKind::Exposure { experiment, variant, epoch } => {
                fields.insert("experiment".to_owned(), (&**experiment).into());
                fields.insert("variant".to_owned(), (&**variant).into());
                fields.insert("epoch".to_owned(), (*epoch).into());
            }
            EventKind::Evaluation { flag, variant } => {
                fields.insert("flag".to_owned(), (&**flag).into());
                fields.insert("variant".to_owned(), (&**variant).into());
            }
            EventKind::Evaluations { counts } => {
                fields.insert("counts".to_owned(), serde_json::to_value(counts).ok()?);
            }
            EventKind::Conversion { event, properties, context } => {
                fields.insert("event".to_owned(), (&**event).into());
                if let Some(properties) = object(*properties) {
                    fields.insert("properties".to_owned(), without_texts(&properties));
                }
                if let Some(context) = object(*context) {
                    fields.insert("context".to_owned(), self.attributes(&context));
                }
            }
        }
        serde_json::to_vec(&out).ok()
    }

    /// Attributes with pseudonyms: one of them may be the unit of an experiment, and then has to be the one of its exposure.
    fn attributes(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                map.iter().map(|(name, value)| (name.clone(), self.attributes(value))).collect()
            }
            Value::Array(list) => list.iter().map(|value| self.attributes(value)).collect(),
            Value::String(text) => self.pseudonym(text).into(),
            Value::Number(number) => self.pseudonym(&number.to_string()).into(),
            Value::Bool(_) | Value::Null => value.clone(),
        }
    }
}

fn object(raw: Option<&RawValue>) -> Option<Value> {
    serde_json::from_str::<Map<String, Value>>(raw?.get()).ok().map(Value::Object)
}

/// Numbers stay, because metrics add them up.
fn without_texts(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), without_texts(value))).collect(),
        Value::Array(list) => list.iter().map(without_texts).collect(),
        Value::String(_) => REDACTED.into(),
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_person_is_left() {
        let redactor = Redactor::new();
        for event in [
            json!({"event_id": "s3cret-1", "type": "exposure", "unit": "s3cret", "experiment": "e",
                "variant": "a", "epoch": 2, "more": "s3cret"}),
            json!({"type": "evaluation", "unit": "s3cret", "flag": "f", "variant": "on", "timestamp": 1000}),
            json!({"type": "conversion", "user_id": "s3cret", "event": "purchase", "properties":
                {"amount": 9.5, "to": "s3cret", "lines": [{"sku": "s3cret", "count": 2}]},
                "context": {"mail": "s3cret", "company": {"id": 4711}, "pro": true}}),
        ] {
            let data = redactor.event(event.to_string().as_bytes()).unwrap();
            let text = String::from_utf8(data.clone()).unwrap();
            assert!(!text.contains("s3cret") && !text.contains("4711"), "{text}");
            let (before, after) = (event.to_string(), EventData::read(&data).unwrap());
            let before = EventData::read(before.as_bytes()).unwrap();
            assert_eq!(before.kind.as_str(), after.kind.as_str());
            assert_eq!(before.timestamp, after.timestamp);
            assert_eq!(*after.unit, redactor.pseudonym("s3cret"));
        }
        assert_eq!(redactor.event(b"s3cret"), None);
        assert_ne!(Redactor::new().pseudonym("a"), Redactor::new().pseudonym("a"), "no two captures agree");
    }

    #[test]
    fn a_summary_keeps_its_counts() {
        let entry = json!({"flag": "f", "variant": "on", "revision": 7, "count": 3});
        let mut sent =
            json!({"type": "evaluations", "event_id": "s3cret", "unit": "s3cret", "counts": [entry]});
        sent["counts"][0]["reason"] = "s3cret".into();
        let data = Redactor::new().event(sent.to_string().as_bytes()).unwrap();
        let value: Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(value["counts"], json!([entry]));
        assert!(!value.to_string().contains("s3cret"), "{value}");
    }

    #[test]
    fn what_is_counted_is_kept() {
        let redactor = Redactor::new();
        let event = json!({"type": "conversion", "user_id": "u", "event": "purchase",
            "properties": {"amount": 9.5, "lines": [1, "x"]}, "context": {"company": 4711}});
        let data = redactor.event(event.to_string().as_bytes()).unwrap();
        let value: Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(value["properties"], json!({"amount": 9.5, "lines": [1, "redacted"]}));
        // As an exposure of an experiment that randomises companies has it.
        assert_eq!(value["context"]["company"], redactor.pseudonym("4711"));
    }
}
