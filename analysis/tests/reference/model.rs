//! An independent computation of an answer: unit by unit, in whole numbers, without any SQL.

use abx_analysis::{Cap, Measure, MetricQuestion, Part, QuantileOf, QuantileQuestion, Question};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DAY: i64 = 86_400_000;

/// A line of an archive, as a test makes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) id: u32,
    pub(crate) event_id: Option<u32>,
    pub(crate) user: u32,
    /// The value of `account.id` in the context of a conversion; the unit of an exposure is made of it as well.
    pub(crate) account: Option<u32>,
    pub(crate) arrived: i64,
    pub(crate) timestamp: Option<i64>,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Exposure { variant: &'static str, epoch: u32, revision: Option<u64>, dimension: Option<&'static str> },
    Conversion { event: &'static str, amount: Option<&'static str> },
}

impl Line {
    pub(crate) fn t(&self) -> i64 {
        self.timestamp.unwrap_or(self.arrived)
    }

    /// The unit as the experiment has it.
    pub(crate) fn unit(&self, by_account: bool) -> Option<String> {
        match self.what {
            What::Exposure { .. } if by_account => Some(format!("{}", self.account.unwrap_or(0))),
            What::Conversion { .. } if by_account => self.account.map(|it| it.to_string()),
            _ => Some(format!("u{}", self.user)),
        }
    }

    /// The text in the column `unit` of the archive.
    pub(crate) fn column_unit(&self, by_account: bool) -> String {
        match self.what {
            What::Exposure { .. } => self.unit(by_account).unwrap(),
            What::Conversion { .. } => format!("u{}", self.user),
        }
    }
}

/// The amounts that the tests send, and their millionths.
pub(crate) const AMOUNTS: [(&str, Option<i128>); 12] = [
    ("1", Some(1_000_000)),
    ("2.5", Some(2_500_000)),
    ("-3", Some(-3_000_000)),
    ("0.000001", Some(1)),
    ("0.1234565", Some(123_457)),
    ("1e3", Some(1_000_000_000)),
    ("123456.654321", Some(123_456_654_321)),
    ("0", Some(0)),
    ("\"5\"", None),
    ("null", None),
    ("true", None),
    ("[1]", None),
];

fn millionths(amount: Option<&str>) -> Option<i128> {
    AMOUNTS.iter().find(|it| Some(it.0) == amount).and_then(|it| it.1)
}

#[derive(Debug, Clone)]
struct Conversion {
    event: &'static str,
    t: i64,
    arrived: i64,
    amount: Option<i128>,
}

#[derive(Debug, Clone)]
struct Unit {
    t: i64,
    arrived: i64,
    variant: &'static str,
    phase: u32,
    dimension: Option<&'static str>,
    mixed: bool,
    conversions: Vec<Conversion>,
}

/// metric, phase, variant, dimension, mixed, day.
pub(crate) type Key = (Option<String>, u32, String, Option<String>, bool, i64);

/// units, x, y, c in millionths, then xx, yy, cc, xy, xc, yc in millionths of millionths.
pub(crate) type Values = [i128; 10];

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) cells: BTreeMap<Key, Values>,
    pub(crate) caps: BTreeMap<String, i128>,
    /// unusable, early, overtook.
    pub(crate) checks: BTreeMap<String, [u64; 3]>,
    /// n, units, value, low, high by key and variant.
    pub(crate) quantiles: BTreeMap<(String, String), (u64, u64, i128, Option<i128>, Option<i128>)>,
}

pub(crate) fn compute(lines: &[Line], question: &Question) -> Expected {
    let by_account = question.unit.is_some();
    let until = question.until.map_or(i64::MAX, |it| it.as_millisecond());
    let matured_at = question.until.map_or_else(
        || lines.iter().map(|it| it.arrived).max().unwrap_or(i64::MAX),
        |it| it.as_millisecond(),
    );
    let units = units(lines, question, by_account, until);
    let mut expected = Expected::default();
    for unit in units.values() {
        let key = key(None, unit, unit.t);
        expected.cells.entry(key).or_default()[0] += 1;
    }
    for metric in &question.metrics {
        add_metric(&mut expected, metric, &units, matured_at);
    }
    for quantile in &question.quantiles {
        add_quantile(&mut expected, quantile, &units, matured_at);
    }
    expected.cells.retain(|_, values| values.iter().any(|it| *it != 0));
    expected
}

