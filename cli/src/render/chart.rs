//! Charts as SVG to be put into a page: no script, no files beside it, and the colours of the page.
//!
//! `plotters` lays out and draws. It knows only fixed colours, so each role has a colour of its own in what it draws, which is
//! replaced by one that follows the page: text and axes by `currentColor`, and series by the variables `--abx-chart-1` and so on.

use super::escape::{xml_attribute, xml_text};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

/// Width and height of a chart, in its own units; a page scales it to its width.
const SIZE: (u32, u32) = (640, 280);
/// The width of the names of variants beside bars.
const LEGEND: u32 = 180;
/// Text and axes.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Series, in their order, and the colour of each where the page says nothing: readable on white and on black.
const SERIES: [(RGBColor, &str); 6] = [
    (RGBColor(1, 1, 2), "#4e79d9"),
    (RGBColor(1, 1, 3), "#d9822b"),
    (RGBColor(1, 1, 4), "#2f9e6e"),
    (RGBColor(1, 1, 5), "#b65fc9"),
    (RGBColor(1, 1, 6), "#d1495b"),
    (RGBColor(1, 1, 7), "#7a8594"),
];
/// Characters of a label; more do not fit.
const LONGEST_LABEL: usize = 24;
/// Values beyond this cannot be drawn beside others.
const LARGEST: f64 = 1e12;

/// An estimate with its interval. A bound that is not finite is drawn to the edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// The day, or the variant and metric.
    pub label: String,
    /// The estimate, as a share: 0.05 is +5 %.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The daily counts of a variant.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyCounts {
    /// The variant.
    pub label: String,
    /// A count for each day.
    pub counts: Vec<f64>,
}

/// The share of a variant for each day.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyShares {
    /// The variant.
    pub label: String,
    /// A share for each day; `None` for a day without units.
    pub days: Vec<Option<DayShare>>,
}

/// The share that a variant has of the units of a day, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayShare {
    /// The share.
    pub share: f64,
    /// The share that was planned; `None` where that changed within the day.
    pub planned: Option<PlannedShare>,
}

/// A planned share, and the bounds between which chance moves what is seen of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedShare {
    /// The share.
    pub share: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// A line of the estimates over days, in the shade of their intervals, and a line at zero.
#[must_use]
pub fn lift_over_days(title: &str, days: &[Interval]) -> String {
    let days: Vec<&Interval> = days.iter().filter(|it| is_drawable(it.estimate)).collect();
    // The intervals of the first days are wide, and would press all others into a line: they may leave the chart.
    let late = days.get(days.len() / 2..).unwrap_or_default();
    let bounds = late.iter().flat_map(|it| [it.low, it.high]);
    let range = around(days.iter().map(|it| it.estimate).chain(bounds).chain([0.0]));
    svg(title, days.is_empty(), SIZE, |area| {
        let labels: Vec<&str> = days.iter().map(|it| it.label.as_str()).collect();
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d(SlotAxis::new(labels.len()), range.clone())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(font())
            .y_labels(6)
            .x_label_formatter(&|at| label_at(&labels, *at))
            .y_label_formatter(&|it| percent(*it))
            .draw()?;
        let at =
            |(index, it): (usize, &&Interval), bound: f64| (place(index), clamp(bound, it.estimate, &range));
        let upper = days.iter().enumerate().map(|day| at(day, day.1.high));
        let lower = days.iter().enumerate().rev().map(|day| at(day, day.1.low));
        let band: Vec<(f64, f64)> = upper.chain(lower).collect();
        // The shade of one day has no width.
        chart.draw_series([PathElement::new(band.clone(), series(0).mix(0.3))])?;
        chart.draw_series([Polygon::new(band, series(0).mix(0.2))])?;
        let zero = [(place(0) - 0.5, 0.0), (place(days.len()) - 0.5, 0.0)];
        chart.draw_series(DashedLineSeries::new(zero, 5, 4, INK.mix(0.7).stroke_width(1)))?;
        let line: Vec<_> = days.iter().enumerate().map(|day| at(day, day.1.estimate)).collect();
        let points: Vec<_> = line.iter().map(|it| Circle::new(*it, 3, series(0).filled())).collect();
        chart.draw_series(LineSeries::new(line, series(0).stroke_width(2)))?;
        chart.draw_series(points)?;
        Ok(())
    })
}

