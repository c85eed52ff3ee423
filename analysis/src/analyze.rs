//! From a question to its answer: which statements run, and what their rows mean.

use crate::answer::{
    Answer, Cell, Checks, Group, LineCount, MetricChecks, QuantileAnswer, ReadReport, Sums, VariantUnits,
};
use crate::rows::Row;
use crate::statement::{Plan, Statement};
use crate::{AnalysisError, Decimal, Dialect, Extract, Question, Rows};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Runs statements.
pub trait Engine {
    /// The dialect of its statements.
    fn dialect(&self) -> Dialect;

    /// Makes the part of the archive available that a question needs. It is called before the question's statements.
    fn prepare(&self, extract: &Extract) -> impl Future<Output = Result<(), AnalysisError>> + Send;

    /// Runs a statement. Several of its rows may have one key.
    fn run(&self, statement: &Statement) -> impl Future<Output = Result<Rows, AnalysisError>> + Send;

    /// The files, lines and bytes that were read since the latest call of [`Self::prepare`].
    fn read(&self) -> ReadReport;
}

/// The sums of a metric below which a sum of products cannot overflow: 38 digits, of which 12 are after the point, with a digit to spare.
const LARGEST_SIZE: f64 = 1e25;

/// Answers a question.
pub async fn analyze(engine: &impl Engine, question: &Question) -> Result<Answer, AnalysisError> {
    let dialect = engine.dialect();
    let plan = Plan::new(question, dialect, None)?;
    engine.prepare(&question.extract()).await?;
    let mut checks = Checks::default();
    read_lines(&engine.run(&plan.lines()).await?, &mut checks)?;
    let latest = checks.latest_arrival.map(Timestamp::as_millisecond);
    let plan = Plan::new(question, dialect, latest)?;

    let exposures = read_duplicates(&engine.run(&plan.checks()).await?, &mut checks)?;
    let caps = match plan.caps() {
        Some(statement) => read_caps(&engine.run(&statement).await?)?,
        None => Vec::new(),
    };
    let mut cells = Cells { question, sums: BTreeMap::new() };
    cells.read_units(&engine.run(&plan.units()).await?)?;
    checks.metrics = question
        .metrics
        .iter()
        .map(|it| MetricChecks { metric: it.key.clone(), ..MetricChecks::default() })
        .collect();
    if let Some(statement) = plan.moments(&caps) {
        cells.read_moments(&engine.run(&statement).await?, &mut checks)?;
    }
    let quantiles = match plan.quantiles() {
        Some(statement) => read_quantiles(&engine.run(&statement).await?, question)?,
        None => Vec::new(),
    };
    let cells = cells.into_cells();
    checks.variants = variants(&cells, exposures);
    let key = |at: usize| question.metrics.get(at).map(|it| it.key.clone()).unwrap_or_default();
    Ok(Answer {
        cells,
        quantiles,
        caps: caps.into_iter().map(|(at, cap)| (key(at), cap)).collect(),
        checks,
        read: engine.read(),
    })
}

/// The sums by metric (`None` for the exposures), group and day, in milliseconds of its midnight.
struct Cells<'a> {
    question: &'a Question,
    sums: BTreeMap<(Option<usize>, Group, i64), Sums>,
}

impl Cells<'_> {
    fn add(&mut self, row: Row<'_>, sums: &Sums) -> Result<(), AnalysisError> {
        let metric = usize::try_from(row.get::<i64>("metric")?).ok();
        let group = Group {
            phase: row.get("phase")?,
            variant: row.get("variant")?,
            dimension: row.optional("dimension")?,
            mixed: row.get::<u8>("mixed")? == 1,
        };
        let known = self.sums.entry((metric, group, row.get("day")?)).or_default();
        *known = known.checked_add(sums).ok_or_else(|| too_large(self.question, metric))?;
        Ok(())
    }

    fn read_units(&mut self, rows: &Rows) -> Result<(), AnalysisError> {
        for row in rows.iter() {
            let units: u64 = row.get("units")?;
            let metric =
                usize::try_from(row.get::<i64>("metric")?).ok().and_then(|at| self.question.metrics.get(at));
            let mut sums = Sums { units, ..Sums::default() };
            if metric.is_some_and(|it| it.denominator.is_none()) {
                sums.y = Decimal::from_whole(units.into()).unwrap_or_default();
                sums.yy = Decimal::from_whole(units.into()).unwrap_or_default();
            }
            self.add(row, &sums)?;
        }
        Ok(())
    }

    fn read_moments(&mut self, rows: &Rows, checks: &mut Checks) -> Result<(), AnalysisError> {
        // The engines add up products without a check, or with one that names no metric.
        let mut sizes = BTreeMap::<usize, f64>::new();
        for row in rows.iter() {
            let metric: usize = row.get("metric")?;
            let size = sizes.entry(metric).or_default();
            *size += row.get::<f64>("size")?;
            if row.get::<u64>("too_large")? > 0 || *size >= LARGEST_SIZE {
                return Err(too_large(self.question, Some(metric)));
            }
            if let Some(known) = checks.metrics.get_mut(metric) {
                known.unusable += row.get::<u64>("unusable")?;
                known.early += row.get::<u64>("early")?;
                known.overtook += row.get::<u64>("overtook")?;
            }
            let sums = Sums {
                units: 0,
                x: row.get("x")?,
                y: row.get("y")?,
                c: row.get("c")?,
                xx: row.get("xx")?,
                yy: row.get("yy")?,
                cc: row.get("cc")?,
                xy: row.get("xy")?,
                xc: row.get("xc")?,
                yc: row.get("yc")?,
            };
            if !sums.is_zero() {
                self.add(row, &sums)?;
            }
        }
        Ok(())
    }

    fn into_cells(self) -> Vec<Cell> {
        let cells = self.sums.into_iter().filter(|(_, sums)| !sums.is_zero());
        let cells = cells.map(|((metric, group, day), sums)| Cell {
            metric: metric.and_then(|at| self.question.metrics.get(at)).map(|it| it.key.clone()),
            phase: group.phase,
            variant: group.variant,
            dimension: group.dimension,
            mixed: group.mixed,
            day: day_of(day),
            sums,
        });
        cells.collect()
    }
}

