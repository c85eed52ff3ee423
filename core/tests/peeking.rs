//! Proves what "may be looked at daily" means: with nothing to find, looking every day of two months at the
//! anytime-valid tests raises a false alarm in at most `alpha` of the experiments. The tests for one look
//! fail in the same simulation, so it can fail. Everything is seeded.

use abx_core::document::MetricRole;
use abx_core::event::{Amount, MetricTotals, Totals, VariantTotals};
use abx_core::results::{AnalysisPlan, MetricResult, Standard, Verdict, counted, judge};
use abx_core::statistics::{
    Anytime, Baseline, Correction, Design, Looks, Moments, Proportion, SampleRatioPlan, compare_means,
    compare_proportions, goodness_of_fit, sample_ratio,
};

const EXPERIMENTS: u32 = 500;
const DAYS: u32 = 60;
/// Units a day, both variants together.
const DAILY: u32 = 300;
const ALPHA: f64 = 0.05;

/// Numbers from 0 to 1 (`SplitMix64`: Steele, Lea, Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than the count")]
    fn below(&mut self, count: u16) -> usize {
        (self.next() * f64::from(count)) as usize
    }
}

/// Returns the share of experiments in which each of two tests raised an alarm on any day. `day` counts one
/// day of an experiment and returns which of them did.
fn alarms<S: Default>(mut day: impl FnMut(&mut S, &mut Random) -> [bool; 2]) -> [f64; 2] {
    let mut alarms = [0_u32; 2];
    for experiment in 0..EXPERIMENTS {
        let (mut state, mut random) = (S::default(), Random(u64::from(experiment) << 32));
        let mut raised = [false; 2];
        for _ in 0..DAYS {
            let today = day(&mut state, &mut random);
            raised = [raised[0] || today[0], raised[1] || today[1]];
        }
        alarms = [alarms[0] + u32::from(raised[0]), alarms[1] + u32::from(raised[1])];
    }
    alarms.map(|it| f64::from(it) / f64::from(EXPERIMENTS))
}

/// Checks the shares of experiments in which the anytime-valid and the fixed test raised an alarm: only the first keeps its promise.
#[expect(clippy::print_stdout, reason = "the rates are worth reading")]
fn check(what: &str, [always, once]: [f64; 2]) {
    println!("{what}: {always} anytime-valid, {once} fixed");
    assert!(always <= ALPHA, "{always} of the experiments raised a false alarm");
    assert!(once > 3.0 * ALPHA, "looking daily at the fixed test shows only {once}");
}

#[test]
fn conversions_may_be_looked_at_daily() {
    let anytime = Anytime::tuned(ALPHA, Anytime::TUNED_FOR).unwrap();
    let rates = alarms(|counts: &mut [[u64; 2]; 2], random| {
        for _ in 0..DAILY {
            let [successes, units] = &mut counts[usize::from(random.next() < 0.5)];
            *successes += u64::from(random.next() < 0.1);
            *units += 1;
        }
        let [control, treatment] =
            counts.map(|[successes, units]| Proportion::new(successes, units).unwrap());
        let always = anytime.compare_proportions(control, treatment);
        let once = compare_proportions(control, treatment, ALPHA).unwrap();
        // The interval and the p-value are one test.
        assert!(always.is_none_or(|it| it.difference.excludes_zero() == (it.p_value < ALPHA)));
        [always.is_some_and(|it| it.p_value < ALPHA), once.p_value < ALPHA]
    });
    check("conversions", rates);
}

/// Revenue: a tenth of the units buy, at prices whose mean is far above their median, in unequal variants.
#[test]
fn skewed_means_may_be_looked_at_daily() {
    let anytime = Anytime::tuned(ALPHA, Anytime::TUNED_FOR).unwrap();
    let rates = alarms(|sums: &mut [Moments; 2], random| {
        for _ in 0..DAILY {
            let sums = &mut sums[usize::from(random.next() < 0.3)];
            let price = if random.next() < 0.1 { 20.0 / (0.02 + random.next()).sqrt() } else { 0.0 };
            *sums = sums.plus(Moments::new(1, price, price * price).unwrap()).unwrap();
        }
        let [control, treatment] = sums;
        let always = anytime.compare_means(control, treatment);
        let once = compare_means(control, treatment, ALPHA).unwrap();
        [always.is_some_and(|it| it.p_value < ALPHA), once.p_value < ALPHA]
    });
    check("means", rates);
}

