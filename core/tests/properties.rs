//! Proves for random documents and contexts what must hold for all: nothing panics, an explanation is the
//! decision, a decision depends on nothing else, and raising a share moves nobody.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "documents are written in place")]

mod common;
#[path = "properties/generators.rs"]
mod generators;

use abx_core::decide::{ContextLimits, Finality};
use abx_core::hash::{BUCKETS, Bucketer, Purpose};
use abx_core::{Catalog, Pin, Reason, Subject};
use common::{attributes, catalog, compiled, experiment, flag, noon};
use generators::{any_json, condition, context, documents, pin, unit, value};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn drawn(catalog: &Catalog, unit: &str) -> Option<String> {
    let none = Map::new();
    let decision = catalog.experiment("e").unwrap().decide(&Subject::new(unit, &none), noon(), None);
    decision.variant.map(|it| it.key.to_string())
}

proptest! {
    #[test]
    fn buckets_are_in_range(salt in ".{0,20}", unit in ".{0,40}") {
        for purpose in [Purpose::Traffic, Purpose::Variant, Purpose::Rollout, Purpose::Layer, Purpose::Holdout] {
            prop_assert!(Bucketer::new(&salt, purpose).bucket(&unit) < BUCKETS);
        }
    }

    #[test]
    fn an_explanation_is_the_decision(
        documents in documents(), context in context(), unit in unit(), pin in pin(),
    ) {
        let catalog = catalog(&documents);
        let subject = Subject::new(&unit, &context);
        let pin = pin.as_ref().map(|(variant, epoch)| Pin { variant, epoch: *epoch });
        let experiment = catalog.experiment("e").unwrap();
        let decision = experiment.decide(&subject, noon(), pin);
        let (explained, steps) = experiment.explain(&subject, noon(), pin);
        prop_assert_eq!((decision.variant, decision.reason), (explained.variant, explained.reason));
        prop_assert!(!steps.is_empty());
        for flag in catalog.flags() {
            let evaluation = catalog.evaluate_flag(flag, &subject, noon());
            let (explained, _) = catalog.explain_flag(flag, &subject, noon());
            prop_assert_eq!(evaluation.variant, explained.variant);
            prop_assert_eq!((evaluation.reason, evaluation.rule), (explained.reason, explained.rule));
        }
    }

    #[test]
    fn a_pin_found_after_the_decision_decides_as_one_known_before(
        documents in documents(), context in context(), unit in unit(), pin in pin(),
    ) {
        let catalog = catalog(&documents);
        let subject = Subject::new(&unit, &context);
        let experiment = catalog.experiment("e").unwrap();
        let decision = experiment.decide(&subject, noon(), None);
        let known: Vec<(String, u32)> = experiment
            .variants()
            .iter()
            .map(|variant| (variant.key.to_string(), experiment.epoch()))
            .collect();
        for (variant, epoch) in known.iter().chain(&pin) {
            let pin = Pin { variant, epoch: *epoch };
            let (after, before) = (decision.with_pin(pin), experiment.decide(&subject, noon(), Some(pin)));
            prop_assert_eq!((after.variant, after.reason), (before.variant, before.reason));
            prop_assert_eq!(after.finality, before.finality);
            let counts = known.iter().any(|(known, of)| known == variant && of == epoch);
            let decides = after.reason == Reason::Pinned;
            prop_assert_eq!(decides, counts && decision.finality == Finality::UnlessPinned);
        }
    }

    #[test]
    fn a_decision_depends_on_nothing_else(
        documents in documents(), context in context(), more in value(), unit in unit(),
    ) {
        let whole = catalog(&documents);
        let reversed: Vec<Value> = documents.iter().rev().cloned().chain([
            json!({"experiment": "another", "status": "active", "variants": [{"key": "a"}, {"key": "b"}]}),
        ]).collect();
        let reversed = catalog(&reversed);
        let mut wider = context.clone();
        wider.insert("nobody_asks".to_owned(), more);
        let decide = |catalog: &Catalog, context: &Map<String, Value>| {
            let subject = Subject::new(&unit, context);
            let decision = catalog.experiment("e").unwrap().decide(&subject, noon(), None);
            let evaluation = catalog.evaluate("f", &subject, noon());
            (decision.reason, decision.variant.cloned(), evaluation.reason, evaluation.variant.cloned())
        };
        prop_assert_eq!(decide(&whole, &context), decide(&reversed, &wider));
    }

    #[test]
    fn a_variant_is_a_function_of_salt_and_unit(unit in "[a-z0-9]{1,16}", key in "[a-z]{1,8}", salt in "[a-z]{1,8}") {
        let mut renamed = experiment(json!({"salt": salt}));
        renamed["experiment"] = json!(key);
        let renamed = catalog(&[renamed]);
        let none = Map::new();
        let decision = renamed.experiment(&key).unwrap().decide(&Subject::new(&unit, &none), noon(), None);
        let variant = decision.variant.map(|it| it.key.to_string());
        prop_assert_eq!(variant, drawn(&catalog(&[experiment(json!({"salt": salt}))]), &unit));
    }

    #[test]
    fn raising_the_traffic_moves_nobody(low in 0..=1_000_u32, more in 0..=1_000_u32, unit in "[a-z0-9]{1,12}") {
        let with = |share: u32| {
            let share = f64::from(share.min(1_000)) / 1_000.0;
            let rollout = flag(json!({"rollout_percentage": share * 100.0}));
            let catalog = catalog(&[experiment(json!({"traffic_allocation": share})), rollout]);
            let none = Map::new();
            let on = catalog.evaluate("f", &Subject::new(&unit, &none), noon());
            (drawn(&catalog, &unit), on.variant.unwrap().value == json!(true))
        };
        let (before, after) = (with(low), with(low + more));
        prop_assert!(before.0.is_none() || before.0 == after.0);
        prop_assert!(after.1 || !before.1);
    }

    #[test]
    fn shares_cover_every_bucket_once(weights in prop::collection::vec(0..1_000_u32, 2..12)) {
        let sum: u32 = weights.iter().sum();
        prop_assume!(sum > 0);
        let share = |weight: &u32| f64::from(*weight) / f64::from(sum);
        let variants: Vec<Value> = weights.iter().enumerate()
            .map(|(at, it)| json!({"key": format!("v{at}"), "allocation": share(it)})).collect();
        let catalog = catalog(&[experiment(json!({"variants": variants}))]);
        let buckets = catalog.experiment("e").unwrap().variant_buckets();
        prop_assert_eq!(buckets.iter().sum::<u32>(), BUCKETS);
        for (size, weight) in buckets.iter().zip(&weights) {
            prop_assert!((f64::from(*size) - share(weight) * f64::from(BUCKETS)).abs() <= 1.0);
        }
    }

    #[test]
    fn not_negates(condition in condition(), context in context(), unit in "[a-z]{1,3}") {
        let shared = json!({"catalog": {"segments": [{"key": "s"}]}});
        let reason = |condition: Value| {
            let fields = json!({"targeting_rules": [condition]});
            let catalog = catalog(&[experiment(fields), shared.clone()]);
            catalog.experiment("e").unwrap().decide(&Subject::new(&unit, &context), noon(), None).reason
        };
        let plain = reason(condition.clone());
        let negated = reason(json!({"not": condition}));
        prop_assert_eq!(plain == Reason::Assigned, negated == Reason::Targeting);
        prop_assert_eq!(plain, reason(json!({"not": {"not": [condition]}})));
    }

    #[test]
    fn no_document_panics(values in prop::collection::vec(any_json(), 1..4)) {
        let compilation = compiled(&values);
        prop_assert!(compilation.findings.iter().all(|it| it.place.document < values.len()));
    }

    #[test]
    fn no_context_panics(documents in documents(), context in any_json(), unit in ".{0,20}") {
        let catalog = catalog(&documents);
        let context = attributes(&json!({"a": context, "b": context, "user_id": context}));
        let _ = ContextLimits::default().check(&context);
        let subject = Subject::new(&unit, &context);
        let _ = catalog.experiment("e").unwrap().explain(&subject, noon(), None);
        let _ = catalog.explain_flag(catalog.flag("f").unwrap(), &subject, noon());
    }
}

