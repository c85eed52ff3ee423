//! Measures by simulation what verdicts and intervals promise, for every kind of metric: experiments without a difference, looked at 50 times;
//! fixed intervals over known differences; planned experiments with the planned effect. Everything is seeded.
//!
//! ```sh
//! ABX_RUNS=1000 cargo test --workspace --test calibration -- --nocapture
//! ```
//!
//! prints the shares. Without `ABX_RUNS` there are fewer runs.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test's own numbers"
)]

use abx_core::document::MetricRole;
use abx_core::event::{Counter, Hour, MetricCounter, RowKey, Totals, VariantCounter};
use abx_core::metric::{Measure, Metric};
use abx_core::results::{
    AnalysisPlan, ArchivedVariant, Look, MetricResult, Standard, Verdict, archived, judge, judge_looks,
    looks_of_counters,
};
use abx_core::statistics::{
    Baseline, Correction, Design, Estimate, Looks, Proportion, RatioMean, UnitSums, compare_proportions,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::borrow::Cow;

const LOOKS: usize = 50;
const ALPHA: f64 = 0.05;

#[expect(clippy::disallowed_methods, reason = "how long it may take is said by whoever runs it")]
fn runs() -> u32 {
    std::env::var("ABX_RUNS").ok().and_then(|it| it.parse().ok()).unwrap_or(30)
}

/// Numbers from 0 to 1 (`SplitMix64`: Steele, Lea, Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn of(run: u32, study: &str) -> Self {
        Self(study.bytes().fold(u64::from(run) << 32, |seed, byte| seed.wrapping_mul(31) ^ u64::from(byte)))
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn is(&mut self, chance: f64) -> bool {
        self.next() < chance
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.next().max(1e-300), self.next());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A lognormal number with the median 10: the mean of prices is far above their median.
    fn price(&mut self) -> f64 {
        10.0 * self.normal().exp()
    }
}

/// What a unit adds to a metric: numerator, denominator and covariate.
type Unit = [f64; 3];

/// A kind of metric: its document, and how a unit draws what it adds to it.
struct Kind {
    name: &'static str,
    metric: fn() -> Value,
    draw: fn(&mut Random) -> Unit,
}

fn event(kind: &str) -> Value {
    json!({"key": "m", "event": "e", "kind": kind, "property": "p"})
}

/// One to three events.
fn some(random: &mut Random) -> f64 {
    1.0 + f64::from(u8::from(random.is(0.3))) + f64::from(u8::from(random.is(0.1)))
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "conversion, 10 %",
        metric: || json!({"key": "m", "event": "e", "kind": "conversion"}),
        draw: |random| [f64::from(u8::from(random.is(0.1))), 1.0, 0.0],
    },
    Kind {
        name: "conversion, 0.5 %",
        metric: || json!({"key": "m", "event": "e", "kind": "conversion"}),
        draw: |random| [f64::from(u8::from(random.is(0.005))), 1.0, 0.0],
    },
    Kind {
        name: "count",
        metric: || json!({"key": "m", "event": "e", "kind": "count"}),
        draw: |random| [if random.is(0.3) { some(random) } else { 0.0 }, 1.0, 0.0],
    },
    Kind {
        name: "sum of lognormal prices",
        metric: || event("sum"),
        draw: |random| [if random.is(0.3) { random.price() } else { 0.0 }, 1.0, 0.0],
    },
    Kind {
        name: "sum, capped",
        metric: || json!({"key": "m", "event": "e", "kind": "sum", "property": "p", "cap": 40}),
        draw: |random| [if random.is(0.3) { random.price().min(40.0) } else { 0.0 }, 1.0, 0.0],
    },
    Kind {
        name: "sum, with a covariate",
        metric: || json!({"key": "m", "event": "e", "kind": "sum", "property": "p", "covariate": {"before": "14d"}}),
        draw: |random| {
            let before = if random.is(0.5) { random.price() } else { 0.0 };
            [0.7 * before + if random.is(0.3) { random.price() } else { 0.0 }, 1.0, before]
        },
    },
    Kind {
        name: "mean",
        metric: || event("mean"),
        draw: |random| {
            let events = if random.is(0.3) { some(random) } else { 0.0 };
            [events * random.price(), events, 0.0]
        },
    },
    Kind {
        name: "ratio",
        metric: || json!({"key": "m", "kind": "ratio", "numerator": "n", "denominator": "d"}),
        draw: |random| {
            let views = some(random) * some(random);
            [if random.is(0.2 * views / 3.0) { random.price() } else { 0.0 }, views, 0.0]
        },
    },
    Kind {
        name: "quantile (median)",
        metric: || json!({"key": "m", "event": "e", "kind": "quantile", "property": "p", "q": 0.5}),
        draw: |random| [random.price(), 1.0, 0.0],
    },
];

