//! The differences between the SQL of the two engines. All other text is the same for both.
//!
//! | difference | Athena | DataFusion |
//! |---|---|---|
//! | relation `archive` | made of Glue's table by JSON functions | a table whose columns the reader fills |
//! | relation `lines` | grouped from Glue's table | a table that the reader fills |
//! | `identity` and `unit` | texts | 126 bits of a hash of the same texts, because these are grouped and sorted most |
//! | large intermediate results | one statement | the last relation may be computed in parts, see [`crate::Statement`] |

use crate::question::Extract;
use crate::statement::fill;

/// The dialect of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Athena, engine version 3 (Trino).
    Athena,
    /// Apache DataFusion, over the tables that the reader of this crate fills.
    DataFusion,
}

/// Glue's table.
const TABLE: &str = "events";

/// A text as a literal of SQL: quotes are doubled, and there are no other escapes.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A path of names as JSON Path, which quotes each name; as a literal of SQL.
fn json_path(names: &[&str]) -> String {
    let quoted = |name: &&str| format!("[\"{}\"]", name.replace('\\', "\\\\").replace('"', "\\\""));
    literal(&format!("${}", names.iter().map(quoted).collect::<Vec<_>>().concat()))
}

fn json_text(names: &[&str]) -> String {
    format!("json_extract_scalar(sent, {})", json_path(names))
}

/// True for a JSON string: `json_extract_scalar` gives `"7"` and `7` as the same text.
fn json_is_text(names: &[&str]) -> String {
    format!("substr(json_format(json_extract(sent, {})), 1, 1) = '\"'", json_path(names))
}

/// The text of a number; NULL for a string. The text of `true` is no number, which the reader of numbers finds.
fn json_number_text(names: &[&str]) -> String {
    format!("CASE WHEN NOT {} THEN {} END", json_is_text(names), json_text(names))
}

/// An id: a text as it is, a whole number as its digits, so that `7`, `7.0` and `"7"` are the same.
fn json_id(names: &[&str]) -> String {
    let (text, is_text) = (json_text(names), json_is_text(names));
    format!(
        "CASE WHEN {is_text} OR (regexp_like({text}, '^-?[0-9]+$') AND {text} <> '-0') THEN {text} \
         WHEN abs(TRY_CAST({text} AS double)) <= 9007199254740992e0 AND TRY_CAST({text} AS double) = floor(TRY_CAST({text} AS double)) \
         THEN CAST(CAST(TRY_CAST({text} AS double) AS bigint) AS varchar) END"
    )
}

/// Milliseconds since 1970 of a time as the archive writes it: `2026-03-01T09:00:00.5Z`, always in UTC, with as many digits as needed.
fn milliseconds(column: &str) -> String {
    format!(
        "(CAST(to_unixtime(from_iso8601_timestamp(concat(substr({column}, 1, 19), 'Z'))) AS bigint) * 1000 \
         + CASE WHEN substr({column}, 20, 1) = '.' THEN CAST(rpad(replace(substr({column}, 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END)"
    )
}

/// An amount, from the text of a number: a plain decimal of at most six digits after the point exactly, any other number as the nearest
/// double, rounded to six digits; NULL beyond 10^15.
fn amount(column: &str) -> String {
    let double = format!("TRY_CAST({column} AS double)");
    format!(
        "CASE WHEN abs({double}) <= 1e15 THEN \
         CASE WHEN regexp_like({column}, '^-?[0-9]+(\\.[0-9]{{1,6}})?$') THEN TRY_CAST({column} AS decimal(22, 6)) \
         ELSE CAST(CAST(truncate({double}) AS decimal(22, 6)) \
         + CAST(CAST(round(({double} - truncate({double})) * 1e6) AS bigint) AS decimal(19, 0)) * CAST('0.000001' AS decimal(7, 6)) \
         AS decimal(22, 6)) END END"
    )
}

