//! Random documents, contexts and units.

use super::common::{experiment, flag};
use abx_core::document::Operator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Values that attributes and conditions share, so that they meet often.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![json!("de"), json!("fr"), json!(""), json!("2.1.0"), json!("10.0.0.1")]),
        prop::sample::select(vec![json!(1), json!(2.5), json!(-3), json!(true), json!(false), json!(null)]),
        prop::sample::select(vec![json!("2026-03-04"), json!("2026-03-04T12:00:00Z"), json!(1_772_600_000)]),
        any::<f64>().prop_map(|it| json!(it)),
        any::<i64>().prop_map(|it| json!(it)),
        ".{0,6}".prop_map(|it| json!(it)),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => scalar(),
        1 => prop::collection::vec(scalar(), 0..4).prop_map(Value::from),
        1 => (scalar(), scalar()).prop_map(|(a, b)| json!({"lat": a, "lon": b, "a": b})),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "a.lat", "c", "user_id"]).prop_map(str::to_owned)
}

/// A value that an operator takes.
fn operand(operator: Operator) -> BoxedStrategy<Value> {
    use Operator as Op;
    let list = |of: Vec<Value>| prop::collection::vec(prop::sample::select(of), 1..4).prop_map(Value::from);
    let scalars = vec![json!("de"), json!("fr"), json!("d"), json!(1), json!(true), json!(-3)];
    match operator {
        Op::Exists | Op::NotExists => Just(Value::Null).boxed(),
        Op::Equals | Op::NotEquals | Op::Contains | Op::NotContains => prop::sample::select(scalars).boxed(),
        Op::In | Op::NotIn | Op::ContainsAny | Op::ContainsAll => list(scalars).boxed(),
        Op::Between => (-9..0, 0..9).prop_map(|(low, high)| json!([low, high])).boxed(),
        Op::GreaterThan | Op::GreaterOrEqual | Op::LessThan | Op::LessOrEqual => {
            (-4..4).prop_map(|it| json!(it)).boxed()
        }
        Op::StartsWith | Op::EndsWith | Op::Matches => {
            prop::sample::select(vec![json!("d"), json!("e"), json!("")]).boxed()
        }
        Op::Before | Op::After => {
            prop::sample::select(vec![json!("2026-03-04"), json!("2026-03-04T13:00:00+01:00")]).boxed()
        }
        Op::TimeWindow => Just(json!({"start": "22:00", "end": "13:00", "zone": "Europe/Berlin"})).boxed(),
        Op::SemverRange => Just(json!(">=2, <3")).boxed(),
        Op::GeoWithin => Just(json!({"lat": 0, "lon": 0, "radius_km": 500})).boxed(),
        Op::IpIn => Just(json!("10.0.0.0/8")).boxed(),
        Op::Percentage => (0..=100).prop_map(|it| json!(it)).boxed(),
        _ if operator.as_str().starts_with("length") => (0..4).prop_map(|it| json!(it)).boxed(),
        _ => prop::sample::select(vec![json!("2.1.0"), json!("2.2")]).boxed(),
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop::sample::select(Operator::ALL.to_vec()).prop_flat_map(|operator| {
        (name(), operand(operator)).prop_map(move |(attribute, value)| {
            let mut leaf = json!({"attribute": attribute, "operator": operator.as_str()});
            if !value.is_null() {
                leaf["value"] = value;
            }
            if operator == Operator::Percentage {
                leaf["salt"] = json!("p");
            }
            leaf
        })
    })
}

pub(crate) fn condition() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 16, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            list().prop_map(|it| json!({"all": it})),
            list().prop_map(|it| json!({"any": it})),
            list().prop_map(|it| json!({"not": it})),
            inner.clone().prop_map(|it| json!({"not": it})),
            Just(json!({"segment": "s"})),
        ]
    })
}

fn conditions() -> impl Strategy<Value = Value> {
    prop::collection::vec(condition(), 0..3).prop_map(Value::from)
}

pub(crate) fn context() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(name(), value(), 0..4).prop_map(|it| it.into_iter().collect())
}

pub(crate) fn unit() -> impl Strategy<Value = String> {
    prop_oneof![Just(" ".to_owned()), Just("forced".to_owned()), "[a-z]{1,3}", ".{0,12}"]
}

/// An experiment with its shared catalog, and a flag that is served by it.
pub(crate) fn documents() -> impl Strategy<Value = Vec<Value>> {
    let status = prop::sample::select(vec!["draft", "active", "active", "active", "paused", "completed"]);
    let shares = (0..=1_000_u32, 0..=1_000_u32, 0..=300_u32);
    (status, shares, any::<bool>(), (conditions(), conditions(), conditions())).prop_map(
        |(status, (traffic, split, held), by_a, (targeting, segment, when))| {
            let share = f64::from(split) / 1_000.0;
            let variants =
                json!([{"key": "on", "allocation": share}, {"key": "off", "allocation": 1.0 - share}]);
            let fields = json!({
                "status": status, "traffic_allocation": f64::from(traffic) / 1_000.0, "variants": variants,
                "targeting_rules": targeting, "overrides": {"forced": "on"}, "winner": "off",
                "unit": if by_a { "a" } else { "user_id" },
            });
            let fields = json!({
                "rules": [{"when": when, "experiment": "e"}, {"when": segment, "split": [{"variant": "on"}]}],
                "rollout_percentage": f64::from(split) / 10.0, "targeting_rules": targeting,
                "prerequisites": [{"flag": "g", "variant": "on"}], "experiment": fields,
            });
            let mut flag = flag(fields);
            let fields = flag.as_object_mut().unwrap().remove("experiment").unwrap();
            let needed =
                json!({"flag": "g", "enabled": true, "rollout_percentage": 90, "targeting_rules": when});
            let holdout = json!({"key": "h", "allocation": f64::from(held) / 1_000.0});
            let segment = json!({"key": "s", "when": without_segments(&segment)});
            vec![
                experiment(fields),
                flag,
                needed,
                json!({"catalog": {"segments": [segment], "holdouts": [holdout]}}),
            ]
        },
    )
}

/// The conditions that name no segment, so that a segment made of them does not need itself.
fn without_segments(conditions: &Value) -> Value {
    let kept = conditions.as_array().unwrap().iter().filter(|it| !it.to_string().contains("segment"));
    kept.cloned().collect()
}

pub(crate) fn pin() -> impl Strategy<Value = Option<(String, u32)>> {
    prop::option::of((prop::sample::select(vec!["on", "off", "gone"]).prop_map(str::to_owned), 1..3_u32))
}

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "experiment",
        "flag",
        "catalog",
        "status",
        "variants",
        "key",
        "allocation",
        "ranges",
        "targeting_rules",
        "all",
        "any",
        "not",
        "segment",
        "attribute",
        "operator",
        "value",
        "rules",
        "when",
        "split",
        "segments",
        "layers",
        "slots",
        "holdouts",
        "experiments",
        "prerequisites",
        "overrides",
        "metrics",
        "unit",
        "salt",
        "epoch",
    ]);
    let leaf = prop_oneof![value(), word.clone().prop_map(|it| json!(it))];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}
