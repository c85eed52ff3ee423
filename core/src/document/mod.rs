//! Documents as written: plain types, read from JSON values, with all findings at once.
//!
//! The reader of a source (a YAML file, a table) knows the origin of a value; these types hold only its shape
//! and its path.

mod catalog;
mod experiment;
mod flag;
mod meant;
mod operator;
mod payload_schema;
mod read;
mod rule;
mod rule_tests;
mod scalar;
mod schema;
mod share;

use crate::finding::{Code, Findings, Path, did_you_mean};
use meant::kind_meant;
use read::{ReadPath, ReadValue};
use serde_json::Value;

pub use catalog::{CatalogConfig, HoldoutConfig, LayerConfig, SegmentConfig, SharedConfig, SlotConfig};
pub use experiment::{
    CovariateConfig, Direction, ExperimentConfig, MetricConfig, MetricKind, MetricRole, PlanConfig,
    PlanLooks, QuantilePer, Status, VariantConfig,
};
pub use flag::{FeatureFlagConfig, FlagRuleConfig, FlagVariantConfig, PrerequisiteConfig, SplitConfig};
pub use operator::{DefaultSubject, Operator};
pub use payload_schema::{OtherProperties, PayloadSchema, PayloadType, PayloadTypes};
pub(crate) use read::describe;
pub use read::quote;
pub use rule::{Condition, LeafConfig, Negated};
pub use rule_tests::{
    Attributes, BucketsConfig, CaseConfig, ExceptionConfig, ExpectConfig, ExpectedVariant, TestedKind,
    TestsConfig,
};
pub use scalar::{DateTime, HashScheme, Key, MetricWindow, MetricWindowBounds, NumberOrPercent, Window};
pub use share::{Percentage, Share, before_percent_sign};

/// One document of any kind.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Document {
    /// An experiment.
    Experiment(Box<ExperimentConfig>),
    /// A feature flag.
    Flag(Box<FeatureFlagConfig>),
    /// The segments, layers and holdouts that experiments and flags share.
    Catalog(Box<CatalogConfig>),
    /// Tests of an experiment or flag.
    Tests(Box<TestsConfig>),
}

impl Document {
    /// Reads a document of any kind; the kind is told by the key `experiment`, `flag`, `catalog` or `tests`.
    /// Every finding goes to `findings`, about the document that it is turned to. A document with errors is
    /// still returned, with defaults where it could not be read, so that its meaning can be checked as well.
    /// `None`: not even the kind could be told.
    pub fn read(value: &Value, findings: &mut Findings) -> Option<Self> {
        const KINDS: [&str; 4] = ["experiment", "flag", "catalog", "tests"];
        let Value::Object(map) = value else {
            let message = format!("expected a document, found {}", describe(value));
            let help = kind_meant(value).unwrap_or_else(|| {
                "a document is a mapping that starts with `experiment:`, `flag:` or `catalog:`".to_owned()
            });
            findings.add(Code::UnknownKind, "", message).help(help);
            return None;
        };
        let mut kinds = KINDS.into_iter().filter(|kind| map.contains_key(*kind));
        let Some(kind) = kinds.next() else {
            let near = map.keys().find_map(|name| Some((name, did_you_mean(name, KINDS)?)));
            let finding = match near {
                Some((name, near)) => findings
                    .add(Code::UnknownKind, Path::of(name.clone()), "this is not a kind of document")
                    .help(format!("did you mean `{near}`?")),
                None => findings.add(Code::UnknownKind, "", "the document does not state its kind"),
            };
            if finding.help.is_none() {
                finding.help(kind_meant(value).unwrap_or_else(|| {
                    "start it with `experiment: KEY`, `flag: KEY` or `catalog:`".to_owned()
                }));
            }
            return None;
        };
        if let Some(second) = kinds.next() {
            findings
                .add(Code::UnknownKind, second, format!("the document is a {kind} and a {second} at once"))
                .help("put a line `---` between two documents in one file");
            return None;
        }
        Some(match kind {
            "experiment" => Self::Experiment(Box::new(ReadValue::read(value, ReadPath::Root, findings))),
            "flag" => Self::Flag(Box::new(ReadValue::read(value, ReadPath::Root, findings))),
            "catalog" => Self::Catalog(Box::new(ReadValue::read(value, ReadPath::Root, findings))),
            _ => Self::Tests(Box::new(ReadValue::read(value, ReadPath::Root, findings))),
        })
    }

    /// The kind's word: `experiment`, `flag`, `catalog` or `tests`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Experiment(_) => "experiment",
            Self::Flag(_) => "flag",
            Self::Catalog(_) => "catalog",
            Self::Tests(_) => "tests",
        }
    }

    /// The document's key; the shared catalog and tests have none.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Experiment(it) => Some(&it.experiment),
            Self::Flag(it) => Some(&it.flag),
            Self::Catalog(_) | Self::Tests(_) => None,
        }
    }
}
