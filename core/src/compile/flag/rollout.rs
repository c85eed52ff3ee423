//! The flat form: targeting, a percentage, and what the units in it get.

use super::{FlagCompiler, unit_of};
use crate::compile::experiment::warn_of_unreachable;
use crate::compile::rules::Rules;
use crate::compile::shares;
use crate::decide::{FlagVariant, Rollout, Split};
use crate::document::FlagRuleConfig;
use crate::finding::{Code, Path};
use crate::hash::{BUCKETS, Bucketer, Purpose, Range};

impl FlagCompiler<'_> {
    /// The flat form; `None` where only `rules` are written.
    pub(super) fn compile_rollout(
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
            let readable = !self.findings.is_broken(Path::of("rules").index(at));
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
            let place = self.findings.place(Path::of("rules").index(at));
            self.findings
                .add(Code::RuleUnreachable, path, "the rollout is never reached")
                .help("give the rule conditions, or drop one of the two")
                .related(place, "this rule serves every unit");
        }
        let mut rules = Rules::new(self.shared, unit_of(written), self.findings);
        let targeting = rules.compile(&written.targeting_rules, &Path::of("targeting_rules"));
        *uses_segment |= rules.uses_segment;
        let below = written.rollout_percentage.map_or(BUCKETS, |it| {
            shares::percent_to_buckets(it, &Path::of("rollout_percentage"), self.findings)
        });
        if written.rollout_percentage.is_some_and(|it| it.percent == 0.0)
            && !self.findings.is_broken("rollout_percentage")
            && written.enabled
            && written.rules.is_empty()
            && written.overrides.is_empty()
            && written.overrides_file.is_none()
        {
            self.findings
                .add(Code::NoTraffic, "rollout_percentage", "every unit gets the default variant")
                .help("use `enabled: false` if that is intended, or raise it");
        }
        let ranges = self.rollout_ranges(default, variants);
        Some(Rollout {
            targeting,
            bucketer: Bucketer::new(salt, Purpose::Rollout),
            below,
            serve: Split::new(Bucketer::new(salt, Purpose::Variant), ranges),
        })
    }

    /// Returns the ranges of units in the rollout: by shares if the variants have them, else all for the one
    /// variant that is not the default.
    fn rollout_ranges(&mut self, default: usize, variants: &[FlagVariant]) -> Vec<(Range, usize)> {
        let written = &self.written.variants;
        if written.iter().any(|it| it.allocation.is_some() || it.ranges.is_some()) {
            let wanted = written.iter().map(|it| (it.allocation, &it.ranges));
            let ranges = shares::compile(&Path::of("variants"), wanted, self.findings);
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
                            "the rollout does not define which units get which variant",
                        )
                        .help("give every variant an `allocation`, or serve them by `rules`");
                }
                Vec::new()
            }
        }
    }

    /// Returns true if an override or a rule names a variant.
    fn is_named(&self, key: &str) -> bool {
        let by_rule = |rule: &FlagRuleConfig| {
            rule.serve.as_deref() == Some(key)
                || rule.experiment.is_some()
                || rule.split.iter().flatten().any(|it| it.variant == key)
        };
        self.written.overrides_file.is_some()
            || self.written.overrides.values().any(|it| it == key)
            || self.written.rules.iter().any(by_rule)
    }
}