/// Bars of counts for each day, one for each variant.
#[must_use]
pub fn daily_counts(title: &str, days: &[&str], variants: &[DailyCounts]) -> String {
    let count = |variant: &DailyCounts, day: usize| {
        variant.counts.get(day).copied().filter(|it| is_drawable(*it)).unwrap_or_default().max(0.0)
    };
    let all = variants.iter().flat_map(|it| (0..days.len()).map(|day| count(it, day)));
    let top = all.fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.08 } else { 1.0 };
    svg(title, days.is_empty() || variants.is_empty(), SIZE, |area| {
        let (bars, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let mut chart = ChartBuilder::on(&bars)
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d(SlotAxis::new(days.len()), 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(font())
            .y_labels(6)
            .x_label_formatter(&|at| label_at(days, *at))
            .y_label_formatter(&|it| amount(*it))
            .draw()?;
        let width = 0.8 / place(variants.len());
        for (index, variant) in variants.iter().enumerate() {
            let bar = |day: usize| {
                let left = place(day) - 0.4 + place(index) * width;
                let corners = [(left, 0.0), (left + width * 0.92, count(variant, day))];
                Rectangle::new(corners, series(index).filled())
            };
            chart.draw_series((0..days.len()).map(bar))?;
            let y = 16 + 20 * i32::try_from(index)?;
            legend.draw(&Rectangle::new([(0, y), (10, y + 10)], series(index).filled()))?;
            legend.draw(&Text::new(shortened(&variant.label), (16, y), font()))?;
        }
        Ok(())
    })
}

/// A line of the shares of each variant over days, its planned share dashed, in the shade of what chance moves.
#[must_use]
pub fn shares_over_days(title: &str, days: &[&str], variants: &[DailyShares]) -> String {
    let range = share_range(variants);
    let is_empty = variants.iter().all(|it| it.days.iter().all(Option::is_none));
    svg(title, days.is_empty() || is_empty, SIZE, |area| {
        let (lines, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let mut chart = ChartBuilder::on(&lines)
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d(SlotAxis::new(days.len()), range.clone())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(font())
            .y_labels(6)
            .x_label_formatter(&|at| label_at(days, *at))
            .y_label_formatter(&|it| share_text(*it))
            .draw()?;
        let within = |share: f64| clamp(share, range.start, &range);
        for (index, variant) in variants.iter().enumerate() {
            let color = series(index);
            let known = variant.days.iter().take(days.len()).enumerate();
            let known: Vec<(f64, DayShare)> =
                known.filter_map(|(day, it)| Some((place(day), (*it)?))).collect();
            let planned = || known.iter().filter_map(|(at, it)| Some((*at, it.planned?)));
            let shade = |(at, it): (f64, PlannedShare)| {
                let corners = [(at - 0.5, within(it.low)), (at + 0.5, within(it.high))];
                Rectangle::new(corners, color.mix(0.12).filled())
            };
            chart.draw_series(planned().map(shade))?;
            for (from, to, share) in steps(planned()) {
                let step = [(from, within(share)), (to, within(share))];
                chart.draw_series(DashedLineSeries::new(step, 5, 4, color.stroke_width(1)))?;
            }
            let line: Vec<(f64, f64)> = known.iter().map(|(at, it)| (*at, within(it.share))).collect();
            let points: Vec<_> = line.iter().map(|it| Circle::new(*it, 3, color.filled())).collect();
            chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
            chart.draw_series(points)?;
            let y = 16 + 20 * i32::try_from(index)?;
            legend.draw(&Rectangle::new([(0, y), (10, y + 10)], color.filled()))?;
            legend.draw(&Text::new(shortened(&variant.label), (16, y), font()))?;
        }
        Ok(())
    })
}

/// The range of shares. Days with few units, which chance moves far, may leave the chart: they would press all others into a line.
fn share_range(variants: &[DailyShares]) -> Range<f64> {
    let known = || variants.iter().flat_map(|it| it.days.iter().flatten());
    let width = |it: &PlannedShare| it.high - it.low;
    let mut widths: Vec<f64> = known().filter_map(|it| it.planned.as_ref().map(width)).collect();
    widths.sort_by(f64::total_cmp);
    let usual = widths.get(widths.len() / 2).copied().unwrap_or(f64::INFINITY);
    let is_usual = |it: &&DayShare| it.planned.is_none_or(|planned| width(&planned) <= usual * 2.0);
    around(known().filter(is_usual).flat_map(|it| {
        let planned = it.planned.unwrap_or(PlannedShare { share: it.share, low: it.share, high: it.share });
        [it.share, planned.share, planned.low, planned.high]
    }))
}

/// The days with one planned share after each other, as one line from the first to the last.
fn steps(planned: impl Iterator<Item = (f64, PlannedShare)>) -> Vec<(f64, f64, f64)> {
    let mut steps: Vec<(f64, f64, f64)> = Vec::new();
    for (at, it) in planned {
        match steps.last_mut() {
            Some((_, to, share)) if share.total_cmp(&it.share).is_eq() && *to >= at - 0.5 => *to = at + 0.5,
            _ => steps.push((at - 0.5, at + 0.5, it.share)),
        }
    }
    steps
}

/// A row for each interval, against a line at zero.
#[must_use]
pub fn intervals(title: &str, rows: &[Interval]) -> String {
    let rows: Vec<&Interval> = rows.iter().filter(|it| is_drawable(it.estimate)).collect();
    let range = around(rows.iter().flat_map(|it| [it.low, it.estimate, it.high]).chain([0.0]));
    let labels: Vec<&str> = rows.iter().map(|it| it.label.as_str()).collect();
    let height = u32::try_from(rows.len()).unwrap_or(u32::MAX).clamp(1, 200) * 28 + 90;
    svg(title, rows.is_empty(), (SIZE.0, height), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(28)
            .y_label_area_size(170)
            .build_cartesian_2d(range.clone(), SlotAxis::from_top(labels.len()))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(font())
            .x_labels(7)
            .x_label_formatter(&|it| percent(*it))
            .y_label_formatter(&|at| label_at(&labels, *at))
            .draw()?;
        let zero = [(0.0, place(0) - 0.5), (0.0, place(rows.len()) - 0.5)];
        chart.draw_series(DashedLineSeries::new(zero, 5, 4, INK.mix(0.7).stroke_width(1)))?;
        for (index, row) in rows.iter().enumerate() {
            let at = place(index);
            let ends = [row.low, row.high].map(|it| (clamp(it, row.estimate, &range), at));
            chart.draw_series([PathElement::new(ends, series(0).stroke_width(4))])?;
            chart.draw_series([Circle::new((row.estimate, at), 5, series(0).filled())])?;
        }
        Ok(())
    })
}

/// Draws a chart below its title, in the colours of the page.
fn svg(title: &str, is_empty: bool, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut text = String::new();
    let size = if is_empty { (size.0, 80) } else { size };
    let drawn = draw_into(&mut text, title, is_empty, size, draw);
    if drawn.is_err() {
        return format!("<p>{}: the chart cannot be drawn</p>", xml_text(title));
    }
    // Between quotes of an attribute: labels have no quote that is not escaped.
    text = text.replace("\"#010101\"", "\"currentColor\"");
    for (at, (RGBColor(r, g, b), default)) in SERIES.iter().enumerate() {
        let variable = format!("\"var(--abx-chart-{}, {default})\"", at + 1);
        text = text.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &variable);
    }
    let head = format!("<svg role=\"img\" aria-label=\"{}\" ", xml_attribute(title));
    text.replacen("<svg ", &head, 1)
}

