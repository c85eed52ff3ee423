//! The texts that Athena gets, as they were when somebody last read them; `UPDATE=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use abx_analysis::{
    Cap, Decimal, Dialect, Measure, MetricQuestion, Part, PhaseStart, Plan, QuantileOf, QuantileQuestion,
    Question, Statement,
};
use jiff::Timestamp;
use std::path::Path;

/// Everything that a question may have, with names that try to leave their quotes.
fn question() -> Question {
    let hostile = "o'clock'; DROP TABLE events; --";
    let part = |event: &str, measure: Measure| Part { event: event.to_owned(), measure };
    let sum = |property: &str| Measure::Sum { property: property.to_owned() };
    Question {
        unit: Some("account.id".to_owned()),
        dimension: Some("app.\"platform\\'".to_owned()),
        phases: vec![PhaseStart { from_revision: 7, from_time: "2026-03-03T00:00:00Z".parse().unwrap() }],
        until: Some("2026-03-10T00:00:00Z".parse::<Timestamp>().unwrap()),
        first_day: Some("2026-02-15".parse().unwrap()),
        last_day: Some("2026-03-11".parse().unwrap()),
        metrics: vec![
            MetricQuestion {
                window_to_ms: Some(604_800_000),
                ..MetricQuestion::new("conversion", part("purchase", Measure::Once))
            },
            MetricQuestion {
                cap: Some(Cap::Percentile(0.99)),
                covariate_ms: Some(1_209_600_000),
                ..MetricQuestion::new("revenue", part("purchase", sum("amount")))
            },
            MetricQuestion {
                denominator: Some(part("view {until}", Measure::Count)),
                ..MetricQuestion::new("ratio", part(hostile, sum("it's \"quoted\" \\ {steps}")))
            },
            MetricQuestion::mean("basket", "purchase", "amount"),
        ],
        quantiles: vec![QuantileQuestion {
            key: "latency".to_owned(),
            event: "request".to_owned(),
            property: "ms".to_owned(),
            q: 0.95,
            per: QuantileOf::Events,
            window_from_ms: 0,
            window_to_ms: None,
            z: 1.96,
        }],
        ..Question::new("checkout'--", 2)
    }
}

fn statements(dialect: Dialect) -> Vec<(&'static str, Statement)> {
    let question = question();
    let plan = Plan::new(&question, dialect, None).unwrap();
    let caps = [(1, Decimal::from_units(250_000_000))];
    vec![
        ("lines", plan.lines()),
        ("checks", plan.checks()),
        ("caps", plan.caps().unwrap()),
        ("units", plan.units()),
        ("moments", plan.moments(&caps).unwrap()),
        ("quantiles", plan.quantiles().unwrap()),
    ]
}

#[test]
fn the_texts_for_athena_are_those_of_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (name, statement) in statements(Dialect::Athena) {
        let (path, sql) = (folder.join(format!("{name}.sql")), statement.sql() + "\n");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &sql).unwrap();
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(sql, known, "{}; UPDATE=1 writes it", path.display());
        assert!(sql.len() < 262_144, "Athena takes no longer text");
    }
}

/// Outside of quotes nothing of a hostile name is left.
#[test]
fn no_name_leaves_its_quotes() {
    for dialect in [Dialect::Athena, Dialect::DataFusion] {
        for (name, statement) in statements(dialect) {
            let sql = statement.sql();
            // In pairs of quotes every second piece is inside; a doubled quote leaves an empty piece between.
            let outside: String = sql.split('\'').step_by(2).collect();
            for word in ["DROP", "--", "quoted", "platform", "checkout", "{", "}"] {
                assert!(!outside.contains(word), "{name}: `{word}` in {outside}");
            }
            assert_eq!(sql.matches('\'').count() % 2, 0, "{name}");
        }
    }
}

/// The two dialects differ in the relations of the archive alone.
#[test]
fn all_but_the_archive_is_the_same_for_both_engines() {
    for ((name, athena), (_, embedded)) in
        statements(Dialect::Athena).into_iter().zip(statements(Dialect::DataFusion))
    {
        assert_eq!(athena.query, embedded.query, "{name}");
        assert!(athena.relations.ends_with(&embedded.relations), "{name}");
        let first = if name == "lines" { "lines AS (" } else { "archive AS (" };
        assert!(athena.relations.starts_with(first) && !embedded.relations.contains(first), "{name}");
    }
}

#[cfg(feature = "datafusion")]
#[test]
fn the_texts_for_athena_are_sql() {
    use datafusion::sql::sqlparser::{dialect::GenericDialect, parser::Parser};
    for (name, statement) in statements(Dialect::Athena) {
        let parsed = Parser::parse_sql(&GenericDialect {}, &statement.sql());
        assert_eq!(parsed.map(|it| it.len()), Ok(1), "{name}");
    }
    assert!(Parser::parse_sql(&GenericDialect {}, "SELECT (1").is_err());
}

#[test]
fn a_question_that_has_no_answer_is_refused() {
    let part = || Part { event: "e".to_owned(), measure: Measure::Count };
    let metric = |cap, from, to| MetricQuestion {
        cap,
        window_from_ms: from,
        window_to_ms: to,
        ..MetricQuestion::new("m", part())
    };
    let quantile = |q, z| QuantileQuestion {
        key: "m".to_owned(),
        event: "e".to_owned(),
        property: "p".to_owned(),
        q,
        per: QuantileOf::Units,
        window_from_ms: 0,
        window_to_ms: None,
        z,
    };
    for (metrics, quantiles, why) in [
        (
            vec![metric(Some(Cap::Percentile(1.0)), 0, None)],
            vec![],
            "percentile 1; use a fraction between 0 and 1",
        ),
        (vec![metric(Some(Cap::Percentile(f64::NAN)), 0, None)], vec![], "percentile NaN"),
        (vec![metric(Some(Cap::Value("-1".parse().unwrap())), 0, None)], vec![], "is below 0; use 0 or more"),
        (vec![metric(None, 2, Some(1))], vec![], "ends before it begins"),
        (vec![metric(None, 0, None), metric(None, 0, None)], vec![], "`m` is asked for twice"),
        (vec![], vec![quantile(0.0, 1.0)], "the quantile 0"),
        (vec![], vec![quantile(0.5, f64::INFINITY)], "z = inf"),
    ] {
        let question = Question { metrics, quantiles, ..Question::new("x", 1) };
        let error = Plan::new(&question, Dialect::Athena, None).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
