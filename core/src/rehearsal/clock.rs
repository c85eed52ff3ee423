//! Detection of tests whose result depends on the time at which they run.

use super::TestSubject;
use crate::decide::{Catalog, CompiledCondition, ConditionInput, Experiment, Flag, Serve};
use crate::document::Status;

impl TestSubject<'_> {
    /// Returns true if the decision depends on the present time.
    pub(crate) fn asks_the_time(self) -> bool {
        match self {
            Self::Experiment(experiment) => of_experiment(experiment),
            Self::Flag(catalog, flag) => of_flag(catalog, flag),
        }
    }
}

fn of_experiment(experiment: &Experiment) -> bool {
    let parts = experiment.parts();
    match parts.status {
        Status::Draft | Status::Completed => false,
        _ if parts.starts_at.is_some() || parts.ends_at.is_some() => true,
        Status::Active => any(&parts.targeting),
        Status::Paused => false,
    }
}

fn of_flag(catalog: &Catalog, flag: &Flag) -> bool {
    let of_other = |index: usize| catalog.flags().get(index).is_some_and(|it| of_flag(catalog, it));
    let of_served = |serve: &Serve| match serve {
        Serve::Experiment { index, .. } => catalog.experiments().get(*index).is_some_and(of_experiment),
        Serve::Variant(_) | Serve::Split(_) => false,
    };
    flag.enabled
        && (flag.prerequisites.iter().any(|it| of_other(it.flag))
            || flag.rules.iter().any(|rule| any(&rule.when) || of_served(&rule.serve))
            || flag.rollout.as_ref().is_some_and(|it| any(&it.targeting)))
}

fn any(conditions: &[CompiledCondition]) -> bool {
    conditions.iter().any(|condition| match condition {
        CompiledCondition::All(inner) | CompiledCondition::Any(inner) | CompiledCondition::Not(inner) => {
            any(inner)
        }
        CompiledCondition::Segment(segment) => any(&segment.when),
        CompiledCondition::Leaf(leaf) => matches!(leaf.source, ConditionInput::Now),
    })
}
