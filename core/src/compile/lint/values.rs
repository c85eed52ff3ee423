//! Values that an operator takes, and that can hardly be meant.

use crate::document::{LeafConfig, Operator, quote};
use crate::finding::{Code, Findings, Path};
use jiff::civil::Time;
use serde_json::{Map, Value};

/// Notes what looks wrong in a leaf that was read.
pub(super) fn leaf(leaf: &LeafConfig, path: &Path, findings: &mut Findings) {
    let path = path.field("value");
    match (leaf.operator, &leaf.value) {
        (Operator::In, Some(Value::Array(items))) if items.is_empty() => {
            findings
                .add(Code::NeverMatches, path, "an empty list contains no value")
                .help("name at least one value, or drop the condition");
        }
        (Operator::NotIn, Some(Value::Array(items))) if items.is_empty() => {
            findings
                .add(Code::AlwaysMatches, path, "every value is outside an empty list")
                .help("name at least one value, or use `exists`");
        }
        (operator @ (Operator::StartsWith | Operator::EndsWith), Some(Value::String(text)))
            if text.is_empty() =>
        {
            findings
                .add(Code::AlwaysMatches, path, format!("`{operator}` of an empty text holds for every text"))
                .help("write the text, or drop the condition");
        }
        (Operator::LengthLessThan, Some(value)) if value.as_u64() == Some(0) => {
            findings
                .add(Code::NeverMatches, path, "nothing is shorter than 0")
                .help("use `length_equals: 0` for what is empty");
        }
        (Operator::Matches, Some(Value::String(pattern))) => slashes(leaf, pattern, path, findings),
        (Operator::SemverRange, Some(Value::String(range))) => bare_version(range, &path, findings),
        (Operator::TimeWindow, Some(Value::Object(window))) => time_window(window, &path, findings),
        _ => {}
    }
}

/// `/^x/i` is how other languages write an expression; here the slashes are part of it.
fn slashes(leaf: &LeafConfig, pattern: &str, path: Path, findings: &mut Findings) {
    let Some((inner, flags)) = pattern.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return;
    };
    let is_anchored = inner.starts_with('^') || inner.ends_with('$');
    let of_path = ["path", "url", "uri", "page", "route", "href", "link", "referrer", "referer", "endpoint"];
    let attribute = leaf.attribute.as_deref().unwrap_or_default().to_lowercase();
    let may_be_a_path = of_path.iter().any(|it| attribute.contains(it)) && !is_anchored;
    if inner.is_empty() || may_be_a_path || !flags.chars().all(|flag| "dgimsuvyx".contains(flag)) {
        return;
    }
    let known: String = flags.chars().filter(|flag| "imsx".contains(*flag)).collect();
    let start = if known.is_empty() { String::new() } else { format!("(?{known})") };
    let message = format!("the slashes of {} are matched literally", quote(pattern));
    findings.add(Code::RegexSlashes, path, message).help(format!(
        "write the expression alone: {}; write a literal slash as [/]",
        quote(&format!("{start}{inner}"))
    ));
}

fn bare_version(range: &str, path: &Path, findings: &mut Findings) {
    let is_bare = |part: &&str| {
        let number = part.strip_prefix('v').unwrap_or(part);
        number.starts_with(|c: char| c.is_ascii_digit()) && !part.contains(['*', 'x', 'X'])
    };
    for version in range.split(',').map(str::trim).filter(is_bare) {
        findings
            .add(
                Code::SemverBare,
                path,
                format!("`{version}` alone is a caret range: it means `^{version}`, and later versions too"),
            )
            .help(format!("write `={version}` for this version, or `^{version}` if later ones are meant"));
    }
}

fn time_window(window: &Map<String, Value>, path: &Path, findings: &mut Findings) {
    const END_OF_DAY: &str = "24:00";
    let text = |name: &str| window.get(name).and_then(Value::as_str);
    if text("start") == Some(END_OF_DAY) {
        findings
            .add(Code::OddTimeWindow, path.field("start"), "a window cannot start at the end of a day")
            .help("it is read as \"00:00\" of the same day: write that, or the next day in `days`");
        return;
    }
    let start = text("start").map_or(Some(Time::midnight()), |it| it.parse().ok());
    let end = text("end").filter(|it| *it != END_OF_DAY).and_then(|it| it.parse::<Time>().ok());
    if end.is_some() && start == end {
        findings
            .add(Code::OddTimeWindow, path.field("end"), "the window ends when it starts, a day later")
            .help("leave `start` and `end` out for whole days; the end of a day is \"24:00\"");
    }
    let every_day = window.get("days").and_then(Value::as_array).is_none_or(|days| {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().all(|day| days.contains(&Value::from(*day)))
    });
    if every_day && end.is_none() && start == Some(Time::midnight()) {
        findings
            .add(Code::AlwaysMatches, path, "this window is open at all times")
            .help("name `start`, `end` or `days`, or drop the condition");
    }
}