#[test]
fn an_effect_is_found_by_looking_daily() {
    let anytime = Anytime::tuned(ALPHA, Anytime::TUNED_FOR).unwrap();
    let [found, _] = alarms(|counts: &mut [[u64; 2]; 2], random| {
        for _ in 0..DAILY {
            let treated = random.next() < 0.5;
            let [successes, units] = &mut counts[usize::from(treated)];
            *successes += u64::from(random.next() < if treated { 0.13 } else { 0.1 });
            *units += 1;
        }
        let [control, treatment] =
            counts.map(|[successes, units]| Proportion::new(successes, units).unwrap());
        let found =
            anytime.compare_proportions(control, treatment).is_some_and(|it| it.difference.lower > 0.0);
        [found, false]
    });
    println!("an effect of 3 points: found in {found}");
    assert!(found > 0.9, "found in {found} of the experiments");
}

#[test]
fn the_sample_ratio_may_be_looked_at_daily() {
    let shares = [0.5, 0.3, 0.2];
    let plan = SampleRatioPlan { alpha: ALPHA, floor: 0.0, ..SampleRatioPlan::default() };
    let count = |counts: &mut [u64; 3], random: &mut Random, first: f64| {
        for _ in 0..DAILY {
            let drawn = random.next();
            counts[usize::from(drawn >= first) + usize::from(drawn >= first + 0.3)] += 1;
        }
        let always = sample_ratio(counts, &shares, plan).is_some_and(|it| it.anytime_p_value < ALPHA);
        let once = goodness_of_fit(counts, &shares).is_some_and(|it| it.p_value < ALPHA);
        [always, once]
    };
    let rates = alarms(|counts, random| count(counts, random, 0.5));
    let [found, _] = alarms(|counts, random| count(counts, random, 0.525));
    println!("5 % too many found in {found}");
    check("sample ratio", rates);
    assert!(found > 0.9, "a deviation of 5 % was found in {found} of the experiments");
}

/// Every look counts: after each of the first units, where the mixture's least concentrated part is at its most nervous, and ever
/// more rarely up to 5,000, by equal and by unequal shares, with two variants and with ten.
#[test]
fn the_sample_ratio_may_be_looked_at_after_every_unit() {
    const RUNS: u32 = 600;
    for shares in [&[0.5, 0.5][..], &[0.9, 0.1], &[0.6, 0.1, 0.3], &[0.1; 10]] {
        let plan = SampleRatioPlan { alpha: ALPHA, floor: 0.0, ..SampleRatioPlan::default() };
        let mut alarms = 0_u32;
        for run in 0..RUNS {
            let mut random = Random(u64::from(run) << 32 | shares.len() as u64);
            let mut counts = vec![0_u64; shares.len()];
            let mut next_look = 1_u32;
            for unit in 1..=5_000_u32 {
                let mut drawn = random.next();
                let at = shares.iter().position(|share| {
                    drawn -= share;
                    drawn < 0.0
                });
                counts[at.unwrap_or(shares.len() - 1)] += 1;
                if unit < next_look {
                    continue;
                }
                next_look = unit + 1 + unit / 32;
                if sample_ratio(&counts, shares, plan).is_some_and(|it| it.anytime_p_value < ALPHA) {
                    alarms += 1;
                    break;
                }
            }
        }
        let share = f64::from(alarms) / f64::from(RUNS);
        println!("sample ratio by {shares:?}, every look: {share}");
        assert!(share <= ALPHA, "{share} of the experiments with {shares:?} raised a false alarm");
    }
}

