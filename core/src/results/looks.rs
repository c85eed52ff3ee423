//! Results over time: the looks at an experiment, and what each of them shows.

use super::{
    AnalysisPlan, MeasuredMetric, MetricResult, Phase, Standard, VariantResult, Verdict, counted, judge,
};
use crate::document::MetricRole;
use crate::event::{Hour, Totals, VariantTotals};
use crate::metric::Metric;
use crate::statistics::Estimate;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Serialize;

/// What was known at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The time.
    pub at: Timestamp,
    /// The units of each variant.
    pub units: Vec<u64>,
    /// What was measured, in the order of the metrics.
    pub measured: Vec<MeasuredMetric>,
}

/// A treatment in the light of a metric, at the end of a day.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DailyResult {
    /// The time of the look, in RFC 3339: the end of the day, or for the last one the time of the report.
    pub at: String,
    /// The metric.
    pub metric: String,
    /// The treatment.
    pub variant: String,
    /// The units that counted by then, of the treatment and of the control.
    pub units: u64,
    /// The difference to the control, with its interval by the standard of the report; `null` with too little data.
    pub difference: Option<Estimate>,
    /// The difference as a part of the control's value; `null` where that may be 0.
    pub lift: Option<Estimate>,
    /// The verdict of that look alone.
    pub verdict: Verdict,
}

/// The looks at the end of each day, and the last one at `now`, of counters: until the last unit was exposed, and the window of the last one is
/// over, because after that nothing changes. Sums by group are not kept by hour, so that a look before the
/// last has no means of metrics without a window.
#[must_use]
pub fn looks(
    metrics: &[Metric],
    variants: &[&str],
    totals: &Totals,
    phases: &[Phase],
    now: Timestamp,
) -> Vec<Look> {
    let look = |totals: &Totals, at| Look {
        at,
        units: variants.iter().map(|key| totals.variants.get(*key).map_or(0, |it| it.units)).collect(),
        measured: counted(metrics, variants, totals, phases, Some(at)),
    };
    let first = totals.hours.keys().find_map(|hour| hour.day());
    let longest = metrics.iter().filter_map(|it| it.window.to).max().unwrap_or_default();
    let last = totals.hours.keys().filter_map(|hour| hour.day()).max().and_then(end_of);
    let last = last.and_then(|it| it.checked_add(longest).ok()).unwrap_or(now);
    let mut looks = Vec::new();
    let mut until = Totals { cohorts: totals.cohorts.clone(), ..Totals::default() };
    let mut hours = totals.hours.iter().filter(|(hour, _)| matches!(hour, Hour::At(_))).peekable();
    let mut day = first;
    let is_before = |(_, end): &(Date, Timestamp)| *end < now && *end <= last;
    while let Some((date, end)) = day.and_then(|date| Some((date, end_of(date)?))).filter(is_before) {
        while let Some((_, of_hour)) = hours.next_if(|(hour, _)| hour.day().is_some_and(|it| it <= date)) {
            for (key, variant) in of_hour {
                until.variants.entry(key.clone()).or_default().merge(variant);
            }
        }
        looks.push(look(&until, end));
        day = date.tomorrow().ok();
    }
    // The last look knows what has an impossible time, too.
    let at = now.min(last);
    looks.retain(|it: &Look| it.at < at);
    looks.push(look(totals, at));
    looks
}

/// The counts up to a time: those of whole hours. Sums by group are known of all hours together only, so that means of metrics without a window
/// are left out; so is what has an impossible time.
#[must_use]
pub fn totals_until(totals: &Totals, until: Timestamp) -> Totals {
    let is_before = |hour: &Hour| matches!(hour, Hour::At(at) if *hour < Hour::of(until) && *at < i64::MAX);
    let mut kept = Totals::default();
    for (hour, of_hour) in totals.hours.iter().filter(|(hour, _)| is_before(hour)) {
        kept.hours.insert(*hour, of_hour.clone());
        for (key, variant) in of_hour {
            kept.variants.entry(key.clone()).or_insert_with(VariantTotals::default).merge(variant);
        }
    }
    kept.cohorts.clone_from(&totals.cohorts);
    kept
}

/// The first moment after a day, in UTC.
#[must_use]
pub fn end_of(day: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(day.tomorrow().ok()?.at(0, 0, 0, 0)).ok()
}

