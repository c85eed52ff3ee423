//! Conclusions from the results of an experiment, and the cases in which somebody has to look at them.

use super::{MetricResult, VariantResult, Verdict};
use crate::document::MetricRole;
use crate::statistics::{RatioVerdict, SampleRatio};

/// True if verdicts may be used: with a sample ratio mismatch nobody knows the cause of a difference.
#[must_use]
pub fn verdicts_valid(sample_ratio: Option<&SampleRatio>) -> bool {
    sample_ratio.is_none_or(|it| it.verdict != RatioVerdict::Mismatch)
}

/// True if somebody has to look at the results of an experiment: nothing was counted, its verdicts are not valid, or a guardrail is
/// broken.
#[must_use]
pub fn needs_attention(units: u64, sample_ratio: Option<&SampleRatio>, metrics: &[MetricResult]) -> bool {
    units == 0 || !verdicts_valid(sample_ratio) || metrics.iter().any(|metric| metric.broken)
}

/// The conclusion about a treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// The verdict.
    Verdict(Verdict),
    /// There would be one, but verdicts are not valid.
    NotValid,
}

/// The state of a metric as a guardrail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardrailState {
    /// A variant is worse.
    Broken,
    /// A variant would be worse, but verdicts are not valid.
    BrokenNotValid,
    /// It is too early for a verdict about any variant.
    NotJudged,
    /// The loss is shown to be smaller than the margin.
    Safe,
    /// None of these: nothing is known to be worse, which does not say that nothing is.
    NotShownSafe,
    /// The metric is not a guardrail.
    None,
}

impl VariantResult {
    /// The conclusion about the variant; `verdicts_valid` is the experiment's.
    #[must_use]
    pub fn conclusion(&self, verdicts_valid: bool) -> Conclusion {
        match self.verdict {
            None | Some(Verdict::TooEarly) => Conclusion::Verdict(Verdict::TooEarly),
            Some(_) if !verdicts_valid => Conclusion::NotValid,
            Some(verdict) => Conclusion::Verdict(verdict),
        }
    }
}

impl MetricResult {
    /// The state of the metric as a guardrail; `verdicts_valid` is the experiment's.
    #[must_use]
    pub fn guardrail_state(&self, verdicts_valid: bool) -> GuardrailState {
        match self.role {
            MetricRole::Primary | MetricRole::Secondary => GuardrailState::None,
            MetricRole::Guardrail if self.broken && verdicts_valid => GuardrailState::Broken,
            MetricRole::Guardrail if self.broken => GuardrailState::BrokenNotValid,
            MetricRole::Guardrail if self.unjudged => GuardrailState::NotJudged,
            MetricRole::Guardrail if self.safe && verdicts_valid => GuardrailState::Safe,
            MetricRole::Guardrail => GuardrailState::NotShownSafe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Direction, MetricKind};
    use crate::statistics::{SampleRatioPlan, sample_ratio};

    fn variant(verdict: Verdict) -> VariantResult {
        VariantResult {
            variant: "b".to_owned(),
            units: 0,
            pending: 0,
            pending_events: 0,
            pending_converted: None,
            converted: None,
            events: 0,
            sum: None,
            invalid: 0,
            value: None,
            comparison: None,
            level: None,
            verdict: Some(verdict),
            since: None,
            units_since: None,
            detectable: None,
            safe: false,
        }
    }

    fn metric(broken: bool, unjudged: bool) -> MetricResult {
        MetricResult {
            metric: "m".to_owned(),
            event: "e".to_owned(),
            kind: MetricKind::Conversion,
            role: MetricRole::Guardrail,
            direction: Direction::Increase,
            variants: Vec::new(),
            minimum_effect: None,
            margin: None,
            variance_removed: None,
            differed_before: false,
            broken,
            unjudged,
            safe: false,
        }
    }

    fn ratio(units: [u64; 2]) -> Option<SampleRatio> {
        sample_ratio(&units, &[0.5, 0.5], SampleRatioPlan::default())
    }

    #[test]
    fn nothing_counted_a_mismatch_and_a_broken_guardrail_need_attention() {
        let (fits, too_few, mismatch) = (ratio([500, 500]), ratio([1, 1]), ratio([900, 100]));
        for (units, ratio, metrics, expected) in [
            (0, &None, vec![], true),
            (1_000, &fits, vec![], false),
            (2, &too_few, vec![metric(false, true)], false),
            (1_000, &None, vec![metric(false, false)], false),
            (1_000, &mismatch, vec![], true),
            (1_000, &fits, vec![metric(false, false), metric(true, false)], true),
        ] {
            assert_eq!(needs_attention(units, ratio.as_ref(), &metrics), expected, "{units} {ratio:?}");
        }
        assert!(verdicts_valid(None) && verdicts_valid(fits.as_ref()) && !verdicts_valid(mismatch.as_ref()));
    }

    #[test]
    fn a_mismatch_takes_every_verdict_and_leaves_too_little_data() {
        use Verdict::{Better, TooEarly, Unclear, Worse};
        for verdict in [Better, Unclear, Worse] {
            assert_eq!(variant(verdict).conclusion(true), Conclusion::Verdict(verdict));
            assert_eq!(variant(verdict).conclusion(false), Conclusion::NotValid);
        }
        for verdicts_valid in [true, false] {
            assert_eq!(variant(TooEarly).conclusion(verdicts_valid), Conclusion::Verdict(TooEarly));
            assert_eq!(metric(false, true).guardrail_state(verdicts_valid), GuardrailState::NotJudged);
            assert_eq!(metric(false, false).guardrail_state(verdicts_valid), GuardrailState::NotShownSafe);
        }
        assert_eq!(
            MetricResult { safe: true, ..metric(false, false) }.guardrail_state(true),
            GuardrailState::Safe
        );
        assert_eq!(metric(true, false).guardrail_state(true), GuardrailState::Broken);
        assert_eq!(metric(true, false).guardrail_state(false), GuardrailState::BrokenNotValid);
    }
}
