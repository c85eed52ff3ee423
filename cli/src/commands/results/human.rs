//! The results of an experiment for a person: tables of at most 80 columns, unless names are long.

use super::numbers::{MetricNumbers, last_day, lift_text};
use super::report::{ArchiveReport, ArchivedMetric, ResultsReport};
use crate::exit::{self, Exit};
use crate::history::PublicationState;
use crate::render::numbers::{count, p_value, percent, plural, round_percent};
use crate::render::printable;
use crate::render::style::{BAD, DIM, GOOD, TITLE};
use crate::render::table;
use crate::render::wrap::wrapped;
use crate::report::Report;
use abx_core::document::{MetricKind, MetricRole};
use abx_core::event::StreamCounter;
use abx_core::results::{
    self, Conclusion, EarlyEvents, GuardrailState, Lopsided, MetricResult, Standard, VariantResult, Verdict,
};
use abx_core::statistics::{RatioVerdict, SampleRatio};
use std::fmt::Write as _;

/// The text in place of a verdict if there is a sample ratio mismatch.
const INVALID: &str = "not valid";

impl Report for ResultsReport {
    const KIND: &'static str = "results";

    fn human(&self) -> String {
        let mut text = self.head();
        if self.units == 0 {
            return text + &self.foot();
        }
        text.push_str(&self.checks());
        text.push_str(&self.variants_table());
        let control = self.control.as_deref().unwrap_or_default();
        for role in MetricRole::ALL {
            for metric in self.metrics.iter().filter(|it| it.role == role) {
                text.push_str(&Section(metric).human(control, self.verdicts_valid));
            }
        }
        if let Some(by) = &self.by {
            text.push_str(&self.values(by));
        }
        if self.shows_daily {
            text.push_str(&self.days());
        }
        if !self.other_metrics.is_empty() {
            let names: Vec<&str> = self.other_metrics.iter().map(String::as_str).collect();
            text.push('\n');
            text.push_str(&wrapped(
                "  ",
                &format!("counted too, and not in this document: {}", names.join(", ")),
            ));
        }
        let _ = write!(text, "\n{}", self.foot());
        text
    }

    fn exit(&self) -> Exit {
        let is_finding = results::needs_attention(self.units, self.sample_ratio.as_ref(), &self.metrics);
        if is_finding { exit::FINDINGS } else { exit::DONE }
    }
}

impl ResultsReport {
    fn head(&self) -> String {
        let Self { experiment, revision, epoch, .. } = self;
        let mut about = Vec::new();
        about.extend(self.status.map(|status| status.to_string()));
        about.extend(revision.map(|revision| format!("revision {revision}")));
        about.extend((*epoch > 1).then(|| format!("epoch {epoch}")));
        if self.units > 0 {
            let of = self.planned_days.map_or_else(String::new, |it| format!(" of {it}"));
            about.push(format!("day {}{of}", self.day.max(1)));
        }
        let of = self.planned_units.map_or_else(String::new, |it| format!(" of {}", count(it)));
        let mut text = format!("{TITLE}{experiment}{TITLE:#}\n");
        let line = format!("{} · {}{of} units", about.join(" · "), count(self.units));
        let chart = self.chart();
        let _ = writeln!(text, "  {DIM}{}{DIM:#}{chart}", line.trim_start_matches(" · "));
        text.push_str(&wrapped("  ", &self.sentence));
        if let Some(next) = &self.next {
            let _ = writeln!(text, "  {DIM}next:{DIM:#} {next}");
        }
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

    /// The goal by the values of an attribute.
    fn values(&self, by: &str) -> String {
        let goal = |metrics: &'_ [MetricResult]| {
            metrics.iter().position(|it| Some(&it.metric) == self.headline.metric.as_ref())
        };
        let Some((at, goal)) = goal(&self.metrics).and_then(|at| Some((at, self.metrics.get(at)?))) else {
            return String::new();
        };
        let numbers = MetricNumbers::of(goal);
        let of_goal = || self.by_value.iter().filter_map(|it| Some((it, it.metrics.get(at)?)));
        let compared = of_goal().flat_map(|(_, it)| &it.variants).filter_map(|it| it.comparison);
        let decimals = numbers.decimals(compared.map(|it| it.difference));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rows = of_goal().flat_map(|(value, metric)| {
            let treatments = metric.variants.iter().filter(|it| it.level.is_some());
            treatments.map(|it| {
                vec![
                    value.value.clone().map_or_else(|| "(none)".to_owned(), |it| printable(&it)),
                    it.variant.clone(),
                    count(value.units),
                    or_dash(it.comparison.map(|it| numbers.signed(it.difference.value, decimals))),
                    or_dash(it.comparison.map(|it| numbers.interval(it.difference, decimals))),
                    or_dash(it.comparison.and_then(|it| it.lift).map(|it| lift_text(it.value))),
                    concluded(it.conclusion(self.verdicts_valid)),
                ]
            })
        });
        let header = [by, "variant", "units", numbers.difference(), "interval", "lift", ""];
        let title = format!(
            "\n{TITLE}{}{TITLE:#} {DIM}by {by}: each by itself, of which some differ by chance{DIM:#}\n",
            goal.metric
        );
        title + &table::plain(&header, &[2, 3, 4, 5], rows) + "\n"
    }

