//! The matrix against brute force over all buckets, and against real units.

use super::generators::{any_json, documents};
use super::{change, diff};
use crate::common::{catalog, experiment, noon};
use abx_core::change::{Outcome, rebalance};
use abx_core::hash::{BUCKETS, Range, allocate};
use abx_core::simulate::{UnitStyle, Units};
use abx_core::{Catalog, Reason, Subject};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Ranges of three variants from cuts and their owners; the buckets of the whole space, by brute force.
#[derive(Debug, Clone)]
struct Cuts(Vec<(u32, usize)>);

impl Cuts {
    fn ranges(&self) -> Vec<Vec<Range>> {
        let mut ranges = vec![Vec::new(); 3];
        let mut start = 0;
        for (end, owner) in &self.0 {
            ranges[*owner].push(Range { start, end: *end });
            start = *end;
        }
        ranges
    }

    fn variants(&self) -> Value {
        let ranges = self.ranges().into_iter().zip(["a", "b", "c"]);
        ranges.map(|(ranges, key)| json!({"key": key, "ranges": ranges})).collect()
    }

    /// The owner of each bucket, by asking every range.
    fn owner(ranges: &[Vec<Range>], bucket: u32) -> &'static str {
        let owner = ranges.iter().position(|list| list.iter().any(|range| range.contains(bucket)));
        ["a", "b", "c"][owner.unwrap()]
    }
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let cut = (1..BUCKETS, 0..3_usize);
    (prop::collection::btree_map(cut.0, cut.1, 0..8), 0..3_usize)
        .prop_map(|(cuts, last)| Cuts(cuts.into_iter().chain([(BUCKETS, last)]).collect()))
}

type Table = BTreeMap<(String, String), u128>;

/// Counts the buckets for each pair of outcomes, by trying every bucket.
fn brute_force(outcome: impl Fn(u32) -> (String, String)) -> Table {
    let mut table = Table::new();
    for bucket in 0..BUCKETS {
        *table.entry(outcome(bucket)).or_default() += 1;
    }
    table
}

/// The flow of the only experiment, in points of a space of so many.
fn flow(before: &Value, after: &Value, points: u128) -> Table {
    let change = change(before, after);
    let cell = |outcome: &Outcome| outcome.to_string();
    let cells = change.flows[0].cells.iter();
    cells.map(|it| ((cell(&it.before), cell(&it.after)), exact(&it.share.to_string(), points))).collect()
}

