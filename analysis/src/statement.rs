//! Statements: the SQL files with what a question says filled in.

use crate::dialect::{Dialect, literal};
use crate::question::{Cap, Extract, Measure, MetricQuestion, Part, PhaseStart, QuantileOf, Question};
use crate::{AnalysisError, Decimal};
use abx_core::event::Amount;

/// Beyond every time and duration of milliseconds, and small enough that two of them add up.
const FOREVER: i64 = 4_000_000_000_000_000;

/// The rows that a statement needs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It is over the relation `lines` alone.
    Lines,
    /// It is over `archive`, and needs all rows of a unit together. An engine may run it over parts of the units, one after another, which
    /// bounds its memory. Several of its rows may then have one key, and their values are added up.
    Unit,
    /// Its last relation, `staged`, is as [`Self::Unit`]; its query is over `staged` alone, and needs that of all units.
    Staged,
}

/// The steps in which the time of an amount is counted where both are one number: more than any amount in millionths, moved up.
const STEP: &str = "10000000000000000000000";
/// By how much amounts are moved up: more than the smallest is below 0.
const SHIFT: &str = "1000000000000000000000";
/// The number of an amount that is missing: more than any amount, moved up.
const MISSING: &str = "9000000000000000000000";

/// A statement of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name, for messages.
    pub name: &'static str,
    /// The relations, as they stand in `WITH`, without that word.
    pub relations: String,
    /// The query over them.
    pub query: String,
    /// The rows that it needs together.
    pub scope: Scope,
}

impl Statement {
    fn new(name: &'static str, relations: &[String], query: String, scope: Scope) -> Self {
        Self { name, relations: relations.join(",\n"), query, scope }
    }

    /// The whole text.
    #[must_use]
    pub fn sql(&self) -> String {
        let (relations, query) = (self.relations.as_str(), self.query.as_str());
        match query.strip_prefix("WITH ") {
            _ if relations.is_empty() => query.to_owned(),
            Some(rest) => format!("WITH {relations},\n{rest}"),
            None => format!("WITH {relations}\n{query}"),
        }
    }

    /// The text that computes the relation `staged`.
    #[must_use]
    pub fn staged_sql(&self) -> String {
        format!("WITH {}\nSELECT * FROM staged", self.relations)
    }
}

/// Puts values in place of `{name}`, in one pass, so that a value cannot hold a place itself. Comments go.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let lines = template.lines().filter(|line| !line.trim_start().starts_with("--"));
    let template = lines.collect::<Vec<_>>().join("\n");
    let (mut filled, mut rest) = (String::new(), template.as_str());
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|it| it.0 == name);
        debug_assert!(value.is_some(), "no value for {name}");
        filled.push_str(value.map_or("", |it| it.1));
        rest = after;
    }
    filled + rest
}

/// A question, and all that its statements need.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    question: &'a Question,
    extract: Extract,
    dialect: Dialect,
    until: i64,
    matured_at: i64,
}

/// A metric or a quantile, as the statements know it.
struct Step<'a> {
    x: &'a str,
    x_measure: Measure,
    y: Option<&'a Part>,
    from_ms: u64,
    to_ms: Option<u64>,
    covariate_ms: u64,
}

impl<'a> Plan<'a> {
    /// Checks a question. `latest_arrival` is the time at which windows are over if the question names no time.
    pub fn new(
        question: &'a Question,
        dialect: Dialect,
        latest_arrival: Option<i64>,
    ) -> Result<Self, AnalysisError> {
        check(question)?;
        let until = question.until.map(jiff::Timestamp::as_millisecond);
        Ok(Self {
            question,
            extract: question.extract(),
            dialect,
            until: until.unwrap_or(FOREVER),
            matured_at: until.or(latest_arrival).unwrap_or(FOREVER),
        })
    }

    /// The lines of each partition and type.
    #[must_use]
    pub fn lines(&self) -> Statement {
        let relations: Vec<String> = self.dialect.lines(&self.extract).into_iter().collect();
        Statement::new(
            "the count of lines",
            &relations,
            fill(include_str!("../sql/lines.sql"), &[]),
            Scope::Lines,
        )
    }

    /// The lines and events that the question is about.
    #[must_use]
    pub fn checks(&self) -> Statement {
        let query = fill(include_str!("../sql/checks.sql"), &[]);
        Statement::new("the count of duplicates", &self.relations(&[]), query, Scope::Unit)
    }

