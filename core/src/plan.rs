//! The plan of an analysis, made before the start of an experiment.

use crate::document::{PlanConfig, PlanLooks};
use crate::metric::Effect;

/// The plan of an analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The key of the metric that decides.
    pub goal: Option<Box<str>>,
    /// The least change of it that is worth finding.
    pub minimum_effect: Option<Effect>,
    /// The probability of finding a change of that size.
    pub power: f64,
    /// The family-wise error rate of the primary metrics.
    pub alpha: f64,
    /// The units in all variants together.
    pub units: Option<u64>,
    /// The days that the experiment is to run.
    pub days: Option<u32>,
    /// When results may be judged.
    pub looks: PlanLooks,
}

impl Plan {
    /// The power of a plan that names none.
    pub const POWER: f64 = 0.8;
    /// The family-wise error rate of a plan that names none.
    pub const ALPHA: f64 = 0.05;

    /// Compiles what is written.
    pub(crate) fn compile(written: &PlanConfig) -> Self {
        Self {
            goal: written.goal.as_deref().map(Into::into),
            minimum_effect: written.minimum_effect.map(Effect::of),
            power: written.power.map_or(Self::POWER, |it| it.0),
            alpha: written.alpha.map_or(Self::ALPHA, |it| it.0),
            units: written.units.map(u64::from),
            days: written.days,
            looks: written.looks.unwrap_or_default(),
        }
    }
}