fn units(lines: &[Line], question: &Question, by_account: bool, until: i64) -> BTreeMap<String, Unit> {
    let mut exposures = BTreeMap::<String, Vec<&Line>>::new();
    // One line of each event: unit, type, name and id, or the line's own id.
    let mut events = BTreeMap::<(String, String), Vec<&Line>>::new();
    for line in lines.iter().filter(|it| it.t() <= until) {
        let Some(unit) = line.unit(by_account) else { continue };
        match &line.what {
            What::Exposure { epoch, .. } if *epoch == question.epoch => {
                exposures.entry(unit).or_default().push(line);
            }
            What::Exposure { .. } => {}
            What::Conversion { event, .. } => {
                let identity = match line.event_id {
                    Some(id) => format!("{event} {} {id}", line.user),
                    None => format!("line {}", line.id),
                };
                events.entry((unit, identity)).or_default().push(line);
            }
        }
    }
    let mut units = BTreeMap::new();
    for (name, lines) in exposures {
        let details = |line: &Line| match &line.what {
            What::Exposure { variant, revision, dimension, .. } => (*variant, *revision, *dimension),
            What::Conversion { .. } => unreachable!(),
        };
        // Of several at the earliest time, the smallest of each column.
        let t = lines.iter().map(|it| it.t()).min().unwrap();
        let at_first = || lines.iter().filter(|it| it.t() == t).map(|line| details(line));
        let variant = at_first().map(|it| it.0).min().unwrap();
        let (revision, dimension) =
            (at_first().filter_map(|it| it.1).min(), at_first().filter_map(|it| it.2).min());
        let phase = question.phases.iter().filter(|start| match revision {
            Some(revision) => revision >= start.from_revision,
            None => t >= start.from_time.as_millisecond(),
        });
        let variants: BTreeSet<&str> = lines.iter().map(|line| details(line).0).collect();
        let unit = Unit {
            t,
            arrived: lines.iter().map(|it| it.arrived).min().unwrap(),
            variant,
            phase: u32::try_from(phase.count()).unwrap(),
            dimension: question.dimension.as_ref().and(dimension),
            mixed: variants.len() > 1,
            conversions: Vec::new(),
        };
        units.insert(name, unit);
    }
    for ((unit, _), lines) in events {
        let Some(unit) = units.get_mut(&unit) else { continue };
        let conversion = |line: &&Line| match &line.what {
            What::Conversion { event, amount } => {
                Conversion { event, t: line.t(), arrived: line.arrived, amount: millionths(*amount) }
            }
            What::Exposure { .. } => unreachable!(),
        };
        let all = lines.iter().map(conversion);
        let first = all.min_by_key(|it| (it.t, it.amount.is_none(), it.amount)).unwrap();
        let arrived = lines.iter().map(|it| it.arrived).min().unwrap();
        unit.conversions.push(Conversion { arrived, ..first });
    }
    units
}

fn key(metric: Option<&str>, unit: &Unit, time: i64) -> Key {
    (
        metric.map(str::to_owned),
        unit.phase,
        unit.variant.to_owned(),
        unit.dimension.map(str::to_owned),
        unit.mixed,
        time - time.rem_euclid(DAY),
    )
}

fn value(part: &Part, conversions: &[&Conversion]) -> i128 {
    let of_event = conversions.iter().filter(|it| it.event == part.event);
    match part.measure {
        Measure::Once => i128::from(of_event.count() > 0) * 1_000_000,
        Measure::Count => of_event.count() as i128 * 1_000_000,
        Measure::CountUsable { .. } => of_event.filter(|it| it.amount.is_some()).count() as i128 * 1_000_000,
        Measure::Sum { .. } => of_event.filter_map(|it| it.amount).sum(),
    }
}

fn window(unit: &Unit, from: u64, to: Option<u64>) -> (i64, i64) {
    let from = unit.t + i64::try_from(from).unwrap();
    (from, to.map_or(i64::MAX, |to| unit.t + i64::try_from(to).unwrap()))
}

