//! The shape of payloads: which types a value may have, and which fields.

use abx_core::document::{OtherProperties, PayloadSchema, PayloadType};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The values that may stand at a place: any of the parts that are there. Two shapes join part by part, so that a union never names
/// one type twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    is_any: bool,
    is_null: bool,
    is_boolean: bool,
    number: Option<NumberShape>,
    text: Option<TextShape>,
    list: Option<Box<Shape>>,
    object: Option<ObjectShape>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NumberShape {
    Integer,
    Float,
}

#[derive(Debug, Clone, PartialEq)]
enum TextShape {
    Words(BTreeSet<String>),
    Any,
}

#[derive(Debug, Clone, PartialEq)]
enum ObjectShape {
    Record(Fields),
    Map(Box<Shape>),
}

/// The fields of an object, by name.
pub type Fields = BTreeMap<String, Field>;

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its value.
    pub shape: Shape,
    /// True if it may be missing.
    pub is_optional: bool,
}

/// One type of values.
#[derive(Debug, PartialEq)]
pub enum Kind<'s> {
    /// True or false.
    Boolean,
    /// A number without a fraction, of 64 bits.
    Integer,
    /// A number.
    Float,
    /// A text.
    Text,
    /// A text that is one of some words.
    Words(&'s BTreeSet<String>),
    /// A list of items.
    List(&'s Shape),
    /// An object with any names and values of one shape.
    Map(&'s Shape),
    /// An object with known fields.
    Record(&'s Fields),
}

impl Shape {
    /// The shape of a value.
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        let shape = Self::default();
        match value {
            Value::Null => Self { is_null: true, ..shape },
            Value::Bool(_) => Self { is_boolean: true, ..shape },
            Value::Number(it) if it.is_i64() => Self { number: Some(NumberShape::Integer), ..shape },
            Value::Number(_) => Self { number: Some(NumberShape::Float), ..shape },
            Value::String(_) => Self { text: Some(TextShape::Any), ..shape },
            Value::Array(items) => {
                let items = items.iter().map(Self::of_value).reduce(Self::join).unwrap_or_default();
                Self { list: Some(Box::new(items)), ..shape }
            }
            Value::Object(map) => {
                let field = |value| Field { shape: Self::of_value(value), is_optional: false };
                let fields = map.iter().map(|(name, value)| (name.clone(), field(value))).collect();
                Self { object: Some(ObjectShape::Record(fields)), ..shape }
            }
        }
    }

    /// The shape of the values that a description allows.
    #[must_use]
    pub fn of_schema(schema: &PayloadSchema) -> Self {
        let types = schema.r#type.as_ref().map(|it| it.0.as_slice());
        if let Some(allowed) = &schema.r#enum {
            let of_value = |value: &Value| match value {
                Value::String(word) => {
                    let words = BTreeSet::from([word.clone()]);
                    Self { text: Some(TextShape::Words(words)), ..Self::default() }
                }
                other => Self::of_value(other),
            };
            return allowed.iter().map(of_value).reduce(Self::join).unwrap_or_default();
        }
        let Some(types) = types else { return Self::any() };
        let of_type = |it: &PayloadType| {
            let shape = Self::default();
            match it {
                PayloadType::Null => Self { is_null: true, ..shape },
                PayloadType::Boolean => Self { is_boolean: true, ..shape },
                PayloadType::Integer => Self { number: Some(NumberShape::Integer), ..shape },
                PayloadType::Number => Self { number: Some(NumberShape::Float), ..shape },
                PayloadType::String => Self { text: Some(TextShape::Any), ..shape },
                PayloadType::Array => {
                    let items = schema.items.as_deref().map_or_else(Self::any, Self::of_schema);
                    Self { list: Some(Box::new(items)), ..shape }
                }
                PayloadType::Object => Self { object: Some(ObjectShape::of_schema(schema)), ..shape },
            }
        };
        types.iter().map(of_type).reduce(Self::join).unwrap_or_default()
    }

    fn any() -> Self {
        Self { is_any: true, ..Self::default() }
    }

    /// The values of either shape.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            is_any: self.is_any || other.is_any,
            is_null: self.is_null || other.is_null,
            is_boolean: self.is_boolean || other.is_boolean,
            number: self.number.max(other.number),
            text: either(self.text, other.text, TextShape::join),
            list: either(self.list, other.list, |a, b| Box::new(a.join(*b))),
            object: either(self.object, other.object, ObjectShape::join),
        }
    }

    /// Returns true if the value may be null, beside other values.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.is_null && !self.kinds().is_empty()
    }

    /// Returns true if the value is always null.
    #[must_use]
    pub fn is_only_null(&self) -> bool {
        self.is_null && !self.is_any && self.kinds().is_empty()
    }

    /// The types that a value may have, apart from null; none if it may be anything, or nothing is known of it.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind<'_>> {
        if self.is_any {
            return Vec::new();
        }
        let number = self.number.map(|it| match it {
            NumberShape::Integer => Kind::Integer,
            NumberShape::Float => Kind::Float,
        });
        let text = self.text.as_ref().map(|it| match it {
            TextShape::Words(words) => Kind::Words(words),
            TextShape::Any => Kind::Text,
        });
        let object = self.object.as_ref().map(|it| match it {
            ObjectShape::Record(fields) => Kind::Record(fields),
            ObjectShape::Map(values) => Kind::Map(values),
        });
        let boolean = self.is_boolean.then_some(Kind::Boolean);
        let list = self.list.as_deref().map(Kind::List);
        [boolean, number, text, list, object].into_iter().flatten().collect()
    }
}