    /// The totals that the percentiles of caps come to; `None` if the question has none.
    #[must_use]
    pub fn caps(&self) -> Option<Statement> {
        let metrics = self.question.metrics.iter().enumerate();
        let fractions = metrics.filter_map(|(at, metric)| match metric.cap? {
            Cap::Percentile(fraction) => Some(format!("({at}, {})", millionths(fraction))),
            Cap::Value(_) => None,
        });
        let fractions = fractions.collect::<Vec<_>>().join(", ");
        if fractions.is_empty() {
            return None;
        }
        let capped = |metric: &MetricQuestion| matches!(metric.cap, Some(Cap::Percentile(_)));
        let rows = self.metrics(&[], |metric| capped(metric));
        let steps = self.question.metrics.iter().map(Step::of_metric).enumerate();
        let steps = steps.filter(|(at, _)| self.question.metrics.get(*at).is_some_and(capped));
        let mut relations =
            self.relations(&[self.exposed(), self.credited(steps), totals(), metrics_relation(&rows)]);
        relations.push(self.fill(include_str!("../sql/unit_totals.sql")));
        let query = fill(include_str!("../sql/caps.sql"), &[("fractions", &fractions)]);
        Some(Statement::new("the percentiles of caps", &relations, query, Scope::Staged))
    }

    /// The units of each metric.
    #[must_use]
    pub fn units(&self) -> Statement {
        let mut rows = self.metrics(&[], |_| true);
        rows.push("(-1, 0, 0, 1, CAST(NULL AS decimal(38, 6)), 0, 0)".to_owned());
        let query = self.fill(include_str!("../sql/units.sql"));
        Statement::new(
            "the count of units",
            &self.relations(&[self.exposed(), metrics_relation(&rows)]),
            query,
            Scope::Unit,
        )
    }

    /// The sums of each metric; `None` without metrics. `caps` are the limits that [`Self::caps`] gave: the place of the metric and the value.
    #[must_use]
    pub fn moments(&self, caps: &[(usize, Decimal<6>)]) -> Option<Statement> {
        if self.question.metrics.is_empty() {
            return None;
        }
        let steps = self.question.metrics.iter().map(Step::of_metric).enumerate();
        let relations = self.relations(&[
            self.exposed(),
            self.credited(steps),
            totals(),
            metrics_relation(&self.metrics(caps, |_| true)),
        ]);
        let query = fill(include_str!("../sql/moments.sql"), &[]);
        Some(Statement::new("the sums of metrics", &relations, query, Scope::Unit))
    }

    /// The quantiles; `None` without any.
    #[must_use]
    pub fn quantiles(&self) -> Option<Statement> {
        let quantiles = &self.question.quantiles;
        if quantiles.is_empty() {
            return None;
        }
        let rows = quantiles.iter().enumerate().map(|(at, it)| {
            let is_unit = i32::from(it.per == QuantileOf::Units);
            let (matures, to_ms) = maturity(it.window_to_ms);
            format!("({at}, 0, 0, {is_unit}, CAST(NULL AS decimal(38, 6)), {matures}, {to_ms})")
        });
        let rows: Vec<String> = rows.collect();
        let steps = quantiles.iter().map(|it| Step {
            x: &it.event,
            x_measure: Measure::Sum { property: it.property.clone() },
            y: None,
            from_ms: it.window_from_ms,
            to_ms: it.window_to_ms,
            covariate_ms: 0,
        });
        let credited = self.credited(steps.enumerate());
        let mut relations = self.relations(&[self.exposed(), credited, totals(), metrics_relation(&rows)]);
        relations.push(self.fill(include_str!("../sql/quantile_values.sql")));
        let fractions = quantiles.iter().enumerate();
        let fractions =
            fractions.map(|(at, it)| format!("({at}, {}, CAST({:?} AS double))", millionths(it.q), it.z));
        let fractions = fractions.collect::<Vec<_>>().join(", ");
        let query = fill(include_str!("../sql/quantiles.sql"), &[("fractions", &fractions)]);
        Some(Statement::new("the quantiles", &relations, query, Scope::Staged))
    }

    fn relations(&self, more: &[String]) -> Vec<String> {
        self.dialect.archive(&self.extract).into_iter().chain(more.iter().cloned()).collect()
    }