/// An experiment with these metrics, and with those that a ratio is of.
fn experiment(variants: usize, metrics: &[Value]) -> Vec<Metric> {
    let variants: Vec<_> = (0..variants).map(|at| json!({"key": format!("v{at}")})).collect();
    let mut metrics = metrics.to_vec();
    let keys: Vec<Value> = metrics.iter().map(|it| it["key"].clone()).collect();
    if metrics.iter().any(|it| it["kind"] == "ratio") {
        metrics.push(json!({"key": "n", "event": "e", "kind": "sum", "property": "p", "role": "secondary"}));
        metrics.push(json!({"key": "d", "event": "f", "kind": "count", "role": "secondary"}));
    }
    let document = json!({"experiment": "e", "status": "active", "variants": variants, "metrics": metrics});
    let compiled = abx_core::read_and_compile([&document]);
    let found = compiled.catalog.experiment("e").unwrap().metrics();
    keys.iter().map(|key| found.iter().find(|it| *key == *it.key).unwrap().clone()).collect()
}

/// The units of a variant so far, as an archive sums them.
#[derive(Clone)]
struct Variant {
    phases: Vec<UnitSums>,
    events: u64,
    /// Of a quantile.
    values: Vec<f64>,
}

impl Variant {
    fn new(phases: usize) -> Self {
        Self { phases: vec![UnitSums::default(); phases], events: 0, values: Vec::new() }
    }

    fn add(&mut self, metric: &Metric, phase: usize, [x, y, c]: Unit) {
        self.phases[phase] +=
            UnitSums { units: 1, x, y, c, xx: x * x, yy: y * y, cc: c * c, xy: x * y, xc: x * c, yc: y * c };
        self.events += u64::from(x > 0.0);
        if matches!(metric.measure, Measure::Quantile { .. }) {
            self.values.push(x);
        }
    }

    fn archived(&self, metric: &Metric) -> ArchivedVariant {
        let quantile = match &metric.measure {
            Measure::Quantile { q, .. } => quantile(&self.values, *q),
            _ => None,
        };
        ArchivedVariant {
            phases: self.phases.clone(),
            events: self.events,
            quantile,
            ..ArchivedVariant::default()
        }
    }
}

/// A quantile with the variance that its order statistics tell, one value a unit (as `analysis/sql/quantiles.sql` has it).
#[expect(clippy::cast_precision_loss, reason = "ranks")]
fn quantile(values: &[f64], q: f64) -> Option<RatioMean> {
    const Z: f64 = 1.959_963_984_540_054;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let at = |rank: f64| sorted.get((rank.max(1.0) as usize).min(sorted.len()).checked_sub(1)?).copied();
    let spread = Z * (q * (1.0 - q) / n).sqrt();
    let (low, high) = (at((n * (q - spread)).floor())?, at((n * (q + spread)).ceil())?);
    let error = (high - low) / (2.0 * Z);
    RatioMean::of_units(sorted.len() as u64, at((n * q).ceil())?, error * error)
}

