//! Proves every finding that the core makes: a small document for each code, with the place and the advice.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "documents are written in place"
)]

mod common;
#[path = "findings/conditions.rs"]
mod conditions;
#[path = "findings/payloads.rs"]
mod payloads;
#[path = "findings/tests.rs"]
mod tests;

use abx_core::finding::{Code, Finding};
use common::{colours, compiled, experiment, flag};
use serde_json::{Value, json};

/// Documents that lead to one finding, in the first of them.
struct Case {
    code: Code,
    path: &'static str,
    /// A part of the help.
    help: &'static str,
    documents: Vec<Value>,
}

fn case<const N: usize>(code: Code, path: &'static str, help: &'static str, documents: [Value; N]) -> Case {
    Case { code, path, help, documents: documents.into() }
}

fn named(key: &str, mut document: Value) -> Value {
    let kind = if document["flag"].is_null() { "experiment" } else { "flag" };
    document[kind] = json!(key);
    document
}

#[test]
fn counts_that_fit_in_no_row_are_found_before_they_are_published() {
    use abx_core::document::Document;
    use abx_core::event::{MAX_ROW_BYTES, largest_row};
    let document = |metrics: usize, kind: &str, length: usize| {
        let metric = |number| json!({"key": format!("m{number:0>width$}", width = length - 1), "event": "e", "kind": kind, "property": "p"});
        let metrics: Vec<Value> = (0..metrics).map(metric).collect();
        experiment(
            json!({"metrics": metrics, "variants": [{"key": "a".repeat(64)}, {"key": "b".repeat(64)}]}),
        )
    };
    let size = |document: &Value| match Document::read(document, &mut abx_core::finding::Findings::default())
    {
        Some(Document::Experiment(written)) => largest_row(&written),
        other => panic!("{other:?}"),
    };
    let mut seen = [0; 2];
    for kind in ["conversion", "sum"] {
        for metrics in (1..700).step_by(7) {
            let document = document(metrics, kind, 64);
            let found = compiled(std::slice::from_ref(&document)).findings;
            let is_found =
                found.iter().any(|it| it.code == Code::RowTooLarge && it.place.path == "metrics".into());
            assert_eq!(is_found, size(&document) > MAX_ROW_BYTES, "{metrics} {kind}");
            seen[usize::from(is_found)] += 1;
        }
    }
    assert!(seen[0] > 20 && seen[1] > 20, "{seen:?}: below and above");
    assert!(size(&document(400, "sum", 64)) > MAX_ROW_BYTES, "400 sums with long keys are too many");
    assert!(size(&document(400, "sum", 8)) < MAX_ROW_BYTES, "with short ones they fit");
}

fn variants(variants: Value) -> Value {
    experiment(json!({"variants": variants}))
}

