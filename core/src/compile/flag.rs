//! Flags: one by one, then their prerequisites among each other.

use super::chains::{self, Fault, LARGEST, LONGEST};
use super::experiment::warn_of_unreachable;
use super::lint::implies;
use super::names::{Names, unknown};
use super::rules::Rules;
use super::shared::{Shared, unique};
use super::shares::{self, Share};
use crate::decide::{
    AttributePath, Experiment, Flag, FlagVariant, Prerequisite, Rollout, Rule, Serve, Split, USER_ID,
};
use crate::document::{Document, FeatureFlagConfig, FlagRuleConfig, PrerequisiteConfig, SplitConfig};
use crate::finding::{Code, Findings};
use crate::hash::{BUCKETS, Bucketer, Purpose, Range, salt_of_epoch};
use serde_json::Value;
use std::collections::HashMap;

/// Stands for a flag or experiment that is not in the catalog; looking it up finds nothing.
const NOWHERE: usize = usize::MAX;

pub(super) fn compile_all(
    documents: &[Option<Document>],
    experiments: &[Experiment],
    shared: &Shared,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Flag> {
    check_chains(documents, names, findings);
    let mut compiled = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let Some(Document::Flag(written)) = document else { continue };
        findings.turn_to(index);
        let mut compiler = FlagCompiler { written, documents, experiments, shared, names, findings };
        let (flag, uses_shared) = compiler.compile();
        compiled.push((index, written, flag, uses_shared));
    }
    compiled.retain(|(index, _, _, uses_shared)| !findings.has_error(*index) && shared.may_use(*uses_shared));
    let places: HashMap<&str, usize> =
        compiled.iter().enumerate().map(|(at, (_, written, ..))| (&*written.flag, at)).collect();
    let variants: Vec<Vec<Box<str>>> = compiled
        .iter()
        .map(|(_, _, flag, _)| flag.variants.iter().map(|it| it.key.clone()).collect())
        .collect();
    compiled
        .into_iter()
        .map(|(_, written, mut flag, _)| {
            let resolve = |it: &PrerequisiteConfig| {
                let flag = places.get(it.flag.as_str()).copied().unwrap_or(NOWHERE);
                let keys = variants.get(flag).map_or(&[][..], Vec::as_slice);
                let variant = keys.iter().position(|key| **key == *it.variant).unwrap_or(NOWHERE);
                Prerequisite { flag, variant }
            };
            flag.prerequisites = written.prerequisites.iter().map(resolve).collect();
            flag
        })
        .collect()
}

/// Notes flags that are their own prerequisite, and chains of prerequisites that are too long. A flag that only
/// needs such a one stays, and serves its default because the other is left out.
fn check_chains(documents: &[Option<Document>], names: &Names<'_>, findings: &mut Findings) {
    let named_by = |document: &Option<Document>| match document {
        Some(Document::Flag(flag)) => {
            flag.prerequisites.iter().filter_map(|it| names.flags.get(it.flag.as_str()).copied()).collect()
        }
        _ => Vec::new(),
    };
    let named: Vec<Vec<usize>> = documents.iter().map(named_by).collect();
    for (index, fault) in chains::sort(&named, &vec![1; named.len()]).faults {
        let Some(Some(Document::Flag(written))) = documents.get(index) else { continue };
        let key = &*written.flag;
        let (message, help) = match fault {
            Fault::Circle => (format!("`{key}` needs itself"), "drop one of the prerequisites on the circle"),
            Fault::Long => {
                let message = format!("more than {LONGEST} prerequisites follow one another below `{key}`");
                (message, "ask the last one directly")
            }
            Fault::Large => {
                let message = format!("`{key}` asks more than {LARGEST} flags by way of its prerequisites");
                (message, "drop prerequisites that others ask as well")
            }
        };
        findings.turn_to(index);
        findings.add(Code::PrerequisiteCycle, "prerequisites", message).help(help);
    }
}

struct FlagCompiler<'a> {
    written: &'a FeatureFlagConfig,
    documents: &'a [Option<Document>],
    experiments: &'a [Experiment],
    shared: &'a Shared,
    names: &'a Names<'a>,
    findings: &'a mut Findings,
}

