//! Questions: what is to be computed of an experiment.

use abx_core::event::Amount;
use jiff::Timestamp;
use jiff::civil::Date;

/// A question about one experiment and epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The key of the experiment.
    pub experiment: String,
    /// The epoch, from 1.
    pub epoch: u32,
    /// The dotted path of the attribute that the experiment randomizes; `None` for `user_id`. A conversion then has its unit in
    /// `context`; an exposure always has it in `unit`.
    pub unit: Option<String>,
    /// The changes of the allocations, in their order: the exposures before the first are phase 0.
    pub phases: Vec<PhaseStart>,
    /// The dotted path of an attribute of exposures to break down by.
    pub dimension: Option<String>,
    /// The metrics that are moments of per-unit totals.
    pub metrics: Vec<MetricQuestion>,
    /// The metrics that are quantiles.
    pub quantiles: Vec<QuantileQuestion>,
    /// The time at which the question is asked: later events do not count, and windows that end later are not over. Without one every event
    /// counts, and windows are over at the latest arrival in the archive.
    pub until: Option<Timestamp>,
    /// The first partition that is read, by day of arrival. Without one, all before `last_day` are read.
    pub first_day: Option<Date>,
    /// The last partition that is read, by day of arrival.
    pub last_day: Option<Date>,
}

/// A change of the allocations. An exposure belongs to the phase if its revision is this one or later; an exposure that names no
/// revision belongs to it by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseStart {
    /// The first revision of the catalog with these allocations.
    pub from_revision: u64,
    /// The time from which that revision was published.
    pub from_time: Timestamp,
}

/// A metric: a ratio of two per-unit totals.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricQuestion {
    /// Its key, as it stands in the answer.
    pub key: String,
    /// The numerator.
    pub numerator: Part,
    /// The denominator; `None` is 1 for each unit.
    pub denominator: Option<Part>,
    /// Milliseconds after the first exposure from which events count.
    pub window_from_ms: u64,
    /// Milliseconds after the first exposure up to which events count, inclusive. Only units whose window is over enter then, on the day on
    /// which it ended.
    pub window_to_ms: Option<u64>,
    /// The limit of the numerator per unit (winsorized above). It limits the covariate as well.
    pub cap: Option<Cap>,
    /// The covariate is the numerator in so many milliseconds before the first exposure.
    pub covariate_ms: Option<u64>,
}

/// The limit of a per-unit total.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cap {
    /// A value, not below 0.
    Value(Amount),
    /// The order statistic at this fraction, greater than 0 and less than 1, of the totals of all units of all variants, units without
    /// events included; 0 if it is below. Six digits after the point count.
    Percentile(f64),
}

/// A total of a unit's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name of the events.
    pub event: String,
    /// The value that is added up.
    pub measure: Measure,
}

/// The total of the events of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// 1 if the unit has any event, else 0.
    Once,
    /// The number of events.
    Count,
    /// The number of events whose property is a usable amount.
    CountUsable {
        /// The property's name.
        property: String,
    },
    /// The sum of a property.
    Sum {
        /// The property's name.
        property: String,
    },
}

impl Measure {
    /// The property that it reads.
    pub(crate) fn property(&self) -> Option<&str> {
        match self {
            Self::Once | Self::Count => None,
            Self::CountUsable { property } | Self::Sum { property } => Some(property),
        }
    }

    /// The number by which the SQL knows it; 0 stands for none.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Once => 1,
            Self::Count => 2,
            Self::Sum { .. } => 3,
            Self::CountUsable { .. } => 4,
        }
    }
}

impl MetricQuestion {
    /// A metric without a window, a cap or a covariate.
    #[must_use]
    pub fn new(key: &str, numerator: Part) -> Self {
        Self {
            key: key.to_owned(),
            numerator,
            denominator: None,
            window_from_ms: 0,
            window_to_ms: None,
            cap: None,
            covariate_ms: None,
        }
    }

    /// The mean of a property over the events that have it.
    #[must_use]
    pub fn mean(key: &str, event: &str, property: &str) -> Self {
        let part = |measure| Part { event: event.to_owned(), measure };
        let property = property.to_owned();
        Self {
            denominator: Some(part(Measure::CountUsable { property: property.clone() })),
            ..Self::new(key, part(Measure::Sum { property }))
        }
    }
}

/// A quantile of a property, for each variant. Units that were exposed to several variants are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileQuestion {
    /// Its key, as it stands in the answer.
    pub key: String,
    /// The name of the events.
    pub event: String,
    /// The property's name.
    pub property: String,
    /// The fraction, greater than 0 and less than 1. Six digits after the point count.
    pub q: f64,
    /// The values whose quantile it is.
    pub per: QuantileOf,
    /// Milliseconds after the first exposure from which events count.
    pub window_from_ms: u64,
    /// Milliseconds after the first exposure up to which events count, inclusive; only units whose window is over enter then.
    pub window_to_ms: Option<u64>,
    /// The half width of the interval, in standard errors.
    pub z: f64,
}

/// The values that a quantile is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantileOf {
    /// The total of each unit; 0 for a unit without events.
    Units,
    /// The property of each event.
    Events,
}

impl Question {
    /// A question without metrics.
    #[must_use]
    pub fn new(experiment: &str, epoch: u32) -> Self {
        Self {
            experiment: experiment.to_owned(),
            epoch,
            unit: None,
            phases: Vec::new(),
            dimension: None,
            metrics: Vec::new(),
            quantiles: Vec::new(),
            until: None,
            first_day: None,
            last_day: None,
        }
    }

    /// The part of the archive that it needs.
    #[must_use]
    pub fn extract(&self) -> Extract {
        let mut extract = Extract {
            experiment: self.experiment.clone(),
            epoch: self.epoch,
            unit: self.unit.clone(),
            dimension: self.dimension.clone(),
            events: Vec::new(),
            properties: Vec::new(),
            first_day: self.first_day,
            last_day: self.last_day,
        };
        let metrics = self.metrics.iter();
        for part in metrics.flat_map(|it| std::iter::once(&it.numerator).chain(&it.denominator)) {
            extract.add(&part.event, part.measure.property());
        }
        for quantile in &self.quantiles {
            extract.add(&quantile.event, Some(&quantile.property));
        }
        extract
    }
}

/// The part of an archive that a question needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// The experiment of its exposures.
    pub experiment: String,
    /// The epoch of its exposures.
    pub epoch: u32,
    /// The attribute that conversions have their unit in; `None` for `user_id`.
    pub unit: Option<String>,
    /// The attribute that exposures are broken down by.
    pub dimension: Option<String>,
    /// The names of its conversions. The SQL knows each by its place.
    pub events: Vec<String>,
    /// The properties of its conversions. The SQL knows each by its place.
    pub properties: Vec<String>,
    /// The first partition, by day of arrival.
    pub first_day: Option<Date>,
    /// The last partition, by day of arrival.
    pub last_day: Option<Date>,
}

impl Extract {
    fn add(&mut self, event: &str, property: Option<&str>) {
        let add = |list: &mut Vec<String>, name: &str| {
            if !list.iter().any(|it| it == name) {
                list.push(name.to_owned());
            }
        };
        add(&mut self.events, event);
        if let Some(property) = property {
            add(&mut self.properties, property);
        }
    }

    pub(crate) fn event(&self, name: &str) -> Option<usize> {
        self.events.iter().position(|it| it == name)
    }

    pub(crate) fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|it| it == name)
    }
}
