//! All compiled documents.

use super::{Experiment, Flag};
use std::collections::HashMap;

/// All compiled documents, immutable. Swap it whole.
#[derive(Debug, Default)]
pub struct Catalog {
    experiments: Vec<Experiment>,
    flags: Vec<Flag>,
    experiment_by_key: HashMap<Box<str>, usize>,
    flag_by_key: HashMap<Box<str>, usize>,
}

impl Catalog {
    pub(crate) fn new(experiments: Vec<Experiment>, flags: Vec<Flag>) -> Self {
        fn index<'k>(keys: impl Iterator<Item = &'k str>) -> HashMap<Box<str>, usize> {
            keys.enumerate().map(|(index, key)| (key.into(), index)).collect()
        }
        Self {
            experiment_by_key: index(experiments.iter().map(Experiment::key)),
            flag_by_key: index(flags.iter().map(Flag::key)),
            experiments,
            flags,
        }
    }

    /// Finds an experiment by its key.
    #[must_use]
    pub fn experiment(&self, key: &str) -> Option<&Experiment> {
        self.experiments.get(*self.experiment_by_key.get(key)?)
    }

    /// Finds a flag by its key.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<&Flag> {
        self.flags.get(*self.flag_by_key.get(key)?)
    }

    /// The experiments in the order of the documents.
    #[must_use]
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }

    /// The flags in the order of the documents.
    #[must_use]
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }
}