/// The documents of an experiment with so many variants, four primary metrics and two guardrails.
fn several(variants: usize) -> abx_core::Compilation {
    let variants: Vec<_> = (0..variants).map(|at| serde_json::json!({"key": format!("v{at}")})).collect();
    abx_core::read_and_compile([&serde_json::json!({
        "experiment": "e", "status": "active", "variants": variants,
        "metrics": [
            {"key": "bought", "event": "order", "kind": "conversion"},
            {"key": "orders", "event": "order", "kind": "count"},
            {"key": "revenue", "event": "order", "kind": "sum", "property": "amount"},
            {"key": "errors", "event": "order", "kind": "count", "role": "guardrail", "direction": "decrease"},
            {"key": "latency", "event": "order", "kind": "sum", "property": "ms", "role": "guardrail"},
            {"key": "basket", "event": "order", "kind": "mean", "property": "amount"},
        ],
    })])
}

/// A unit of which a tenth buy, some of them twice, at prices of which a few are large; each metric draws for itself.
#[expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's own numbers")]
fn count_unit(totals: &mut VariantTotals, metrics: &[abx_core::metric::Metric], random: &mut Random) {
    let group = random.below(16);
    totals.units += 1;
    totals.groups.resize(16, 0);
    totals.groups[group] += 1;
    for metric in metrics {
        let counted: &mut MetricTotals = totals.metrics.entry(metric.key.to_string()).or_default();
        counted.groups.resize(16, Amount::default());
        if random.next() >= 0.1 {
            continue;
        }
        let events = 1 + u32::from(random.next() < 0.3);
        let price = f64::from(events) * (20.0 / (0.02 + random.next()).sqrt()).round();
        let value = if metric.key.starts_with("re") || ["latency", "basket"].contains(&&*metric.key) {
            price
        } else {
            f64::from(events)
        };
        counted.units += 1;
        counted.events += u64::from(events);
        counted.sum += Amount::from_f64(value).unwrap();
        counted.groups[group] += Amount::from_f64(value).unwrap();
        counted.group_values.resize(16, 0);
        counted.group_values[group] += u64::from(events);
    }
}

/// True if a treatment is said to differ by a metric of this role.
fn differs(results: &[MetricResult], role: MetricRole) -> bool {
    let of_role = results.iter().filter(|it| it.role == role);
    let is_one = |verdict| matches!(verdict, Some(Verdict::Better | Verdict::Worse));
    of_role.flat_map(|it| &it.variants).any(|it| is_one(it.verdict))
}

/// Four treatments and six metrics, of conversions, counts, sums and a mean, with daily looks from the first units on: any verdict is a false one.
#[test]
fn verdicts_of_several_metrics_and_treatments_may_be_looked_at_daily() {
    several_looks(Standard::Anytime, 120);
}

/// The same around a planned size, before it and after it.
#[test]
fn verdicts_around_a_planned_size_may_be_looked_at_daily() {
    several_looks(Standard::Planned, 120);
}

#[expect(clippy::print_stdout, clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]
fn several_looks(standard: Standard, runs: u32) {
    let compiled = several(5);
    let experiment = compiled.catalog.experiment("e").unwrap();
    let (mut always, mut once) = ([0_u32; 2], 0_u32);
    for run in 0..runs {
        let mut random = Random(u64::from(run) << 32 | 0x63);
        let mut totals = vec![VariantTotals::default(); 5];
        let (mut raised, mut raised_once) = ([false; 2], false);
        for look in 0..24_u32 {
            for _ in 0..if look < 12 { 100 } else { 700 } {
                let at = random.below(5);
                count_unit(&mut totals[at], experiment.metrics(), &mut random);
            }
            let names: Vec<&str> = experiment.variants().iter().map(|it| &*it.key).collect();
            let variants = names.iter().map(|it| (*it).to_owned()).zip(totals.iter().cloned()).collect();
            let totals = Totals { variants, ..Totals::default() };
            let measured = counted(experiment.metrics(), &names, &totals, &[], None);
            let plan = AnalysisPlan { planned_pair: 4_000, standard, ..AnalysisPlan::default() };
            let results = judge(experiment.metrics(), &names, &measured, &plan);
            for (raised, role) in raised.iter_mut().zip([MetricRole::Primary, MetricRole::Guardrail]) {
                *raised |= differs(&results, role);
            }
            let fixed = AnalysisPlan { standard: Standard::Final, ..plan };
            raised_once |=
                differs(&judge(experiment.metrics(), &names, &measured, &fixed), MetricRole::Primary);
        }
        always = [always[0] + u32::from(raised[0]), always[1] + u32::from(raised[1])];
        once += u32::from(raised_once);
    }
    let share = |alarms: u32| f64::from(alarms) / f64::from(runs);
    println!(
        "several, {standard:?}: primary {}, guardrails {}; fixed {}",
        share(always[0]),
        share(always[1]),
        share(once)
    );
    assert!(always.into_iter().all(|alarms| share(alarms) <= ALPHA), "{always:?} of {runs} runs");
    assert!(share(once) > 2.0 * ALPHA, "looking daily at the final standard shows only {}", share(once));
}