    fn fill(&self, template: &str) -> String {
        let (until, matured_at) = (self.until.to_string(), self.matured_at.to_string());
        fill(
            template,
            &[("until", &until), ("matured_at", &matured_at), ("phase", &phase(&self.question.phases))],
        )
    }

    fn exposed(&self) -> String {
        self.fill(include_str!("../sql/exposed.sql"))
    }

    fn credited<'b>(&self, steps: impl Iterator<Item = (usize, Step<'b>)>) -> String {
        let mut rows: Vec<String> = steps.flat_map(|(at, step)| self.step_rows(at, &step)).collect();
        if rows.is_empty() {
            rows.push("(-1, -1, 0, -1, 0, -1, 0, 0, 0, 0)".to_owned());
        }
        let places = 0..self.extract.properties.len();
        // Whole millionths: `decimal(22, 6)` times a million has 29 digits, and 22 of them hold the value.
        let packed_amounts = places.clone().map(|at| {
            format!(
                ",\n    min(CAST(t AS decimal(15, 0)) * CAST('{STEP}' AS decimal(23, 0)) \
                 + coalesce(CAST(p{at} * CAST('1000000' AS decimal(7, 0)) AS decimal(22, 0)) + CAST('{SHIFT}' AS decimal(22, 0)), \
                 CAST('{MISSING}' AS decimal(22, 0)))) AS k{at}"
            )
        });
        let packed_amounts = packed_amounts.collect::<Vec<_>>().concat();
        let amounts = places.clone().map(|at| {
            let rest = format!("CAST(k{at} - CAST(t AS decimal(15, 0)) * CAST('{STEP}' AS decimal(23, 0)) AS decimal(23, 0))");
            format!(
                ",\n    CASE WHEN {rest} < CAST('{MISSING}' AS decimal(22, 0)) \
                 THEN CAST(({rest} - CAST('{SHIFT}' AS decimal(22, 0))) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END AS p{at}"
            )
        });
        let amounts = amounts.collect::<Vec<_>>().concat();
        let amount = |column: &str| {
            let whens = places.clone().map(|at| format!(" WHEN {at} THEN c.p{at}"));
            let whens = whens.collect::<Vec<_>>().concat();
            if whens.is_empty() {
                "CAST(NULL AS decimal(22, 6))".to_owned()
            } else {
                format!("CASE s.{column}{whens} END")
            }
        };
        fill(
            include_str!("../sql/credited.sql"),
            &[
                ("until", &self.until.to_string()),
                ("matured_at", &self.matured_at.to_string()),
                ("steps", &rows.join(", ")),
                ("packed_amounts", &packed_amounts),
                ("amounts", &amounts),
                ("x_amount", &amount("x_property")),
                ("y_amount", &amount("y_property")),
            ],
        )
    }

    /// One row for each event that a metric takes: numerator and denominator share it if they take the same.
    fn step_rows(&self, at: usize, step: &Step<'_>) -> Vec<String> {
        let number = |place: Option<usize>| place.map_or("-1".to_owned(), |place| place.to_string());
        let side = |measure: Option<&Measure>| {
            let place = measure.and_then(Measure::property).and_then(|it| self.extract.property(it));
            format!("{}, {}", measure.map_or(0, Measure::code), number(place))
        };
        let (matures, to_ms) = maturity(step.to_ms);
        let (from_ms, covariate_ms) = (step.from_ms, step.covariate_ms);
        let row = |event: &str, x: Option<&Measure>, y: Option<&Measure>| {
            let event = number(self.extract.event(event));
            format!(
                "({at}, {event}, {}, {}, {from_ms}, {to_ms}, {matures}, {covariate_ms})",
                side(x),
                side(y)
            )
        };
        match step.y {
            Some(y) if y.event == step.x => vec![row(step.x, Some(&step.x_measure), Some(&y.measure))],
            Some(y) => vec![row(step.x, Some(&step.x_measure), None), row(&y.event, None, Some(&y.measure))],
            None => vec![row(step.x, Some(&step.x_measure), None)],
        }
    }

    /// The rows of the relation `metrics` for those that are chosen.
    fn metrics(&self, caps: &[(usize, Decimal<6>)], chosen: impl Fn(&MetricQuestion) -> bool) -> Vec<String> {
        let all = self.question.metrics.iter().enumerate().filter(|(_, it)| chosen(it));
        let rows = all.map(|(at, metric)| {
            let once = |part: Option<&Part>| i32::from(part.is_some_and(|it| it.measure == Measure::Once));
            let cap = match metric.cap {
                Some(Cap::Value(value)) => Some(value.to_string()),
                _ => caps.iter().find(|it| it.0 == at).map(|it| it.1.to_string()),
            };
            let cap = cap.map_or("NULL".to_owned(), |it| literal(&it));
            let (matures, to_ms) = maturity(metric.window_to_ms);
            format!(
                "({at}, {}, {}, {}, CAST({cap} AS decimal(38, 6)), {matures}, {to_ms})",
                once(Some(&metric.numerator)),
                once(metric.denominator.as_ref()),
                i32::from(metric.denominator.is_none()),
            )
        });
        rows.collect()
    }
}