fn draw_into(
    text: &mut String,
    title: &str,
    is_empty: bool,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Drawn {
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    let area = root.titled(&printed(title), ("sans-serif", 18).into_font().color(&INK))?;
    if is_empty {
        let style = font();
        area.draw(&Text::new("no data", (i32::try_from(size.0 / 2)? - 24, 24), style))?;
    } else {
        draw(&area)?;
    }
    root.present()?;
    Ok(())
}

fn font() -> TextStyle<'static> {
    ("sans-serif", 14).into_font().color(&INK)
}

fn series(index: usize) -> RGBColor {
    SERIES.get(index % SERIES.len()).map_or(INK, |it| it.0)
}

fn is_drawable(value: f64) -> bool {
    value.abs() < LARGEST
}

/// The range of the values that can be drawn, with some room around it.
fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|it| is_drawable(*it))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)));
    if low > high {
        return -1.0..1.0;
    }
    let room = ((high - low) * 0.06).max(1e-6);
    low - room..high + room
}

/// A bound within a range; the estimate itself where it has none.
fn clamp(bound: f64, estimate: f64, range: &Range<f64>) -> f64 {
    let bound = if bound.is_nan() { estimate } else { bound };
    bound.clamp(range.start, range.end)
}

#[expect(clippy::cast_precision_loss, reason = "a chart has few days")]
fn place(index: usize) -> f64 {
    index as f64
}

/// An axis with a slot for each label, in its order.
struct SlotAxis {
    range: Range<f64>,
    /// The slots whose labels are shown.
    shown: Vec<f64>,
}

