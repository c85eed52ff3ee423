//! The one sentence about an experiment, and the next command.

use super::numbers::{MetricNumbers, last_day};
use super::report::ResultsReport;
use crate::history::PublicationState;
use crate::render::numbers::{count, round_percent};
use abx_core::document::{MetricRole, Status};
use abx_core::results::{DecisionState, Headline, MetricResult, Standard, VariantResult};

/// The sentence of a report, and the next command if there is one.
pub(super) fn of(report: &ResultsReport) -> (String, Option<String>) {
    let Headline { state, metric, variant, .. } = &report.headline;
    let metric = metric.as_ref().and_then(|key| report.metrics.iter().find(|it| it.metric == *key));
    let found = metric
        .zip(variant.as_ref())
        .and_then(|(metric, key)| Some((metric, metric.variants.iter().find(|it| it.variant == *key)?)));
    let key = &report.experiment;
    let control = report.control.as_deref().unwrap_or_default();
    // A document that is not published, or is over, is not edited to end it.
    let can_end = report.standing == PublicationState::Published && report.status != Some(Status::Completed);
    let conclude = |winner: &str| can_end.then(|| format!("abx conclude {key} --winner {winner}"));
    match (state, found) {
        (DecisionState::NothingCounted, _) => {
            (format!("nothing was counted: no exposure of epoch {} has arrived", report.epoch), None)
        }
        (DecisionState::Mismatch, _) => {
            ("no result can be trusted: the units do not follow the allocations".to_owned(), None)
        }
        (DecisionState::NoMetric, _) => {
            ("nothing to decide by: the document has no primary metric".to_owned(), None)
        }
        (DecisionState::GuardrailBroken, Some((metric, worst))) => {
            let text = format!("{} is worse by the guardrail {}", worst.variant, changed(metric, worst));
            (text + &when(report, worst), can_end.then(|| format!("abx pause {key}")))
        }
        (DecisionState::Better, Some((metric, best))) => {
            let text = format!("{} is better: {}", best.variant, changed(metric, best));
            (text + &when(report, best) + &guardrails(report), conclude(&best.variant))
        }
        (DecisionState::Worse, Some((metric, worst))) => {
            let text = format!("{control} is better: with {} {}", worst.variant, changed(metric, worst));
            (text + &when(report, worst), conclude(control))
        }
        (DecisionState::NoDifference, _) => {
            let by = metric.map_or_else(String::new, |it| format!(" by {}", it.metric));
            (format!("no difference was found{by}, and the plan is complete"), conclude(control))
        }
        _ => (not_decided(report), None),
    }
}

fn not_decided(report: &ResultsReport) -> String {
    let Headline { units_missing, days_missing, .. } = report.headline;
    let days = days_missing.map(|it| format!("wait {} day{}", count(it), if it == 1 { "" } else { "s" }));
    let units = units_missing.map(|it| format!("{} units are missing", count(it)));
    match (days, units) {
        (Some(days), Some(units)) => format!("not decided: {days}, {units}"),
        (Some(one), None) | (None, Some(one)) => format!("not decided: {one}"),
        (None, None) => format!("not decided yet; `abx power {}` plans how long it takes", report.experiment),
    }
}

/// `order rate +1.2 points (+11.5 %), 95 % interval 0.3 to 2.1`.
fn changed(metric: &MetricResult, variant: &VariantResult) -> String {
    let (Some(compared), Some(level)) = (&variant.comparison, variant.level) else {
        return metric.metric.clone();
    };
    let numbers = MetricNumbers::of(metric);
    let decimals = numbers.decimals(std::iter::once(compared.difference));
    let interval = numbers.interval(compared.difference, decimals);
    format!(
        "{} {}, {} interval {interval}",
        metric.metric,
        numbers.change(compared),
        round_percent(round(1.0 - level))
    )
}

/// Four digits of a level are enough for anybody.
fn round(level: f64) -> f64 {
    (level * 1e4).round() / 1e4
}

fn when(report: &ResultsReport, variant: &VariantResult) -> String {
    let looks = match report.standard {
        Standard::Anytime | Standard::Planned => " at every look",
        Standard::Final => " at the one planned look",
    };
    let day = variant.since.as_deref().map(last_day);
    match (variant.units_since, day) {
        (Some(units), Some(day)) => format!("{looks}; since {} units on {day}", count(units)),
        _ => looks.to_owned(),
    }
}

fn guardrails(report: &ResultsReport) -> String {
    let guardrails = || report.metrics.iter().filter(|it| it.role == MetricRole::Guardrail);
    let unsafe_ones: Vec<&str> = guardrails().filter(|it| !it.safe).map(|it| &*it.metric).collect();
    match (guardrails().next(), &*unsafe_ones) {
        (None, _) => String::new(),
        (Some(_), []) => "; guardrails shown safe".to_owned(),
        (Some(_), [one]) => format!("; guardrail {one} not shown safe"),
        (Some(_), several) => format!("; guardrails {} not shown safe", several.join(", ")),
    }
}
