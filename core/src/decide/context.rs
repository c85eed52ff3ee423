//! A context in JSON.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Attributes, read from JSON in which no name stands twice. The usual readers keep the last of two values in silence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Map<String, Value>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                unique(map)
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}

fn unique<'de, A: MapAccess<'de>>(mut access: A) -> Result<Map<String, Value>, A::Error> {
    let mut map = Map::new();
    while let Some(name) = access.next_key::<String>()? {
        if map.contains_key(&name) {
            // Not its value, and not all of a long name: this goes into answers.
            let start: String = name.chars().take(64).collect();
            return Err(A::Error::custom(format_args!("the attribute {start:?} is written twice")));
        }
        let Unique(value) = access.next_value()?;
        map.insert(name, value);
    }
    Ok(map)
}

/// Any value, with the same rule inside it.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
                Ok(it.into())
            }
            fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
                Ok(it.into())
            }
            fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
                Ok(it.into())
            }
            fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
                Ok(it.into())
            }
            fn visit_str<E>(self, it: &str) -> Result<Value, E> {
                Ok(it.into())
            }
            fn visit_string<E>(self, it: String) -> Result<Value, E> {
                Ok(it.into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Unique(item)) = access.next_element()? {
                    items.push(item);
                }
                Ok(items.into())
            }
            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
                unique(access).map(Value::Object)
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Map<String, Value>, String> {
        serde_json::from_str(text).map(|Context(map)| map).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        for text in [
            r#"{"plan": "pro", "plan": "free"}"#,
            r#"{"plan": "pro", "plan": "pro"}"#,
            r#"{"plan": 1, "pl\u0061n": 1}"#,
            r#"{"app": {"version": 1, "version": 2}}"#,
            r#"{"list": [{"a": 1, "a": 2}]}"#,
            r#"{"plan": null, "plan": "pro"}"#,
        ] {
            assert!(read(text).unwrap_err().contains("is written twice"), "{text}");
        }
        assert!(read("[1]").unwrap_err().contains("an object of attributes"));
        assert_eq!(read(r#"{"a": 1, "A": 1, "b": {"a": 1}}"#).unwrap().len(), 3);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_it_is(value in json()) {
            let context = serde_json::json!({"value": value});
            prop_assert_eq!(read(&context.to_string()).map(Value::Object), Ok(context));
        }
    }
}