fn partitions(extract: &Extract) -> String {
    match (extract.first_day, extract.last_day) {
        (Some(first), Some(last)) => format!("day BETWEEN '{first}' AND '{last}'"),
        (Some(first), None) => format!("day >= '{first}'"),
        (None, Some(last)) => format!("day <= '{last}'"),
        (None, None) => "day IS NOT NULL".to_owned(),
    }
}

impl Dialect {
    /// The relations that the statements are over, as they stand in `WITH`; none where the engine has them as tables.
    pub(crate) fn archive(self, extract: &Extract) -> Option<String> {
        match self {
            Self::DataFusion => None,
            Self::Athena => Some(athena_archive(extract)),
        }
    }

    /// The relation of lines by partition and type, as for [`Self::archive`].
    pub(crate) fn lines(self, extract: &Extract) -> Option<String> {
        match self {
            Self::DataFusion => None,
            Self::Athena => Some(fill(
                include_str!("../sql/athena_lines.sql"),
                &[
                    ("table", TABLE),
                    ("arrived", &milliseconds("arrived_at")),
                    ("time", &athena_time()),
                    ("partitions", &partitions(extract)),
                ],
            )),
        }
    }
}

fn athena_time() -> String {
    let (sent, arrived) = (milliseconds("\"timestamp\""), milliseconds("arrived_at"));
    format!("coalesce({sent}, {arrived})")
}