impl SlotAxis {
    /// From the left, with some of many labels.
    fn new(slots: usize) -> Self {
        let shown = (0..slots).step_by(slots.div_ceil(8).max(1)).map(place).collect();
        Self { range: -0.5..place(slots.max(1)) - 0.5, shown }
    }

    /// From the top, with all labels.
    fn from_top(slots: usize) -> Self {
        let Range { start, end } = Self::new(slots).range;
        Self { range: end..start, shown: (0..slots).map(place).collect() }
    }
}

impl Ranged for SlotAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.shown.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place was an index")]
fn label_at(labels: &[&str], at: f64) -> String {
    labels.get(at.round().max(0.0) as usize).map(|it| shortened(it)).unwrap_or_default()
}

fn shortened(label: &str) -> String {
    let label = printed(label);
    if label.chars().count() <= LONGEST_LABEL {
        return label;
    }
    label.chars().take(LONGEST_LABEL - 1).chain("…".chars()).collect()
}

/// A text without the characters that XML cannot hold.
fn printed(text: &str) -> String {
    let is_kept = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(is_kept).collect()
}

/// A share as `+2.5 %`.
fn percent(share: f64) -> String {
    let percent = (share * 1e4).round() / 1e2;
    if percent == 0.0 { "0 %".to_owned() } else { format!("{percent:+} %") }
}

/// A share as `2.5 %`.
fn share_text(share: f64) -> String {
    format!("{} %", (share * 1e4).round() / 1e2)
}

