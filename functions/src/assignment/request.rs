//! What is sent.

use crate::http::{ApiError, Query, check_context, deserialize_id};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How many experiments may be named in a batch.
const MAX_KEYS: usize = 256;

/// Asks for one experiment. A field that is not known is refused: a `contxt` that is ignored would target nobody.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignRequest {
    /// Whom to assign. May be left out if the context has the unit of the experiment.
    #[serde(default, deserialize_with = "deserialize_id")]
    pub user_id: String,
    /// The experiment.
    pub experiment_key: String,
    /// Attributes, for targeting and for units other than `user_id`.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// Says what would be answered, without enrolling.
    #[serde(default)]
    pub peek: bool,
    /// Whether an exposure is recorded; `false` for a caller who assigns ahead of time and reports exposures itself.
    #[serde(default = "yes")]
    pub expose: bool,
}

/// Asks for some or all experiments of one unit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Whom to assign.
    #[serde(default, deserialize_with = "deserialize_id")]
    pub user_id: String,
    /// The experiments; all that are not drafts, if left out.
    #[serde(default)]
    pub experiment_keys: Option<Vec<String>>,
    /// Attributes.
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// As for one experiment.
    #[serde(default)]
    pub peek: bool,
    /// As for one experiment.
    #[serde(default = "yes")]
    pub expose: bool,
}

const fn yes() -> bool {
    true
}

impl AssignRequest {
    /// From a URL, whose other parameters are no attributes: links are passed on, and would carry them along.
    pub fn from_query(mut query: Query) -> Result<Self, ApiError> {
        Ok(Self {
            user_id: query.required("user_id")?,
            experiment_key: query.required("experiment_key")?,
            context: None,
            peek: query.flag("peek")?,
            expose: true,
        })
    }

    /// Refuses what is over the limits.
    pub fn check(&self) -> Result<(), ApiError> {
        let ids = [("user_id", &*self.user_id), ("experiment_key", &*self.experiment_key)];
        check_context(self.context.as_ref().unwrap_or(&Map::new()), ids)
    }
}

impl BatchRequest {
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
