//! What people write who come from other tools or formats, and what it is called here.

use super::Key;
use crate::finding::did_you_mean;
use serde_json::Value;

/// Words of other tools, and those of documents. Of one word several may be meant: the first that is allowed where it stands.
const MEANT: &[(&str, &str)] = &[
    // The stages of an experiment.
    ("running", "active"),
    ("live", "active"),
    ("started", "active"),
    ("enabled", "active"),
    ("on", "active"),
    ("stopped", "paused"),
    ("disabled", "paused"),
    ("off", "paused"),
    ("archived", "completed"),
    ("concluded", "completed"),
    ("done", "completed"),
    ("ended", "completed"),
    ("finished", "completed"),
    // Metrics.
    ("binary", "conversion"),
    ("proportion", "conversion"),
    ("rate", "conversion"),
    ("average", "mean"),
    ("avg", "mean"),
    ("total", "sum"),
    ("revenue", "sum"),
    ("percentile", "quantile"),
    ("p95", "quantile"),
    ("goal", "primary"),
    ("main", "primary"),
    ("higher", "increase"),
    ("up", "increase"),
    ("lower", "decrease"),
    ("down", "decrease"),
    // Operators.
    ("==", "equals"),
    ("=", "equals"),
    ("is", "equals"),
    ("eq", "equals"),
    ("!=", "not_equals"),
    ("<>", "not_equals"),
    ("is_not", "not_equals"),
    ("ne", "not_equals"),
    ("neq", "not_equals"),
    (">", "greater_than"),
    ("gt", "greater_than"),
    (">=", "greater_or_equal"),
    ("gte", "greater_or_equal"),
    ("at_least", "greater_or_equal"),
    ("<", "less_than"),
    ("lt", "less_than"),
    ("<=", "less_or_equal"),
    ("lte", "less_or_equal"),
    ("at_most", "less_or_equal"),
    ("one_of", "in"),
    ("is_one_of", "in"),
    ("is_in", "in"),
    ("any_of", "in"),
    ("none_of", "not_in"),
    ("regex", "matches"),
    ("regexp", "matches"),
    ("like", "contains"),
    ("includes", "contains"),
    ("is_set", "exists"),
    ("present", "exists"),
    ("is_null", "not_exists"),
    ("begins_with", "starts_with"),
    ("cidr", "ip_in"),
    // Nestings of conditions.
    ("and", "all"),
    ("or", "any"),
    // Fields.
    ("weight", "allocation"),
    ("percentage", "allocation"),
    ("split", "allocation"),
    ("traffic", "traffic_allocation"),
    ("coverage", "traffic_allocation"),
    ("rollout", "traffic_allocation"),
    ("rollout", "rollout_percentage"),
    ("percentage", "rollout_percentage"),
    ("audience", "targeting_rules"),
    ("targeting", "targeting_rules"),
    ("conditions", "targeting_rules"),
    ("conditions", "when"),
    ("filters", "targeting_rules"),
    ("rules", "targeting_rules"),
    ("type", "kind"),
    ("state", "status"),
    ("enabled", "status"),
    ("status", "enabled"),
    ("hypothesis", "description"),
    ("team", "owner"),
    ("seed", "salt"),
    ("config", "payload"),
    ("value", "payload"),
    ("field", "attribute"),
    ("op", "operator"),
    ("start", "starts_at"),
    ("end", "ends_at"),
    ("name", "key"),
    ("id", "key"),
];

/// The word here, of these, that somebody means by one of other tools, or misspelt.
pub(crate) fn word_meant<'w>(
    text: &str,
    words: impl IntoIterator<Item = &'w str> + Clone,
) -> Option<&'w str> {
    let lower = text.trim().to_lowercase().replace([' ', '-'], "_");
    let of = |meant: &str| words.clone().into_iter().find(|word| *word == meant);
    let of_others = || MEANT.iter().filter(|(other, _)| *other == lower).find_map(|(_, meant)| of(meant));
    let found = of(&lower).or_else(of_others);
    found.or_else(|| did_you_mean(text, words))
}