impl<'a> Step<'a> {
    fn of_metric(metric: &'a MetricQuestion) -> Self {
        Self {
            x: &metric.numerator.event,
            x_measure: metric.numerator.measure.clone(),
            y: metric.denominator.as_ref(),
            from_ms: metric.window_from_ms,
            to_ms: metric.window_to_ms,
            covariate_ms: metric.covariate_ms.unwrap_or(0),
        }
    }
}

fn totals() -> String {
    fill(include_str!("../sql/totals.sql"), &[])
}

fn metrics_relation(rows: &[String]) -> String {
    fill(include_str!("../sql/metrics.sql"), &[("metrics", &rows.join(", "))])
}

fn maturity(to_ms: Option<u64>) -> (i32, i64) {
    let forever = FOREVER.unsigned_abs();
    let to_ms = to_ms.map(|it| it.min(forever));
    (i32::from(to_ms.is_some()), to_ms.unwrap_or(forever).try_into().unwrap_or(FOREVER))
}

/// A fraction as a whole number of millionths: floats of the two engines need not multiply to the same.
#[expect(clippy::cast_possible_truncation, reason = "a fraction is at most 1")]
fn millionths(fraction: f64) -> i64 {
    (fraction * 1e6).round() as i64
}

fn phase(starts: &[PhaseStart]) -> String {
    let one = |start: &PhaseStart| {
        format!(
            "CASE WHEN CASE WHEN e.revision IS NULL THEN e.t >= {} ELSE e.revision >= {} END THEN 1 ELSE 0 END",
            start.from_time.as_millisecond(),
            start.from_revision
        )
    };
    if starts.is_empty() { "0".to_owned() } else { starts.iter().map(one).collect::<Vec<_>>().join(" + ") }
}

fn check(question: &Question) -> Result<(), AnalysisError> {
    let wrong = |why: String, help: &str| Err(AnalysisError::Question { why, help: help.to_owned() });
    let is_fraction = |it: f64| (1..1_000_000).contains(&millionths(it));
    let metrics = question.metrics.iter().map(|it| it.key.as_str());
    let mut keys: Vec<&str> = metrics.chain(question.quantiles.iter().map(|it| it.key.as_str())).collect();
    keys.sort_unstable();
    if let Some([key, _]) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
        return wrong(format!("metric `{key}` is asked for twice"), "give each metric a key of its own");
    }
    for metric in &question.metrics {
        let key = &metric.key;
        if let Some(Cap::Percentile(it)) = metric.cap
            && !is_fraction(it)
        {
            return wrong(
                format!("the cap of metric `{key}` is percentile {it}"),
                "use a fraction between 0 and 1",
            );
        }
        if matches!(metric.cap, Some(Cap::Value(value)) if value < Amount::default()) {
            return wrong(format!("the cap of metric `{key}` is below 0"), "use 0 or more");
        }
        if metric.window_to_ms.is_some_and(|to| to < metric.window_from_ms) {
            return wrong(
                format!("the window of metric `{key}` ends before it begins"),
                "let `to` be at least `from`",
            );
        }
    }
    for quantile in &question.quantiles {
        if !is_fraction(quantile.q) {
            return wrong(
                format!("metric `{}` is the quantile {}", quantile.key, quantile.q),
                "use a fraction between 0 and 1",
            );
        }
        if !(quantile.z.is_finite() && quantile.z >= 0.0) {
            return wrong(
                format!("the interval of metric `{}` has z = {}", quantile.key, quantile.z),
                "use a number from 0 on",
            );
        }
    }
    Ok(())
}