fn add_metric(
    expected: &mut Expected,
    metric: &MetricQuestion,
    units: &BTreeMap<String, Unit>,
    matured_at: i64,
) {
    let matured =
        |unit: &Unit| metric.window_to_ms.is_none_or(|to| unit.t + i64::try_from(to).unwrap() <= matured_at);
    let within = |unit: &Unit, t: i64| {
        let (from, to) = window(unit, metric.window_from_ms, metric.window_to_ms);
        (from..=to).contains(&t)
    };
    let cap = match metric.cap {
        None => i128::MAX,
        Some(Cap::Value(value)) => value.millionths(),
        Some(Cap::Percentile(fraction)) => {
            let mut totals: Vec<i128> = units
                .values()
                .filter(|it| matured(it))
                .map(|unit| {
                    let counted: Vec<&Conversion> =
                        unit.conversions.iter().filter(|it| within(unit, it.t)).collect();
                    // A cap of a percentile is of the numbers that are summed, before `once` makes 1 of them.
                    match metric.numerator.measure {
                        Measure::Once => {
                            counted.iter().filter(|it| it.event == metric.numerator.event).count() as i128
                                * 1_000_000
                        }
                        _ => value(&metric.numerator, &counted),
                    }
                })
                .collect();
            totals.sort_unstable();
            match rank(totals.len(), fraction) {
                Some(at) => {
                    // Units without events keep 0.
                    let cap = totals[at].max(0);
                    expected.caps.insert(metric.key.clone(), cap);
                    cap
                }
                None => i128::MAX,
            }
        }
    };
    let checks = expected.checks.entry(metric.key.clone()).or_default();
    for unit in units.values() {
        let is_taken = |it: &Conversion| {
            it.event == metric.numerator.event
                || metric.denominator.as_ref().is_some_and(|part| it.event == part.event)
        };
        for conversion in unit.conversions.iter().filter(|it| is_taken(it)) {
            // An event of numerator and denominator is one row, with one `early`.
            let counts = matured(unit) && within(unit, conversion.t);
            let sums =
                |part: &Part| matches!(part.measure, Measure::Sum { .. }) && conversion.event == part.event;
            let is_summed = sums(&metric.numerator) || metric.denominator.as_ref().is_some_and(sums);
            checks[0] += u64::from(counts && is_summed && conversion.amount.is_none());
            checks[1] += u64::from(conversion.t < unit.t);
            checks[2] += u64::from(within(unit, conversion.t) && conversion.arrived < unit.arrived);
        }
        if !matured(unit) {
            continue;
        }
        let before: Vec<&Conversion> = unit
            .conversions
            .iter()
            .filter(|it| {
                let covariate = i64::try_from(metric.covariate_ms.unwrap_or(0)).unwrap();
                it.t < unit.t && it.t >= unit.t - covariate
            })
            .collect();
        let c = value(&metric.numerator, &before).min(cap);
        let entered = metric.window_to_ms.map_or(unit.t, |to| unit.t + i64::try_from(to).unwrap());
        // The day on which an event adds to the metric.
        let day = |it: &Conversion| if metric.window_to_ms.is_some() { entered } else { it.t };
        let counted: Vec<&Conversion> = unit.conversions.iter().filter(|it| within(unit, it.t)).collect();
        let midnight = |t: i64| t - t.rem_euclid(DAY);
        let days: BTreeSet<i64> =
            counted.iter().map(|it| midnight(day(it))).chain([midnight(entered)]).collect();
        let mut last: Values = [0; 10];
        for end in days {
            let so_far: Vec<&Conversion> =
                counted.iter().copied().filter(|it| midnight(day(it)) <= end).collect();
            let x = value(&metric.numerator, &so_far).min(cap);
            let y = metric.denominator.as_ref().map_or(1_000_000, |part| value(part, &so_far));
            let now = [1, x, y, c, x * x, y * y, c * c, x * y, x * c, y * c];
            let cell = expected.cells.entry(key(Some(&metric.key), unit, end)).or_default();
            for at in 0..10 {
                cell[at] += now[at] - last[at];
            }
            last = now;
        }
    }
}

/// The place, from 0, of the order statistic at a fraction.
fn rank(n: usize, fraction: f64) -> Option<usize> {
    let millionths = (fraction * 1e6).round() as usize;
    (n > 0).then(|| (n * millionths).div_ceil(1_000_000).max(1) - 1)
}

#[expect(clippy::cast_precision_loss, reason = "as the statements do it")]
fn add_quantile(
    expected: &mut Expected,
    question: &QuantileQuestion,
    units: &BTreeMap<String, Unit>,
    matured_at: i64,
) {
    let mut variants = BTreeMap::<&str, Vec<Vec<i128>>>::new();
    for unit in units.values().filter(|it| !it.mixed) {
        if question.window_to_ms.is_some_and(|to| unit.t + i64::try_from(to).unwrap() > matured_at) {
            continue;
        }
        let (from, to) = window(unit, question.window_from_ms, question.window_to_ms);
        let counted =
            unit.conversions.iter().filter(|it| it.event == question.event && (from..=to).contains(&it.t));
        let values: Vec<i128> = counted.filter_map(|it| it.amount).collect();
        let values = match question.per {
            QuantileOf::Events => values,
            QuantileOf::Units => vec![values.iter().sum()],
        };
        if !values.is_empty() {
            variants.entry(unit.variant).or_default().push(values);
        }
    }
    for (variant, clusters) in variants {
        let mut all: Vec<i128> = clusters.iter().flatten().copied().collect();
        all.sort_unstable();
        let value = all[rank(all.len(), question.q).unwrap()];
        let n = all.len() as f64;
        let below = |values: &[i128]| values.iter().filter(|it| **it <= value).count() as f64;
        let share = below(&all) / n;
        let sum = |of: &dyn Fn(&[i128]) -> f64| clusters.iter().map(|it| of(it)).sum::<f64>();
        let (bb, nb, nn) = (
            sum(&|it| below(it) * below(it)),
            sum(&|it| below(it) * it.len() as f64),
            sum(&|it| it.len() as f64 * it.len() as f64),
        );
        let units = clusters.len();
        let bounds = (units > 1).then(|| {
            let error = ((bb - 2.0 * share * nb + share * share * nn).abs() * units as f64
                / (units as f64 - 1.0))
                .sqrt()
                / n;
            let q = (question.q * 1e6).round() / 1e6;
            let low = (n * (q - question.z * error)).floor();
            let high = (n * (q + question.z * error)).ceil();
            let at = |place: f64| all[(place.clamp(1.0, n)) as usize - 1];
            (at(low), at(high))
        });
        expected.quantiles.insert(
            (question.key.clone(), variant.to_owned()),
            (all.len() as u64, units as u64, value, bounds.map(|it| it.0), bounds.map(|it| it.1)),
        );
    }
}