#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn written() -> Vec<Case> {
    let end = json!({"starts_at": "2026-03-02", "ends_at": "2026-03-01"});
    vec![
        case(Code::UnknownKind, "", "start it with", [json!({"status": "draft"})]),
        case(Code::UnknownKind, "experimnt", "did you mean `experiment`?", [json!({"experimnt": "e"})]),
        case(Code::UnknownKind, "", "a document is a mapping", [json!(["e"])]),
        case(Code::UnknownKind, "flag", "`---`", [experiment(json!({"flag": "f"}))]),
        case(
            Code::UnknownField,
            "trafic_allocation",
            "`traffic_allocation`",
            [experiment(json!({"trafic_allocation": 0.5}))],
        ),
        case(
            Code::UnknownField,
            "variants[0].colour",
            "known fields: key",
            [variants(json!([{"key": "a", "colour": "red"}, {"key": "b"}]))],
        ),
        case(
            Code::MissingField,
            "",
            "add `status:`",
            [json!({"experiment": "e", "variants": [{"key": "a"}, {"key": "b"}]})],
        ),
        case(Code::MissingField, "rules[0]", "write one of", [flag(json!({"rules": [{"name": "x"}]}))]),
        case(Code::WrongType, "owner", "in quotes: \"7\"", [experiment(json!({"owner": 7}))]),
        case(
            Code::WrongType,
            "variants[1].value",
            "",
            [flag(json!({
                "variants": [{"key": "a", "value": "x"}, {"key": "b", "value": ["y"]}], "default_variant": "a",
            }))],
        ),
        case(Code::WrongType, "enabled", "write `true`, without quotes", [flag(json!({"enabled": "Yes"}))]),
        case(Code::WrongType, "enabled", "write `false`, without quotes", [flag(json!({"enabled": 0}))]),
        case(
            Code::UnknownWord,
            "status",
            "did you mean `active`?",
            [experiment(json!({"status": "Running"}))],
        ),
        case(
            Code::UnknownWord,
            "status",
            "did you mean `paused`?",
            [experiment(json!({"status": "stopped"}))],
        ),
        case(
            Code::OverridesFile,
            "overrides_file",
            "`abx publish` reads the file",
            [experiment(json!({"overrides_file": "qa.csv"}))],
        ),
        case(Code::UnknownWord, "status", "did you mean `active`?", [experiment(json!({"status": "activ"}))]),
        case(Code::UnknownWord, "hash", "one of: abx-1", [experiment(json!({"hash": "md5"}))]),
        case(
            Code::InvalidKey,
            "experiment",
            "`checkout_redesign`",
            [named("Checkout Redesign", experiment(json!({})))],
        ),
        case(
            Code::InvalidDate,
            "ends_at",
            "midnight in UTC",
            [experiment(json!({"ends_at": "2026-03-01T09:00:00"}))],
        ),
        case(
            Code::InvalidDate,
            "metrics[0].window",
            "24h, 7d",
            [experiment(json!({
                "metrics": [{"key": "m", "event": "buy", "kind": "count", "window": "7 days"}],
            }))],
        ),
        case(Code::DatesReversed, "ends_at", "later than", [experiment(end)]),
        case(Code::WinnerIgnored, "winner", "status: completed", [experiment(json!({"winner": "control"}))]),
        case(
            Code::MetricInvalid,
            "metrics[0]",
            "property",
            [experiment(json!({"metrics": [{"key": "m", "event": "buy", "kind": "sum"}]}))],
        ),
        case(
            Code::SeveralPrimaries,
            "metrics",
            "role: primary",
            [experiment(json!({"metrics": [
                {"key": "m", "event": "buy", "kind": "count"}, {"key": "n", "event": "buy", "kind": "conversion"},
            ]}))],
        ),
        case(
            Code::PlanInvalid,
            "plan.goal",
            "did you mean `bought`?",
            [experiment(json!({
                "metrics": [{"key": "bought", "event": "buy", "kind": "conversion"}], "plan": {"goal": "bougth"},
            }))],
        ),
        case(Code::BlankText, "unit", "leave it out", [experiment(json!({"unit": " "}))]),
        case(
            Code::BlankText,
            "catalog.layers[0].salt",
            "leave it out",
            [json!({"catalog": {"layers": [{"key": "l", "salt": ""}]}})],
        ),
        case(Code::InvalidValue, "epoch", "write 1", [experiment(json!({"epoch": 0}))]),
    ]
}

fn shares() -> Vec<Case> {
    let halves =
        json!([{"key": "a", "ranges": [[0, 400_000]]}, {"key": "b", "ranges": [[500_000, 1_000_000]]}]);
    vec![
        case(Code::NoVariants, "", "at least two", [variants(json!([]))]),
        case(Code::NoVariants, "rules[0].split", "name variants", [flag(json!({"rules": [{"split": []}]}))]),
        case(Code::SingleVariant, "variants", "control", [variants(json!([{"key": "a"}]))]),
        case(
            Code::AllocationMissing,
            "variants[1]",
            "equal shares",
            [variants(json!([{"key": "a", "allocation": 0.5}, {"key": "b"}]))],
        ),
        case(Code::AllocationMissing, "variants", "by `rules`", [colours(json!({}))]),
        case(
            Code::AllocationRange,
            "traffic_allocation",
            "Write 0.2",
            [experiment(json!({"traffic_allocation": 20}))],
        ),
        case(Code::AllocationRange, "rollout_percentage", "", [flag(json!({"rollout_percentage": 101}))]),
        case(
            Code::AllocationSum,
            "variants",
            "0.1 of the units",
            [variants(json!([{"key": "a", "allocation": 0.5}, {"key": "b", "allocation": 0.4}]))],
        ),
        case(
            Code::AllocationNormalised,
            "variants",
            "sum to 1",
            [variants(json!([{"key": "a", "allocation": 0.5}, {"key": "b", "allocation": 0.495}]))],
        ),
        case(Code::RangeInvalid, "variants[1].ranges", "once", [variants(halves)]),
        case(
            Code::RangeInvalid,
            "variants[0].ranges[0]",
            "at most 1000000",
            [variants(json!([{"key": "a", "ranges": [[0, 1_000_001]]}, {"key": "b", "ranges": []}]))],
        ),
        case(
            Code::VariantUnreachable,
            "variants[0]",
            "give it a share",
            [variants(json!([{"key": "a", "allocation": 0}, {"key": "b", "allocation": 1}]))],
        ),
        case(Code::NoTraffic, "traffic_allocation", "paused", [experiment(json!({"traffic_allocation": 0}))]),
        case(
            Code::NoTraffic,
            "rollout_percentage",
            "enabled: false",
            [flag(json!({"rollout_percentage": 0}))],
        ),
        case(
            Code::MixedValues,
            "variants[1].value",
            "one type",
            [flag(json!({
                "variants": [{"key": "a", "value": "x"}, {"key": "b", "value": 1}], "default_variant": "a",
            }))],
        ),
    ]
}

