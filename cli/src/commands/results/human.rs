//! The results of an experiment for a person: tables of at most 80 columns, unless names are long.

use super::find::PublicationState;
use super::report::ResultsReport;
use crate::exit::{self, Exit};
use crate::render::numbers::{count, p_value, percent};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::document::MetricRole;
use abx_core::event::StreamCounter;
use abx_core::results::{self, Conclusion, GuardrailState, Lopsided, MetricResult, Verdict};
use abx_core::statistics::{Estimate, RatioVerdict, SampleRatio};
use std::fmt::Write as _;

/// The text in place of a verdict if there is a sample ratio mismatch.
const INVALID: &str = "not valid";

impl Report for ResultsReport {
    const KIND: &'static str = "results";

    fn human(&self) -> String {
        let mut text = self.head();
        if self.units == 0 {
            let _ = writeln!(text, "  nothing was counted: no exposure of epoch {} has arrived", self.epoch);
            return text + &self.foot();
        }
        text.push_str(&self.variants_table());
        text.push_str(&self.suspects.human());
        for Lopsided { metric, variant, share } in &self.lopsided {
            let share = percent(*share);
            let _ = writeln!(
                text,
                "  {BAD}perhaps not one user{BAD:#}: 1 of 16 groups of units has {share} of {metric} in {variant}"
            );
        }
        let control = self.control.as_deref().unwrap_or_default();
        for metric in &self.metrics {
            text.push_str(&Section(metric).human(control, self.verdicts_valid));
        }
        if !self.other_metrics.is_empty() {
            let names: Vec<&str> = self.other_metrics.iter().map(String::as_str).collect();
            let _ = writeln!(text, "\n  counted too, and not in this document: {}", names.join(", "));
        }
        let _ = write!(text, "\n{}", self.foot());
        text
    }

    fn exit(&self) -> Exit {
        let is_finding = results::needs_attention(self.units, self.sample_ratio.as_ref(), &self.metrics);
        if is_finding { exit::FINDINGS } else { exit::DONE }
    }
}

impl PublicationState {
    /// A note for a person; empty if the head has the document.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::Published => None,
            Self::Deleted => Some("deleted"),
            Self::RolledBack => Some("rolled back"),
            Self::Unpublished => Some("never published"),
        }
    }
}

impl ResultsReport {
    fn head(&self) -> String {
        let Self { experiment, revision, epoch, .. } = self;
        let mut about = Vec::new();
        about.extend(self.status.map(|status| status.to_string()));
        about.extend(revision.map(|revision| format!("revision {revision}")));
        about.extend((*epoch > 1).then(|| format!("epoch {epoch}")));
        let (about, units) = (about.join(" · "), count(self.units));
        let separator = if about.is_empty() { "" } else { " · " };
        let mut text = format!(
            "{TITLE}{experiment}{TITLE:#} {DIM}{about}{DIM:#}{separator}{units} units{}\n",
            self.chart()
        );
        let revision = revision.unwrap_or_default();
        match self.standing {
            PublicationState::Published => {}
            PublicationState::Deleted => {
                let _ = writeln!(
                    text,
                    "  {BAD}deleted{BAD:#}: the published documents no longer have it; judged by revision {revision}"
                );
            }
            PublicationState::RolledBack => {
                let _ = writeln!(
                    text,
                    "  {BAD}rolled back{BAD:#}: only revision {revision}, newer than the head, has it"
                );
            }
            PublicationState::Unpublished => {
                let _ = writeln!(
                    text,
                    "  {BAD}never published{BAD:#}: counts alone, without shares and metrics to judge by"
                );
            }
        }
        text
    }

    /// Units by hour, as a line of bars: the latest 24.
    fn chart(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let latest = self.hours.iter().filter(|it| it.hour != "late").rev().take(24);
        let mut units: Vec<u64> = latest.map(|it| it.units).collect();
        units.reverse();
        let most = units.iter().copied().max().unwrap_or(1).max(1);
        let bar = |units: u64| {
            let step = usize::try_from(units.saturating_mul(7) / most).unwrap_or(7);
            BARS.get(step).copied().unwrap_or('█')
        };
        if units.len() < 2 {
            String::new()
        } else {
            " ".to_owned() + &units.into_iter().map(bar).collect::<String>()
        }
    }

