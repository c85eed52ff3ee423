//! Request bodies of the flags function.

use crate::http::{
    ApiError, MAX_KEYS, Query, check_context, deserialize_context, deserialize_id, id_schema, keys_schema,
    no_attributes, optional_context_schema,
};
use abx_core::decide::AttributeTypes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Asks for one flag.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagRequest {
    /// The flag, in the payload of a direct invocation; in a request the path names it.
    #[serde(default)]
    #[schemars(skip)]
    pub flag_key: Option<String>,
    /// The user. A flag whose answer depends on no unit needs none.
    #[serde(default, deserialize_with = "deserialize_id")]
    #[schemars(schema_with = "id_schema")]
    pub user_id: String,
    /// Attributes, for targeting and for units other than `user_id`.
    #[serde(default, deserialize_with = "deserialize_context")]
    #[schemars(schema_with = "optional_context_schema")]
    pub context: Option<Map<String, Value>>,
}

/// Asks for some or all flags.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagsRequest {
    /// The flags. If it is left out or null, all that are published.
    #[serde(default)]
    #[schemars(schema_with = "keys_schema")]
    pub flag_keys: Option<Vec<String>>,
    /// The user.
    #[serde(default, deserialize_with = "deserialize_id")]
    #[schemars(schema_with = "id_schema")]
    pub user_id: String,
    /// Attributes, for targeting and for units other than `user_id`.
    #[serde(default, deserialize_with = "deserialize_context")]
    #[schemars(schema_with = "optional_context_schema")]
    pub context: Option<Map<String, Value>>,
}

impl FlagRequest {
    /// Reads a URL: the unit, and attributes as `context.country=DE`. An unknown parameter is refused, like
    /// an unknown field.
    pub fn from_query(mut query: Query, types: &AttributeTypes) -> Result<Self, ApiError> {
        let user_id = query.take("user_id")?.unwrap_or_default();
        let context = query.take_context(types)?;
        query.finish(&["user_id"], types)?;
        Ok(Self { user_id, context, flag_key: None })
    }

    /// The key: the path's, or else the body's.
    pub fn key<'a>(&'a self, path: Option<&'a str>) -> Result<&'a str, ApiError> {
        match (path, self.flag_key.as_deref()) {
            (Some(path), None) => Ok(path),
            (Some(path), Some(key)) if path == key => Ok(path),
            (Some(_), Some(_)) => Err(ApiError::invalid("`flag_key` names another flag than the path")),
            (None, Some(key)) => Ok(key),
            (None, None) => Err(ApiError::invalid("`flag_key` is missing")),
        }
    }

    /// The attributes.
    pub(super) fn attributes(&self) -> &Map<String, Value> {
        self.context.as_ref().unwrap_or(no_attributes())
    }

    /// Refuses what is over the limits.
    pub fn check(&self) -> Result<(), ApiError> {
        let key = self.flag_key.as_deref().unwrap_or_default();
        check_context(self.attributes(), [("user_id", &*self.user_id), ("flag_key", key)])
    }
}

impl FlagsRequest {
    /// The attributes.
    pub(super) fn attributes(&self) -> &Map<String, Value> {
        self.context.as_ref().unwrap_or(no_attributes())
    }

    /// Refuses what is over the limits.
    pub fn check(&self) -> Result<(), ApiError> {
        let keys = self.flag_keys.as_deref().unwrap_or_default();
        if keys.len() > MAX_KEYS {
            return Err(ApiError::invalid(format!("more than {MAX_KEYS} flags are named")));
        }
        let ids = keys.iter().map(|key| ("flag_keys", &**key));
        check_context(self.attributes(), ids.chain([("user_id", &*self.user_id)]))
    }
}