fn names() -> Vec<Case> {
    let needs = |key: &str, other: &str| {
        named(key, flag(json!({"prerequisites": [{"flag": other, "variant": "on"}]})))
    };
    let slot = |ranges: Value| json!({"experiment": "e", "ranges": ranges});
    let layer = |slots: Value| json!({"catalog": {"layers": [{"key": "checkout", "slots": slots}]}});
    let inside = || experiment(json!({"layer": "checkout"}));
    vec![
        case(
            Code::DuplicateKey,
            "variants[1].key",
            "rename one",
            [variants(json!([{"key": "a"}, {"key": "a"}]))],
        ),
        case(
            Code::DuplicateKey,
            "catalog.segments[1].key",
            "rename one",
            [
                json!({"catalog": {"segments": [{"key": "s"}, {"key": "s"}]}}),
                conditions::rules(json!([{"segment": "s"}])),
            ],
        ),
        case(
            Code::UnknownVariant,
            "overrides.u",
            "`treatment`",
            [experiment(json!({"overrides": {"u": "treatmnt"}}))],
        ),
        case(
            Code::UnknownVariant,
            "prerequisites[0].variant",
            "known: on, off",
            [
                flag(json!({"prerequisites": [{"flag": "g", "variant": "maybe"}]})),
                named("g", flag(json!({}))),
            ],
        ),
        case(
            Code::UnknownVariant,
            "rules[0].experiment",
            "same key",
            [
                colours(json!({"rules": [{"experiment": "e"}]})),
                variants(json!([{"key": "red"}, {"key": "gone"}])),
            ],
        ),
        case(
            Code::UnknownSegment,
            "targeting_rules[1].all[0].segment",
            "`germans`",
            [
                conditions::rules(json!([{"segment": "germans"}, {"all": [{"segment": "german"}]}])),
                json!({"catalog": {"segments": [{"key": "germans"}]}}),
            ],
        ),
        case(Code::UnknownLayer, "layer", "no layer is defined", [inside()]),
        case(
            Code::UnknownExperiment,
            "catalog.holdouts[0].experiments[1]",
            "`checkout`",
            [
                json!({"catalog": {"holdouts": [{"key": "h", "allocation": 0.1, "experiments": ["checkout", "chekout"]}]}}),
                named("checkout", experiment(json!({}))),
            ],
        ),
        case(Code::UnknownFlag, "prerequisites[0].flag", "known: f", [needs("f", "zzz")]),
        case(Code::LayerMismatch, "layer", "add {experiment: e", [inside(), layer(json!([]))]),
        case(
            Code::LayerMismatch,
            "catalog.layers[0].slots[0].experiment",
            "layer: checkout",
            [layer(json!([slot(json!([[0, 5]]))])), experiment(json!({}))],
        ),
        case(
            Code::SlotOverlap,
            "catalog.layers[0].slots[1].ranges[0]",
            "start it at 50",
            [layer(json!([slot(json!([[0, 50], [60, 70]])), slot(json!([[40, 60]]))])), inside()],
        ),
        case(
            Code::SegmentCycle,
            "catalog.segments[0].when",
            "break the circle",
            [
                json!({"catalog": {"segments": [{"key": "s", "when": [{"not": {"segment": "s"}}]}]}}),
                conditions::rules(json!([{"segment": "s"}])),
            ],
        ),
        case(Code::PrerequisiteCycle, "prerequisites", "drop one", [needs("f", "f")]),
        case(
            Code::UnusedSegment,
            "catalog.segments[0].key",
            "spelling",
            [json!({"catalog": {"segments": [{"key": "s"}]}})],
        ),
    ]
}

