//! All compiled documents.

use super::{AttributeTypes, Experiment, Flag};
use crate::document::Status;
use crate::metric::Metric;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// All compiled documents, immutable. Swap it whole.
#[derive(Debug, Default)]
pub struct Catalog {
    experiments: Vec<Experiment>,
    flags: Vec<Flag>,
    experiment_by_key: HashMap<Box<str>, usize, RandomState>,
    flag_by_key: HashMap<Box<str>, usize, RandomState>,
    /// The experiments that count an event, by the event's name.
    measures: HashMap<Box<str>, Vec<EventMetrics>, RandomState>,
    attributes: AttributeTypes,
}

/// An experiment that counts an event, and its metrics that do.
#[derive(Debug)]
struct EventMetrics {
    experiment: usize,
    metrics: Vec<usize>,
}

impl Catalog {
    pub(crate) fn new(experiments: Vec<Experiment>, flags: Vec<Flag>) -> Self {
        fn index<'k>(keys: impl Iterator<Item = &'k str>) -> HashMap<Box<str>, usize, RandomState> {
            keys.enumerate().map(|(index, key)| (key.into(), index)).collect()
        }
        let mut measures: HashMap<Box<str>, Vec<EventMetrics>, _> = HashMap::default();
        for (index, experiment) in experiments.iter().enumerate() {
            // A draft counts nothing: nobody was exposed.
            let metrics = experiment.metrics().iter().filter(|_| experiment.status() != Status::Draft);
            let of_events = metrics.enumerate().filter(|(_, metric)| metric.measure.kind().needs_event());
            for (index_of_metric, metric) in of_events {
                let measured = measures.entry(metric.event.clone()).or_default();
                match measured.last_mut() {
                    Some(last) if last.experiment == index => last.metrics.push(index_of_metric),
                    _ => measured.push(EventMetrics { experiment: index, metrics: vec![index_of_metric] }),
                }
            }
        }
        Self {
            measures,
            attributes: AttributeTypes::of(&experiments, &flags),
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

    /// The experiments that count events of a name, each with its metrics that do, in the order of the documents.
    pub fn measures(
        &self,
        event: &str,
    ) -> impl Iterator<Item = (&Experiment, impl Iterator<Item = &Metric>)> {
        self.measures.get(event).into_iter().flatten().filter_map(|measure| {
            let experiment = self.experiments.get(measure.experiment)?;
            Some((experiment, measure.metrics.iter().filter_map(|metric| experiment.metrics().get(*metric))))
        })
    }

    /// The names of the events that some metric asks for, in no order.
    pub fn event_names(&self) -> impl Iterator<Item = &str> {
        self.measures.keys().map(AsRef::as_ref)
    }

    /// The attributes that the documents read.
    #[must_use]
    pub fn attributes(&self) -> &AttributeTypes {
        &self.attributes
    }

    /// The flags in the order of the documents.
    #[must_use]
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }
}