impl FlagCompiler<'_> {
    /// The flag, its prerequisites still empty, and whether it uses what is shared.
    fn compile(&mut self) -> (Flag, bool) {
        let written = self.written;
        super::check_hashing("", written.unit.as_deref(), written.salt.as_deref(), self.findings);
        super::check_epoch(written.epoch, self.findings);
        let salt =
            salt_of_epoch(written.salt.as_deref().unwrap_or(&written.flag), written.epoch.unwrap_or(1));
        let variants = variants_of(written);
        self.check_variants(&variants);
        self.check_prerequisites();
        let default = match &written.default_variant {
            Some(key) => self.find(key, "default_variant").unwrap_or_default(),
            None => self.implied_default(&variants),
        };
        let mut uses_segment = false;
        let rules = self.compile_rules(&salt, &mut uses_segment);
        let rollout = self.compile_rollout(&salt, default, &variants, &mut uses_segment);
        let flag = Flag {
            key: (*written.flag).into(),
            enabled: written.enabled,
            unit: AttributePath::new(self.unit()),
            default,
            prerequisites: Box::default(),
            overrides: self.compile_overrides(),
            rules,
            rollout,
            variants: variants.into(),
        };
        (flag, uses_segment)
    }

    fn check_variants(&mut self, variants: &[FlagVariant]) {
        unique("variant", "variants", variants.iter().map(|it| &*it.key), self.findings);
        let kind = |value: &Value| match value {
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Object(_) => "object",
            Value::Null | Value::Array(_) => "other",
        };
        let first = variants.first().map_or("other", |it| kind(&it.value));
        for (at, variant) in self.written.variants.iter().enumerate() {
            let path = format!("variants[{at}].value");
            if kind(&variant.value) == "other" {
                if !self.findings.is_broken(&path) {
                    let message = "a flag's value is a boolean, string, number or object";
                    self.findings.add(Code::WrongType, path, message).help("put a list into an object");
                }
            } else if kind(&variant.value) != first && first != "other" {
                let message = format!("a {} among values that are a {first}", kind(&variant.value));
                self.findings.add(Code::MixedValues, path, message).help("give all variants one type");
            }
        }
    }

    fn implied_default(&mut self, variants: &[FlagVariant]) -> usize {
        if self.written.variants.is_empty() {
            return variants.iter().position(|it| &*it.key == "off").unwrap_or_default();
        }
        if !self.findings.is_broken("default_variant") {
            self.findings
                .add(Code::MissingField, "", "`default_variant` is missing")
                .help("name the variant that everybody else gets");
        }
        0
    }

    fn check_prerequisites(&mut self) {
        for (at, prerequisite) in self.written.prerequisites.iter().enumerate() {
            let path = format!("prerequisites[{at}]");
            let index = self.names.flags.get(prerequisite.flag.as_str()).copied();
            let found = index.and_then(|index| Some((index, self.documents.get(index)?.as_ref()?)));
            let Some((index, Document::Flag(other))) = found else {
                if !self.names.incomplete {
                    let known = self.names.flags.keys().copied();
                    let path = format!("{path}.flag");
                    unknown(Code::UnknownFlag, "flag", &prerequisite.flag, known, &path, self.findings);
                }
                continue;
            };
            let keys = variant_keys(other);
            // Variants that could not be read are the other document's mistake, and must not cost this one.
            let readable = !self.findings.is_broken_in(index, "variants");
            if readable && !keys.contains(&&*prerequisite.variant) {
                let kind = format!("variant of the flag `{}`:", prerequisite.flag);
                let path = format!("{path}.variant");
                unknown(Code::UnknownVariant, &kind, &prerequisite.variant, keys, &path, self.findings);
            }
        }
    }

    fn compile_overrides(&mut self) -> HashMap<Box<str>, usize> {
        let mut overrides = HashMap::new();
        for (unit, variant) in &self.written.overrides {
            if unit.trim().is_empty() {
                self.findings.add(Code::BlankText, "overrides", "a unit is blank").help("name a unit");
            }
            if let Some(index) = self.find(variant, &format!("overrides.{unit}")) {
                overrides.insert(unit.as_str().into(), index);
            }
        }
        overrides
    }

    fn compile_rules(&mut self, salt: &str, uses_segment: &mut bool) -> Box<[Rule]> {
        let rules = &self.written.rules;
        let mut compiled = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let path = format!("rules[{at}]");
            if let Some(earlier) = self.shadowing(rule, at) {
                let place = self.findings.place(format!("rules[{earlier}]"));
                self.findings
                    .add(Code::RuleUnreachable, path.as_str(), "this rule is never reached")
                    .help("put the narrower rule first, or drop it")
                    .related(place, "whoever this one is for is served here");
            }
            let mut rules =
                Rules::new(self.shared, self.written.unit.as_deref().unwrap_or(USER_ID), self.findings);
            let when = rules.compile(&rule.when, &format!("{path}.when"));
            *uses_segment |= rules.uses_segment;
            let name = rule.name.clone().unwrap_or_else(|| (at + 1).to_string());
            if let Some(serve) = self.compile_serve(rule, salt, &path) {
                compiled.push(Rule { name: name.into(), when, serve });
            }
        }
        compiled.into()
    }

    /// An earlier rule that serves everybody whom this one could match.
    fn shadowing(&self, rule: &FlagRuleConfig, at: usize) -> Option<usize> {
        let earlier = self.written.rules.iter().take(at).enumerate();
        earlier
            .filter(|(at, it)| !self.findings.is_broken(&format!("rules[{at}]")) && it.experiment.is_none())
            .find(|(_, it)| implies(&rule.when, &it.when))
            .map(|(at, _)| at)
    }

    fn compile_serve(&mut self, rule: &FlagRuleConfig, salt: &str, path: &str) -> Option<Serve> {
        match (&rule.serve, &rule.split, &rule.experiment) {
            (Some(variant), None, None) => {
                Some(Serve::Variant(self.find(variant, &format!("{path}.serve"))?))
            }
            (None, Some(split), None) => self.compile_split(split, salt, &format!("{path}.split")),
            (None, None, Some(experiment)) => {
                self.compile_experiment(experiment, &format!("{path}.experiment"))
            }
            _ => {
                if !self.findings.is_broken(path) {
                    self.findings
                        .add(Code::MissingField, path, "a rule serves exactly one thing")
                        .help("write one of `serve: VARIANT`, `split: […]` and `experiment: KEY`");
                    self.findings.mark_broken(path);
                }
                None
            }
        }
    }

    fn compile_split(&mut self, split: &[SplitConfig], salt: &str, path: &str) -> Option<Serve> {
        let find =
            |(at, share): (usize, &SplitConfig)| self.find(&share.variant, &format!("{path}[{at}].variant"));
        // All are looked up before the first that is missing ends it.
        let variants: Vec<Option<usize>> = split.iter().enumerate().map(find).collect();
        let variants: Vec<usize> = variants.into_iter().collect::<Option<_>>()?;
        if split.is_empty() && !self.findings.is_lost(path) {
            self.findings.add(Code::NoVariants, path, "the split is empty").help("name variants and shares");
            return None;
        }
        let wanted: Vec<Share<'_>> = split
            .iter()
            .enumerate()
            .map(|(at, it)| Share {
                path: format!("{path}[{at}]"),
                allocation: it.allocation,
                ranges: it.ranges.as_deref(),
            })
            .collect();
        let ranges = shares::compile(path, &wanted, self.findings);
        let ranges = ranges.into_iter().filter_map(|(range, at)| Some((range, *variants.get(at)?)));
        Some(Serve::Split(Split::new(Bucketer::new(salt, Purpose::Variant), ranges)))
    }

    fn compile_experiment(&mut self, key: &str, path: &str) -> Option<Serve> {
        let index = self.names.experiments.get(key);
        let found = index.and_then(|index| Some((*index, self.documents.get(*index)?.as_ref()?)));
        let Some((document, Document::Experiment(written))) = found else {
            if !self.names.incomplete {
                let known = self.names.experiments.keys().copied();
                unknown(Code::UnknownExperiment, "experiment", key, known, path, self.findings);
                return None;
            }
            return Some(Serve::Experiment { index: NOWHERE, variants: Box::default() });
        };
        let lost = self.are_variants_lost();
        let mut variants = Vec::new();
        for variant in &written.variants {
            match self.position(&variant.key) {
                Some(at) => variants.push(at),
                None if lost || self.findings.is_broken_in(document, "variants") => {}
                None => {
                    let message =
                        format!("the experiment's variant `{}` is no variant of this flag", &*variant.key);
                    self.findings
                        .add(Code::UnknownVariant, path, message)
                        .help("give the flag a variant of the same key, with its value");
                }
            }
        }
        let index = self.experiments.iter().position(|it| it.key() == key).unwrap_or(NOWHERE);
        Some(Serve::Experiment { index, variants: variants.into() })
    }

    /// The flat form; `None` where only `rules` are written.
    fn compile_rollout(
        &mut self,
        salt: &str,
        default: usize,
        variants: &[FlagVariant],
        uses_segment: &mut bool,
    ) -> Option<Rollout> {
        let written = self.written;
        let has_shares = written.variants.iter().any(|it| it.allocation.is_some() || it.ranges.is_some());
        let is_flat =
            written.rollout_percentage.is_some() || !written.targeting_rules.is_empty() || has_shares;
        if !is_flat && (!written.rules.is_empty() || self.findings.is_broken("rules")) {
            return None;
        }
        let for_everybody = |(at, it): (usize, &FlagRuleConfig)| {
            let readable = !self.findings.is_broken(&format!("rules[{at}]"));
            it.when.is_empty() && it.experiment.is_none() && readable
        };
        if is_flat && let Some(at) = written.rules.iter().enumerate().position(for_everybody) {
            let path = if written.rollout_percentage.is_some() {
                "rollout_percentage"
            } else if written.targeting_rules.is_empty() {
                "variants"
            } else {
                "targeting_rules"
            };
            let place = self.findings.place(format!("rules[{at}]"));
            self.findings
                .add(Code::RuleUnreachable, path, "the rollout is never reached")
                .help("give the rule conditions, or drop one of the two")
                .related(place, "this rule is for everybody");
        }
        let mut rules =
            Rules::new(self.shared, self.written.unit.as_deref().unwrap_or(USER_ID), self.findings);
        let targeting = rules.compile(&written.targeting_rules, "targeting_rules");
        *uses_segment |= rules.uses_segment;
        let below = written
            .rollout_percentage
            .map_or(BUCKETS, |it| shares::to_buckets(it, 100.0, "rollout_percentage", self.findings));
        if written.rollout_percentage == Some(0.0)
            && !self.findings.is_broken("rollout_percentage")
            && written.enabled
            && written.rules.is_empty()
            && written.overrides.is_empty()
        {
            self.findings
                .add(Code::NoTraffic, "rollout_percentage", "everybody gets the default variant")
                .help("use `enabled: false` to say so, or raise it");
        }
        let ranges = self.rollout_ranges(default, variants);
        Some(Rollout {
            targeting,
            bucketer: Bucketer::new(salt, Purpose::Rollout),
            below,
            serve: Split::new(Bucketer::new(salt, Purpose::Variant), ranges),
        })
    }

    /// What units in the rollout get: shares where the variants have them, else the one variant that is not
    /// the default.
    fn rollout_ranges(&mut self, default: usize, variants: &[FlagVariant]) -> Vec<(Range, usize)> {
        let written = &self.written.variants;
        if written.iter().any(|it| it.allocation.is_some() || it.ranges.is_some()) {
            let wanted: Vec<Share<'_>> = written
                .iter()
                .enumerate()
                .map(|(at, it)| Share {
                    path: format!("variants[{at}]"),
                    allocation: it.allocation,
                    ranges: it.ranges.as_deref(),
                })
                .collect();
            let ranges = shares::compile("variants", &wanted, self.findings);
            if !ranges.is_empty() {
                let keys: Vec<(&str, bool)> = variants
                    .iter()
                    .enumerate()
                    .map(|(at, it)| (&*it.key, at == default || self.is_named(&it.key)))
                    .collect();
                warn_of_unreachable(&keys, &ranges, self.findings);
            }
            return ranges;
        }
        let everybody = Range { start: 0, end: BUCKETS };
        let mut others = (0..variants.len()).filter(|at| *at != default);
        match (others.next(), others.next()) {
            (Some(only), None) => vec![(everybody, only)],
            (None, _) => vec![(everybody, default)],
            _ => {
                if !self.findings.is_broken("variants") {
                    self.findings
                        .add(
                            Code::AllocationMissing,
                            "variants",
                            "the rollout does not tell who gets which variant",
                        )
                        .help("give every variant an `allocation`, or serve them by `rules`");
                }
                Vec::new()
            }
        }
    }

    /// Whether an override or a rule names a variant.
    fn is_named(&self, key: &str) -> bool {
        let by_rule = |rule: &FlagRuleConfig| {
            rule.serve.as_deref() == Some(key)
                || rule.experiment.is_some()
                || rule.split.iter().flatten().any(|it| it.variant == key)
        };
        self.written.overrides.values().any(|it| it == key) || self.written.rules.iter().any(by_rule)
    }

    fn unit(&self) -> &str {
        self.written.unit.as_deref().unwrap_or(USER_ID)
    }

    fn are_variants_lost(&self) -> bool {
        super::variants_lost(self.written.variants.iter().map(|it| &*it.key), self.findings)
    }

    fn position(&self, key: &str) -> Option<usize> {
        variant_keys(self.written).iter().position(|it| *it == key)
    }

    fn find(&mut self, key: &str, path: &str) -> Option<usize> {
        let found = self.position(key);
        if found.is_none() && !self.are_variants_lost() {
            let known = variant_keys(self.written);
            unknown(Code::UnknownVariant, "variant", key, known, path, self.findings);
        }
        found
    }
}

/// The keys of [`variants_of`], without their values.
fn variant_keys(written: &FeatureFlagConfig) -> Vec<&str> {
    if written.variants.is_empty() {
        return vec!["on", "off"];
    }
    written.variants.iter().map(|it| &*it.key).collect()
}

/// The variants of a flag; a boolean one has `on` and `off`.
fn variants_of(written: &FeatureFlagConfig) -> Vec<FlagVariant> {
    if written.variants.is_empty() {
        return vec![
            FlagVariant { key: "on".into(), value: Value::Bool(true) },
            FlagVariant { key: "off".into(), value: Value::Bool(false) },
        ];
    }
    written.variants.iter().map(|it| FlagVariant { key: (*it.key).into(), value: it.value.clone() }).collect()
}
