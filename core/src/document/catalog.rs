//! The shared document (segments, layers and holdouts) as written.

use super::read::record;
use super::rule::Condition;
use super::scalar::Key;
use super::share::Share;
use crate::hash::Range;

record! {
    /// The shared document: segments, layers and holdouts. There is at most one.
    pub struct CatalogConfig {
        /// The segments, layers and holdouts.
        pub catalog: SharedConfig,
    }
}

record! {
    /// The segments, layers and holdouts that experiments and flags share.
    pub struct SharedConfig {
        /// A description of the shared document.
        pub description: Option<String>,
        /// Named conditions.
        #[serde(default)]
        pub segments: Vec<SegmentConfig>,
        /// Sets of mutually exclusive experiments.
        #[serde(default)]
        pub layers: Vec<LayerConfig>,
        /// Units that no experiment may touch.
        #[serde(default)]
        pub holdouts: Vec<HoldoutConfig>,
    }
}

record! {
    /// Named conditions, used as `segment: KEY`.
    pub struct SegmentConfig {
        /// The segment's key.
        pub key: Key,
        /// A description of the segment.
        pub description: Option<String>,
        /// The conditions that a unit must match to belong to the segment; all of them must hold.
        #[serde(default)]
        pub when: Vec<Condition>,
    }
}

record! {
    /// Mutually exclusive experiments: a unit falls into one slot.
    #[schemars(transform = super::schema::bucketed)]
    pub struct LayerConfig {
        /// The layer's key.
        pub key: Key,
        /// A description of the layer.
        pub description: Option<String>,
        /// The text that is hashed with the unit; the key by default.
        pub salt: Option<String>,
        /// The attribute that is bucketed; `user_id` by default.
        pub unit: Option<String>,
        /// The experiments of the layer, with the buckets that each owns.
        #[serde(default)]
        pub slots: Vec<SlotConfig>,
    }
}

record! {
    /// The buckets of a layer that one experiment owns.
    pub struct SlotConfig {
        /// The experiment's key.
        pub experiment: String,
        /// Its buckets: `[[0, 250000]]`.
        pub ranges: Vec<Range>,
    }
}

record! {
    /// Units that take part in no experiment, so that the sum of all changes can be measured.
    #[schemars(transform = super::schema::bucketed)]
    pub struct HoldoutConfig {
        /// The holdout's key.
        pub key: Key,
        /// A description of the holdout.
        pub description: Option<String>,
        /// The text that is hashed with the unit; the key by default.
        pub salt: Option<String>,
        /// The attribute that is bucketed; `user_id` by default.
        pub unit: Option<String>,
        /// The share of units that are held out, from 0 to 1 or as `10%`.
        pub allocation: Share,
        /// The experiments that they are held out of; all if none is written.
        pub experiments: Option<Vec<String>>,
    }
}
