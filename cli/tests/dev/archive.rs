//! `abx results --archive`: what archived events say, beside the counters of the same events.

use crate::program::Place;
use crate::results::{SHOP, counted, said, told, traffic};
use serde_json::{Value, json};
use std::fs;

const DIMENSIONS: &str = "dimensions: [country]\n";

/// Half of the units of each variant are of a country, and the others of none.
fn of_countries() -> Vec<Value> {
    let mut events = traffic(600);
    for (number, exposure) in events.iter_mut().filter(|it| it["type"] == "exposure").enumerate() {
        if number % 4 < 2 {
            exposure["dimensions"] = json!({"country": "DE"});
        }
    }
    events
}

fn shop() -> Place {
    counted(&format!("{SHOP}{DIMENSIONS}"), &of_countries())
}

#[test]
fn archive_and_counters_agree() {
    let place = shop();
    let live = told(&place, &["results", "shop"], 1);
    let archived = told(&place, &["results", "shop", "--archive"], 1);
    assert_eq!(archived["archive"]["bad_lines"], 0);
    for field in ["units", "sample_ratio", "next", "headline", "phases"] {
        assert_eq!(archived[field], live[field], "{field}");
    }
    for (of_archive, of_counters) in
        archived["metrics"].as_array().unwrap().iter().zip(live["metrics"].as_array().unwrap())
    {
        for (variant, counted) in
            of_archive["variants"].as_array().unwrap().iter().zip(of_counters["variants"].as_array().unwrap())
        {
            for field in ["variant", "units", "converted", "sum", "verdict"] {
                assert_eq!(variant[field], counted[field], "{field} of {}", of_archive["metric"]);
            }
            let value = |it: &Value| it["value"]["value"].as_f64().unwrap();
            assert!((value(variant) - value(counted)).abs() < 1e-12);
        }
    }
    // Conversions are the same test, too; the variance of a count is that of units instead of 16 groups.
    let comparison = |report: &Value| report["metrics"][0]["variants"][1]["comparison"].clone();
    assert_eq!(comparison(&archived), comparison(&live));
    let human = said(&place, &["results", "shop", "--archive"]);
    assert!(human.contains("lines in 1 file\n"), "{human}");
}

#[test]
fn an_archive_is_broken_down_by_what_exposures_say() {
    let place = shop();
    let report = told(&place, &["results", "shop", "--archive", "--by", "country"], 1);
    let values: Vec<(&Value, &Value)> =
        report["by_value"].as_array().unwrap().iter().map(|it| (&it["value"], &it["units"])).collect();
    assert_eq!(values.len(), 2);
    assert!(values.iter().all(|(_, units)| **units == json!(600)), "{values:?}");
    let human = said(&place, &["results", "shop", "--archive", "--by", "country"]);
    assert!(human.contains("DE") && human.contains("(none)"), "{human}");
    let refused = said(&place, &["results", "shop", "--archive", "--by", "plan"]);
    assert!(refused.contains("its exposures have country"), "{refused}");
    let refused = said(&place, &["results", "shop", "--by", "country"]);
    assert!(refused.contains("--archive"), "{refused}");
}

#[test]
fn what_is_wrong_with_an_archive_is_named() {
    let place = shop();
    let folder = place.path().join("broken");
    fs::create_dir_all(folder.join("day=2026-11-01")).unwrap();
    let exposure = json!({"type": "exposure", "experiment": "shop", "variant": "a", "unit": "u", "timestamp": "2026-11-01T10:00:00Z"});
    fs::write(
        folder.join("day=2026-11-01").join("events.jsonl"),
        format!("{exposure}\n{{nothing\n{exposure}\n"),
    )
    .unwrap();
    let report = told(&place, &["results", "shop", "--archive", "broken"], 0);
    assert_eq!((&report["units"], &report["archive"]["bad_lines"]), (&json!(1), &json!(1)));
    let human = said(&place, &["results", "shop", "--archive", "broken"]);
    assert!(human.contains("events.jsonl:2"), "{human}");
    let missing = place.run(&["results", "shop", "--archive", "nowhere"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nowhere"), "{missing:?}");
}

/// Units that saw several variants are left out, and the report says what they would change.
#[test]
fn units_that_saw_several_variants_are_left_out_and_said() {
    let place = shop();
    let exposure = |variant: &str, unit: &str| json!({"type": "exposure", "experiment": "shop", "variant": variant, "unit": unit, "timestamp": "2026-11-01T10:00:00Z"});
    let order = |unit: &str| json!({"type": "conversion", "event": "bought", "unit": unit, "event_id": unit, "timestamp": "2026-11-01T12:00:00Z"});
    let write = |name: &str, mixed: usize| {
        let mut lines = Vec::new();
        for number in 0..1000 {
            for (variant, every) in [("a", 5), ("b", 4)] {
                let unit = format!("{variant}{number}");
                lines.push(exposure(variant, &unit));
                if number % every == 0 {
                    lines.push(order(&unit));
                }
            }
        }
        // Of `b` first, and none of them buys.
        for number in 0..mixed {
            let unit = format!("m{number}");
            lines.push(exposure("b", &unit));
            let mut other = exposure("a", &unit);
            other["timestamp"] = json!("2026-11-01T11:00:00Z");
            lines.push(other);
        }
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(place.path().join(name), lines.join("\n")).unwrap();
    };
    write("many.jsonl", 100);
    let report = told(&place, &["results", "shop", "--archive", "many.jsonl"], 0);
    let share = report["conflict_share"].as_f64().unwrap();
    assert!((share - 100.0 / 2100.0).abs() < 1e-12, "{share}");
    let without = &report["metrics"][0]["variants"][1];
    assert_eq!(
        (&without["units"], &without["pending"]),
        (&json!(1000), &json!(0)),
        "they wait for no window"
    );
    let difference = |it: &Value| it["difference"]["value"].as_f64().unwrap();
    assert!((difference(&without["comparison"]) - 0.05).abs() < 1e-12, "{without}");
    let with = &report["with_mixed_units"];
    let named = (&with["metric"], &with["variants"][0]["variant"], &with["variants"][0]["units"]);
    assert_eq!(named, (&json!("buyers"), &json!("b"), &json!(1100)));
    assert!((difference(&with["variants"][0]) - (250.0 / 1100.0 - 0.2)).abs() < 1e-12, "{with}");
    let human = said(&place, &["results", "shop", "--archive", "many.jsonl"]);
    let text = human.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "several variants: 4.76 % of units saw more than one; metrics leave them out",
        "buyers with them, by their first variant: b +2.7 points",
        "instead of +5.0 points",
    ] {
        assert!(text.contains(part), "{part}: {human}");
    }
    // Ten of 2,010 are below the share of which a report speaks.
    write("few.jsonl", 10);
    let report = told(&place, &["results", "shop", "--archive", "few.jsonl"], 0);
    assert_eq!((&report["conflict_share"], &report["with_mixed_units"]), (&Value::Null, &Value::Null));
}
