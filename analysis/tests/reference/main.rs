//! Random histories: what the statements compute is what an independent model computes, however the archive was written.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a model of small numbers, which fails by panicking"
)]

mod archive;
mod model;

use abx_analysis::embedded::EmbeddedEngine;
use abx_analysis::{
    Answer, Cap, Measure, MetricQuestion, Part, PhaseStart, QuantileOf, QuantileQuestion, Question, analyze,
};
use abx_core::event::Amount;
use jiff::Timestamp;
use model::{AMOUNTS, DAY, Expected, Line, What};
use proptest::prelude::*;
use std::path::Path;

/// 2026-03-01.
const START: i64 = 1_772_323_200_000;
const HOUR: i64 = 3_600_000;

fn answer(root: &Path, question: &Question) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(analyze(&EmbeddedEngine::new(root), question)).unwrap()
}

fn found(answer: &Answer) -> Expected {
    let mut found = Expected::default();
    for cell in &answer.cells {
        let it = &cell.sums;
        let day = jiff::tz::Offset::UTC.to_timestamp(cell.day.at(0, 0, 0, 0)).unwrap().as_millisecond();
        let key =
            (cell.metric.clone(), cell.phase, cell.variant.clone(), cell.dimension.clone(), cell.mixed, day);
        let values = [
            it.units.into(),
            it.x.units(),
            it.y.units(),
            it.c.units(),
            it.xx.units(),
            it.yy.units(),
            it.cc.units(),
            it.xy.units(),
            it.xc.units(),
            it.yc.units(),
        ];
        assert_eq!(found.cells.insert(key, values), None, "a cell twice");
    }
    found.caps = answer.caps.iter().map(|(key, cap)| (key.clone(), cap.units())).collect();
    for it in &answer.checks.metrics {
        found.checks.insert(it.metric.clone(), [it.unusable, it.early, it.overtook]);
    }
    for it in &answer.quantiles {
        let value =
            (it.n, it.units, it.value.units(), it.low.map(|it| it.units()), it.high.map(|it| it.units()));
        found.quantiles.insert((it.key.clone(), it.variant.clone()), value);
    }
    found
}

/// A time on few points, so that many are equal; some a millisecond beside them, so that every limit is met from both sides.
fn instant() -> impl Strategy<Value = i64> {
    (0..20_i64, prop_oneof![8 => Just(0_i64), 1 => Just(1), 1 => Just(-1)])
        .prop_map(|(step, beside)| START + step * 6 * HOUR + beside)
}

fn line() -> impl Strategy<Value = (Option<u32>, u32, Option<u32>, i64, Option<i64>, What)> {
    let exposure = (
        prop_oneof![4 => Just("a"), 3 => Just("b"), 1 => Just("c")],
        prop_oneof![6 => Just(1_u32), 1 => Just(2)],
        proptest::option::of(5..8_u64),
        proptest::option::of(prop_oneof![Just("DE"), Just("it's"), Just("")]),
    )
        .prop_map(|(variant, epoch, revision, dimension)| What::Exposure {
            variant,
            epoch,
            revision,
            dimension,
        });
    let conversion = (
        prop_oneof![3 => Just("buy"), 2 => Just("o'clock {until}"), 1 => Just("other")],
        proptest::option::weighted(0.8, 0..AMOUNTS.len()),
    )
        .prop_map(|(event, amount)| What::Conversion { event, amount: amount.map(|at| AMOUNTS[at].0) });
    (
        proptest::option::weighted(0.4, 0..3_u32),
        0..6_u32,
        proptest::option::weighted(0.8, 0..4_u32),
        instant(),
        proptest::option::weighted(0.8, instant()),
        prop_oneof![2 => exposure, 5 => conversion],
    )
}

fn history() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(line(), 1..60).prop_map(|lines| {
        let lines = lines.into_iter().zip(1..);
        let line = |((event_id, user, account, arrived, timestamp, what), id)| Line {
            id,
            event_id,
            user,
            account,
            arrived,
            timestamp,
            what,
        };
        lines.map(line).collect()
    })
}