    /// The goal at the end of each day.
    fn days(&self) -> String {
        let Some(goal) =
            self.headline.metric.as_ref().and_then(|key| self.metrics.iter().find(|it| it.metric == *key))
        else {
            return String::new();
        };
        let numbers = MetricNumbers::of(goal);
        let daily = || self.daily.iter().filter(|it| it.metric == goal.metric);
        let decimals = numbers.decimals(daily().filter_map(|it| it.difference));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rows = daily().map(|it| {
            vec![
                last_day(&it.at),
                it.variant.clone(),
                count(it.units),
                or_dash(it.difference.map(|it| numbers.signed(it.value, decimals))),
                or_dash(it.difference.map(|it| numbers.interval(it, decimals))),
                or_dash(it.lift.map(|it| lift_text(it.value))),
                concluded(Conclusion::Verdict(it.verdict)),
            ]
        });
        let header = ["day, UTC", "variant", "units", numbers.difference(), "interval", "lift", ""];
        let title = format!("\n{TITLE}{}{TITLE:#} {DIM}day by day{DIM:#}\n", goal.metric);
        title + &table::plain(&header, &[2, 3, 4, 5], rows) + "\n"
    }

    /// What can be wrong with the counts, a line each; only what is.
    fn checks(&self) -> String {
        let mut text = String::new();
        if let Some(ratio) = &self.sample_ratio {
            let word = ratio_word(ratio);
            let _ = writeln!(text, "  split: {word}, anytime {}", p_value(ratio.anytime_p_value));
        }
        if let Some(hour) = &self.mismatch_since {
            let _ = writeln!(text, "  {DIM}since the units of {hour}; later ones do not repair it{DIM:#}");
        }
        if let [_, later @ ..] = &*self.phases
            && !later.is_empty()
        {
            let times: Vec<String> =
                later.iter().map(|it| format!("@{} on {}", it.revision, it.since)).collect();
            text.push_str(&wrapped("  ", &format!("allocations changed: {}", times.join(", "))));
        }
        if let Some(share) = self.conflict_share {
            let share = percent(share);
            let what = if self.archive.is_some() {
                "of units saw more than one; metrics leave them out"
            } else {
                "of exposures are not to the unit's first variant"
            };
            let _ = writeln!(text, "  {BAD}several variants{BAD:#}: {share} {what}");
        }
        if let Some(line) = self.with_mixed_units() {
            text.push_str(&wrapped("  ", &line));
        }
        if let Some(archive) = &self.archive {
            text.push_str(&archive.human());
        }
        text.push_str(&self.suspects.human());
        for it in &self.early {
            text.push_str(&wrapped("  ", &early_text(it)));
        }
        if self.early.iter().any(|it| it.is_notable) {
            let advice = "an archive counts them (--archive); to have them live, send exposures before the response \
                (ABX_EXPOSURES=sync)";
            text.push_str(&wrapped("    ", advice));
        }
        for Lopsided { metric, variant, share } in &self.lopsided {
            let share = percent(*share);
            let _ = writeln!(
                text,
                "  {BAD}perhaps not one user{BAD:#}: 1 of 16 groups has {share} of {metric} in {variant}"
            );
        }
        text
    }

