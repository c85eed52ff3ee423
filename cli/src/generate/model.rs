//! The documents, as far as code is made of them.

use super::shape::{Kind, Shape};
use super::text::doc_lines;
use abx_core::document::{Document, ExperimentConfig, FeatureFlagConfig, PayloadSchema, Status};
use abx_core::finding::Findings;
use serde_json::Value;
use std::collections::BTreeSet;

/// Everything that code is made of, by key.
#[derive(Debug, Default)]
pub struct Model {
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// The flags.
    pub flags: Vec<Flag>,
}

/// A key with its documentation.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The description and the owner, in lines that are safe in any comment once its end is escaped.
    pub docs: Vec<String>,
    /// The reason for using it no longer.
    pub deprecated: Option<String>,
}

/// An experiment.
#[derive(Debug)]
pub struct Experiment {
    /// Its key.
    pub entry: Entry,
    /// Its variants, in the order of the document.
    pub variants: Vec<Entry>,
    /// The shape of the payloads, if there are any.
    pub payload: Option<Payload>,
}

/// The payloads of an experiment.
#[derive(Debug)]
pub struct Payload {
    /// Their shape.
    pub shape: Shape,
    /// True if a variant has none.
    pub is_optional: bool,
}

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// Its key.
    pub entry: Entry,
    /// Its variants, in the order of the document.
    pub variants: Vec<Entry>,
    /// Its type, and the value of its default variant.
    pub value: FlagValue,
}

/// The type of a flag, as OpenFeature has it, with the default.
#[derive(Debug)]
pub enum FlagValue {
    /// A boolean.
    Boolean(bool),
    /// A number of which no value has a fraction.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A string; the words are all that its description allows.
    Text(String, Option<BTreeSet<String>>),
    /// An object.
    Object(Value, Shape),
}

impl Model {
    /// Takes what is needed of documents without errors.
    #[must_use]
    pub fn of<'v>(documents: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut model = Self::default();
        for value in documents {
            match Document::read(value, &mut Findings::default()) {
                Some(Document::Experiment(written)) => model.experiments.push(Experiment::of(&written)),
                Some(Document::Flag(written)) => model.flags.push(Flag::of(&written)),
                _ => {}
            }
        }
        model.experiments.sort_by(|a, b| a.entry.key.cmp(&b.entry.key));
        model.flags.sort_by(|a, b| a.entry.key.cmp(&b.entry.key));
        model
    }
}

impl Entry {
    fn of(key: &str, description: Option<&String>, owner: Option<&String>) -> Self {
        let mut docs = description.map(|it| doc_lines(it)).unwrap_or_default();
        docs.extend(owner.map(|it| format!("Owner: {}", doc_lines(it).join(" "))));
        Self { key: key.to_owned(), docs, deprecated: None }
    }
}

impl Experiment {
    fn of(written: &ExperimentConfig) -> Self {
        let mut entry = Entry::of(&written.experiment, written.description.as_ref(), written.owner.as_ref());
        if written.status == Status::Completed {
            entry.deprecated = Some(match &written.winner {
                Some(winner) => format!("The experiment is completed; its winner is {winner}."),
                None => "The experiment is completed.".to_owned(),
            });
        }
        let variants = &written.variants;
        let payloads = variants.iter().filter_map(|it| it.payload.as_ref());
        let shape = shape(written.payload_schema.as_ref(), payloads);
        Self {
            entry,
            variants: variants.iter().map(|it| Entry::of(&it.key, it.description.as_ref(), None)).collect(),
            payload: shape
                .map(|shape| Payload { shape, is_optional: variants.iter().any(|it| it.payload.is_none()) }),
        }
    }
}

/// The shape that is described, or that all values together have; none of no value.
fn shape<'v>(schema: Option<&PayloadSchema>, values: impl Iterator<Item = &'v Value>) -> Option<Shape> {
    match schema {
        Some(schema) => Some(Shape::of_schema(schema)),
        None => values.map(Shape::of_value).reduce(Shape::join),
    }
}

impl Flag {
    fn of(written: &FeatureFlagConfig) -> Self {
        let entry = Entry::of(&written.flag, written.description.as_ref(), written.owner.as_ref());
        if written.variants.is_empty() {
            let variants = ["on", "off"].map(|key| Entry::of(key, None, None)).into();
            let is_on = written.default_variant.as_deref() == Some("on");
            return Self { entry, variants, value: FlagValue::Boolean(is_on) };
        }
        let variants = &written.variants;
        let default = variants.iter().find(|it| Some(&*it.key) == written.default_variant.as_deref());
        Self {
            entry,
            variants: variants.iter().map(|it| Entry::of(&it.key, it.description.as_ref(), None)).collect(),
            value: FlagValue::of(written, default.map_or(Value::Null, |it| it.value.clone())),
        }
    }
}

impl FlagValue {
    /// The type of the default value; of a flag with values of several types, which has a warning, the others are left out.
    fn of(written: &FeatureFlagConfig, default: Value) -> Self {
        let is_alike = |it: &&Value| std::mem::discriminant(*it) == std::mem::discriminant(&default);
        let values = written.variants.iter().map(|it| &it.value).filter(is_alike);
        let shape = shape(written.payload_schema.as_ref(), values).unwrap_or_default();
        match default {
            Value::Bool(it) => Self::Boolean(it),
            Value::Number(it) => match it.as_i64() {
                Some(it) if shape.kinds().contains(&Kind::Integer) => Self::Integer(it),
                _ => Self::Float(it.as_f64().unwrap_or_default()),
            },
            Value::String(it) => {
                let words = shape.kinds().into_iter().find_map(|kind| match kind {
                    Kind::Words(words) => Some(words.clone()),
                    _ => None,
                });
                Self::Text(it, words)
            }
            other => Self::Object(other, shape),
        }
    }
}