fn cases() -> Vec<Case> {
    written()
        .into_iter()
        .chain(shares())
        .chain(names())
        .chain(conditions::cases())
        .chain(payloads::cases())
        .chain(tests::cases())
        .chain([doubled()])
        .collect()
}

fn doubled() -> Case {
    // The second document has the finding, so it is looked for by hand below.
    case(
        Code::DuplicateSalt,
        "",
        "`salt` of its own",
        [experiment(json!({})), named("g", experiment(json!({"salt": "e"})))],
    )
}

#[test]
fn each_mistake_is_one_finding_at_its_place() {
    for Case { code, path, help, documents } in cases() {
        let findings = compiled(&documents).findings;
        let [finding] = &findings[..] else { panic!("{code} at {path:?}: {findings:#?}") };
        let place = usize::from(code == Code::DuplicateSalt);
        assert_eq!(
            (finding.code, &*finding.place.path.to_string(), finding.place.document),
            (code, path, place)
        );
        assert_eq!(finding.severity, code.severity());
        assert!(finding.help.as_deref().unwrap_or_default().contains(help), "{finding:#?}");
    }
}

#[test]
fn no_code_is_forgotten() {
    let of_the_reader = [
        Code::YamlSyntax,
        Code::NotText,
        Code::TooLarge,
        Code::TooDeep,
        Code::AliasBudget,
        Code::DuplicateField,
        Code::NonFiniteNumber,
        Code::UnsupportedYaml,
        Code::NumberNotAsWritten,
        Code::TextLooksTyped,
        Code::HiddenCharacters,
        Code::LookAlikeCharacters,
    ];
    // Of two sets of documents, not of one: `change/findings.rs` has them.
    let of_a_change = [
        Code::UnitsReshuffled,
        Code::KeyRenamed,
        Code::AvoidableMoves,
        Code::NotComparable,
        Code::NotCompiledBefore,
        Code::UnitsSwitch,
        Code::UnitsLeave,
        Code::VariantRemoved,
        Code::PayloadChanged,
        Code::TargetingChanged,
        Code::MetricChanged,
        Code::EpochChanged,
        Code::ExperimentRemoved,
    ];
    // Of many conditions or metrics, not of one: `expressions_share_one_budget` and `counts_that_fit_in_no_row_…` have them.
    let of_many = [Code::RegexBudget, Code::RowTooLarge];
    let cases = cases().into_iter().map(|case| case.code);
    let tested: Vec<Code> = cases.chain(of_the_reader).chain(of_a_change).chain(of_many).collect();
    for code in Code::ALL {
        assert!(tested.contains(&code), "{code}");
    }
}

#[test]
fn expressions_share_one_budget() {
    let of = |key: &str, numbers: std::ops::Range<usize>| {
        let leaf = |number: usize| json!({"attribute": "a", "operator": "matches", "value": format!(r"{number}\w{{12}}")});
        json!({"flag": key, "enabled": true, "targeting_rules": [{"any": numbers.map(leaf).collect::<Vec<_>>()}]})
    };
    let compilation = compiled(&[of("first", 0..10), of("second", 10..400), of("third", 0..10)]);
    assert!(
        compilation
            .findings
            .iter()
            .all(|finding| finding.code == Code::RegexBudget && finding.place.document == 1)
    );
    assert!(compilation.findings.len() > 300, "{}", compilation.findings.len());
    let left: Vec<&str> = compilation.catalog.flags().iter().map(abx_core::Flag::key).collect();
    assert_eq!(left, ["first", "third"], "equal expressions are compiled once");
}

#[test]
fn a_finding_is_data() {
    let findings: Vec<Finding> = compiled(&[experiment(json!({"status": "activ"}))]).findings;
    let expected = json!([{
        "code": "unknown-word", "severity": "error",
        "message": "\"activ\" is not a known word here",
        "place": {"document": 0, "path": "status"},
        "help": "did you mean `active`?",
    }]);
    assert_eq!(serde_json::to_value(findings).ok(), Some(expected));
}

