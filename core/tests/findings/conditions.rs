//! Conditions with one mistake.

use super::common::{experiment, flag};
use super::{Case, case};
use abx_core::document::Operator;
use abx_core::finding::Code;
use serde_json::{Value, json};

pub(crate) fn rules(conditions: Value) -> Value {
    experiment(json!({"targeting_rules": conditions}))
}

fn leaf(attribute: &str, operator: Operator, value: Value) -> Value {
    json!({"attribute": attribute, "operator": operator.as_str(), "value": value})
}

/// An experiment with one rule.
fn rule(leaf: Value) -> Value {
    rules(json!([leaf]))
}

/// A rule whose value is wrong.
fn value_case(code: Code, help: &'static str, leaf: Value) -> Case {
    case(code, "targeting_rules[0].value", help, [rule(leaf)])
}

pub(crate) fn cases() -> Vec<Case> {
    cases_of_rules().into_iter().chain(cases_of_ranges()).collect()
}

/// Networks and ranges of versions.
fn cases_of_ranges() -> Vec<Case> {
    use Operator as Op;
    vec![
        case(
            Code::NetworkHostBits,
            "targeting_rules[0].value[1]",
            "write 10.0.0.0/8, or 10.1.2.3",
            [rules(json!([leaf("a", Op::IpIn, json!(["192.168.0.0/16", "10.1.2.3/8"]))]))],
        ),
        value_case(
            Code::NetworkHostBits,
            "write 10.0.0.0/8",
            leaf("a", Op::IpIn, json!("::ffff:10.0.0.1/104")),
        ),
        case(
            Code::InvalidValue,
            "targeting_rules[0].value[1]",
            "leading zero is ambiguous",
            [rules(json!([leaf("a", Op::IpIn, json!(["10.0.0.0/8", "010.0.0.0/8"]))]))],
        ),
        value_case(Code::InvalidValue, "leading zero is ambiguous", leaf("a", Op::IpIn, json!("010.1.2.3"))),
        value_case(Code::NeverMatches, "use `any:`", leaf("a", Op::SemverRange, json!(">=2, <1"))),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, one line a case")]
fn cases_of_rules() -> Vec<Case> {
    use Operator as Op;
    let window = json!({"start": "09:00", "zone": "Europe/Berln"});
    let never = json!([leaf("a", Op::Equals, json!("x")), {"all": [leaf("a", Op::In, json!(["y"]))]}]);
    let negated = |condition: Value| json!([{"any": [leaf("b", Op::Equals, json!(1)), condition]}]);
    vec![
        case(
            Code::UnknownField,
            "targeting_rules[0].segmnt",
            "did you mean `segment`?",
            [rules(json!([{"segmnt": "s"}]))],
        ),
        case(
            Code::UnknownWord,
            "targeting_rules[0].operator",
            "`greater_than`",
            [rules(json!([{"attribute": "a", "operator": "greater_then", "value": 1}]))],
        ),
        case(
            Code::InvalidOperator,
            "targeting_rules[0]",
            "add `attribute:`",
            [rules(json!([{"operator": "equals", "value": 1}]))],
        ),
        value_case(Code::InvalidOperator, "drop it", leaf("a", Op::Exists, json!(true))),
        value_case(Code::InvalidValue, "use `in`", leaf("a", Op::Equals, json!([1]))),
        case(
            Code::InvalidValue,
            "targeting_rules[0].any[1].not[0].value",
            "",
            [rules(
                json!([{"any": [leaf("a", Op::Exists, Value::Null), {"not": [leaf("user_id", Op::StartsWith, json!(5))]}]}]),
            )],
        ),
        value_case(Code::InvalidRegex, "look-around", leaf("a", Op::Matches, json!("(?<=a)b"))),
        case(
            Code::InvalidZone,
            "targeting_rules[0].value.zone",
            "`Europe/Berlin`",
            [rule(leaf("a", Op::TimeWindow, window))],
        ),
        case(Code::NeverMatches, "targeting_rules[1].all[0]", "use `any:`", [rules(never)]),
        case(Code::NeverMatches, "targeting_rules[0].any", "at least one", [rules(json!([{"any": []}]))]),
        case(Code::NeverMatches, "targeting_rules[0].not", "at least one", [rules(json!([{"not": []}]))]),
        case(
            Code::NeverMatches,
            "targeting_rules[0].any[1].value",
            "at least one",
            [rules(negated(leaf("a", Op::In, json!([]))))],
        ),
        case(
            Code::NeverMatches,
            "targeting_rules[0].any[1].all[1]",
            "use `any:`",
            [rules(negated(
                json!({"all": [leaf("a", Op::LessThan, json!(1)), leaf("a", Op::GreaterThan, json!(2))]}),
            ))],
        ),
        case(Code::AlwaysMatches, "targeting_rules[0].all", "at least one", [rules(json!([{"all": []}]))]),
        value_case(Code::AlwaysMatches, "use `exists`", leaf("a", Op::NotIn, json!([]))),
        value_case(Code::AlwaysMatches, "write the text", leaf("a", Op::StartsWith, json!(""))),
        value_case(
            Code::AlwaysMatches,
            "`start`, `end` or `days`",
            leaf("a", Op::TimeWindow, json!({"zone": "UTC", "end": "24:00"})),
        ),
        case(
            Code::OddTimeWindow,
            "targeting_rules[0].value.start",
            "the next day",
            [rule(leaf("a", Op::TimeWindow, json!({"start": "24:00", "end": "09:00", "zone": "UTC"})))],
        ),
        case(
            Code::OddTimeWindow,
            "targeting_rules[0].value.end",
            "leave `start` and `end` out",
            [rule(leaf("a", Op::TimeWindow, json!({"start": "09:00", "end": "09:00:00", "zone": "UTC"})))],
        ),
        value_case(Code::RegexSlashes, "\"(?i)^x\"", leaf("a", Op::Matches, json!("/^x/i"))),
        value_case(Code::SemverBare, "`=1.0.0`", leaf("a", Op::SemverRange, json!("1.0.0"))),
        case(
            Code::PercentageBelowOne,
            "targeting_rules[0].value",
            "`0.1%` if that is meant, or `10%`",
            [rules(json!([{"attribute": "a", "operator": "percentage", "value": 0.1, "salt": "s"}]))],
        ),
        case(
            Code::PercentageBelowOne,
            "rollout_percentage",
            "`0.07%` if that is meant, or `7%`",
            [flag(json!({"rollout_percentage": 0.07}))],
        ),
        case(
            Code::NegativeType,
            "targeting_rules[1].not",
            "use `less_than` without `not:`",
            [rules(
                json!([leaf("age", Op::Exists, Value::Null), {"not": leaf("age", Op::GreaterOrEqual, json!(18))}]),
            )],
        ),
        case(
            Code::NegativeType,
            "targeting_rules[1].not",
            "operator: ip_in",
            [rules(
                json!([leaf("ip", Op::Exists, Value::Null), {"not": [leaf("ip", Op::IpIn, json!("10.0.0.0/8"))]}]),
            )],
        ),
        case(
            Code::NegativeMissing,
            "targeting_rules[0].any[1].not",
            "operator: exists",
            [rules(negated(json!({"not": leaf("a", Op::Equals, json!(1))})))],
        ),
        case(
            Code::RuleUnreachable,
            "rules[1]",
            "narrower rule first",
            [flag(json!({"rules": [
                {"when": [leaf("a", Op::Equals, json!(1))], "serve": "on"},
                {"when": [leaf("b", Op::Equals, json!(1)), leaf("a", Op::Equals, json!(1))], "serve": "off"},
            ]}))],
        ),
        case(
            Code::RuleUnreachable,
            "rollout_percentage",
            "give the rule conditions",
            [flag(json!({"rules": [{"serve": "on"}], "rollout_percentage": 50}))],
        ),
    ]
}

/// Conditions without a mistake get no finding, however similar they are to those with one.
#[test]
fn what_is_meant_is_not_warned_of() {
    use Operator as Op;
    for conditions in [
        json!([leaf("age", Op::LessThan, json!(99)), {"not": leaf("age", Op::GreaterOrEqual, json!(18))}]),
        json!([leaf("plan", Op::Exists, Value::Null), {"not": leaf("plan", Op::Equals, json!("x"))}]),
        json!([leaf("path", Op::Matches, json!("/shop/")), leaf("a", Op::Matches, json!("a/b"))]),
        json!([leaf("v", Op::SemverRange, json!(">=1.2, <2")), leaf("w", Op::SemverRange, json!("1.*"))]),
        json!([leaf("t", Op::TimeWindow, json!({"start": "22:00", "end": "24:00", "zone": "UTC"}))]),
        json!([{"attribute": "a", "operator": "percentage", "value": "0.1%", "salt": "s"}]),
        json!([leaf("a", Op::NotIn, json!(["x"]))]),
    ] {
        let findings = super::compiled(&[rules(conditions.clone())]).findings;
        assert!(findings.is_empty(), "{conditions}: {findings:#?}");
    }
    let shares = json!([{"key": "a", "allocation": "12.5%"}, {"key": "b", "allocation": "87.5 %"}]);
    let documents = [
        experiment(json!({"variants": shares, "traffic_allocation": "10%"})),
        flag(json!({"rollout_percentage": "0.1%"})),
    ];
    assert!(super::compiled(&documents).findings.is_empty());
}
