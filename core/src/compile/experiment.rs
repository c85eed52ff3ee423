//! One experiment.

use super::metrics;
use super::names::unknown;
use super::payload;
use super::rules::Rules;
use super::shared::{Shared, unique};
use super::shares;
use crate::decide::{AttributePath, ExperimentParts, Slot, Split, USER_ID, Variant};
use crate::document::{ExperimentConfig, Status};
use crate::event::{MAX_ROW_BYTES, largest_row};
use crate::finding::{Code, Findings, Path};
use crate::hash::{BUCKETS, Bucketer, Purpose, Range, salt_of_epoch};
use crate::metric::Metric;
use crate::plan::Plan;
use std::collections::BTreeMap;

/// A compiled experiment that may still be left out.
pub(super) struct CompiledExperiment {
    pub parts: ExperimentParts,
    pub uses_shared: bool,
}

pub(super) fn compile(
    written: &ExperimentConfig,
    shared: &Shared,
    findings: &mut Findings,
) -> CompiledExperiment {
    super::check_hashing(&Path::default(), written.unit.as_deref(), written.salt.as_deref(), findings);
    super::check_epoch(written.epoch, findings);
    super::check_overrides_file(written.overrides_file.as_deref(), findings);
    check_times(written, findings);
    metrics::check(written, findings);
    check_rows(written, findings);
    check_payloads(written, findings);
    let epoch = written.epoch.unwrap_or(1);
    let written_salt = written.salt.as_deref().unwrap_or(&written.experiment);
    let salt = salt_of_epoch(written_salt, epoch);
    let ranges = compile_variants(written, findings);
    let traffic = written.traffic_allocation;
    let below = traffic
        .map_or(BUCKETS, |it| shares::to_buckets(it.0, 1.0, &Path::of("traffic_allocation"), findings));
    if below == 0
        && !findings.is_broken("traffic_allocation")
        && traffic.is_some_and(|it| (0.0..=1.0).contains(&it.0))
    {
        findings
            .add(Code::NoTraffic, "traffic_allocation", "no unit takes part")
            .help("use `status: paused` to stop new units, or give it traffic");
    }
    let unit = written.unit.as_deref().unwrap_or(USER_ID);
    let slot = compile_slot(written, unit, shared, findings);
    let mut rules = Rules::new(shared, unit, findings);
    let targeting = rules.compile(&written.targeting_rules, &Path::of("targeting_rules"));
    let uses_segment = rules.uses_segment;
    let holdouts = shared.holdouts_of(&written.experiment);
    let uses_shared =
        uses_segment || written.layer.is_some() || !holdouts.is_empty() || shared.is_lost("holdouts");
    let goal = written.plan.as_ref().and_then(|it| it.goal.as_deref());
    let parts = ExperimentParts {
        key: (*written.experiment).into(),
        unit: AttributePath::new(unit),
        status: written.status,
        epoch,
        salt: written_salt.into(),
        starts_at: written.starts_at.map(|it| it.0),
        ends_at: written.ends_at.map(|it| it.0),
        winner: written.winner.as_ref().and_then(|key| find(written, key, &Path::of("winner"), findings)),
        overrides: compile_overrides(written, findings),
        holdouts,
        slot,
        targeting,
        traffic: Bucketer::new(&salt, Purpose::Traffic),
        below,
        split: Split::new(Bucketer::new(&salt, Purpose::Variant), ranges),
        variants: written
            .variants
            .iter()
            .map(|it| Variant { key: (*it.key).into(), payload: it.payload.clone() })
            .collect(),
        metrics: Metric::compile(&written.metrics, goal).into(),
        plan: written.plan.as_ref().map(Plan::compile),
        dimensions: written.dimensions.iter().map(|it| AttributePath::new(it)).collect(),
    };
    CompiledExperiment { parts, uses_shared }
}

fn compile_variants(written: &ExperimentConfig, findings: &mut Findings) -> Vec<(Range, usize)> {
    let variants = &written.variants;
    unique("variant", "variants", variants.iter().map(|it| &*it.key), findings);
    if variants.is_empty() && !findings.is_broken("variants") {
        findings
            .add(Code::NoVariants, "", "the experiment has no variants")
            .help("add `variants:`, at least two");
    }
    if variants.len() == 1 {
        findings.add(Code::SingleVariant, "variants", "there is only one variant").help("add a control");
    }
    let wanted = variants.iter().map(|it| (it.allocation, &it.ranges));
    let ranges = shares::compile(&Path::of("variants"), wanted, findings);
    if !ranges.is_empty() {
        let named =
            |key: &str| written.overrides_file.is_some() || written.overrides.values().any(|it| it == key);
        let keys: Vec<(&str, bool)> = variants.iter().map(|it| (&*it.key, named(&it.key))).collect();
        warn_of_unreachable(&keys, &ranges, findings);
    }
    ranges
}

