//! Results as Markdown, CSV and one page of HTML: the same report, for a pull request, a spreadsheet and a browser.

use super::human::early_text;
use super::numbers::{MetricNumbers, last_day, lift_text};
use super::report::{DayReport, PhaseReport, ResultsReport, VariantReport};
use crate::render::chart::{
    DailyCounts, DailyShares, DayShare, Interval, PlannedShare, daily_counts, intervals, lift_over_days,
    shares_over_days,
};
use crate::render::numbers::{count, p_value, round_percent};
use crate::report::{Report, headed_json};
use abx_core::results::{MetricResult, VariantResult};
use clap::ValueEnum;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fmt::Write as _;

/// `z` of an interval that 99 % of a normal distribution lie in.
const Z_99: f64 = 2.575_829_303_548_901;

/// The output format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ResultsFormat {
    /// For a person
    #[default]
    Human,
    /// For a program
    Json,
    /// Tables for a pull request or a page of notes; of one experiment
    Markdown,
    /// A line for each metric and variant, for a spreadsheet; of one experiment
    Csv,
    /// One page with charts, which needs nothing else; of one experiment
    Html,
}

impl ResultsReport {
    /// The report in a format.
    pub(super) fn print(&self, format: ResultsFormat) -> String {
        match format {
            ResultsFormat::Human => self.human(),
            ResultsFormat::Json => headed_json(self),
            ResultsFormat::Markdown => self.markdown(),
            ResultsFormat::Csv => self.csv(),
            ResultsFormat::Html => self.html().into_string(),
        }
    }

    fn state(&self) -> String {
        let revision = self.revision.map_or_else(String::new, |it| format!("revision {it} · "));
        let of = self.planned_days.map_or_else(String::new, |it| format!(" of {it}"));
        let of_units = self.planned_units.map_or_else(String::new, |it| format!(" of {}", count(it)));
        format!(
            "{revision}day {}{of} · {}{of_units} units · {}",
            self.day.max(1),
            count(self.units),
            self.source
        )
    }

    fn split(&self) -> Option<String> {
        let ratio = self.sample_ratio.as_ref()?;
        let word = plain(&super::human::ratio_word(ratio));
        Some(format!("split: {word}, anytime {}", p_value(ratio.anytime_p_value)))
    }

    fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n**{}**\n\n", cell(&self.experiment), cell(&self.sentence));
        if let Some(next) = &self.next {
            let _ = writeln!(text, "Next: `{next}`\n");
        }
        let _ = writeln!(text, "{}\n", cell(&self.state()));
        if let Some(split) = self.split() {
            let _ = writeln!(text, "{split}\n");
        }
        text.push_str(
            "| metric | role | variant | units | value | difference | interval | lift | p | verdict |\n",
        );
        text.push_str("|---|---|---|---:|---:|---:|---:|---:|---:|---|\n");
        for (metric, variant) in self.rows() {
            let row = Row::new(metric, variant, self.verdicts_valid);
            let cells = row.cells.map(|it| cell(&it));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }

    fn rows(&self) -> impl Iterator<Item = (&MetricResult, &VariantResult)> {
        self.metrics.iter().flat_map(|metric| metric.variants.iter().map(move |variant| (metric, variant)))
    }