#[test]
fn the_deepest_nesting_that_json_allows_is_decided() {
    let depth = 120;
    let leaf = r#"{"attribute": "a", "operator": "exists"}"#;
    let text = format!("{}{leaf}{}", r#"{"not": "#.repeat(depth), "}".repeat(depth));
    let catalog =
        catalog(&[experiment(json!({"targeting_rules": [serde_json::from_str::<Value>(&text).unwrap()]}))]);
    assert!(drawn(&catalog, "u").is_none(), "twice sixty times not is what it was");
    let deeper = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    assert!(serde_json::from_str::<Value>(&deeper).is_err(), "serde_json refuses what would be deeper");
}

/// Segments nest on the stack, and a segment in a segment may be asked often.
#[test]
fn chains_and_lattices_of_segments_are_bounded() {
    let segments = |count: u32, copies: usize| -> Vec<Value> {
        let one = |at: u32| {
            let named = at.checked_sub(1).map(|it| json!({"segment": format!("s{it}")}));
            let below: Vec<Value> =
                named.iter().cycle().take(named.iter().count() * copies).cloned().collect();
            json!({"key": format!("s{at}"), "when": below})
        };
        (0..count).rev().map(one).collect()
    };
    for (count, copies, good) in
        [(9, 1, true), (10, 1, false), (5_000, 1, false), (5, 8, true), (9, 8, false)]
    {
        let last = format!("s{}", count - 1);
        let rules = json!([{"segment": last}]);
        let shared = json!({"catalog": {"segments": segments(count, copies)}});
        let compilation = compiled(&[experiment(json!({"targeting_rules": rules})), shared]);
        assert_eq!(compilation.catalog.experiment("e").is_some(), good, "{count} {copies}");
    }
}