/// Judges the last look, in the light of all of them. A verdict that was reached stands from then on, with its time: what came later only
/// adds noise to it. `None` without a look.
#[must_use]
pub fn judge_looks(
    metrics: &[Metric],
    variants: &[&str],
    looks: &[Look],
    plan: &AnalysisPlan,
) -> (Vec<MetricResult>, Vec<DailyResult>) {
    let is_repeated = plan.standard != Standard::Final;
    let (mut last, mut daily) = (Vec::new(), Vec::new());
    let mut reached: Vec<Vec<Option<(Verdict, Timestamp, u64)>>> =
        vec![vec![None; variants.len()]; metrics.len()];
    for look in looks {
        last = judge(metrics, variants, &look.measured, plan);
        for (metric, reached) in last.iter_mut().zip(&mut reached) {
            let control = metric.variants.get(plan.control).map_or(0, |it| it.units);
            for (variant, reached) in metric.variants.iter_mut().zip(reached) {
                let Some(verdict) = variant.verdict else { continue };
                let (units, comparison) = (variant.units + control, variant.comparison);
                daily.push(DailyResult {
                    at: look.at.to_string(),
                    metric: metric.metric.clone(),
                    variant: variant.variant.clone(),
                    units,
                    difference: comparison.map(|it| it.difference),
                    lift: comparison.and_then(|it| it.lift),
                    verdict,
                });
                if is_repeated {
                    keep(variant, reached, (verdict, look.at, units));
                }
            }
            metric.broken = metric.role == MetricRole::Guardrail
                && metric.variants.iter().any(|it| it.verdict == Some(Verdict::Worse) && !it.safe);
        }
    }
    (last, daily)
}