    /// Every number with all its digits.
    fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = [
            "experiment",
            "epoch",
            "metric",
            "role",
            "kind",
            "variant",
            "units",
            "pending",
            "converted",
            "events",
            "sum",
            "value",
            "value_lower",
            "value_upper",
            "difference",
            "difference_lower",
            "difference_upper",
            "lift",
            "lift_lower",
            "lift_upper",
            "p_value",
            "level",
            "standard",
            "verdict",
            "verdict_valid",
            "since",
        ];
        // Writing to memory does not fail.
        let _ = writer.write_record(header);
        for (metric, it) in self.rows() {
            let number = |number: Option<f64>| number.map_or_else(String::new, |it| it.to_string());
            let three = |estimate: Option<abx_core::statistics::Estimate>| {
                [estimate.map(|it| it.value), estimate.map(|it| it.lower), estimate.map(|it| it.upper)]
                    .map(number)
            };
            let mut record = vec![
                self.experiment.clone(),
                self.epoch.to_string(),
                metric.metric.clone(),
                metric.role.to_string(),
                metric.kind.to_string(),
                it.variant.clone(),
                it.units.to_string(),
                it.pending.to_string(),
                it.converted.map_or_else(String::new, |it| it.to_string()),
                it.events.to_string(),
                it.sum.clone().unwrap_or_default(),
            ];
            record.extend(three(it.value));
            record.extend(three(it.comparison.map(|it| it.difference)));
            record.extend(three(it.comparison.and_then(|it| it.lift)));
            record.extend([number(it.comparison.map(|it| it.p_value)), number(it.level)]);
            record.extend([word(&self.standard), it.verdict.as_ref().map_or_else(String::new, word)]);
            record.extend([self.verdicts_valid.to_string(), it.since.clone().unwrap_or_default()]);
            let _ = writer.write_record(record);
        }
        writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn html(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { (self.experiment) " · results" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.experiment) }
                    p.state { (self.state()) }
                    p.headline { (self.sentence) }
                    @if let Some(next) = &self.next { p { "Next: " code { (next) } } }
                    @if let Some(split) = self.split() { p { (split) } }
                    @if let Some(share) = self.conflict_share {
                        p.bad {
                            "Units saw several variants: " (round_percent((share * 1e4).round() / 1e4))
                            (if self.archive.is_some() { " of them, which the metrics leave out" } else { " of the exposures" })
                        }
                    }
                    @if let Some(with) = self.with_mixed_units() { p { (with) } }
                    @for it in self.early.iter().filter(|it| it.is_notable) { p.bad { (early_text(it)) } }
                    @for metric in &self.metrics { (self.section(metric)) }
                    (self.charts())
                    p.foot {
                        (round_percent(1.0 - self.alpha)) " intervals of differences, "
                        (match self.standard {
                            abx_core::results::Standard::Final => "valid for this one look",
                            abx_core::results::Standard::Anytime | abx_core::results::Standard::Planned => "valid at every look",
                        })
                        ", for several comparisons."
                    }
                }
            }
        }
    }

    fn section(&self, metric: &MetricResult) -> Markup {
        html! {
            section {
                h2 { (metric.metric) " " small { (metric.role.to_string()) " · " (metric.kind.to_string()) } }
                table {
                    thead { tr {
                        th { "variant" } th { "units" } th { "value" } th { (MetricNumbers::of(metric).difference()) }
                        th { "interval" } th { "lift" } th { "p" } th { "verdict" }
                    } }
                    tbody {
                        @for variant in &metric.variants {
                            @let row = Row::new(metric, variant, self.verdicts_valid);
                            tr class=(row.class) {
                                @for cell in row.cells.iter().skip(2) { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }

    fn charts(&self) -> Markup {
        let goal = self.headline.metric.as_ref();
        let treatments: Vec<&str> = self
            .variants
            .iter()
            .map(|it| it.variant.as_str())
            .filter(|it| self.control.as_deref() != Some(it))
            .collect();
        let over_days = |variant: &str| -> Vec<Interval> {
            let of_goal = self.daily.iter().filter(|it| Some(&it.metric) == goal && it.variant == variant);
            let with_lift = of_goal.filter_map(|it| Some((&*it.at, it.lift?)));
            with_lift.map(|(day, lift)| interval(&last_day(day), &lift)).collect()
        };
        let of_metrics: Vec<Interval> = self
            .rows()
            .filter_map(|(metric, it)| Some((metric, it, it.comparison?.lift?)))
            .map(|(metric, it, lift)| interval(&format!("{} {}", metric.metric, it.variant), &lift))
            .collect();
        let by_value: Vec<Interval> = self
            .by_value
            .iter()
            .flat_map(|value| value.metrics.iter().map(move |metric| (value, metric)))
            .filter(|(_, metric)| Some(&metric.metric) == goal)
            .flat_map(|(value, metric)| metric.variants.iter().map(move |it| (value, it)))
            .filter_map(|(value, it)| Some((value, it, it.comparison?.lift?)))
            .map(|(value, it, lift)| {
                interval(&format!("{} {}", value.value.as_deref().unwrap_or("(none)"), it.variant), &lift)
            })
            .collect();
        let days: Vec<&str> = self.units_by_day.iter().map(|it| it.day.get(5..).unwrap_or(&it.day)).collect();
        let counts: Vec<DailyCounts> = self
            .variants
            .iter()
            .filter(|it| it.is_known)
            .enumerate()
            .map(|(at, variant)| DailyCounts {
                label: variant.variant.clone(),
                counts: self
                    .units_by_day
                    .iter()
                    .map(|it| it.units.get(at).map_or(0.0, |it| float(*it)))
                    .collect(),
            })
            .collect();
        html! {
            @if !of_metrics.is_empty() { figure { (PreEscaped(intervals("Lift of each metric", &of_metrics))) } }
            @for variant in treatments {
                @let lift = over_days(variant);
                @if lift.len() > 1 {
                    figure { (PreEscaped(lift_over_days(&format!("Lift of {variant}, day by day"), &lift))) }
                }
            }
            @if !by_value.is_empty() {
                figure { (PreEscaped(intervals(&format!("Lift by {}", self.by.as_deref().unwrap_or_default()), &by_value))) }
            }
            @if days.len() > 1 { figure { (PreEscaped(daily_counts("Units by day", &days, &counts))) } }
            @let shares = self.shares();
            @if days.len() > 1 && !shares.is_empty() {
                figure {
                    (PreEscaped(shares_over_days("Share of each variant by day", &days, &shares)))
                    figcaption {
                        "The share of the units that were first exposed on a day. Dashed: the planned share. Shaded: where 99 of 100 days "
                        "lie if units follow the plan. A day outside may be chance, several in a row are not; the test of all days together is the line `split` above."
                    }
                }
            }
        }
    }
}

impl ResultsReport {
    /// The share of each variant of the document by day, beside the share that was planned; none without a document.
    fn shares(&self) -> Vec<DailyShares> {
        if self.sample_ratio.is_none() || self.phases.is_empty() {
            return Vec::new();
        }
        let known = self.variants.iter().filter(|it| it.is_known).enumerate();
        let of_variant = |(at, variant): (usize, &VariantReport)| DailyShares {
            label: variant.variant.clone(),
            days: self.units_by_day.iter().map(|day| self.share(day, at, &variant.variant)).collect(),
        };
        known.map(of_variant).collect()
    }

    /// The share of a variant on a day; `None` without units.
    fn share(&self, day: &DayReport, at: usize, variant: &str) -> Option<DayShare> {
        let all = float(day.units.iter().sum());
        let share = float(*day.units.get(at)?) / all;
        // Dates in RFC 3339 are in the order of their texts.
        let date = |phase: &PhaseReport| phase.since.get(..10).unwrap_or_default().to_owned();
        let (first, later) = self.phases.split_first()?;
        let changed = later.iter().any(|it| date(it) == day.day);
        let phase = later.iter().rev().find(|it| date(it) < day.day).unwrap_or(first);
        let planned = phase.shares.get(variant).filter(|_| !changed).map(|share| {
            let width = Z_99 * (share * (1.0 - share) / all).sqrt();
            PlannedShare { share: *share, low: (share - width).max(0.0), high: (share + width).min(1.0) }
        });
        (all > 0.0).then_some(DayShare { share, planned })
    }
}

/// A text without styles.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// A word as the JSON report has it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn interval(label: &str, it: &abx_core::statistics::Estimate) -> Interval {
    Interval { label: label.to_owned(), estimate: it.value, low: it.lower, high: it.upper }
}

/// A variant in the light of a metric, as texts.
struct Row {
    cells: [String; 10],
    /// The class of the row in a page.
    class: &'static str,
}

impl Row {
    fn new(metric: &MetricResult, it: &VariantResult, verdicts_valid: bool) -> Self {
        let numbers = MetricNumbers::of(metric);
        let decimals = numbers.decimals(metric.variants.iter().filter_map(|it| it.value));
        let of_difference =
            numbers.decimals(metric.variants.iter().filter_map(|it| it.comparison).map(|it| it.difference));
        let compared = it.comparison;
        let conclusion = it.level.map(|_| plain(&super::human::concluded(it.conclusion(verdicts_valid))));
        let word = conclusion.unwrap_or_default();
        let class = match &*word {
            "better" => "good",
            "worse" => "bad",
            _ => "",
        };
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        let cells = [
            metric.metric.clone(),
            metric.role.to_string(),
            it.variant.clone(),
            count(it.units),
            or_empty(it.value.map(|it| numbers.number(it.value, decimals) + numbers.unit())),
            or_empty(compared.map(|it| numbers.signed(it.difference.value, of_difference))),
            or_empty(compared.map(|it| numbers.interval(it.difference, of_difference))),
            or_empty(compared.and_then(|it| it.lift).map(|it| lift_text(it.value))),
            or_empty(compared.map(|it| p_value(it.p_value).trim_start_matches("p = ").to_owned())),
            word,
        ];
        Self { cells, class }
    }
}

/// A text as a cell of a table in Markdown.
fn cell(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| {
        let slash = matches!(c, '|' | '\\' | '<' | '`' | '[' | ']').then_some('\\');
        slash.into_iter().chain(std::iter::once(if c.is_control() { ' ' } else { c }))
    });
    escaped.collect()
}

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --soft: #6b7280; --line: #e2e5e9; --good: #18794e; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --soft: #9aa3ad; --line: #30363d; --good: #4cc38a; --bad: #ff8a80; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 60rem; color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .25rem; } small, .state, .foot { color: var(--soft); font-weight: 400; }
.headline { font-size: 1.2rem; } code { padding: .1em .35em; border: 1px solid var(--line); border-radius: 4px; }
section { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; } th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; } tr.good td:last-child { color: var(--good); } tr.bad td:last-child, p.bad { color: var(--bad); }
figure { margin: 1.5rem 0; } figcaption { color: var(--soft); font-size: .875rem; } svg { width: 100%; height: auto; }
";