fn question() -> impl Strategy<Value = Question> {
    let hours = || proptest::option::of((0..15_u64).prop_map(|it| it * 6 * 3_600_000));
    let fraction = prop_oneof![Just(0.5), Just(0.25), Just(0.9), Just(0.999_999), Just(0.07)];
    (
        (any::<bool>(), any::<bool>(), proptest::option::of(instant()), 0..3_usize),
        (hours(), hours(), hours(), hours()),
        (0..4_u64, proptest::option::of(0..4_usize), fraction.clone(), fraction),
    )
        .prop_map(|((by_account, by_dimension, until, phases), windows, (from, cap, percentile, q))| {
            let part = |event: &str, measure: Measure| Part { event: event.to_owned(), measure };
            let amount = || "amount".to_owned();
            let sum = || Measure::Sum { property: amount() };
            let (other, from_ms) = ("o'clock {until}", from * 6 * 3_600_000);
            let cap = cap.map(|at| Cap::Value(["0", "1.5", "2.5", "1000"][at].parse::<Amount>().unwrap()));
            let after = |to: Option<u64>| to.map(|to| to + from_ms);
            let metrics = vec![
                MetricQuestion {
                    window_to_ms: windows.0,
                    covariate_ms: windows.1,
                    ..MetricQuestion::new("conversion", part("buy", Measure::Once))
                },
                MetricQuestion {
                    covariate_ms: windows.1,
                    ..MetricQuestion::new("count", part("buy", Measure::Count))
                },
                MetricQuestion {
                    cap,
                    covariate_ms: windows.2,
                    window_from_ms: from_ms,
                    ..MetricQuestion::new("sum", part("buy", sum()))
                },
                MetricQuestion { covariate_ms: windows.2, ..MetricQuestion::mean("mean", "buy", "amount") },
                MetricQuestion {
                    denominator: Some(part(other, Measure::Count)),
                    window_from_ms: from_ms,
                    window_to_ms: after(windows.3),
                    ..MetricQuestion::new("ratio", part("buy", sum()))
                },
                MetricQuestion {
                    denominator: Some(part("buy", Measure::Once)),
                    covariate_ms: windows.0,
                    ..MetricQuestion::new("both", part(other, Measure::Once))
                },
                MetricQuestion {
                    cap: Some(Cap::Percentile(percentile)),
                    window_to_ms: windows.3,
                    covariate_ms: windows.0,
                    ..MetricQuestion::new("capped", part("buy", sum()))
                },
                MetricQuestion {
                    window_to_ms: windows.2,
                    covariate_ms: windows.3,
                    ..MetricQuestion::new("usable", part(other, Measure::CountUsable { property: amount() }))
                },
            ];
            let quantile = |key: &str, per, window_to_ms| QuantileQuestion {
                key: key.to_owned(),
                event: "buy".to_owned(),
                property: amount(),
                q,
                per,
                window_from_ms: 0,
                window_to_ms,
                z: 1.0,
            };
            Question {
                unit: by_account.then(|| "account.id".to_owned()),
                dimension: by_dimension.then(|| "country".to_owned()),
                until: until.map(|it| Timestamp::from_millisecond(it).unwrap()),
                phases: (0..phases)
                    .map(|at| PhaseStart {
                        from_revision: 6 + at as u64,
                        from_time: Timestamp::from_millisecond(START + (1 + at as i64) * DAY).unwrap(),
                    })
                    .collect(),
                metrics,
                quantiles: vec![
                    quantile("of_events", QuantileOf::Events, windows.0),
                    quantile("of_units", QuantileOf::Units, windows.2),
                ],
                ..Question::new("checkout", 1)
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn any_archive_of_a_history_gives_what_the_model_gives(lines in history(), question in question(), seed in any::<u64>()) {
        let by_account = question.unit.is_some();
        let (by_day, scattered) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        archive::write_by_day(by_day.path(), &lines, by_account);
        archive::write_scattered(scattered.path(), &lines, by_account, seed);
        let expected = model::compute(&lines, &question);
        let first = answer(by_day.path(), &question);
        prop_assert_eq!(&found(&first), &expected);
        let second = answer(scattered.path(), &question);
        prop_assert_eq!((&second.cells, &second.quantiles, &second.caps), (&first.cells, &first.quantiles, &first.caps));
        prop_assert_eq!(&second.checks.metrics, &first.checks.metrics);
        prop_assert_eq!(second.checks.conversions.events, first.checks.conversions.events);
        prop_assert_eq!((first.read.lines, first.read.bad_lines, second.read.bad_lines), (lines.len() as u64, 0, 0));
    }
}

/// `ABX_HISTORIES` asks for more.
fn cases() -> u32 {
    std::env::var("ABX_HISTORIES").ok().and_then(|it| it.parse().ok()).unwrap_or(8)
}