/// Keeps the first verdict, and takes another one's place only if that is the opposite.
fn keep(
    variant: &mut VariantResult,
    reached: &mut Option<(Verdict, Timestamp, u64)>,
    now: (Verdict, Timestamp, u64),
) {
    let is_verdict = matches!(now.0, Verdict::Better | Verdict::Worse);
    if is_verdict && reached.is_none_or(|(verdict, ..)| verdict != now.0) {
        *reached = Some(now);
    }
    if let Some((verdict, at, units)) = *reached {
        variant.verdict = Some(verdict);
        variant.since = Some(at.to_string());
        variant.units_since = Some(units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Amount, Counter, MetricCounter, RowKey, VariantCounter};
    use serde_json::json;
    use std::borrow::Cow;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(20_000 * DAY + seconds).unwrap()
    }

    fn date(day: i64) -> Date {
        Offset::UTC.to_datetime(time(day * DAY)).date()
    }

    fn metrics(window: &serde_json::Value) -> Vec<Metric> {
        let written = json!({"experiment": "e", "status": "active", "variants": [{"key": "a"}, {"key": "b"}],
            "metrics": [{"key": "m", "event": "bought", "kind": "conversion", "window": window}]});
        crate::read_and_compile([&written]).catalog.experiment("e").unwrap().metrics().to_vec()
    }

    /// Counts of units that were exposed on a day, of which so many converted, as metrics with a window are counted.
    fn expose(totals: &mut Totals, variant: &str, day: i64, units: u64, converted: u64) {
        let (experiment, epoch) = (Cow::Borrowed("e"), 1);
        let named = || Cow::Borrowed(variant);
        let hour =
            RowKey::Experiment { experiment: experiment.clone(), epoch, hour: Hour::of(time(day * DAY)) };
        totals.add(&hour, &Counter::Variant(named(), VariantCounter::Units), units.into());
        let cohort = RowKey::Cohort { experiment, epoch, variant: named(), day: date(day) };
        for group in 0..16 {
            let units = units / 16 + u64::from(u64::from(group) < units % 16);
            totals.add(&cohort, &Counter::GroupUnits(group), units.into());
        }
        let metric = |what| Counter::Metric(named(), Cow::Borrowed("m"), what);
        totals.add(&cohort, &metric(MetricCounter::Units), Amount::from(converted));
        totals.add(&cohort, &metric(MetricCounter::Events), Amount::from(converted));
    }

    /// Equal rates, but `a` came later: by all units it looks worse, and by those whose window is over it does not.
    #[test]
    fn units_whose_window_is_open_do_not_count() {
        let mut totals = Totals::default();
        for (day, a, b) in [(0, 200, 2_000), (1, 2_000, 200)] {
            let done = |units| if day == 0 { units / 5 } else { units / 50 };
            expose(&mut totals, "a", day, a, done(a));
            expose(&mut totals, "b", day, b, done(b));
        }
        let metrics = metrics(&json!("7d"));
        let judged = |now: i64| {
            let looks = looks(&metrics, &["a", "b"], &totals, &[], time(now));
            judge_looks(&metrics, &["a", "b"], &looks, &AnalysisPlan::default())
                .0
                .remove(0)
                .variants
                .remove(1)
        };
        let before = judged(7 * DAY + 12 * HOUR);
        assert_eq!((before.units, before.pending, before.verdict), (0, 2_200, Some(Verdict::TooEarly)));
        let first = judged(8 * DAY + HOUR);
        assert_eq!((first.units, first.pending, first.converted), (2_000, 200, Some(400)));
        assert_eq!(first.verdict, Some(Verdict::Unclear), "{first:?}");
        let all = looks(&metrics, &["a", "b"], &totals, &[], time(30 * DAY)).pop().unwrap();
        assert_eq!(all.measured[0].variants[1].units, 2_200);
        assert_eq!(all.units, [2_200, 2_200]);
        let unlimited = super::super::counted(&metrics, &["a", "b"], &totals, &[], None);
        assert_eq!(unlimited[0].variants[1].pending, 0);
    }

    /// 90 to 10 at a low rate, then 50 to 50 at a high one: together `b` would look far better.
    #[test]
    fn a_change_of_allocations_is_no_difference_and_no_mismatch() {
        let mut totals = Totals::default();
        for (day, a, b, rate) in [(0, 9_000, 1_000, 20), (2, 5_000, 5_000, 4)] {
            expose(&mut totals, "a", day, a, a / rate);
            expose(&mut totals, "b", day, b, b / rate);
        }
        let phase = |day: i64, a: f64, revision| Phase {
            since: time(day * DAY + HOUR / 2),
            revision,
            shares: [("a".to_owned(), a), ("b".to_owned(), 1.0 - a)].into(),
        };
        let phases = [phase(-1, 0.9, 1), phase(1, 0.5, 2)];
        let metrics = metrics(&json!("1d"));
        let judged = |phases: &[Phase]| {
            let looks = looks(&metrics, &["a", "b"], &totals, phases, time(30 * DAY));
            judge_looks(&metrics, &["a", "b"], &looks, &AnalysisPlan::default())
                .0
                .remove(0)
                .variants
                .remove(1)
                .verdict
        };
        assert_eq!(judged(&phases[..1]), Some(Verdict::Better), "as if it were one time");
        assert_eq!(judged(&phases), Some(Verdict::Unclear));
        let ratio = |phases: &[Phase]| super::super::ratio(&["a", "b"], phases, &totals).unwrap().verdict;
        assert_eq!(ratio(&phases[..1]), crate::statistics::RatioVerdict::Mismatch);
        assert_eq!(ratio(&phases), crate::statistics::RatioVerdict::Fits);
        assert!(super::super::mismatch_since(&["a", "b"], &phases[..1], &totals).is_some());
        assert_eq!(super::super::mismatch_since(&["a", "b"], &phases, &totals), None);
    }

    /// Better on the first day, and by noise unclear on the second: it stays better, since the first.
    #[test]
    fn a_verdict_that_was_reached_stands() {
        let mut totals = Totals::default();
        for (day, a, b) in [(0, 100, 170), (1, 300, 200)] {
            expose(&mut totals, "a", day, 1_000, a);
            expose(&mut totals, "b", day, 1_000, b);
        }
        let metrics = metrics(&json!("1d"));
        let judged = |standard| {
            let looks = looks(&metrics, &["a", "b"], &totals, &[], time(9 * DAY));
            let plan = AnalysisPlan { standard, ..AnalysisPlan::default() };
            judge_looks(&metrics, &["a", "b"], &looks, &plan)
        };
        let (metrics_of, daily) = judged(Standard::Anytime);
        let treatment = &metrics_of[0].variants[1];
        assert_eq!((treatment.verdict, treatment.units_since), (Some(Verdict::Better), Some(2_000)));
        assert_eq!(treatment.since, Some(time(2 * DAY).to_string()));
        assert_eq!(daily.first().map(|it| it.verdict), Some(Verdict::TooEarly));
        assert_eq!(daily.last().map(|it| it.verdict), Some(Verdict::Unclear));
        assert_eq!(judged(Standard::Final).0[0].variants[1].since, None);
    }

    #[test]
    fn looks_end_where_nothing_changes_any_more() {
        let mut totals = Totals::default();
        expose(&mut totals, "a", 0, 10, 1);
        expose(&mut totals, "a", 2, 10, 1);
        let count =
            |window: serde_json::Value, now| looks(&metrics(&window), &["a"], &totals, &[], time(now)).len();
        assert_eq!(count(json!(null), 300 * DAY), 3);
        assert_eq!(count(json!("7d"), 300 * DAY), 3 + 7);
        assert_eq!(count(json!("7d"), 2 * DAY + HOUR), 2 + 1);
    }

    #[test]
    fn counts_up_to_a_time_are_those_of_whole_hours() {
        let mut totals = Totals::default();
        expose(&mut totals, "a", 0, 10, 1);
        expose(&mut totals, "a", 1, 20, 2);
        let late = RowKey::Experiment { experiment: "e".into(), epoch: 1, hour: Hour::Late };
        totals.add(&late, &Counter::Variant("a".into(), VariantCounter::Units), 5.into());
        for (until, units) in
            [(DAY - 1, 10), (DAY, 10), (DAY + HOUR - 1, 10), (DAY + HOUR, 30), (9 * DAY, 30)]
        {
            assert_eq!(totals_until(&totals, time(until)).units(), units, "{until}");
        }
    }
}