fn look(metrics: &[Metric], sums: &[Vec<Variant>], at: usize) -> Look {
    let of_metric = |(metric, variants): (&Metric, &Vec<Variant>)| {
        archived(metric, &variants.iter().map(|it| it.archived(metric)).collect::<Vec<_>>())
    };
    let units = |it: &Variant| it.phases.iter().map(|it| it.units).sum();
    Look {
        at: Timestamp::from_second(i64::try_from(at).unwrap() * 86_400).unwrap(),
        units: sums[0].iter().map(units).collect(),
        measured: metrics.iter().zip(sums).map(of_metric).collect(),
    }
}

fn is_wrong(results: &[MetricResult], role: MetricRole) -> bool {
    let of_role = results.iter().filter(|it| it.role == role).flat_map(|it| &it.variants);
    of_role.clone().any(|it| matches!(it.verdict, Some(Verdict::Better | Verdict::Worse)))
}

/// The share of runs in which a verdict of a role was reached at any look, by each standard. `planned` is the planned number of units of a pair.
fn wrong(
    metrics: &[Metric],
    (variants, planned, role): (usize, u64, MetricRole),
    mut simulate: impl FnMut(u32) -> Vec<Look>,
) -> [f64; 2] {
    let names: Vec<String> = (0..variants).map(|at| format!("v{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut found = [0_u32; 2];
    for run in 0..runs() {
        let looks = simulate(run);
        for (found, standard) in found.iter_mut().zip([Standard::Anytime, Standard::Planned]) {
            let plan = AnalysisPlan { planned_pair: planned, standard, ..AnalysisPlan::default() };
            let (results, _) = judge_looks(metrics, &names, &looks, &plan);
            *found += u32::from(is_wrong(&results, role));
        }
    }
    found.map(|it| f64::from(it) / f64::from(runs()))
}

#[expect(clippy::print_stdout, reason = "the shares are worth reading")]
fn row(what: &str, shares: [f64; 2]) {
    println!("| {what} | {:.1} % | {:.1} % |", 100.0 * shares[0], 100.0 * shares[1]);
    // The boundary of a plan spends all of alpha, so that half of the studies are a little above it: by three standard errors at most.
    let most = ALPHA + 3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(runs())).sqrt();
    assert!(shares.into_iter().all(|it| it <= most), "{what}: {shares:?}");
}

/// Looks at equal variants of one metric, of which so many units come between two looks.
fn equal(metrics: &[Metric], kind: &Kind, run: u32, each: usize) -> Vec<Look> {
    let mut random = Random::of(run, kind.name);
    let mut sums = vec![vec![Variant::new(1); 2]];
    let looks = (1..=LOOKS).map(|at| {
        for _ in 0..each {
            let variant = usize::from(random.is(0.5));
            let unit = (kind.draw)(&mut random);
            sums[0][variant].add(&metrics[0], 0, unit);
        }
        look(metrics, &sums, at)
    });
    looks.collect()
}

#[test]
fn verdicts_of_each_kind_are_rarely_wrong_at_any_look() {
    for kind in &KINDS {
        let metrics = experiment(2, &[(kind.metric)()]);
        for (each, when) in [(100, ""), (8, ", from 8 units on")] {
            let planned = (each * LOOKS * 3 / 5) as u64;
            let of = (2, planned, MetricRole::Primary);
            row(&format!("{}{when}", kind.name), wrong(&metrics, of, |run| equal(&metrics, kind, run, each)));
        }
    }
}

/// Five metrics of five variants: all kinds that counters know.
#[test]
fn verdicts_of_several_metrics_and_treatments_are_rarely_wrong_at_any_look() {
    let kinds = [&KINDS[0], &KINDS[2], &KINDS[3], &KINDS[6], &KINDS[5]];
    for (role, name) in [
        (MetricRole::Primary, "primary"),
        (MetricRole::Secondary, "secondary"),
        (MetricRole::Guardrail, "guardrail"),
    ] {
        let written = kinds.iter().enumerate().map(|(at, kind)| {
            let mut metric = (kind.metric)();
            metric["key"] = json!(format!("m{at}"));
            metric["role"] = json!(name);
            metric
        });
        let metrics = experiment(5, &written.collect::<Vec<_>>());
        let simulate = |run| {
            let mut random = Random::of(run, name);
            let mut sums = vec![vec![Variant::new(1); 5]; kinds.len()];
            let looks = (1..=LOOKS).map(|at| {
                for _ in 0..150 {
                    let variant = (random.next() * 5.0) as usize;
                    for ((kind, metric), sums) in kinds.iter().zip(&metrics).zip(&mut sums) {
                        let unit = (kind.draw)(&mut random);
                        sums[variant].add(metric, 0, unit);
                    }
                }
                look(&metrics, &sums, at)
            });
            looks.collect()
        };
        row(
            &format!("five metrics ({name}) of four treatments"),
            wrong(&metrics, (5, 1_800, role), simulate),
        );
    }
}

/// Nine of ten units in the control at a low rate, and later half of them at a high one.
#[test]
fn a_changed_split_is_no_difference() {
    for kind in [&KINDS[0], &KINDS[3]] {
        let metrics = experiment(2, &[(kind.metric)()]);
        let simulate = |run| {
            let mut random = Random::of(run, kind.name);
            let mut sums = vec![vec![Variant::new(2); 2]];
            let looks = (1..=LOOKS).map(|at| {
                let phase = usize::from(at > LOOKS / 2);
                for _ in 0..100 {
                    let variant = usize::from(random.is([0.1, 0.5][phase]));
                    let [x, y, c] = (kind.draw)(&mut random);
                    // Of the later units, three times as many do something.
                    let more = if phase == 1 && random.is(0.2) { (kind.draw)(&mut random)[0] } else { 0.0 };
                    let x = if kind.name.starts_with("conversion") {
                        f64::from(u8::from(x + more > 0.0))
                    } else {
                        x + 5.0 * more
                    };
                    sums[0][variant].add(&metrics[0], phase, [x, y, c]);
                }
                look(&metrics, &sums, at)
            });
            looks.collect()
        };
        let shares = wrong(&metrics, (2, 3_000, MetricRole::Primary), simulate);
        row(&format!("{}, split changed from 90/10 to 50/50", kind.name), shares);
    }
}

/// Counters of an experiment in which one arm converts at once and the other within the window: equally many in the end.
#[test]
fn units_whose_window_is_open_are_no_difference() {
    let metrics = experiment(
        2,
        &[json!({"key": "m", "event": "e", "kind": "conversion", "window": "7d", "role": "primary"})],
    );
    let names = ["v0", "v1"];
    let start = 20_000_i64;
    let time = |day: i64| Timestamp::from_second((start + day) * 86_400).unwrap();
    let simulate = |run| {
        let mut random = Random::of(run, "windows");
        let mut conversions: Vec<(i64, i64, usize)> = Vec::new();
        let mut totals = Totals::default();
        let add = |totals: &mut Totals, row: &RowKey<'_>, counter: &Counter<'_>| {
            totals.add(row, counter, 1_u64.into());
        };
        let row_of = |exposed: i64, variant: usize| RowKey::Cohort {
            experiment: Cow::Borrowed("e"),
            epoch: 1,
            variant: Cow::Borrowed(names[variant]),
            day: date(time(exposed)),
        };
        let mut looks = Vec::new();
        for day in 0..LOOKS as i64 {
            for _ in 0..100 {
                let variant = usize::from(random.is(0.5));
                let hour = RowKey::Experiment {
                    experiment: Cow::Borrowed("e"),
                    epoch: 1,
                    hour: Hour::of(time(day)),
                };
                let units = Counter::Variant(Cow::Borrowed(names[variant]), VariantCounter::Units);
                add(&mut totals, &hour, &units);
                let group = (random.next() * 16.0) as u8;
                add(&mut totals, &row_of(day, variant), &Counter::GroupUnits(group));
                if random.is(0.2) {
                    let after = if variant == 0 { 6.0 * random.next() } else { 0.0 };
                    conversions.push((day + after as i64, day, variant));
                }
            }
            conversions.retain(|(at, exposed, variant)| {
                if *at <= day {
                    let counter = Counter::Metric(
                        Cow::Borrowed(names[*variant]),
                        Cow::Borrowed("m"),
                        MetricCounter::Units,
                    );
                    add(&mut totals, &row_of(*exposed, *variant), &counter);
                }
                *at > day
            });
            // The look at the end of this day, at what is counted by then.
            looks.extend(looks_of_counters(&metrics, &names, &totals, &[], time(day + 1)).pop());
        }
        looks
    };
    row("conversion in 7 days, one arm sooner", wrong(&metrics, (2, 3_000, MetricRole::Primary), simulate));
}

fn date(time: Timestamp) -> Date {
    jiff::tz::Offset::UTC.to_datetime(time).date()
}

/// The share of fixed 95 % intervals that hold the known difference, of so many units in each variant.
#[test]
fn fixed_intervals_cover_what_they_promise() {
    let runs = 40 * runs();
    let metrics = experiment(2, &[event("sum")]);
    let plan = AnalysisPlan { standard: Standard::Final, ..AnalysisPlan::default() };
    for (name, draw) in [
        ("normal values", (|random: &mut Random| 10.0 + 3.0 * random.normal()) as fn(&mut Random) -> f64),
        ("lognormal values", |random: &mut Random| random.price()),
    ] {
        for units in [200, 1_000] {
            let mut covered = 0_u32;
            for run in 0..runs {
                let mut random = Random::of(run, name);
                let mut sums = vec![vec![Variant::new(1); 2]];
                for _ in 0..units {
                    let (a, b) = (draw(&mut random), 1.0 + draw(&mut random));
                    sums[0][0].add(&metrics[0], 0, [a, 1.0, 0.0]);
                    sums[0][1].add(&metrics[0], 0, [b, 1.0, 0.0]);
                }
                let judged = judge(&metrics, &["v0", "v1"], &look(&metrics, &sums, 1).measured, &plan);
                let difference = judged[0].variants[1].comparison.unwrap().difference;
                covered += u32::from(difference.lower <= 1.0 && 1.0 <= difference.upper);
            }
            let share = f64::from(covered) / f64::from(runs);
            println!("| {name}, {units} a variant | {:.1} % |", 100.0 * share);
            let spread = 3.0 * (0.05 * 0.95 / f64::from(runs)).sqrt();
            assert!((0.94 - spread..=0.96 + spread).contains(&share), "{name}: {share}");
        }
    }
}

/// The chance that fixed 95 % intervals of two rates hold the known difference, and that of their ratio the known ratio: summed over all counts
/// that there can be, so that nothing is drawn.
#[test]
fn fixed_intervals_of_rates_cover_what_they_promise() {
    let mut shares = Vec::new();
    for (control, treatment) in
        [(0.02, 0.02), (0.02, 0.03), (0.1, 0.1), (0.1, 0.13), (0.3, 0.3), (0.5, 0.5), (0.5, 0.55)]
    {
        for units in [[200, 200], [1_000, 1_000], [200, 1_800]] {
            let counts = [(units[0], control), (units[1], treatment)].map(|(n, rate)| binomial(n, rate));
            let (mut of_difference, mut of_lift, mut known) = (0.0, 0.0, 0.0);
            for (x, chance) in &counts[0] {
                for (y, other) in &counts[1] {
                    let of = |at: usize, successes| Proportion::new(successes, units[at]).unwrap();
                    let found = compare_proportions(of(0, *x), of(1, *y), ALPHA).unwrap();
                    let holds = |it: Estimate, value: f64| {
                        f64::from(u8::from(it.lower <= value && value <= it.upper))
                    };
                    let chance = chance * other;
                    of_difference += chance * holds(found.difference, treatment - control);
                    if let Some(lift) = found.lift {
                        known += chance;
                        of_lift += chance * holds(lift, treatment / control - 1.0);
                    }
                }
            }
            let of_lift = of_lift / known;
            println!(
                "| {:.0} % and {:.0} % | {} and {} | {:.1} % | {:.1} % |",
                100.0 * control,
                100.0 * treatment,
                units[0],
                units[1],
                100.0 * of_difference,
                100.0 * of_lift
            );
            shares.extend([of_difference, of_lift]);
        }
    }
    // Where few successes are expected, Fisher's exact test takes part, which holds 0 more often than it promises.
    assert!(shares.iter().all(|it| (0.94..=0.985).contains(it)), "{shares:?}");
}

/// The counts that have a chance worth a sum, and that chance.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn binomial(n: u64, rate: f64) -> Vec<(u64, f64)> {
    // Logarithms, because the chance of none is below the least number.
    let mut log = n as f64 * (1.0 - rate).ln();
    let mut counts = Vec::new();
    for x in 0..=n {
        counts.push((x, log.exp()));
        log += ((n - x) as f64 / (x + 1) as f64 * rate / (1.0 - rate)).ln();
    }
    counts.retain(|(_, chance)| *chance > 1e-7);
    counts
}