/// `abx power` plans for the verdicts that `abx results` gives: at the planned size, so many runs are decided.
#[test]
fn the_planned_size_is_enough_for_a_verdict() {
    const RUNS: u32 = 300;
    let looks = Looks::Every { tuned_for: Anytime::TUNED_FOR };
    let baseline = Baseline::Proportion { rate: 0.1 };
    let design = Design::new(baseline, &[1.0, 1.0], ALPHA, 0.8, Correction::Bonferroni, looks).unwrap();
    let units = design.sizes(0.03).unwrap().variants[0];
    let anytime = Anytime::tuned(ALPHA, Anytime::TUNED_FOR).unwrap();
    let mut found = 0_u32;
    for run in 0..RUNS {
        let mut random = Random(u64::from(run) << 32 | 7);
        let mut draw = |rate: f64| (0..units).map(|_| u64::from(random.next() < rate)).sum::<u64>();
        let (control, treatment) = (Proportion::new(draw(0.1), units), Proportion::new(draw(0.13), units));
        let compared = anytime.compare_proportions(control.unwrap(), treatment.unwrap()).unwrap();
        found += u32::from(compared.difference.lower > 0.0);
    }
    let share = f64::from(found) / f64::from(RUNS);
    println!("planned for a power of 80 %, {units} units a variant: {share} are decided at that size");
    assert!((0.76..0.85).contains(&share), "{share}");
}

/// A plan with its own boundary takes a seventh more units than one look, and is decided by the planned size with the wanted power, by looking
/// at every fiftieth of the way.
#[test]
fn a_planned_boundary_is_crossed_with_the_planned_power() {
    const RUNS: u32 = 400;
    let baseline = Baseline::Proportion { rate: 0.1 };
    let design =
        |looks| Design::new(baseline, &[1.0, 1.0], ALPHA, 0.8, Correction::Bonferroni, looks).unwrap();
    let units = |looks| design(looks).sizes(0.03).unwrap().total;
    let (planned, once) = (units(Looks::Planned), units(Looks::Final));
    assert!((once * 11 / 10..once * 12 / 10).contains(&planned), "{planned} of {once}");
    let anytime = Anytime::planned(ALPHA, planned).unwrap();
    let decided = |treated: f64, looks: u64, of: u64| {
        let mut found = 0_u32;
        for run in 0..RUNS {
            let mut random = Random(u64::from(run) << 32 | of);
            let (mut successes, mut seen) = ([0_u64; 2], 0_u64);
            let mut is_found = false;
            for look in 1..=looks {
                let each = planned * look / of / 2 - seen;
                seen += each;
                for (successes, rate) in successes.iter_mut().zip([0.1, treated]) {
                    *successes += (0..each).map(|_| u64::from(random.next() < rate)).sum::<u64>();
                }
                let of = |it| Proportion::new(it, seen).unwrap();
                let compared = anytime.compare_proportions(of(successes[0]), of(successes[1]));
                is_found |= compared.is_some_and(|it| it.difference.excludes_zero());
            }
            found += u32::from(is_found);
        }
        f64::from(found) / f64::from(RUNS)
    };
    let (found, falsely) = (decided(0.13, 50, 50), decided(0.1, 150, 50));
    println!(
        "planned for a power of 80 %, {planned} units: decided by then {found}; without an effect, by three times as many {falsely}"
    );
    assert!(found >= 0.77, "{found}");
    assert!(falsely <= ALPHA, "{falsely}");
}
