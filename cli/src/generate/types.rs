//! What languages with named types have in common: where a type stands, its name, and the types that must be declared for it.

use super::model::{FlagValue, Model};
use super::names::{Names, Scope, pascal};
use super::shape::{Fields, Kind, Shape};
use crate::error::Error;

/// The place of a type: what it stands for, and the name that it would have alone.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Unique among all types of a file.
    pub what: String,
    /// The name that it would have alone.
    pub plain: String,
}

impl Place {
    /// The payloads of an experiment.
    pub(super) fn payload(key: &str) -> Self {
        Self { what: format!("the payload of experiment {key}"), plain: pascal(key) + "Payload" }
    }

    /// The values of a flag.
    pub(super) fn value(key: &str) -> Self {
        Self { what: format!("the value of flag {key}"), plain: pascal(key) + "Value" }
    }

    /// The variants of an experiment.
    pub(super) fn experiment_variants(key: &str) -> Self {
        Self { what: format!("the variants of experiment {key}"), plain: pascal(key) + "Variant" }
    }

    /// The variants of a flag.
    pub(super) fn flag_variants(key: &str) -> Self {
        Self { what: format!("the variants of flag {key}"), plain: pascal(key) + "FlagVariant" }
    }

    /// A field of an object.
    pub(super) fn field(&self, name: &str) -> Self {
        Self { what: format!("{}.{name:?}", self.what), plain: format!("{}{}", self.plain, pascal(name)) }
    }

    /// The items of a list.
    pub(super) fn item(&self) -> Self {
        self.inner("Item")
    }

    /// The values of a map.
    pub(super) fn map_value(&self) -> Self {
        self.inner("Entry")
    }

    /// The object among several types.
    pub(super) fn object(&self) -> Self {
        self.inner("Object")
    }

    fn inner(&self, name: &str) -> Self {
        Self { what: format!("{} {name}", self.what), plain: format!("{}{name}", self.plain) }
    }
}

/// A type that must be declared.
pub(super) enum Declared<'s> {
    /// An object with fields.
    Record(&'s Fields),
    /// One of several types.
    Union(Vec<Kind<'s>>),
}

/// The types to declare for a shape, those first that others use.
pub(super) fn declared<'s>(shape: &'s Shape, place: &Place) -> Vec<(Place, Declared<'s>)> {
    let mut list = Vec::new();
    let kinds = shape.kinds();
    let is_union = kinds.len() > 1;
    for kind in &kinds {
        match kind {
            Kind::List(items) => list.extend(declared(items, &place.item())),
            Kind::Map(values) => list.extend(declared(values, &place.map_value())),
            Kind::Record(fields) => {
                let place = if is_union { place.object() } else { place.clone() };
                for (name, field) in *fields {
                    list.extend(declared(&field.shape, &place.field(name)));
                }
                list.push((place, Declared::Record(fields)));
            }
            Kind::Boolean | Kind::Integer | Kind::Float | Kind::Text | Kind::Words(_) => {}
        }
    }
    if is_union {
        list.push((place.clone(), Declared::Union(kinds)));
    }
    list
}

/// Asks for the names of all types of a model.
pub(super) fn want_types(scope: &mut Scope, model: &Model) {
    let mut want = |place: &Place| scope.want(place.what.clone(), place.plain.clone());
    for experiment in &model.experiments {
        let key = &experiment.entry.key;
        want(&Place::experiment_variants(key));
        if let Some(payload) = &experiment.payload {
            let place = Place::payload(key);
            want(&place);
            for (place, _) in &declared(&payload.shape, &place) {
                want(place);
            }
        }
    }
    for flag in &model.flags {
        let key = &flag.entry.key;
        want(&Place::flag_variants(key));
        match &flag.value {
            FlagValue::Object(_, shape) => {
                let place = Place::value(key);
                want(&place);
                for (place, _) in &declared(shape, &place) {
                    want(place);
                }
            }
            FlagValue::Text(_, Some(_)) => want(&Place::value(key)),
            _ => {}
        }
    }
}

/// How a language writes types.
pub(super) trait Dialect {
    /// Anything.
    fn any(&self) -> String;
    /// Null and nothing else.
    fn null(&self) -> String;
    /// A type, or null.
    fn nullable(&self, inner: String) -> String;
    /// One type.
    fn kind(&self, kind: &Kind<'_>, place: &Place) -> String;
    /// One of several types.
    fn several(&self, kinds: &[Kind<'_>], place: &Place) -> String;

    /// The type of a shape.
    fn express(&self, shape: &Shape, place: &Place) -> String {
        let kinds = shape.kinds();
        let base = match kinds.as_slice() {
            [] if shape.is_only_null() => return self.null(),
            [] => return self.any(),
            [kind] => self.kind(kind, place),
            several => self.several(several, place),
        };
        if shape.is_nullable() { self.nullable(base) } else { base }
    }
}

/// The identifiers of the fields of an object.
pub(super) fn field_names(
    fields: &Fields,
    reserved: &'static [&'static str],
    style: impl Fn(&str) -> String,
) -> Result<Names, Error> {
    Scope::of_keys(reserved, fields.keys().map(String::as_str), style)
}
