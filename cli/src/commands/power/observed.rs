//! What a published experiment says about its own plan: its shares, and what was counted of it so far.

use crate::error::Error;
use crate::history::{History, count_of};
use crate::stores::MetricsArgs;
use abx_core::document::{MetricRole, PlanLooks};
use abx_core::event::Totals;
use abx_core::finding::did_you_mean;
use abx_core::metric::{Effect, Metric};
use abx_core::plan::Plan;
use abx_core::results::{MeasuredValue, counted};
use abx_core::statistics::Baseline;

/// What is known of an experiment before it is planned.
pub(super) struct ObservedExperiment {
    /// The metric that is planned for.
    pub(super) metric: String,
    /// The control's value and its spread; `None` where too little was counted.
    pub(super) baseline: Option<(f64, Baseline)>,
    /// The shares of the variants, the control's first.
    pub(super) shares: Vec<f64>,
    /// The least change that the document wants to find.
    pub(super) effect: Option<Effect>,
    pub(super) alpha: Option<f64>,
    pub(super) power: Option<f64>,
    pub(super) is_final: bool,
    /// The units that were exposed each day, in whole units.
    pub(super) units_per_day: Option<u64>,
}

/// Reads the published document of an experiment, and its counts.
pub(super) async fn read(
    key: &str,
    metric: Option<&str>,
    args: &MetricsArgs,
) -> Result<ObservedExperiment, Error> {
    let (catalog, metrics) = args.open(None).await?;
    let history = History::read(&catalog).await?;
    let found = history.find(key, None).await?;
    let Some(experiment) = found.as_ref().and_then(|it| it.experiment(key)) else {
        let all = history.all().await?;
        let near = did_you_mean(key, all.keys().map(|(key, _)| key.as_str())).map(str::to_owned);
        let help = near.map_or_else(
            || "publish it first, or give --baseline alone".to_owned(),
            |it| format!("did you mean `{it}`?"),
        );
        return Err(
            Error::caller(format!("no experiment {key:?} was ever published in this store")).help(help)
        );
    };
    let plan = experiment.plan();
    let goal = metric.or_else(|| plan.and_then(|it| it.goal.as_deref()));
    let all = experiment.metrics();
    let chosen = match goal {
        Some(goal) => all.iter().find(|it| *it.key == *goal),
        None => all.iter().find(|it| it.role == MetricRole::Primary),
    };
    let chosen = chosen.ok_or_else(|| {
        let keys: Vec<&str> = all.iter().map(|it| &*it.key).collect();
        let what = goal.map_or_else(|| "no primary metric".to_owned(), |goal| format!("no metric {goal:?}"));
        let help =
            if keys.is_empty() { "add a metric".to_owned() } else { format!("it has {}", keys.join(", ")) };
        Error::caller(format!("the experiment has {what}")).help(help)
    })?;
    let totals = count_of(&metrics, key, experiment.epoch()).await?;
    let control = experiment.variants().first().map(|it| &*it.key).unwrap_or_default();
    Ok(ObservedExperiment {
        metric: chosen.key.to_string(),
        baseline: baseline(chosen, all, control, &totals),
        shares: experiment.variant_buckets().into_iter().map(|it| f64::from(it) / 1e6).collect(),
        effect: plan.and_then(|it| it.minimum_effect).or(chosen.minimum_effect),
        alpha: plan.map(|it| it.alpha),
        power: plan.map(|it| it.power),
        is_final: plan.is_some_and(|it: &Plan| it.looks == PlanLooks::Final),
        units_per_day: units_per_day(&totals),
    })
}

/// The control's value so far, and what its variance follows from.
fn baseline(chosen: &Metric, all: &[Metric], control: &str, totals: &Totals) -> Option<(f64, Baseline)> {
    let measured = counted(all, &[control], totals, &[], None);
    let at = all.iter().position(|it| it.key == chosen.key)?;
    let of_control = measured.get(at)?.variants.first()?;
    match of_control.value {
        MeasuredValue::Rate(rate) => {
            let rate = rate?.rate();
            (rate > 0.0 && rate < 1.0).then_some((rate, Baseline::Proportion { rate }))
        }
        MeasuredValue::Mean(mean) => {
            let mean = mean?;
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            let deviation = (mean.variance() * of_control.units as f64).sqrt();
            (deviation > 0.0).then_some((mean.value(), Baseline::Mean { deviation }))
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of units"
)]
fn units_per_day(totals: &Totals) -> Option<u64> {
    let starts = || totals.hours.keys().filter_map(|hour| hour.start());
    let (first, last) = (starts().min()?, starts().max()?);
    let days = (last.duration_since(first).as_secs_f64() + 3_600.0) / 86_400.0;
    // Less than a day says little about a day.
    (days >= 1.0).then(|| (totals.units() as f64 / days) as u64).filter(|it| *it > 0)
}