/// A fraction, in points of so many.
fn exact(text: &str, points: u128) -> u128 {
    let (part, whole) = text.split_once('/').unwrap_or((text, "1"));
    let (part, whole): (u128, u128) = (part.parse().unwrap(), whole.parse().unwrap());
    assert_eq!(points % whole, 0);
    part * (points / whole)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn one_hash_is_as_counted_over_all_buckets(old in cuts(), new in cuts()) {
        let (before, after) =
            (experiment(json!({"variants": old.variants()})), experiment(json!({"variants": new.variants()})));
        let (old, new) = (old.ranges(), new.ranges());
        let counted = brute_force(|it| (Cuts::owner(&old, it).to_owned(), Cuts::owner(&new, it).to_owned()));
        prop_assume!(counted.keys().any(|(old, new)| old != new));
        prop_assert_eq!(flow(&before, &after, u128::from(BUCKETS)), counted);
    }

    /// Traffic and variant are two hashes: each is counted over all of its buckets, and every pair of buckets is a
    /// point.
    #[test]
    fn two_hashes_are_as_counted_over_all_pairs(
        old in cuts(), new in cuts(), traffic in (1..BUCKETS, 1..BUCKETS),
    ) {
        let share = |buckets: u32| f64::from(buckets) / f64::from(BUCKETS);
        let with = |cuts: &Cuts, traffic: u32| {
            experiment(json!({"variants": cuts.variants(), "traffic_allocation": share(traffic)}))
        };
        let (before, after) = (with(&old, traffic.0), with(&new, traffic.1));
        let (old, new) = (old.ranges(), new.ranges());
        let variants = brute_force(|it| (Cuts::owner(&old, it).to_owned(), Cuts::owner(&new, it).to_owned()));
        let inside = |bucket: u32, below: u32| if bucket < below { "in" } else { "(traffic)" }.to_owned();
        let traffics = brute_force(|it| (inside(it, traffic.0), inside(it, traffic.1)));
        let mut counted = Table::new();
        for ((old_in, new_in), some) in &traffics {
            for ((old, new), others) in &variants {
                let outcome = |inside: &str, variant: &String| {
                    if inside == "in" { variant.clone() } else { inside.to_owned() }
                };
                *counted.entry((outcome(old_in, old), outcome(new_in, new))).or_default() += some * others;
            }
        }
        prop_assume!(counted.keys().any(|(old, new)| old != new));
        prop_assert_eq!(flow(&before, &after, u128::from(BUCKETS).pow(2)), counted);
    }

    /// Whatever differs, everybody goes somewhere, and no less than the minimum moves.
    #[test]
    fn everybody_goes_somewhere(
        old in cuts(), new in cuts(), traffic in (0..=BUCKETS, 0..=BUCKETS), salt in "[st]", epoch in 1..3_u32,
    ) {
        let share = |buckets: u32| f64::from(buckets) / f64::from(BUCKETS);
        let before = experiment(json!({"variants": old.variants(), "traffic_allocation": share(traffic.0), "salt": "s"}));
        let after = experiment(json!({
            "variants": new.variants(), "traffic_allocation": share(traffic.1), "salt": salt, "epoch": epoch,
        }));
        for document in diff(&[before], &[after]).documents {
            for flow in document.flows {
                let sum: abx_core::change::UnitShare = flow.cells.iter().map(|cell| &cell.share).sum();
                prop_assert_eq!(sum.to_string(), "1");
                prop_assert!(flow.moved >= flow.minimum);
                prop_assert_eq!(flow.minimum.clone() + &flow.avoidable, flow.moved);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A plan of `abx rebalance` moves no avoidable unit, by the matrix, for any traffic.
    #[test]
    fn planned_ranges_move_the_minimum(
        old in cuts(), weights in prop::collection::vec(0..10_u32, 3), traffic in 1..=BUCKETS,
    ) {
        let sum: u32 = weights.iter().sum();
        prop_assume!(sum > 0);
        let shares: Vec<f64> = weights.iter().map(|it| f64::from(*it) / f64::from(sum)).collect();
        let sizes: Vec<u32> = allocate(&shares).unwrap().into_iter().map(Range::len).collect();
        let planned = rebalance(&old.ranges(), &sizes).unwrap();
        let with = |ranges: Vec<Vec<Range>>| {
            let variants = ranges.into_iter().zip(["a", "b", "c"]);
            let variants: Value = variants.map(|(ranges, key)| json!({"key": key, "ranges": ranges})).collect();
            let share = f64::from(traffic) / f64::from(BUCKETS);
            experiment(json!({"variants": variants, "traffic_allocation": share}))
        };
        let old_sizes = old.ranges().into_iter().map(|list| list.into_iter().map(Range::len).sum::<u32>());
        let needed: u32 = old_sizes.zip(&sizes).map(|(old, new)| old.saturating_sub(*new)).sum();
        prop_assume!(needed > 0);
        let change = change(&with(old.ranges()), &with(planned));
        prop_assert!(change.flows[0].avoidable.is_none(), "{change:#?}");
        let (points, moved) = (u128::from(BUCKETS).pow(2), u128::from(needed) * u128::from(traffic));
        prop_assert_eq!(exact(&change.flows[0].moved.to_string(), points), moved);
        prop_assert_eq!(change.findings[0].code.as_str(), "units-switch");
    }

    #[test]
    fn no_documents_panic(
        before in prop::collection::vec(any_json(), 0..4), after in prop::collection::vec(any_json(), 0..4),
        good in documents(), other in documents(),
    ) {
        let _ = diff(&[good.clone(), before].concat(), &[other, after].concat());
        prop_assert!(diff(&good, &good).documents.is_empty());
    }
}

/// Everything that is drawn at once: holdouts, a layer, traffic and variants, some by the same hash as before.
fn busy(salt: &str, slot: u32, held: f64, traffic: f64, first: f64) -> Vec<Value> {
    vec![
        experiment(json!({
            "salt": salt, "layer": "l", "traffic_allocation": traffic,
            "variants": [{"key": "a", "allocation": first}, {"key": "b", "allocation": 1.0 - first}],
        })),
        json!({"catalog": {
            "layers": [{"key": "l", "slots": [{"experiment": "e", "ranges": [[100_000, slot]]}]}],
            "holdouts": [{"key": "h", "allocation": held}, {"key": "i", "salt": salt, "allocation": 0.1}],
        }}),
    ]
}

fn decided(catalog: &Catalog, unit: &str) -> Outcome {
    let none = Map::new();
    let decision = catalog.experiment("e").unwrap().decide(&Subject::new(unit, &none), noon(), None);
    decision.variant.map_or(Outcome::None(decision.reason), |it| Outcome::Variant(it.key.to_string()))
}

/// The matrix agrees with decisions for real units, within five standard errors of each cell.
#[test]
fn real_units_do_what_the_matrix_says() {
    const UNITS: u64 = 200_000;
    for (before, after) in [
        (busy("s", 700_000, 0.1, 0.5, 0.5), busy("s", 600_000, 0.2, 0.8, 0.3)),
        (busy("s", 700_000, 0.1, 0.5, 0.5), busy("t", 900_000, 0.05, 0.5, 0.5)),
    ] {
        let diff = diff(&before, &after);
        let change = diff.documents.iter().find(|it| it.document == "experiment e").unwrap();
        let flow = &change.flows[0];
        let (old, new) = (catalog(&before), catalog(&after));
        let mut counted: BTreeMap<(Outcome, Outcome), u32> = BTreeMap::new();
        let units = Units::new(UnitStyle::Uuid, 7);
        let mut unit = String::new();
        for index in 0..UNITS {
            units.write(index, &mut unit);
            *counted.entry((decided(&old, &unit), decided(&new, &unit))).or_default() += 1;
        }
        let of_nobody = counted.keys().find(|(old, new)| flow.share(old, new).is_none());
        assert_eq!(of_nobody, None, "a cell that the matrix does not have");
        for cell in &flow.cells {
            let share = cell.share.to_f64();
            let n = 200_000.0;
            let key = (cell.before.clone(), cell.after.clone());
            let actual = f64::from(counted.get(&key).copied().unwrap_or(0));
            let error = (actual - share * n).abs();
            assert!(error <= 5.0 * (n * share * (1.0 - share)).sqrt() + 1.0, "{cell:?}: {actual}");
        }
    }
}

#[test]
fn many_hashes_cost_no_more_than_their_sum() {
    let with = |prefix: &str| {
        let holdouts: Vec<Value> =
            (0..40).map(|at| json!({"key": format!("{prefix}{at}"), "allocation": 0.001})).collect();
        vec![experiment(json!({"salt": prefix})), json!({"catalog": {"holdouts": holdouts}})]
    };
    let diff = diff(&with("a"), &with("b"));
    let change = diff.documents.iter().find(|it| it.document == "experiment e").unwrap();
    let held = Outcome::None(Reason::Holdout);
    let both = change.flows[0].share(&held, &held).to_f64();
    let once = 1.0 - 0.999_f64.powi(40);
    assert!((both - once * once).abs() < 1e-12, "{both}");
}