/// Notes variants with no buckets that are not reached otherwise either. `keys` are those of `variants`, with
/// whether something else reaches them.
pub(super) fn warn_of_unreachable(keys: &[(&str, bool)], ranges: &[(Range, usize)], findings: &mut Findings) {
    for (at, (key, reached)) in keys.iter().enumerate() {
        let mine = |(range, index): &(Range, usize)| *index == at && !range.is_empty();
        if !reached && !ranges.iter().any(mine) {
            findings
                .add(
                    Code::VariantUnreachable,
                    Path::of("variants").index(at),
                    format!("no unit can get `{key}`"),
                )
                .help("give it a share, or drop it");
        }
    }
}

fn compile_slot(
    written: &ExperimentConfig,
    unit: &str,
    shared: &Shared,
    findings: &mut Findings,
) -> Option<Slot> {
    let key = written.layer.as_deref()?;
    let Some(layer) = shared.layers.get(key) else {
        let known = shared.layers.keys().map(String::as_str);
        if !shared.is_lost("layers") {
            unknown(Code::UnknownLayer, "layer", key, known, "layer", findings);
        }
        return None;
    };
    if let Some(other) = layer.unit.as_deref().filter(|it| *it != unit && !findings.is_broken("unit")) {
        findings
            .add(
                Code::LayerMismatch,
                "layer",
                format!("the layer buckets `{other}`, and the experiment `{unit}`"),
            )
            .help("give both the same `unit`");
    }
    let Some(ranges) = layer.slots.get(&*written.experiment) else {
        // A slot, or the experiment's key, that could not be read has its finding already.
        if layer.slots_lost || written.experiment.is_empty() {
            return None;
        }
        findings
            .add(Code::LayerMismatch, "layer", format!("the layer `{key}` has no slot for this experiment"))
            .help(format!("add {{experiment: {}, ranges: …}} to its slots", &*written.experiment));
        return None;
    };
    Some(Slot { layer: layer.layer.clone(), ranges: ranges.clone().into() })
}

fn compile_overrides(written: &ExperimentConfig, findings: &mut Findings) -> BTreeMap<Box<str>, usize> {
    let mut overrides = BTreeMap::new();
    for (unit, variant) in &written.overrides {
        let path = Path::of("overrides").field(unit.clone());
        if unit.trim().is_empty() {
            findings.add(Code::BlankText, "overrides", "a unit is blank").help("name a unit");
        }
        if let Some(index) = find(written, variant, &path, findings) {
            overrides.insert(unit.as_str().into(), index);
        }
    }
    overrides
}

fn find(written: &ExperimentConfig, key: &str, path: &Path, findings: &mut Findings) -> Option<usize> {
    let found = written.variants.iter().position(|it| *it.key == *key);
    if found.is_none() && !super::variants_lost(written.variants.iter().map(|it| &*it.key), findings) {
        let known = written.variants.iter().map(|it| &*it.key);
        unknown(Code::UnknownVariant, "variant", key, known, path, findings);
    }
    found
}

fn check_times(written: &ExperimentConfig, findings: &mut Findings) {
    if let (Some(start), Some(end)) = (written.starts_at, written.ends_at)
        && end <= start
        && !findings.is_broken("starts_at")
        && !findings.is_broken("ends_at")
    {
        let place = findings.place("starts_at");
        findings
            .add(Code::DatesReversed, "ends_at", "it ends before it starts, or at once")
            .help("`ends_at` must be later than `starts_at`")
            .related(place, "it starts here");
    }
    if written.winner.is_some() && written.status != Status::Completed && !findings.is_broken("status") {
        findings
            .add(
                Code::WinnerIgnored,
                "winner",
                format!("no unit gets the winner while it is {}", written.status),
            )
            .help("write `status: completed`, or drop the winner");
    }
}

fn check_payloads(written: &ExperimentConfig, findings: &mut Findings) {
    let variants = written.variants.iter().enumerate();
    let payloads = variants
        .filter_map(|(at, it)| Some((Path::of("variants").index(at).field("payload"), it.payload.as_ref()?)));
    payload::check(written.payload_schema.as_ref(), payloads, findings);
}

/// Notes counts that a store could not hold: events would wait for ever.
fn check_rows(written: &ExperimentConfig, findings: &mut Findings) {
    let bytes = largest_row(written);
    if bytes > MAX_ROW_BYTES {
        let (of, limit) = (bytes.div_ceil(1024), MAX_ROW_BYTES / 1024);
        findings
            .add(
                Code::RowTooLarge,
                "metrics",
                format!("the counts can take {of} KB a row, and {limit} KB are the limit"),
            )
            .help("shorten the keys of variants and metrics, or leave metrics out");
    }
}