    /// What units that saw several variants would change, in one sentence.
    pub(super) fn with_mixed_units(&self) -> Option<String> {
        let with = self.with_mixed_units.as_ref()?;
        let goal = self.metrics.iter().find(|it| it.metric == with.metric)?;
        let numbers = MetricNumbers::of(goal);
        let changes = with.variants.iter().map(|it| {
            let without = goal.variants.iter().find(|variant| variant.variant == it.variant);
            let without = without.and_then(|variant| variant.comparison);
            let instead =
                without.map_or_else(String::new, |it| format!(" instead of {}", numbers.change(&it)));
            format!("{} {}{instead}", it.variant, numbers.change_by(it.difference, it.lift))
        });
        let changes: Vec<String> = changes.collect();
        Some(format!("{} with them, by their first variant: {}", with.metric, changes.join(", ")))
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
                Standard::Planned => "valid at every look, around the planned size",
                Standard::Final => "valid for this one look",
            };
            let is_corrected = variants().any(|it| it.level.is_some_and(|level| level < self.alpha));
            let corrected = if is_corrected { ", for several comparisons" } else { "" };
            let level = round_percent(1.0 - self.alpha);
            let _ = writeln!(text, "{DIM}{level} intervals of differences, {looks}{corrected}{DIM:#}");
            let _ = writeln!(
                text,
                "{DIM}`sees`: the change that so many units show with a probability of 80 %{DIM:#}"
            );
        }
        if self.units > 0 && any(|it| it == Conclusion::Verdict(Verdict::TooEarly)) {
            let least = match self.standard {
                Standard::Anytime | Standard::Planned => {
                    "under 100 units, 5 converted or not, or 100 values in a variant"
                }
                Standard::Final => "the values do not vary, or come from a few units",
            };
            let _ = writeln!(text, "{DIM}`too early`: {least}{DIM:#}");
        }
        let _ = writeln!(text, "{DIM}stream: {counts}{DIM:#}");
        text
    }
}

impl ArchiveReport {
    /// What was read, and what is wrong with it.
    fn human(&self) -> String {
        let number = |number: u64, word| plural(usize::try_from(number).unwrap_or(usize::MAX), word);
        let lines = format!("{} in {}", number(self.lines, "line"), number(self.files, "file"));
        let duplicates = if self.duplicates > 0 {
            format!(", {} repeated", count(self.duplicates))
        } else {
            String::new()
        };
        let mut text = format!("  {DIM}read {lines}{duplicates}{DIM:#}\n");
        if let Some(bytes) = self.scanned_bytes {
            let _ = writeln!(text, "  {DIM}Athena scanned {} bytes{DIM:#}", count(bytes));
        }
        if self.bad_lines > 0 {
            let _ =
                writeln!(text, "  {BAD}{} lines are not events{BAD:#}, for example", count(self.bad_lines));
            for line in self.bad.iter().take(3) {
                text.push_str(&wrapped("    ", &printable(line)));
            }
        }
        if !self.missing_days.is_empty() {
            let days = format!("no lines on {}", self.missing_days.join(", "));
            text.push_str(&wrapped("  ", &days));
        }
        if self.without_unit > 0 {
            let _ = writeln!(
                text,
                "  {BAD}{} conversions without the attribute of the unit{BAD:#}",
                count(self.without_unit)
            );
        }
        for ArchivedMetric { metric, unusable, overtook, .. } in &self.metrics {
            if *overtook > 0 {
                let of =
                    format!("{metric}: {} events arrived before their unit's exposure", count(*overtook));
                text.push_str(&wrapped("  ", &format!("{of}, which live counters miss")));
            }
            if *unusable > 0 {
                let _ = writeln!(
                    text,
                    "  {BAD}{metric}: {} events without a usable amount{BAD:#}",
                    count(*unusable)
                );
            }
        }
        text
    }
}