/// The boolean that somebody means by what is a text or a number in YAML 1.2.
pub(super) fn boolean_meant(value: &Value) -> Option<bool> {
    let text = match value {
        Value::String(text) => text.trim().to_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match &*text {
        "true" | "yes" | "y" | "on" | "1" | "enabled" => Some(true),
        "false" | "no" | "n" | "off" | "0" | "disabled" => Some(false),
        _ => None,
    }
}

/// The number that somebody means by a text with a comma for the decimal point.
pub(super) fn decimal_meant(text: &str) -> Option<String> {
    let (sign, number) = match text.trim().strip_suffix('%') {
        Some(number) => ("%", number.trim_end()),
        None => ("", text.trim()),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = number.split_once(',')?;
    (is_digits(whole) && is_digits(part)).then(|| format!("{whole}.{part}{sign}"))
}

/// How to write the list that stands here as something else.
pub(super) fn list_meant(value: &Value) -> Option<String> {
    // What an item of a list begins with.
    const FIRST: [&str; 9] =
        ["attribute", "operator", "all", "any", "not", "segment", "key", "event", "experiment"];
    match value {
        Value::Object(map) => {
            let first = map.keys().next()?;
            Some(if map.keys().any(|name| FIRST.contains(&name.as_str())) {
                format!("begin each item of the list with a dash: `- {first}: …`")
            } else {
                format!("write a list, and name each item by `key:`, as `- key: {first}`")
            })
        }
        Value::String(text) if !text.contains([' ', ',', '"']) => Some(format!("write a list: [{text}]")),
        Value::String(_) => {
            Some("write a list: in brackets, or each item on its own line with a dash".into())
        }
        Value::Number(_) | Value::Bool(_) => Some(format!("write a list: [{value}]")),
        Value::Null | Value::Array(_) => None,
    }
}

/// How to write the mapping that stands here as something else, whose fields are these.
pub(super) fn mapping_meant(value: &Value, fields: &[&str]) -> Option<String> {
    match value {
        Value::Array(list) if list.iter().all(Value::is_object) => {
            Some("write its fields as `name: value`, without dashes before them".into())
        }
        Value::Array(_) => Some("write lines of `name: value`".into()),
        Value::String(text) if fields.contains(&"key") => Some(format!("write {{key: {text}}}")),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => fields
            .first()
            .map(|first| format!("write its fields: {{{first}: …}}"))
            .or_else(|| Some("write lines of `name: value`".into())),
        Value::Null | Value::Object(_) => None,
    }
}

/// The condition that somebody means by `country: DE`.
pub(super) fn condition_meant(name: &str, value: &Value) -> Option<String> {
    let operator = match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => "equals",
        Value::Array(_) => "in",
        Value::Null | Value::Object(_) => return None,
    };
    Some(format!("write {{attribute: {name}, operator: {operator}, value: {value}}}"))
}

/// How to begin the document that begins with none of the kinds.
pub(super) fn kind_meant(value: &Value) -> Option<String> {
    let map = match value {
        Value::Object(map) => map,
        Value::Array(list) => {
            let is_document =
                |it: &Value| ["experiment", "flag", "catalog"].iter().any(|kind| it.get(kind).is_some());
            let help =
                "one document is no list: leave the dash out, and put a line `---` between two documents";
            return list.iter().any(is_document).then(|| help.to_owned());
        }
        _ => return None,
    };
    if let Some(part) = ["segments", "layers", "holdouts"].into_iter().find(|it| map.contains_key(*it)) {
        return Some(format!("`{part}:` stands below `catalog:`, indented"));
    }
    let named = ["key", "name", "id", "experiment_key", "flag_key", "feature"];
    let key = named.into_iter().find_map(|it| map.get(it)?.as_str())?;
    let key = if Key::is_valid(key) { key } else { "KEY" };
    let kind = if map.contains_key("enabled") { "flag" } else { "experiment" };
    Some(format!("the first line names the kind and the key: `{kind}: {key}`"))
}