impl Kind<'_> {
    /// Returns true if a value is of this type.
    #[must_use]
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_boolean(),
            Self::Integer | Self::Float => value.is_number(),
            Self::Text | Self::Words(_) => value.is_string(),
            Self::List(_) => value.is_array(),
            Self::Map(_) | Self::Record(_) => value.is_object(),
        }
    }
}

fn either<T>(a: Option<T>, b: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (a, b) => a.or(b),
    }
}

impl TextShape {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Words(mut words), Self::Words(more)) => {
                words.extend(more);
                Self::Words(words)
            }
            _ => Self::Any,
        }
    }
}

impl ObjectShape {
    /// Fields without a description cannot be typed, so those that `additionalProperties` allows beside named ones are left out.
    fn of_schema(schema: &PayloadSchema) -> Self {
        if schema.properties.is_empty() {
            match &schema.additionalProperties {
                Some(OtherProperties::Described(values)) => {
                    return Self::Map(Box::new(Shape::of_schema(values)));
                }
                Some(OtherProperties::Allowed(true)) | None => return Self::Map(Box::new(Shape::any())),
                Some(OtherProperties::Allowed(false)) => {}
            }
        }
        let field = |(name, inner): (&String, &PayloadSchema)| {
            let is_optional = !schema.required.contains(name);
            (name.clone(), Field { shape: Shape::of_schema(inner), is_optional })
        };
        Self::Record(schema.properties.iter().map(field).collect())
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Record(a), Self::Record(b)) => Self::Record(join_fields(a, b)),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.join(*b))),
            (Self::Record(fields), Self::Map(values)) | (Self::Map(values), Self::Record(fields)) => {
                Self::Map(Box::new(fields.into_values().fold(*values, |all, it| all.join(it.shape))))
            }
        }
    }
}

/// The fields of both; one that is missing on one side is optional.
fn join_fields(mut a: Fields, b: Fields) -> Fields {
    for (name, field) in &mut a {
        field.is_optional |= !b.contains_key(name);
    }
    for (name, field) in b {
        let joined = match a.remove(&name) {
            Some(known) => Field {
                shape: known.shape.join(field.shape),
                is_optional: known.is_optional || field.is_optional,
            },
            None => Field { is_optional: true, ..field },
        };
        a.insert(name, joined);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn joined(values: &[Value]) -> Shape {
        values.iter().map(Shape::of_value).reduce(Shape::join).unwrap_or_default()
    }

    #[test]
    fn a_field_that_one_value_lacks_is_optional() {
        let shape = joined(&[json!({"a": 1, "b": "x"}), json!({"a": 2.5}), json!({"a": 3, "c": null})]);
        let kinds = shape.kinds();
        let [Kind::Record(fields)] = kinds.as_slice() else { panic!("{kinds:?}") };
        let optional: Vec<(&str, bool)> =
            fields.iter().map(|(name, field)| (name.as_str(), field.is_optional)).collect();
        assert_eq!(optional, [("a", false), ("b", true), ("c", true)]);
        assert_eq!(fields["a"].shape.kinds(), [Kind::Float], "an integer beside a fraction");
        assert!(fields["c"].shape.is_only_null());
    }

    #[test]
    fn types_that_differ_make_a_union_of_each_of_them_once() {
        let shape =
            joined(&[json!([1]), json!("x"), json!(["y", null]), json!(true), json!("z"), json!(null)]);
        let kinds = shape.kinds();
        let [Kind::Boolean, Kind::Text, Kind::List(items)] = kinds.as_slice() else { panic!("{kinds:?}") };
        assert_eq!(items.kinds(), [Kind::Integer, Kind::Text]);
        assert!(items.is_nullable() && shape.is_nullable());
    }

    #[test]
    fn joining_is_commutative_and_knows_large_numbers() {
        let values =
            [json!({"a": [1, {"b": 2}]}), json!({"a": ["x"]}), json!(u64::MAX), json!(null), json!([])];
        for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
            assert_eq!(joined(&[a.clone(), b.clone()]), joined(&[b.clone(), a.clone()]), "{a} {b}");
        }
        assert_eq!(
            Shape::of_value(&json!(u64::MAX)).kinds(),
            [Kind::Float],
            "no language has it as an integer"
        );
    }
}