/// With the planned effect, so many experiments are decided by the planned size, looked at 50 times on the way.
#[test]
fn planned_effects_are_found_with_the_planned_power() {
    for (kind, baseline, effect) in [
        (&KINDS[0], Baseline::Proportion { rate: 0.1 }, 0.03),
        (&KINDS[2], Baseline::Mean { deviation: deviation(KINDS[2].draw) }, 0.06),
        (&KINDS[4], Baseline::Mean { deviation: deviation(KINDS[4].draw) }, 1.0),
    ] {
        let metrics = experiment(2, &[(kind.metric)()]);
        let design =
            Design::new(baseline, &[1.0, 1.0], ALPHA, 0.8, Correction::Bonferroni, Looks::Planned).unwrap();
        let planned = design.sizes(effect).unwrap().total;
        let each = planned.div_ceil(LOOKS as u64) as usize;
        let mut found = 0_u32;
        for run in 0..runs() {
            let mut random = Random::of(run, kind.name);
            let mut sums = vec![vec![Variant::new(1); 2]];
            let looks = (1..=LOOKS).map(|at| {
                for number in 0..each {
                    let variant = number % 2;
                    let [x, y, c] = (kind.draw)(&mut random);
                    let more = if matches!(metrics[0].measure, Measure::Conversion) {
                        // Of the nine tenths that do not convert, as many more as make the effect.
                        f64::from(u8::from(x == 0.0 && random.is(effect / 0.9)))
                    } else {
                        effect
                    };
                    let x = if variant == 1 { x + more } else { x };
                    sums[0][variant].add(&metrics[0], 0, [x, y, c]);
                }
                look(&metrics, &sums, at)
            });
            let plan = AnalysisPlan {
                planned_pair: planned,
                standard: Standard::Planned,
                ..AnalysisPlan::default()
            };
            let looks: Vec<Look> = looks.collect();
            let (results, _) = judge_looks(&metrics, &["v0", "v1"], &looks, &plan);
            found += u32::from(is_wrong(&results, MetricRole::Primary));
        }
        let share = f64::from(found) / f64::from(runs());
        println!("| {}, {planned} units | {:.0} % |", kind.name, 100.0 * share);
        // By three standard errors at most.
        assert!(share >= 0.8 - 3.0 * (0.16 / f64::from(runs())).sqrt(), "{}: {share}", kind.name);
    }
}

/// The standard deviation of a unit's value.
fn deviation(draw: fn(&mut Random) -> Unit) -> f64 {
    let mut random = Random(3);
    let values: Vec<f64> = (0..200_000).map(|_| draw(&mut random)[0]).collect();
    let mean = values.iter().sum::<f64>() / 200_000.0;
    (values.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 200_000.0).sqrt()
}
