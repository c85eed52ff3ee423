//! Flags: one by one, then their prerequisites among each other.

mod prerequisites;
mod rollout;
mod values;

use super::lint::implies;
use super::names::{Names, unknown};
use super::payload;
use super::rules::Rules;
use super::shared::{Shared, unique};
use super::shares;
use crate::decide::{
    AttributePath, Experiment, Flag, FlagVariant, Prerequisite, Rule, Serve, Split, USER_ID,
};
use crate::document::{Document, FeatureFlagConfig, FlagRuleConfig, PrerequisiteConfig, SplitConfig};
use crate::finding::{Code, Findings, Path};
use crate::hash::{Bucketer, Purpose, salt_of_epoch};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Stands for a flag or experiment that is not in the catalog; looking it up finds nothing.
const NOWHERE: usize = usize::MAX;

pub(super) fn compile_all(
    documents: &[Option<Document>],
    experiments: &[Experiment],
    shared: &Shared,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Flag> {
    prerequisites::check_chains(documents, names, findings);
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
        super::check_hashing(
            &Path::default(),
            written.unit.as_deref(),
            written.salt.as_deref(),
            self.findings,
        );
        super::check_epoch(written.epoch, self.findings);
        super::check_overrides_file(written.overrides_file.as_deref(), self.findings);
        let salt =
            salt_of_epoch(written.salt.as_deref().unwrap_or(&written.flag), written.epoch.unwrap_or(1));
        let mut variants = variants_of(written);
        values::unify_numbers(&mut variants);
        self.check_variants(&variants);
        self.check_prerequisites();
        let default = match &written.default_variant {
            Some(key) => self.find(key, &Path::of("default_variant")).unwrap_or_default(),
            None => self.implied_default(&variants),
        };
        let mut uses_segment = false;
        let rules = self.compile_rules(&salt, &mut uses_segment);
        let rollout = self.compile_rollout(&salt, default, &variants, &mut uses_segment);
        let flag = Flag {
            key: (*written.flag).into(),
            enabled: written.enabled,
            unit: AttributePath::new(unit_of(written)),
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
            let path = Path::of("variants").index(at).field("value");
            if kind(&variant.value) == "other" {
                if !self.findings.is_broken(&path) {
                    let message = "a flag's value is a boolean, string, number or object";
                    self.findings.add(Code::WrongType, path, message).help("put a list into an object");
                }
            } else if kind(&variant.value) != first && first != "other" {
                let message = format!(
                    "the value is of type {}, but the first one of type {first}",
                    kind(&variant.value)
                );
                self.findings.add(Code::MixedValues, path, message).help("give all variants one type");
            }
        }
        let written = self.written.variants.iter().enumerate();
        let values = written.map(|(at, it)| (Path::of("variants").index(at).field("value"), &it.value));
        payload::check(self.written.payload_schema.as_ref(), values, self.findings);
    }

    fn implied_default(&mut self, variants: &[FlagVariant]) -> usize {
        if self.written.variants.is_empty() {
            return variants.iter().position(|it| &*it.key == "off").unwrap_or_default();
        }
        if !self.findings.is_broken("default_variant") {
            self.findings
                .add(Code::MissingField, "", "`default_variant` is missing")
                .help("name the variant that all other units get");
        }
        0
    }

    fn compile_overrides(&mut self) -> BTreeMap<Box<str>, usize> {
        let mut overrides = BTreeMap::new();
        for (unit, variant) in &self.written.overrides {
            if unit.trim().is_empty() {
                self.findings.add(Code::BlankText, "overrides", "a unit is blank").help("name a unit");
            }
            if let Some(index) = self.find(variant, &Path::of("overrides").field(unit.clone())) {
                overrides.insert(unit.as_str().into(), index);
            }
        }
        overrides
    }

    fn compile_rules(&mut self, salt: &str, uses_segment: &mut bool) -> Box<[Rule]> {
        let rules = &self.written.rules;
        let mut compiled = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let path = Path::of("rules").index(at);
            if let Some(earlier) = self.shadowing(rule, at) {
                let place = self.findings.place(Path::of("rules").index(earlier));
                self.findings
                    .add(Code::RuleUnreachable, path.clone(), "this rule is never reached")
                    .help("put the narrower rule first, or drop it")
                    .related(place, "units that match that rule are already served here");
            }
            let mut rules = Rules::new(self.shared, unit_of(self.written), self.findings);
            let when = rules.compile(&rule.when, &path.field("when"));
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
            .filter(|(at, it)| {
                !self.findings.is_broken(Path::of("rules").index(*at)) && it.experiment.is_none()
            })
            .find(|(_, it)| implies(&rule.when, &it.when))
            .map(|(at, _)| at)
    }

    fn compile_serve(&mut self, rule: &FlagRuleConfig, salt: &str, path: &Path) -> Option<Serve> {
        match (&rule.serve, &rule.split, &rule.experiment) {
            (Some(variant), None, None) => Some(Serve::Variant(self.find(variant, &path.field("serve"))?)),
            (None, Some(split), None) => self.compile_split(split, salt, &path.field("split")),
            (None, None, Some(experiment)) => self.compile_experiment(experiment, &path.field("experiment")),
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

    fn compile_split(&mut self, split: &[SplitConfig], salt: &str, path: &Path) -> Option<Serve> {
        let find =
            |(at, share): (usize, &SplitConfig)| self.find(&share.variant, &path.index(at).field("variant"));
        // All are looked up before the first that is missing ends it.
        let variants: Vec<Option<usize>> = split.iter().enumerate().map(find).collect();
        let variants: Vec<usize> = variants.into_iter().collect::<Option<_>>()?;
        if split.is_empty() && !self.findings.is_lost(path) {
            self.findings.add(Code::NoVariants, path, "the split is empty").help("name variants and shares");
            return None;
        }
        let wanted = split.iter().map(|it| (it.allocation, &it.ranges));
        let ranges = shares::compile(path, wanted, self.findings);
        let ranges = ranges.into_iter().filter_map(|(range, at)| Some((range, *variants.get(at)?)));
        Some(Serve::Split(Split::new(Bucketer::new(salt, Purpose::Variant), ranges)))
    }

    fn compile_experiment(&mut self, key: &str, path: &Path) -> Option<Serve> {
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
                        format!("the experiment's variant `{}` is not a variant of this flag", &*variant.key);
                    self.findings
                        .add(Code::UnknownVariant, path, message)
                        .help("give the flag a variant with the same key, with its value");
                }
            }
        }
        let index = self.experiments.iter().position(|it| it.key() == key).unwrap_or(NOWHERE);
        Some(Serve::Experiment { index, variants: variants.into() })
    }

    fn are_variants_lost(&self) -> bool {
        super::variants_lost(self.written.variants.iter().map(|it| &*it.key), self.findings)
    }

    fn position(&self, key: &str) -> Option<usize> {
        variant_keys(self.written).iter().position(|it| *it == key)
    }

    fn find(&mut self, key: &str, path: &Path) -> Option<usize> {
        let found = self.position(key);
        if found.is_none() && !self.are_variants_lost() {
            let known = variant_keys(self.written);
            unknown(Code::UnknownVariant, "variant", key, known, path, self.findings);
        }
        found
    }
}

fn unit_of(written: &FeatureFlagConfig) -> &str {
    written.unit.as_deref().unwrap_or(USER_ID)
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
