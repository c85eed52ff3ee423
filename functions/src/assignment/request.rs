//! Request bodies of the assignment function.

use crate::http::{ApiError, Query, check_context, deserialize_context, deserialize_id};
use abx_core::decide::AttributeTypes;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest number of experiments that a batch may name.
const MAX_KEYS: usize = 256;

/// Asks for one experiment. A field that is not known is refused: a `contxt` that is ignored would target nobody.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignRequest {
    /// The user to assign. It may be left out if the context has the unit of the experiment.
    #[serde(default, deserialize_with = "deserialize_id")]
    pub user_id: String,
    /// The experiment.
    pub experiment_key: String,
    /// Attributes, for targeting and for units other than `user_id`.
    #[serde(default, deserialize_with = "deserialize_context")]
    pub context: Option<Map<String, Value>>,
    /// Says what would be answered, without enrolling.
    #[serde(default)]
    pub peek: bool,
    /// True if an exposure is recorded; `false` is for a caller that assigns ahead of time and reports
    /// exposures itself.
    #[serde(default = "yes")]
    pub expose: bool,
}

/// Asks for some or all experiments of one unit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignBatchRequest {
    /// The user to assign.
    #[serde(default, deserialize_with = "deserialize_id")]
    pub user_id: String,
    /// The experiments; all that are not drafts, if left out.
    #[serde(default)]
    pub experiment_keys: Option<Vec<String>>,
    /// Attributes.
    #[serde(default, deserialize_with = "deserialize_context")]
    pub context: Option<Map<String, Value>>,
    /// Decides without enrolling, as for one experiment.
    #[serde(default)]
    pub peek: bool,
    /// Records exposures, as for one experiment.
    #[serde(default = "yes")]
    pub expose: bool,
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
    /// Refuses what is over the limits.
    pub fn check(&self) -> Result<(), ApiError> {
        let keys = self.experiment_keys.as_deref().unwrap_or_default();
        if keys.len() > MAX_KEYS {
            return Err(ApiError::invalid(format!("more than {MAX_KEYS} experiments are named")));
        }
        let ids = keys.iter().map(|key| ("experiment_keys", &**key));
        let ids = ids.chain([("user_id", &*self.user_id)]);
        check_context(self.context.as_ref().unwrap_or(&Map::new()), ids)
    }
}
