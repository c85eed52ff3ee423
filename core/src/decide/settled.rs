//! Flags that no longer decide anything.

use super::{Flag, FlagVariant, Rollout, Serve};
use crate::hash::BUCKETS;

impl Flag {
    /// The variant that everybody gets, whatever they send; `None` where it may differ. Units with an override of their own are
    /// no reason to keep a flag, so they are left out.
    #[must_use]
    pub fn settled(&self) -> Option<&FlagVariant> {
        let variant = if self.enabled { self.settled_variant() } else { Some(self.default) };
        self.variants.get(variant?)
    }

    fn settled_variant(&self) -> Option<usize> {
        // What other flags give may change without this one.
        if !self.prerequisites.is_empty() {
            return None;
        }
        match (self.rules.first(), &self.rollout) {
            (Some(rule), _) => match rule.serve {
                Serve::Variant(variant) if rule.when.is_empty() => Some(variant),
                _ => None,
            },
            (None, None) => Some(self.default),
            (None, Some(rollout)) => rollout.settled(self.default),
        }
    }
}

impl Rollout {
    fn settled(&self, default: usize) -> Option<usize> {
        if self.below == 0 {
            return Some(default);
        }
        let everybody = self.below >= BUCKETS && self.targeting.is_empty() && !self.serve.is_several();
        everybody.then(|| self.serve.choose("", &mut ()))
    }
}

#[cfg(test)]
mod tests {
    use crate::read_and_compile;
    use serde_json::{Value, json};

    fn settled(fields: &Value) -> Option<String> {
        let mut flag = json!({"flag": "f", "enabled": true});
        flag.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let other = json!({"flag": "other", "enabled": true});
        let compilation = read_and_compile(&[flag, other]);
        let flag = compilation.catalog.flag("f").unwrap();
        flag.settled().map(|variant| variant.key.to_string())
    }

    #[test]
    fn what_gives_everybody_the_same_is_settled() {
        let rule = json!({"rules": [{"serve": "on"}, {"when": [{"attribute": "a", "operator": "exists"}], "serve": "off"}]});
        for (fields, variant) in [
            (json!({}), "on"),
            (json!({"rollout_percentage": 100}), "on"),
            (json!({"rollout_percentage": 0}), "off"),
            (json!({"enabled": false, "rollout_percentage": 10}), "off"),
            (json!({"enabled": false, "default_variant": "on"}), "on"),
            (json!({"overrides": {"tester": "off"}}), "on"),
            (
                json!({"variants": [{"key": "a", "value": 1, "allocation": 1}, {"key": "b", "value": 2, "allocation": 0}],
                "default_variant": "b"}),
                "a",
            ),
            (rule, "on"),
        ] {
            assert_eq!(settled(&fields).as_deref(), Some(variant), "{fields}");
        }
    }

    #[test]
    fn what_may_differ_is_not() {
        let condition = json!([{"attribute": "a", "operator": "exists"}]);
        for fields in [
            json!({"rollout_percentage": 99.9}),
            json!({"targeting_rules": condition}),
            json!({"rules": [{"when": condition, "serve": "on"}]}),
            json!({"rules": [{"split": [{"variant": "on"}, {"variant": "off"}]}]}),
            json!({"prerequisites": [{"flag": "other", "variant": "on"}]}),
            json!({"variants": [{"key": "a", "value": 1, "allocation": 0.5}, {"key": "b", "value": 2, "allocation": 0.5}],
                "default_variant": "b"}),
        ] {
            assert_eq!(settled(&fields), None, "{fields}");
        }
    }
}