fn athena_archive(extract: &Extract) -> String {
    let unit = extract.unit.as_deref().map_or("unit".to_owned(), |path| {
        let names: Vec<&str> = std::iter::once("context").chain(path.split('.')).collect();
        // A key that holds the dots itself is found too.
        let nested = json_id(&names);
        let of_context = if path.contains('.') {
            format!("coalesce({nested}, {})", json_id(&["context", path]))
        } else {
            nested
        };
        format!("CASE WHEN type = 'exposure' THEN unit ELSE {of_context} END")
    });
    let events = extract.events.iter().enumerate();
    let whens = events.map(|(at, name)| format!(" WHEN {} THEN {at}", literal(name)));
    let whens = whens.collect::<Vec<_>>().concat();
    let event =
        if whens.is_empty() { "CAST(NULL AS integer)".to_owned() } else { format!("CASE event{whens} END") };
    let dimension = extract.dimension.as_deref().map_or("CAST(NULL AS varchar)".to_owned(), |path| {
        format!("CASE WHEN type = 'exposure' THEN {} END", json_text(&["dimensions", path]))
    });
    let revision = format!(
        "CASE WHEN type = 'exposure' THEN TRY_CAST({} AS bigint) END",
        json_number_text(&["revision"])
    );
    let properties = extract.properties.iter().enumerate();
    let texts = properties.map(|(at, name)| {
        format!(
            ",\n      CASE WHEN type = 'conversion' THEN {} END AS a{at}",
            json_number_text(&["properties", name])
        )
    });
    let amounts =
        (0..extract.properties.len()).map(|at| format!(",\n    {} AS p{at}", amount(&format!("a{at}"))));
    let mut relevant = format!(
        "type = 'exposure' AND experiment = {} AND coalesce(TRY_CAST({} AS bigint), 1) = {}",
        literal(&extract.experiment),
        json_text(&["epoch"]),
        extract.epoch
    );
    if !extract.events.is_empty() {
        let names: Vec<String> = extract.events.iter().map(|it| literal(it)).collect();
        relevant = format!("{relevant} OR type = 'conversion' AND event IN ({})", names.join(", "));
    }
    fill(
        include_str!("../sql/athena_archive.sql"),
        &[
            ("table", TABLE),
            ("event_id", &json_id(&["event_id"])),
            ("unit", &unit),
            ("time", &athena_time()),
            ("arrived", &milliseconds("arrived_at")),
            ("event", &event),
            ("revision", &revision),
            ("dimension", &dimension),
            ("texts", &texts.collect::<Vec<_>>().concat()),
            ("amounts", &amounts.collect::<Vec<_>>().concat()),
            ("partitions", &partitions(extract)),
            ("relevant", &relevant),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Question;

    fn extract() -> Extract {
        Question::new("checkout", 1).extract()
    }

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(literal(r#"it's \ '' "x""#), r#"'it''s \ '''' "x"'"#);
        assert_eq!(json_path(&["properties", r#"a"b\c'd.e"#]), r#"'$["properties"]["a\"b\\c''d.e"]'"#);
    }

    /// The relations are tables of one engine, and made of Glue's table for the other.
    #[test]
    fn only_athena_makes_the_relations_of_a_table() {
        let extract = extract();
        assert_eq!(
            (Dialect::DataFusion.archive(&extract), Dialect::DataFusion.lines(&extract)),
            (None, None)
        );
        let [archive, lines] =
            [Dialect::Athena.archive(&extract), Dialect::Athena.lines(&extract)].map(Option::unwrap);
        assert!(archive.starts_with("archive AS (") && archive.contains("FROM events"), "{archive}");
        assert!(lines.starts_with("lines AS (") && lines.contains("FROM events"), "{lines}");
    }

    #[test]
    fn only_the_partitions_that_are_asked_for_cost_money() {
        let of = |first: Option<&str>, last: Option<&str>| {
            let day = |day: &str| day.parse().unwrap();
            partitions(&Extract { first_day: first.map(day), last_day: last.map(day), ..extract() })
        };
        assert_eq!(of(None, None), "day IS NOT NULL");
        assert_eq!(of(Some("2026-03-01"), None), "day >= '2026-03-01'");
        assert_eq!(of(None, Some("2026-03-02")), "day <= '2026-03-02'");
        assert_eq!(of(Some("2026-03-01"), Some("2026-03-02")), "day BETWEEN '2026-03-01' AND '2026-03-02'");
        assert!(
            Dialect::Athena
                .archive(&extract())
                .unwrap()
                .contains("WHERE day IS NOT NULL AND (type = 'exposure'")
        );
    }

    #[test]
    fn a_nested_unit_may_also_be_a_key_with_dots() {
        let relation = |unit: &str| {
            Dialect::Athena.archive(&Extract { unit: Some(unit.to_owned()), ..extract() }).unwrap()
        };
        let nested = relation("account.id");
        assert!(
            nested.contains(r#"'$["context"]["account"]["id"]'"#)
                && nested.contains(r#"'$["context"]["account.id"]'"#)
        );
        assert!(!relation("account").contains("coalesce(CASE"));
    }

    /// `json_extract_scalar` gives a number and a text of the same digits as one text: the type decides.
    #[test]
    fn a_text_is_no_amount_and_stays_an_id() {
        let is_text = r#"substr(json_format(json_extract(sent, '$["a"]')), 1, 1) = '"'"#;
        assert!(json_number_text(&["a"]).starts_with(&format!("CASE WHEN NOT {is_text} THEN")));
        assert!(json_id(&["a"]).starts_with(&format!("CASE WHEN {is_text} OR")));
    }

    /// `from_iso8601_timestamp` is asked for whole seconds only, because engines differ in what they do with more digits.
    #[test]
    fn milliseconds_are_cut_and_not_rounded() {
        let text = milliseconds("arrived_at");
        assert!(
            text.contains("substr(arrived_at, 1, 19)")
                && text.contains("rpad(replace(substr(arrived_at, 21), 'Z', ''), 3, '0')")
        );
    }

    #[test]
    fn a_decimal_is_exact_and_another_number_is_the_nearest_double() {
        let text = amount("a0");
        assert!(
            text.contains(
                r"regexp_like(a0, '^-?[0-9]+(\.[0-9]{1,6})?$') THEN TRY_CAST(a0 AS decimal(22, 6))"
            ),
            "{text}"
        );
        assert!(
            text.contains("round((TRY_CAST(a0 AS double) - truncate(TRY_CAST(a0 AS double))) * 1e6)"),
            "{text}"
        );
    }
}