/// A count as `1.2k`.
fn amount(count: f64) -> String {
    match count {
        _ if count >= 1e6 => format!("{}M", (count / 1e5).round() / 10.0),
        _ if count >= 1e4 => format!("{}k", (count / 1e2).round() / 10.0),
        _ => format!("{}", (count * 100.0).round() / 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(\"1\")</script>&amp; '\u{0}\u{1b}\u{ffff}\u{202e}]]>#010102";

    fn interval(label: &str, estimate: f64, low: f64, high: f64) -> Interval {
        Interval { label: label.to_owned(), estimate, low, high }
    }

    /// The texts of a chart, which is XML without scripts and links.
    fn texts(svg: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
        let known = ["svg", "text", "line", "polyline", "polygon", "circle", "rect"];
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            assert!(known.contains(&name), "{name}");
            assert!(!node.attributes().any(|it| it.name().starts_with("on") || it.name() == "href"));
            let numbers =
                node.attributes().filter(|it| ["x", "y", "cx", "cy", "points"].contains(&it.name()));
            numbers
                .for_each(|it| assert!(!it.value().contains("NaN") && !it.value().contains("inf"), "{svg}"));
        }
        let texts =
            document.descendants().filter(|it| it.has_tag_name(("http://www.w3.org/2000/svg", "text")));
        texts.filter_map(|it| it.text()).map(|it| it.trim().to_owned()).collect()
    }

    fn counts(label: &str, counts: &[f64]) -> DailyCounts {
        DailyCounts { label: label.to_owned(), counts: counts.to_vec() }
    }

    fn day_share(share: f64, planned: f64, width: f64) -> DayShare {
        let planned = PlannedShare { share: planned, low: planned - width, high: planned + width };
        DayShare { share, planned: Some(planned) }
    }

    #[test]
    fn shares_are_drawn_beside_their_plan() {
        let of = |label: &str, days: &[Option<DayShare>]| DailyShares {
            label: label.to_owned(),
            days: days.to_vec(),
        };
        // A day of three units, one without units, one in which the plan changed, and two with another plan.
        let changed = Some(DayShare { share: 0.4, planned: None });
        let a = of(
            "a",
            &[
                Some(day_share(0.51, 0.5, 0.02)),
                Some(day_share(1.0, 0.5, 0.5)),
                None,
                changed,
                Some(day_share(0.31, 0.3, 0.02)),
                Some(day_share(0.29, 0.3, 0.02)),
            ],
        );
        let labels = ["11-01", "11-02", "11-03", "11-04", "11-05", "11-06"];
        let svg = shares_over_days("Shares", &labels, &[a.clone(), of("b", &[])]);
        let shown = texts(&svg);
        for text in ["Shares", "11-01", "11-06", "a", "b", "40 %"] {
            assert!(shown.iter().any(|it| it == text), "{text}: {shown:?}");
        }
        assert!(!shown.iter().any(|it| it == "100 %"), "three units do not set the scale: {shown:?}");
        let planned = a.days.iter().enumerate().filter_map(|(at, it)| Some((place(at), (*it)?.planned?)));
        assert_eq!(steps(planned), [(-0.5, 1.5, 0.5), (3.5, 5.5, 0.3)]);
        for nothing in
            [shares_over_days("Shares", &[], &[]), shares_over_days("Shares", &["a"], &[of("a", &[None])])]
        {
            assert!(texts(&nothing).contains(&"no data".to_owned()), "{nothing}");
        }
        for number in [-0.0, 1e-300, -1.0, 1e11, f64::MAX, f64::NAN, f64::NEG_INFINITY] {
            let days = [
                Some(day_share(number, 0.5, 0.1)),
                Some(day_share(0.5, number, 0.1)),
                Some(day_share(0.5, 0.5, number)),
            ];
            texts(&shares_over_days(HOSTILE, &[HOSTILE, "b", "c"], &[of(HOSTILE, &days)]));
        }
    }

    #[test]
    fn charts_show_their_labels_in_the_colours_of_the_page() {
        let days = [interval("Nov 2", 0.1, -0.1, 0.3), interval("Nov 3", 0.05, 0.01, 0.09)];
        let lift = lift_over_days("Lift", &days);
        let shown = texts(&lift);
        for text in ["Lift", "Nov 2", "Nov 3", "0 %", "+10 %"] {
            assert!(shown.iter().any(|it| it == text), "{text}: {shown:?}");
        }
        assert!(lift.contains("currentColor") && lift.contains("var(--abx-chart-1, #4e79d9)"), "{lift}");
        let bars =
            daily_counts("Units", &["Mon", "Tue"], &[counts("a", &[1.0, 20_000.0]), counts("b", &[3.0])]);
        let shown = texts(&bars);
        for text in ["Units", "Mon", "Tue", "a", "b", "20k"] {
            assert!(shown.iter().any(|it| it == text), "{text}: {shown:?}");
        }
        assert!(bars.contains("--abx-chart-2"));
        let shown = texts(&intervals("Metrics", &days));
        assert!(
            ["Metrics", "Nov 2", "Nov 3"].iter().all(|text| shown.iter().any(|it| it == text)),
            "{shown:?}"
        );
    }

    #[test]
    fn any_label_is_only_text() {
        let row = [interval(HOSTILE, 0.1, 0.0, 0.2)];
        for svg in [
            lift_over_days(HOSTILE, &row),
            daily_counts(HOSTILE, &[HOSTILE], &[counts(HOSTILE, &[1.0])]),
            intervals(HOSTILE, &row),
        ] {
            assert!(!svg.contains("<script"), "{svg}");
            let shown = texts(&svg);
            assert!(
                shown.iter().filter(|it| it.starts_with("<script>alert(\"1\")")).count() >= 2,
                "{shown:?}"
            );
        }
    }

    #[test]
    fn any_number_is_drawn_or_left_out() {
        let numbers = [-0.0, 1e-300, -1.0, 1e11, f64::MAX, f64::NAN, f64::NEG_INFINITY];
        for estimate in numbers {
            for low in numbers {
                for high in numbers {
                    let rows = [interval("a", estimate, low, high), interval("b", 0.1, 0.2, 0.0)];
                    texts(&lift_over_days("Lift", &rows[..1]));
                    texts(&lift_over_days("Lift", &rows));
                    texts(&intervals("Lift", &rows));
                }
            }
            texts(&daily_counts("Units", &["a", "b"], &[counts("v", &[estimate, 1.0, 2.0])]));
        }
    }

    #[test]
    fn nothing_and_much_are_drawn() {
        for svg in [
            lift_over_days("Lift", &[]),
            intervals("Lift", &[]),
            daily_counts("Units", &[], &[]),
            daily_counts("Units", &["a"], &[]),
        ] {
            assert!(texts(&svg).contains(&"no data".to_owned()), "{svg}");
        }
        let many: Vec<Interval> =
            (0..400).map(|day| interval(&format!("day {day}"), f64::from(day), 0.0, 1e6)).collect();
        let labels: Vec<&str> = many.iter().map(|it| it.label.as_str()).collect();
        let shown = texts(&lift_over_days("Lift", &many));
        assert!(shown.iter().filter(|it| it.starts_with("day")).count() <= 8, "{shown:?}");
        texts(&intervals("Lift", &many));
        texts(&daily_counts("Units", &labels, &vec![counts("v", &[1.0; 400]); 9]));
    }
}