/// The events of a metric that overtook the exposure of their unit, in a sentence.
pub(super) fn early_text(early: &EarlyEvents) -> String {
    let variants: Vec<String> =
        early.variants.iter().map(|(variant, share)| format!("{variant} {}", percent(*share))).collect();
    format!(
        "{}: {} events ({}) arrived before the exposure of their unit and are not counted: {}",
        early.metric,
        count(early.events),
        percent(early.share),
        variants.join(", ")
    )
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
            MetricRole::Primary => "goal",
            MetricRole::Secondary => "also",
            MetricRole::Guardrail => "guard",
        };
        let state = match self.0.guardrail_state(verdicts_valid) {
            GuardrailState::BrokenNotValid => format!(" {DIM}broken, {INVALID}{DIM:#}"),
            GuardrailState::Broken => format!(" {BAD}broken{BAD:#}"),
            GuardrailState::NotJudged => format!(" {BAD}not judged{BAD:#}"),
            GuardrailState::Safe => format!(" {GOOD}safe{GOOD:#}"),
            GuardrailState::NotShownSafe => format!(" {DIM}not shown safe{DIM:#}"),
            GuardrailState::None => String::new(),
        };
        let mut text =
            format!("\n{role} {TITLE}{}{TITLE:#} {DIM}{}{DIM:#}{state}\n", self.0.metric, self.0.kind);
        if self.0.variants.iter().all(|it| it.events + it.pending_events == 0) {
            let event = if self.0.event.is_empty() { String::new() } else { format!(" `{}`", self.0.event) };
            let _ = writeln!(text, "  no event{event} was counted for it");
            return text;
        }
        let _ = writeln!(text, "{}", self.rows(control, verdicts_valid));
        let sum = |of: fn(&VariantResult) -> u64| self.0.variants.iter().map(of).sum::<u64>();
        let (invalid, pending) = (sum(|it| it.invalid), sum(|it| it.pending));
        if invalid > 0 {
            let _ = writeln!(text, "  {BAD}{} without a usable amount{BAD:#}", count(invalid));
        }
        if pending > 0 {
            let one = |it: &VariantResult| {
                let number = it.pending_converted.unwrap_or(it.pending_events);
                (number > 0).then(|| format!("{} {}", it.variant, count(number)))
            };
            let so_far: Vec<String> = self.0.variants.iter().filter_map(one).collect();
            let what = if self.0.kind.is_rate() { "converted" } else { "events" };
            let so_far = if so_far.is_empty() {
                String::new()
            } else {
                format!("; {what} so far: {}", so_far.join(", "))
            };
            let line = format!("{} units wait for the end of their window{so_far}", count(pending));
            let _ = write!(text, "{DIM}{}{DIM:#}", wrapped("  ", &line));
        }
        if let Some(removed) = self.0.variance_removed {
            let _ = writeln!(
                text,
                "  {DIM}the covariate removed {:.0} % of the variance{DIM:#}",
                removed * 100.0
            );
        }
        if self.0.differed_before {
            let _ = writeln!(text, "  {BAD}the variants differed before their exposure{BAD:#}");
        }
        text
    }

    /// Each variant, and the others against the control.
    fn rows(&self, control: &str, verdicts_valid: bool) -> String {
        let numbers = MetricNumbers::of(self.0);
        let of_value = numbers.decimals(self.0.variants.iter().filter_map(|it| it.value));
        let compared = || self.0.variants.iter().filter_map(|it| it.comparison);
        let of_difference = numbers.decimals(compared().map(|it| it.difference));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rows = self.0.variants.iter().map(|it| {
            let value = it.value.map(|it| numbers.number(it.value, of_value) + numbers.unit());
            let total = it.converted.map(count).or_else(|| it.sum.clone());
            let mut row = vec![it.variant.clone(), or_dash(total), or_dash(value)];
            if it.variant != control {
                row.extend([
                    or_dash(it.comparison.map(|it| numbers.signed(it.difference.value, of_difference))),
                    or_dash(it.comparison.map(|it| numbers.interval(it.difference, of_difference))),
                    or_dash(it.comparison.and_then(|it| it.lift).map(|lift| lift_text(lift.value))),
                    or_dash(it.detectable.map(|it| numbers.number(it, of_difference))),
                    concluded(it.conclusion(verdicts_valid)),
                ]);
            }
            row
        });
        let (total, value) = match self.0.kind {
            MetricKind::Conversion => ("converted", "rate"),
            MetricKind::Count | MetricKind::Sum => ("sum", "per unit"),
            MetricKind::Mean => ("sum", "per event"),
            MetricKind::Ratio => ("sum", "ratio"),
            MetricKind::Quantile => ("", "quantile"),
        };
        let header = ["variant", total, value, numbers.difference(), "interval", "lift", "sees", ""];
        table::plain(&header, &[1, 2, 3, 4, 5, 6], rows)
    }
}

/// The word for a conclusion.
pub(super) fn concluded(it: Conclusion) -> String {
    match it {
        Conclusion::Verdict(Verdict::Better) => format!("{GOOD}better{GOOD:#}"),
        Conclusion::Verdict(Verdict::Worse) => format!("{BAD}worse{BAD:#}"),
        Conclusion::Verdict(Verdict::Unclear) => "unclear".to_owned(),
        Conclusion::Verdict(Verdict::TooEarly) => "too early".to_owned(),
        Conclusion::NotValid => format!("{DIM}{INVALID}{DIM:#}"),
    }
}
