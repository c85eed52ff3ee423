//! The judgement of an experiment: its evidence in the light of its document and of what was asked for.

use super::evidence::Evidence;
use crate::error::Error;
use abx_core::Experiment;
use abx_core::document::PlanLooks;
use abx_core::plan::Plan;
use abx_core::results::{self, AnalysisPlan, DailyResult, Headline, MetricResult, Phase, Progress, Standard};
use abx_core::statistics::Anytime;

/// The parameters of the analysis, as they were given. What is not given is as the document plans it.
pub(super) struct AnalysisOptions<'a> {
    /// The control; the first variant by default.
    pub(super) control: Option<&'a str>,
    pub(super) alpha: Option<f64>,
    pub(super) tuned_for: Option<u64>,
    pub(super) is_final: bool,
}

/// The judgement of an experiment.
pub(super) struct Judgement {
    /// The control; `None` where there are counts alone.
    pub(super) control: Option<String>,
    pub(super) plan: AnalysisPlan,
    pub(super) progress: Progress,
    pub(super) metrics: Vec<MetricResult>,
    pub(super) daily: Vec<DailyResult>,
    pub(super) headline: Headline,
    pub(super) verdicts_valid: bool,
}

impl Judgement {
    pub(super) fn new(
        evidence: &Evidence,
        experiment: Option<&Experiment>,
        phases: &[Phase],
        options: &AnalysisOptions<'_>,
    ) -> Result<Self, Error> {
        let written: Vec<&str> =
            experiment.map(Experiment::variants).unwrap_or_default().iter().map(|it| &*it.key).collect();
        let control = control(options.control, &written)?;
        let metrics = experiment.map(Experiment::metrics).unwrap_or_default();
        let written_plan = experiment.and_then(Experiment::plan);
        let goal = written_plan.and_then(|it| it.goal.as_deref());
        let goal_at = metrics.iter().position(|it| goal == Some(&*it.key)).unwrap_or_default();
        let of_goal = evidence.looks.last().and_then(|look| look.measured.get(goal_at));
        let progress = Progress {
            units: of_goal.map_or(evidence.units, |it| it.variants.iter().map(|it| it.units).sum()),
            planned_units: written_plan.and_then(|it| it.units),
            days: evidence.days,
            planned_days: written_plan.and_then(|it| it.days),
        };
        let plan = analysis_plan(options, written_plan, control, &progress, phases.last());
        let (metrics, daily) = results::judge_looks(metrics, &written, &evidence.looks, &plan);
        let verdicts_valid = results::verdicts_valid(evidence.sample_ratio.as_ref());
        let headline = results::headline(&metrics, goal, evidence.units, verdicts_valid, &progress);
        let control = written.get(control).map(|key| (*key).to_owned());
        Ok(Self { control, plan, progress, metrics, daily, headline, verdicts_valid })
    }
}

/// The plan of the analysis: what was asked for, or else what the document plans.
fn analysis_plan(
    options: &AnalysisOptions<'_>,
    plan: Option<&Plan>,
    control: usize,
    progress: &Progress,
    phase: Option<&Phase>,
) -> AnalysisPlan {
    let alpha = options.alpha.or(plan.map(|it| it.alpha)).unwrap_or(Plan::ALPHA);
    let is_planned_final = plan.is_some_and(|it| it.looks == PlanLooks::Final) && options.tuned_for.is_none();
    let planned = progress.planned_units.filter(|_| options.tuned_for.is_none());
    let standard = match planned {
        _ if options.is_final || is_planned_final => Standard::Final,
        Some(_) => Standard::Planned,
        None => Standard::Anytime,
    };
    // Of the planned units those of a control and a treatment of mean size.
    #[expect(clippy::cast_precision_loss, reason = "there are few variants")]
    let pair = phase.map_or(1.0, |it| (2.0 / it.shares.len() as f64).min(1.0));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of units"
    )]
    let planned_pair = planned.map_or(Anytime::TUNED_FOR, |it| (it as f64 * pair).ceil() as u64);
    AnalysisPlan {
        control,
        alpha,
        tuned_for: options.tuned_for.unwrap_or(Anytime::TUNED_FOR),
        planned_pair,
        is_due: options.is_final || !is_planned_final || progress.is_complete(),
        standard,
    }
}

/// The place of the control among the variants of the document; without a document there is nothing to compare.
fn control(asked: Option<&str>, written: &[&str]) -> Result<usize, Error> {
    let Some(asked) = asked else { return Ok(0) };
    written.iter().position(|key| *key == asked).ok_or_else(|| {
        let help = if written.is_empty() {
            "it has no document, so that nothing is compared".to_owned()
        } else {
            format!("it has {}", written.join(", "))
        };
        Error::caller(format!("the experiment has no variant {asked:?}")).help(help)
    })
}