/// Each has one finding, at this place.
#[test]
fn metrics_and_plans_that_cannot_be_computed_are_found() {
    let [count, other] = [("n", "count"), ("d", "sum")].map(
        |(key, kind)| json!({"key": key, "event": "e", "kind": kind, "property": "p", "role": "secondary"}),
    );
    let with = |metric: Value| json!({"metrics": [count.clone(), other.clone(), metric]});
    let ratio = |field: &str, value: Value| {
        let mut metric = json!({"key": "r", "kind": "ratio", "numerator": "n", "denominator": "d"});
        metric[field] = value;
        with(metric)
    };
    let sum = |field: &str, value: Value| {
        let mut metric =
            json!({"key": "s", "event": "e", "kind": "sum", "property": "p", "role": "guardrail"});
        metric[field] = value;
        with(metric)
    };
    let plan =
        |plan: Value| json!({"metrics": [{"key": "m", "event": "e", "kind": "conversion"}], "plan": plan});
    for (part, code, path) in [
        (ratio("numerator", Value::Null), Code::MetricInvalid, "metrics[2]"),
        (ratio("denominator", json!("x")), Code::MetricInvalid, "metrics[2].denominator"),
        (ratio("denominator", json!("r")), Code::MetricInvalid, "metrics[2].denominator"),
        (ratio("event", json!("e")), Code::MetricInvalid, "metrics[2].event"),
        (ratio("window", json!("1d")), Code::MetricInvalid, "metrics[2].window"),
        (ratio("cap", json!(5)), Code::MetricInvalid, "metrics[2].cap"),
        (
            with(json!({"key": "q", "event": "e", "kind": "quantile", "property": "p"})),
            Code::MetricInvalid,
            "metrics[2]",
        ),
        (
            with(json!({"key": "q", "event": "e", "kind": "quantile", "property": "p", "q": 1})),
            Code::MetricInvalid,
            "metrics[2].q",
        ),
        (with(json!({"key": "c", "kind": "count"})), Code::MetricInvalid, "metrics[2]"),
        (
            with(json!({"key": "c", "event": "e", "kind": "count", "q": 0.5})),
            Code::MetricInvalid,
            "metrics[2].q",
        ),
        (sum("cap", json!(0)), Code::MetricInvalid, "metrics[2].cap"),
        (sum("cap", json!("100%")), Code::MetricInvalid, "metrics[2].cap"),
        (sum("margin", json!(-1)), Code::MetricInvalid, "metrics[2].margin"),
        (sum("minimum_effect", json!(0)), Code::MetricInvalid, "metrics[2].minimum_effect"),
        (sum("window", json!({"from": "2d", "to": "1d"})), Code::MetricInvalid, "metrics[2].window"),
        (
            with(json!({"key": "c", "event": "e", "kind": "count", "margin": "2%"})),
            Code::MetricInvalid,
            "metrics[2].margin",
        ),
        (plan(json!({"power": 1})), Code::PlanInvalid, "plan.power"),
        (plan(json!({"alpha": 0})), Code::PlanInvalid, "plan.alpha"),
        (plan(json!({"units": 0})), Code::PlanInvalid, "plan.units"),
        (plan(json!({"minimum_effect": 0})), Code::PlanInvalid, "plan.minimum_effect"),
        (plan(json!({"looks": "final"})), Code::PlanInvalid, "plan.looks"),
        (json!({"dimensions": ["a", " "]}), Code::BlankText, "dimensions[1]"),
        (json!({"dimensions": ["a", "a"]}), Code::DuplicateKey, "dimensions[1]"),
        (
            json!({"dimensions": (0..9).map(|it| it.to_string()).collect::<Vec<_>>()}),
            Code::PlanInvalid,
            "dimensions",
        ),
    ] {
        let found = compiled(&[experiment(part.clone())]).findings;
        let found: Vec<(Code, String)> =
            found.iter().map(|it| (it.code, it.place.path.to_string())).collect();
        assert_eq!(found, [(code, path.to_owned())], "{part}");
    }
    for part in [
        ratio("role", json!("primary")),
        sum("cap", json!("99.5%")),
        sum("margin", json!("2%")),
        sum("window", json!({"from": "1d"})),
        plan(
            json!({"goal": "m", "minimum_effect": "5%", "power": "80%", "units": 1_000, "days": 14, "looks": "final"}),
        ),
        json!({"dimensions": ["country", "app.platform"]}),
    ] {
        assert_eq!(compiled(&[experiment(part.clone())]).findings, [], "{part}");
    }
}
