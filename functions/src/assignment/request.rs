//! Request bodies of the assignment function.

use crate::http::{
    ApiError, MAX_KEYS, MAX_TEXT, Query, check_context, deserialize_context, deserialize_id, id_schema,
    keys_schema, optional_context_schema,
};
use abx_core::decide::AttributeTypes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Asks for one experiment.
// A field that is not known is refused: a `contxt` that is ignored would target nobody.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignRequest {
    /// The user. It may be left out if the context has the unit of the experiment.
    #[serde(default, deserialize_with = "deserialize_id")]
    #[schemars(schema_with = "id_schema")]
    pub user_id: String,
    /// The experiment.
    #[schemars(extend("maxLength" = MAX_TEXT))]
    pub experiment_key: String,
    /// Attributes, for targeting and for units other than `user_id`.
    #[serde(default, deserialize_with = "deserialize_context")]
    #[schemars(schema_with = "optional_context_schema")]
    pub context: Option<Map<String, Value>>,
    /// True to be told what would be answered: nothing is stored, and no exposure is recorded.
    #[serde(default)]
    pub peek: bool,
    /// True to record an exposure; false for a caller that asks ahead of time and sends exposures itself.
    #[serde(default = "yes")]
    pub expose: bool,
}

/// Asks for some or all experiments of one unit.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignBatchRequest {
    /// The user. It may be left out if the context has the units of the experiments.
    #[serde(default, deserialize_with = "deserialize_id")]
    #[schemars(schema_with = "id_schema")]
    pub user_id: String,
    /// The experiments. If it is left out or null, all that are published and not drafts.
    #[serde(default)]
    #[schemars(schema_with = "keys_schema")]
    pub experiment_keys: Option<Vec<String>>,
    /// Attributes, for targeting and for units other than `user_id`.
    #[serde(default, deserialize_with = "deserialize_context")]
    #[schemars(schema_with = "optional_context_schema")]
    pub context: Option<Map<String, Value>>,
    /// True to be told what would be answered: nothing is stored, and no exposure is recorded.
    #[serde(default)]
    pub peek: bool,
    /// True to record an exposure to each experiment that the unit takes part in. If it is left out or null, exposures are recorded
    /// if `experiment_keys` names the experiments: of all experiments, the unit sees some later, and others never.
    #[serde(default)]
    pub expose: Option<bool>,
}

const fn yes() -> bool {
    true
}

impl AssignRequest {
    /// Reads a URL: the fields as parameters, and attributes as `context.country=DE`. An unknown parameter is
    /// refused, like an unknown field.
    pub fn from_query(mut query: Query, types: &AttributeTypes) -> Result<Self, ApiError> {
        let request = Self {
            user_id: query.take("user_id")?.unwrap_or_default(),
            experiment_key: query.required("experiment_key")?,
            context: query.take_context(types)?,
            peek: query.flag("peek", false)?,
            expose: query.flag("expose", true)?,
        };
        query.finish(&["user_id", "experiment_key", "peek", "expose"], types)?;
        Ok(request)
    }

    /// Refuses what is over the limits.
    pub fn check(&self) -> Result<(), ApiError> {
        let ids = [("user_id", &*self.user_id), ("experiment_key", &*self.experiment_key)];
        check_context(self.context.as_ref().unwrap_or(&Map::new()), ids)
    }
}

impl AssignBatchRequest {
    /// True if exposures are recorded.
    #[must_use]
    pub fn exposes(&self) -> bool {
        self.expose.unwrap_or(self.experiment_keys.is_some())
    }

    /// Refuses what is over the limits.
    pub fn check(&self) -> Result<(), ApiError> {
        let keys = self.experiment_keys.as_deref().unwrap_or_default();
        if keys.len() > MAX_KEYS {
            return Err(ApiError::invalid(format!("more than {MAX_KEYS} experiments are named")));
        }
        // No experiment could be answered: somebody forgot the user.
        if self.user_id.is_empty() && self.context.is_none() {
            return Err(ApiError::invalid(
                "`user_id` is missing, and there is no `context` with another unit",
            ));
        }
        let ids = keys.iter().map(|key| ("experiment_keys", &**key));
        let ids = ids.chain([("user_id", &*self.user_id)]);
        check_context(self.context.as_ref().unwrap_or(&Map::new()), ids)
    }
}