    fn variants_table(&self) -> String {
        let ratios = self.sample_ratio.as_ref().map(|it| it.variants.as_slice()).unwrap_or_default();
        let rows = self.variants.iter().enumerate().map(|(index, variant)| {
            let ratio = ratios.get(index);
            let share = |it: Option<f64>| it.map_or_else(|| "-".to_owned(), percent);
            vec![
                variant.variant.clone(),
                count(variant.units),
                share(ratio.map(|it| it.observed)),
                share(ratio.map(|it| it.expected)),
                count(variant.exposures),
                count(variant.conflicts),
            ]
        });
        let header = ["variant", "units", "share", "expected", "exposures", "conflicts"];
        let mut text = table::plain(&header, &[1, 2, 3, 4, 5], rows) + "\n";
        if self.revision.is_some() {
            let strangers = self.variants.iter().filter(|it| !it.is_known && it.units > 0);
            for stranger in strangers {
                let (units, s) = (count(stranger.units), if stranger.units == 1 { "" } else { "s" });
                let _ = writeln!(
                    text,
                    "  {BAD}{units} unit{s} in `{}`, which the document does not have{BAD:#}",
                    stranger.variant
                );
            }
        }
        if let Some(ratio) = &self.sample_ratio {
            let _ = writeln!(
                text,
                "  sample ratio {}, anytime {}",
                ratio_word(ratio),
                p_value(ratio.anytime_p_value)
            );
        }
        text
    }

    fn foot(&self) -> String {
        let told = [
            StreamCounter::Accepted,
            StreamCounter::Duplicates,
            StreamCounter::Late,
            StreamCounter::Unattributed,
            StreamCounter::Misrouted,
            StreamCounter::Unused,
        ];
        let counts = told.iter().filter_map(|it| {
            let number = self.stream.get(it.as_str()).copied().filter(|number| *number > 0)?;
            Some(format!("{} {}", count(number), it.as_str()))
        });
        let counts: Vec<String> = counts.collect();
        let counts = if counts.is_empty() { "nothing arrived".to_owned() } else { counts.join(" · ") };
        let mut text = String::new();
        let variants = || self.metrics.iter().flat_map(|metric| &metric.variants);
        let any =
            |is_so: fn(Conclusion) -> bool| variants().any(|it| is_so(it.conclusion(self.verdicts_valid)));
        if any(|it| it == Conclusion::NotValid) {
            let _ = writeln!(
                text,
                "{BAD}`{INVALID}`{BAD:#}: the sample ratio is wrong, so differences may come from it"
            );
            let _ = writeln!(text, "{DIM}stream: {counts}{DIM:#}");
            return text;
        }
        if any(|it| matches!(it, Conclusion::Verdict(_))) {
            let level = percent(1.0 - self.alpha);
            let _ = writeln!(
                text,
                "{DIM}intervals at {level}; a difference with a verdict may be looked at daily{DIM:#}"
            );
        }
        if any(|it| matches!(it, Conclusion::OneLook(_))) {
            let _ = writeln!(
                text,
                "{DIM}`one look` holds once, at a time fixed beforehand: it is not a verdict{DIM:#}"
            );
        }
        if self.units > 0 && self.metrics.iter().any(|metric| metric.unjudged) {
            let _ = writeln!(
                text,
                "{DIM}`not judged`: a guardrail without an interval that is valid at any time{DIM:#}"
            );
        }
        let _ = writeln!(text, "{DIM}stream: {counts}{DIM:#}");
        text
    }
}

/// The outcome of the SRM test, in a word or two.
pub(super) fn ratio_word(ratio: &SampleRatio) -> String {
    match ratio.verdict {
        RatioVerdict::Fits => format!("{GOOD}fits{GOOD:#}"),
        RatioVerdict::BelowFloor => format!("{GOOD}differs by too little to matter{GOOD:#}"),
        RatioVerdict::TooFew => format!("not tested: it takes {} units", count(ratio.least_units)),
        RatioVerdict::Mismatch => format!("{BAD}mismatch: no result below can be trusted{BAD:#}"),
    }
}

/// The rows of a metric, for a person.
struct Section<'a>(&'a MetricResult);