fn too_large(question: &Question, metric: Option<usize>) -> AnalysisError {
    let metric = metric.and_then(|at| question.metrics.get(at)).map(|it| it.key.clone());
    AnalysisError::TooLarge { metric: metric.unwrap_or_default() }
}

fn day_of(milliseconds: i64) -> Date {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    Offset::UTC.to_datetime(time).date()
}

fn read_lines(rows: &Rows, checks: &mut Checks) -> Result<(), AnalysisError> {
    let mut days = Vec::new();
    let time = |milliseconds: Option<i64>| milliseconds.and_then(|it| Timestamp::from_millisecond(it).ok());
    for row in rows.iter() {
        *checks.lines.entry(row.get("kind")?).or_default() += row.get::<u64>("lines")?;
        checks.latest_arrival = checks.latest_arrival.max(time(row.optional("arrived")?));
        checks.latest_event = checks.latest_event.max(time(row.optional("t")?));
        days.extend(row.text("day")?.and_then(|day| Date::from_str(day).ok()));
    }
    days.sort_unstable();
    days.dedup();
    checks.first_day = days.first().copied();
    checks.last_day = days.last().copied();
    for (day, next) in days.iter().zip(days.iter().skip(1)) {
        let between = day.tomorrow().ok().map(|day| day.series(1.day()).take_while(|it| it < next));
        checks.missing_days.extend(between.into_iter().flatten());
    }
    Ok(())
}

/// Reads the counts of lines and events; returns the exposures by variant.
fn read_duplicates(rows: &Rows, checks: &mut Checks) -> Result<BTreeMap<String, u64>, AnalysisError> {
    let mut variants = BTreeMap::<String, u64>::new();
    for row in rows.iter() {
        let events: u64 = row.get("events")?;
        let count = match row.text("kind")? {
            Some("exposure") => {
                *variants.entry(row.get("variant")?).or_default() += events;
                &mut checks.exposures
            }
            Some("conversion") => &mut checks.conversions,
            _ => continue,
        };
        *count = LineCount { lines: count.lines + row.get::<u64>("lines")?, events: count.events + events };
    }
    Ok(variants)
}

fn read_caps(rows: &Rows) -> Result<Vec<(usize, Decimal<6>)>, AnalysisError> {
    // Units without events keep 0, so that a limit below it would change the others alone.
    let cap = |row: Row<'_>| Ok((row.get("metric")?, row.get::<Decimal<6>>("cap")?.max(Decimal::default())));
    let caps: Result<BTreeMap<_, _>, AnalysisError> = rows.iter().map(cap).collect();
    Ok(caps?.into_iter().collect())
}

fn read_quantiles(rows: &Rows, question: &Question) -> Result<Vec<QuantileAnswer>, AnalysisError> {
    let mut found = BTreeMap::<(usize, String), QuantileAnswer>::new();
    for row in rows.iter() {
        let (at, variant): (usize, String) = (row.get("metric")?, row.get("variant")?);
        let answer = QuantileAnswer {
            key: question.quantiles.get(at).map(|it| it.key.clone()).unwrap_or_default(),
            variant: variant.clone(),
            n: row.get("n")?,
            units: row.get("units")?,
            value: row.get("estimate")?,
            fraction_error: row.optional("error")?,
            low: row.optional("low")?,
            high: row.optional("high")?,
        };
        found.insert((at, variant), answer);
    }
    Ok(found.into_values().collect())
}

fn variants(cells: &[Cell], exposures: BTreeMap<String, u64>) -> Vec<VariantUnits> {
    let of_variant = |(variant, exposures): (String, u64)| {
        (variant.clone(), VariantUnits { variant, exposures, ..VariantUnits::default() })
    };
    let mut variants: BTreeMap<String, VariantUnits> = exposures.into_iter().map(of_variant).collect();
    for cell in cells.iter().filter(|it| it.metric.is_none()) {
        let known = variants.entry(cell.variant.clone()).or_default();
        known.variant.clone_from(&cell.variant);
        known.units += cell.sums.units;
        known.mixed += if cell.mixed { cell.sums.units } else { 0 };
    }
    variants.into_values().collect()
}
