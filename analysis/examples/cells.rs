//! Answers a question from an archive, and prints what every statement is in Athena's SQL beside the rows that DataFusion gave, as JSON.
//!
//! ```sh
//! cargo run -p abx-analysis --features datafusion --example cells -- ARCHIVE QUESTION.json
//! ```
//!
//! `e2e/statistics/athena.py` runs the printed texts in another engine and compares the rows.

use abx_analysis::embedded::EmbeddedEngine;
use abx_analysis::{
    AnalysisError, Cap, Dialect, Engine, Extract, Measure, MetricQuestion, Part, PhaseStart, Plan,
    QuantileOf, QuantileQuestion, Question, ReadReport, Rows, Statement, analyze,
};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Mutex;

/// The embedded engine, with a record of every statement's rows.
struct Recorder {
    engine: EmbeddedEngine,
    rows: Mutex<Vec<(&'static str, Rows)>>,
}

impl Engine for Recorder {
    fn dialect(&self) -> Dialect {
        self.engine.dialect()
    }

    async fn prepare(&self, extract: &Extract) -> Result<(), AnalysisError> {
        self.engine.prepare(extract).await
    }

    async fn run(&self, statement: &Statement) -> Result<Rows, AnalysisError> {
        let rows = self.engine.run(statement).await?;
        if let Ok(mut all) = self.rows.lock() {
            all.push((statement.name, rows.clone()));
        }
        Ok(rows)
    }

    fn read(&self) -> ReadReport {
        self.engine.read()
    }
}

fn text(value: &Value, name: &str) -> Result<String, Box<dyn Error>> {
    Ok(value[name].as_str().ok_or_else(|| format!("`{name}` is not a text"))?.to_owned())
}

fn part(value: &Value) -> Result<Part, Box<dyn Error>> {
    let measure = match text(value, "measure")?.as_str() {
        "once" => Measure::Once,
        "count" => Measure::Count,
        "sum" => Measure::Sum { property: text(value, "property")? },
        "count_usable" => Measure::CountUsable { property: text(value, "property")? },
        other => return Err(format!("unknown measure `{other}`").into()),
    };
    Ok(Part { event: text(value, "event")?, measure })
}

fn metric(value: &Value) -> Result<MetricQuestion, Box<dyn Error>> {
    let cap = match (&value["cap"], value["cap_percentile"].as_f64()) {
        (Value::Number(cap), _) => Some(Cap::Value(
            abx_core::event::Amount::of_text(&cap.to_string()).ok_or("`cap` is not an amount")?,
        )),
        (_, percentile) => percentile.map(Cap::Percentile),
    };
    let denominator = &value["denominator"];
    Ok(MetricQuestion {
        denominator: if denominator.is_null() { None } else { Some(part(denominator)?) },
        window_from_ms: value["from_ms"].as_u64().unwrap_or(0),
        window_to_ms: value["to_ms"].as_u64(),
        covariate_ms: value["covariate_ms"].as_u64(),
        cap,
        ..MetricQuestion::new(&text(value, "key")?, part(&value["numerator"])?)
    })
}

fn quantile(value: &Value) -> Result<QuantileQuestion, Box<dyn Error>> {
    Ok(QuantileQuestion {
        key: text(value, "key")?,
        event: text(value, "event")?,
        property: text(value, "property")?,
        q: value["q"].as_f64().ok_or("`q` is not a number")?,
        per: if value["per"] == "units" { QuantileOf::Units } else { QuantileOf::Events },
        window_from_ms: value["from_ms"].as_u64().unwrap_or(0),
        window_to_ms: value["to_ms"].as_u64(),
        z: value["z"].as_f64().unwrap_or(1.959_963_984_540_054),
    })
}

fn list<T>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, Box<dyn Error>>,
) -> Result<Vec<T>, Box<dyn Error>> {
    value.as_array().map_or(Ok(Vec::new()), |all| all.iter().map(read).collect())
}

fn question(value: &Value) -> Result<Question, Box<dyn Error>> {
    let phase = |value: &Value| -> Result<PhaseStart, Box<dyn Error>> {
        Ok(PhaseStart {
            from_revision: value["from_revision"].as_u64().ok_or("`from_revision` is not a number")?,
            from_time: text(value, "from_time")?.parse()?,
        })
    };
    let day = |name: &str| value[name].as_str().map(str::parse).transpose();
    Ok(Question {
        unit: value["unit"].as_str().map(str::to_owned),
        phases: list(&value["phases"], phase)?,
        dimension: value["dimension"].as_str().map(str::to_owned),
        metrics: list(&value["metrics"], metric)?,
        quantiles: list(&value["quantiles"], quantile)?,
        until: value["until"].as_str().map(str::parse).transpose()?,
        first_day: day("first_day")?,
        last_day: day("last_day")?,
        ..Question::new(&text(value, "experiment")?, u32::try_from(value["epoch"].as_u64().unwrap_or(1))?)
    })
}

#[expect(clippy::print_stdout, reason = "the output of a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let archive = arguments.next().ok_or("usage: cells ARCHIVE QUESTION.json")?;
    let written = std::fs::read_to_string(arguments.next().ok_or("usage: cells ARCHIVE QUESTION.json")?)?;
    let question = question(&serde_json::from_str(&written)?)?;
    let engine = Recorder { engine: EmbeddedEngine::new(archive), rows: Mutex::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(analyze(&engine, &question))?;

    let latest = answer.checks.latest_arrival.map(jiff::Timestamp::as_millisecond);
    let plan = Plan::new(&question, Dialect::Athena, latest)?;
    let place = |key: &str| question.metrics.iter().position(|it| it.key == key);
    let caps: Vec<_> = answer.caps.iter().filter_map(|(key, cap)| Some((place(key)?, *cap))).collect();
    let statements = [
        Some(plan.lines()),
        Some(plan.checks()),
        plan.caps(),
        Some(plan.units()),
        plan.moments(&caps),
        plan.quantiles(),
    ];
    let recorded = engine.rows.into_inner()?;
    let statements = statements.into_iter().flatten().map(|statement| {
        let rows = recorded.iter().find(|it| it.0 == statement.name).map(|it| &it.1);
        json!({
            "name": statement.name,
            "sql": statement.sql(),
            "columns": rows.map(|it| &it.columns),
            "rows": rows.map(|it| &it.rows),
        })
    });
    let statements: Vec<Value> = statements.collect();
    let cells = answer.cells.iter().map(|cell| {
        let sums = &cell.sums;
        json!({
            "metric": cell.metric, "phase": cell.phase, "variant": cell.variant, "dimension": cell.dimension, "mixed": cell.mixed,
            "day": cell.day.to_string(), "units": sums.units, "x": sums.x.to_string(), "y": sums.y.to_string(), "c": sums.c.to_string(),
            "xx": sums.xx.to_string(), "yy": sums.yy.to_string(), "cc": sums.cc.to_string(), "xy": sums.xy.to_string(),
            "xc": sums.xc.to_string(), "yc": sums.yc.to_string(),
        })
    });
    let cells: Vec<Value> = cells.collect();
    let bad: Vec<String> = answer.read.bad.iter().map(ToString::to_string).collect();
    let answer = json!({
        "statements": statements, "cells": cells, "files": answer.read.files, "lines": answer.read.lines,
        "bad_lines": answer.read.bad_lines, "bad": bad,
        "quantiles": answer.quantiles.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>(),
        "checks": format!("{:?}", answer.checks),
    });
    println!("{answer:#}");
    Ok(())
}