impl Section<'_> {
    fn human(&self, control: &str, verdicts_valid: bool) -> String {
        let role = match self.0.role {
            MetricRole::Primary => "primary",
            MetricRole::Guardrail => "guardrail",
        };
        let state = match self.0.guardrail_state(verdicts_valid) {
            GuardrailState::BrokenNotValid => format!(" {DIM}broken, {INVALID}{DIM:#}"),
            GuardrailState::Broken => format!(" {BAD}broken{BAD:#}"),
            GuardrailState::NotJudged => format!(" {BAD}not judged{BAD:#}"),
            GuardrailState::Holds => String::new(),
        };
        let mut text =
            format!("\n{TITLE}{}{TITLE:#} {DIM}{role} · {}{DIM:#}{state}\n", self.0.metric, self.0.kind);
        let _ = writeln!(text, "{}", self.values());
        if self.0.variants.len() > 1 {
            let _ = writeln!(text, "{}", self.differences(control, verdicts_valid));
        }
        let invalid: u64 = self.0.variants.iter().map(|it| it.invalid).sum();
        if invalid > 0 {
            let _ = writeln!(text, "  {BAD}{} without a usable amount{BAD:#}", count(invalid));
        }
        text
    }

    const fn is_rate(&self) -> bool {
        self.0.kind.is_rate()
    }

    /// A rate in percent or a difference of rates in points, without the sign for it; a mean as it is.
    fn number(&self, number: f64) -> String {
        if self.is_rate() { format!("{:.2}", number * 100.0) } else { format!("{number:.4}") }
    }

    fn interval(&self, it: Option<Estimate>) -> String {
        it.map_or_else(
            || "-".to_owned(),
            |it| format!("{} to {}", self.number(it.lower), self.number(it.upper)),
        )
    }

    /// Each variant by itself.
    fn values(&self) -> String {
        let unit = if self.is_rate() { " %" } else { "" };
        let rows = self.0.variants.iter().map(|it| {
            vec![
                it.variant.clone(),
                it.converted.map_or_else(|| it.sum.clone().unwrap_or_default(), count),
                it.value.map_or_else(|| "-".to_owned(), |it| self.number(it.value) + unit),
                self.interval(it.value) + unit,
            ]
        });
        let (total, value) = if self.is_rate() { ("converted", "rate") } else { ("sum", "per unit") };
        table::plain(&["variant", total, value, "interval"], &[1, 2, 3], rows)
    }

    /// The others against the control: by the interval that may be looked at daily, and where there is none, by the other one.
    fn differences(&self, control: &str, verdicts_valid: bool) -> String {
        let others = self.0.variants.iter().filter(|it| it.variant != control);
        let rows = others.map(|it| {
            let shown = it.anytime.or(it.comparison);
            vec![
                it.variant.clone(),
                shown.map_or_else(|| "-".to_owned(), |it| self.signed(it.difference.value)),
                self.interval(shown.map(|it| it.difference)),
                shown.map_or_else(String::new, |it| p_value(it.p_value)),
                concluded(it.conclusion(verdicts_valid)),
            ]
        });
        let against = format!("against {control}");
        let difference = if self.is_rate() { "points" } else { "difference" };
        table::plain(&[&against, difference, "interval", "", ""], &[1, 2, 3], rows)
    }

    fn signed(&self, number: f64) -> String {
        if self.is_rate() { format!("{:+.2}", number * 100.0) } else { format!("{number:+.4}") }
    }
}

/// The verdict; without one, what one look shows.
fn concluded(it: Conclusion) -> String {
    match it {
        Conclusion::Verdict(Verdict::Better) => format!("{GOOD}better{GOOD:#}"),
        Conclusion::Verdict(Verdict::Worse) => format!("{BAD}worse{BAD:#}"),
        Conclusion::Verdict(Verdict::Unclear) => "unclear".to_owned(),
        Conclusion::OneLook(verdict) => {
            let word = match verdict {
                Verdict::Better => "better",
                Verdict::Worse => "worse",
                Verdict::Unclear => "unclear",
            };
            format!("{DIM}one look: {word}{DIM:#}")
        }
        Conclusion::NotValid => format!("{DIM}{INVALID}{DIM:#}"),
        Conclusion::TooLittleData => "too little data".to_owned(),
    }
}
