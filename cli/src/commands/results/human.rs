//! The results of an experiment for a person: tables of at most 80 columns, unless names are long.

use super::find::PublicationState;
use super::report::ResultsReport;
use crate::exit::{self, Exit};
use crate::render::numbers::{count, p_value, percent, round_percent};
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::report::Report;
use abx_core::document::{MetricKind, MetricRole};
use abx_core::event::StreamCounter;
use abx_core::results::{
    self, Conclusion, GuardrailState, Lopsided, MetricResult, Standard, VariantResult, Verdict,
};
use abx_core::statistics::{Comparison, Estimate, RatioVerdict, SampleRatio};
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
        if let Some(share) = self.conflict_share {
            let share = percent(share);
            let _ = writeln!(
                text,
                "  {BAD}several variants{BAD:#}: {share} of exposures are not to the unit's first variant"
            );
        }
        text.push_str(&self.suspects.human());
        for Lopsided { metric, variant, share } in &self.lopsided {
            let share = percent(*share);
            let _ = writeln!(
                text,
                "  {BAD}perhaps not one user{BAD:#}: 1 of 16 groups has {share} of {metric} in {variant}"
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
        if let Some(hour) = &self.mismatch_since {
            let _ = writeln!(text, "  {DIM}since the units of {hour}; later ones do not repair it{DIM:#}");
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
        let compared = |it: &&VariantResult| it.level.is_some();
        let variants = || self.metrics.iter().flat_map(|metric| &metric.variants).filter(compared);
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
        if any(|it| matches!(it, Conclusion::Verdict(verdict) if verdict != Verdict::TooEarly)) {
            let looks = match self.standard {
                Standard::Anytime => "valid at every look",
                Standard::Final => "valid for this one look",
            };
            let is_corrected = variants().any(|it| it.level.is_some_and(|level| level < self.alpha));
            let corrected = if is_corrected { ", for several comparisons" } else { "" };
            let level = round_percent(1.0 - self.alpha);
            let _ = writeln!(text, "{DIM}{level} intervals of differences, {looks}{corrected}{DIM:#}");
        }
        if self.units > 0 && any(|it| it == Conclusion::Verdict(Verdict::TooEarly)) {
            let least = match self.standard {
                Standard::Anytime => "under 100 units, 5 converted or not, or 100 values in a variant",
                Standard::Final => "the values do not vary, or come from a few units",
            };
            let _ = writeln!(text, "{DIM}`too early`: {least}{DIM:#}");
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
            MetricRole::Secondary => "secondary",
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
        if self.0.variants.iter().all(|it| it.events == 0) {
            let _ = writeln!(text, "  no event `{}` was counted for it", self.0.event);
            return text;
        }
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
    fn number(&self, number: f64, decimals: usize) -> String {
        format!("{:.decimals$}", if self.is_rate() { number * 100.0 } else { number })
    }

    /// The decimals that show two digits of the narrowest of these intervals.
    fn decimals(&self, estimates: impl Iterator<Item = Estimate>) -> usize {
        let scale = if self.is_rate() { 100.0 } else { 1.0 };
        let width =
            estimates.map(|it| (it.upper - it.lower) * scale).filter(|it| *it > 0.0).fold(f64::MAX, f64::min);
        (1..=9)
            .find(|decimals| width * 10_f64.powi(*decimals) >= 10.0)
            .map_or(2, |it| it.unsigned_abs() as usize)
    }

    fn interval(&self, it: Option<Estimate>, decimals: usize) -> String {
        it.map_or_else(
            || "-".to_owned(),
            |it| format!("{} to {}", self.number(it.lower, decimals), self.number(it.upper, decimals)),
        )
    }

    /// Each variant by itself.
    fn values(&self) -> String {
        let unit = if self.is_rate() { " %" } else { "" };
        let decimals = self.decimals(self.0.variants.iter().filter_map(|it| it.value));
        let rows = self.0.variants.iter().map(|it| {
            vec![
                it.variant.clone(),
                it.converted.map_or_else(|| it.sum.clone().unwrap_or_default(), count),
                it.value.map_or_else(|| "-".to_owned(), |it| self.number(it.value, decimals) + unit),
                self.interval(it.value, decimals) + unit,
            ]
        });
        let (total, value) = match self.0.kind {
            MetricKind::Conversion => ("converted", "rate"),
            MetricKind::Count | MetricKind::Sum => ("sum", "per unit"),
            MetricKind::Mean => ("sum", "per event"),
        };
        table::plain(&["variant", total, value, "interval"], &[1, 2, 3], rows)
    }

    /// The others against the control.
    fn differences(&self, control: &str, verdicts_valid: bool) -> String {
        let others = || self.0.variants.iter().filter(|it| it.variant != control);
        let decimals = self.decimals(others().filter_map(|it| Some(it.comparison?.difference)));
        let rows = others().map(|it| {
            let shown = it.comparison;
            let difference = |it: Comparison| self.signed(it.difference.value, decimals);
            vec![
                it.variant.clone(),
                shown.map_or_else(|| "-".to_owned(), difference),
                self.interval(shown.map(|it| it.difference), decimals),
                shown.and_then(|it| it.lift).map_or_else(|| "-".to_owned(), |lift| lift_text(lift.value)),
                shown.map_or_else(String::new, |it| p_value(it.p_value)),
                concluded(it.conclusion(verdicts_valid)),
            ]
        });
        let against = format!("against {control}");
        let difference = if self.is_rate() { "points" } else { "difference" };
        table::plain(&[&against, difference, "interval", "lift", "", ""], &[1, 2, 3, 4], rows)
    }

    fn signed(&self, number: f64, decimals: usize) -> String {
        format!("{:+.decimals$}", if self.is_rate() { number * 100.0 } else { number })
    }
}

/// A lift in three digits: `+0.123 %`, `-12.3 %`, `+123 %`.
fn lift_text(lift: f64) -> String {
    let percent = lift * 100.0;
    let decimals = match percent.abs() {
        0.0..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{percent:+.decimals$} %")
}

/// The word for a conclusion.
fn concluded(it: Conclusion) -> String {
    match it {
        Conclusion::Verdict(Verdict::Better) => format!("{GOOD}better{GOOD:#}"),
        Conclusion::Verdict(Verdict::Worse) => format!("{BAD}worse{BAD:#}"),
        Conclusion::Verdict(Verdict::Unclear) => "unclear".to_owned(),
        Conclusion::Verdict(Verdict::TooEarly) => "too early".to_owned(),
        Conclusion::NotValid => format!("{DIM}{INVALID}{DIM:#}"),
    }
}
