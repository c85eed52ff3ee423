//! Archives that are not as they should be: everything that cannot be read is named and counted, and the rest counts.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use abx_analysis::embedded::EmbeddedEngine;
use abx_analysis::{AnalysisError, Answer, Cap, Measure, MetricQuestion, Part, Question, analyze};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

fn question() -> Question {
    let part = |measure| Part { event: "buy".to_owned(), measure };
    Question {
        metrics: vec![
            MetricQuestion::new("orders", part(Measure::Count)),
            MetricQuestion::new("revenue", part(Measure::Sum { property: "amount".to_owned() })),
        ],
        ..Question::new("checkout", 1)
    }
}

fn ask(root: &Path, question: &Question) -> Result<Answer, AnalysisError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(analyze(&EmbeddedEngine::new(root), question))
}

fn exposure(number: u32, unit: &str, variant: &str) -> String {
    format!(
        r#"{{"_id":"s:{number}","arrived_at":"2026-03-01T00:00:00Z","type":"exposure","unit":"{unit}","experiment":"checkout","variant":"{variant}","sent":{{}}}}"#
    )
}

fn purchase(number: u32, unit: &str, amount: &str) -> String {
    format!(
        r#"{{"_id":"s:{number}","arrived_at":"2026-03-01T01:00:00Z","type":"conversion","unit":"{unit}","event":"buy","sent":{{"properties":{{"amount":{amount}}}}}}}"#
    )
}

fn total(answer: &Answer, metric: &str) -> String {
    let sums =
        answer.cells.iter().filter(|it| it.metric.as_deref() == Some(metric)).map(|it| it.sums.x.units());
    abx_analysis::Decimal::<6>::from_units(sums.sum()).to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_line_that_is_no_event_is_named_and_the_others_count() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let lines = [
        exposure(1, "u", "a"),
        "{\"_id\": \"s:2\"".to_owned(),
        String::new(),
        purchase(3, "u", "2"),
        "hello".to_owned(),
        purchase(4, "u", "3").replace("s:4\"", "s:4\",\"_id\":\"s:4\""),
        "\u{feff}".to_owned() + &purchase(5, "u", "4"),
    ];
    fs::write(&file, lines.join("\r\n")).unwrap();
    let answer = ask(folder.path(), &question()).unwrap();
    let bad: Vec<String> = answer.read.bad.iter().map(ToString::to_string).collect();
    let at = |line: u32, why: &str| format!("{}:{line}: {why}", file.display());
    assert_eq!(answer.read.bad_lines, 4);
    assert!(bad[0].starts_with(&at(2, "not JSON, at column")), "{bad:?}");
    assert_eq!(bad[1], at(5, "not JSON, at column 1"));
    assert!(bad[2].starts_with(&at(6, "a field has a wrong type, or stands there twice")), "{bad:?}");
    assert!(bad[3].starts_with(&at(7, "not JSON")), "{bad:?}");
    assert_eq!((answer.read.lines, total(&answer, "revenue").as_str()), (6, "2"));
}

#[test]
fn a_truncated_gzip_is_named_and_its_lines_count() {
    let folder = tempfile::tempdir().unwrap();
    // Lines that compress badly, so that the cut is behind many of them.
    let mut text = exposure(0, "u", "a") + "\n";
    let mut random = 7_u64;
    for number in 1..5000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text += &(purchase(number, &format!("{random:x}"), "1") + "\n");
    }
    let whole = gzip(&text);
    let path = folder.path().join("cut");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let answer = ask(folder.path(), &question()).unwrap();
    assert_eq!(answer.read.bad_lines, 1);
    let bad = &answer.read.bad[0];
    assert_eq!((bad.file.as_str(), bad.line), (path.to_str().unwrap(), None));
    assert!(
        bad.why.starts_with("it ends in the middle of its gzip data (a truncated file); what follows line"),
        "{bad}"
    );
    assert!((1000..4999).contains(&answer.read.lines), "{}", answer.read.lines);
    assert!(bad.why.contains(&format!("line {} is missing", answer.read.lines)), "{bad}");
}

#[test]
fn missing_days_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for day in ["2026-03-01", "2026-03-02", "2026-03-05"] {
        let folder = folder.path().join(format!("day={day}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("x"), exposure(1, "u", "a").replace("2026-03-01", day)).unwrap();
    }
    let checks = ask(folder.path(), &question()).unwrap().checks;
    let days: Vec<String> = checks.missing_days.iter().map(ToString::to_string).collect();
    assert_eq!(days, ["2026-03-03", "2026-03-04"]);
    assert_eq!(checks.last_day.unwrap().to_string(), "2026-03-05");
    assert_eq!((checks.exposures.lines, checks.exposures.events, checks.lines["exposure"]), (3, 1, 3));
}

#[test]
fn an_archive_that_cannot_be_read_is_an_error_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    for (path, why) in
        [(folder.path().join("missing"), "does not exist"), (folder.path().to_owned(), "has no files")]
    {
        let error = ask(&path, &question()).unwrap_err().to_string();
        assert!(
            error.contains(&path.display().to_string())
                && error.contains(why)
                && error.contains("check the path"),
            "{error}"
        );
    }
}

/// Root may read everything, so as root there is nothing to see.
#[cfg(unix)]
#[test]
fn a_file_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good"), exposure(1, "u", "a")).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, purchase(2, "u", "1")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0)).unwrap();
    let answer = ask(folder.path(), &question()).unwrap();
    if fs::read(&secret).is_err() {
        let bad: Vec<String> = answer.read.bad.iter().map(ToString::to_string).collect();
        assert_eq!(bad, [format!("{}: no permission to read it", secret.display())]);
    }
}

#[test]
fn events_as_producers_send_them_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"type":"exposure","experiment":"checkout","variant":"a","unit":7,"timestamp":"2026-03-01T00:00:00Z"}"#,
        r#"{"type":"conversion","event":"buy","user_id":"7","timestamp":1772326800,"event_id":1,"properties":{"amount":2}}"#,
        r#"{"type":"conversion","event":"buy","user_id":"7","timestamp":1772326801,"event_id":"1","properties":{"amount":3}}"#,
        r#"{"type":"conversion","event":"buy","user_id":"7","timestamp":1772326802,"properties":{"amount":"x"}}"#,
        r#"{"type":"conversion","event":"buy","user_id":"7"}"#,
        r#"{"type":"click","user_id":"7","timestamp":1772326802}"#,
    ];
    let file = folder.path().join("sent.json");
    fs::write(&file, lines.join("\n")).unwrap();
    // A single file is an archive as well.
    let answer = ask(&file, &question()).unwrap();
    assert_eq!((total(&answer, "orders"), total(&answer, "revenue")), ("2".to_owned(), "2".to_owned()));
    assert_eq!((answer.checks.metrics[1].unusable, answer.checks.conversions.duplicates()), (1, 1));
    let why: Vec<(Option<u64>, &str)> = answer.read.bad.iter().map(|it| (it.line, it.why.as_str())).collect();
    assert!(matches!(why.as_slice(), [(Some(5), _), (Some(6), _)]), "{why:?}");
}

#[test]
fn values_that_do_not_fit_exact_sums_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    fs::write(&file, [exposure(1, "u", "a"), purchase(2, "u", "1e13")].join("\n")).unwrap();
    let error = ask(&file, &question()).unwrap_err().to_string();
    assert!(
        error.contains("metric `revenue` are too large") && error.contains("limit them with `cap`"),
        "{error}"
    );
    let mut capped = question();
    capped.metrics[1].cap = Some(Cap::Value("1000".parse().unwrap()));
    assert_eq!(total(&ask(&file, &capped).unwrap(), "revenue"), "1000");
    // Each total fits, and the sum of their squares does not.
    let units = (0..20).map(|at| {
        [exposure(at, &format!("u{at}"), "a"), purchase(100 + at, &format!("u{at}"), "9999999999999")]
    });
    fs::write(&file, units.flatten().collect::<Vec<_>>().join("\n")).unwrap();
    let error = ask(&file, &question()).unwrap_err().to_string();
    assert!(error.contains("metric `revenue` are too large"), "{error}");
}

/// Statements over parts, and columns in temporary files, give the same.
#[test]
fn an_archive_larger_than_memory_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    for unit in 0..3000_u32 {
        lines.push(exposure(unit, &format!("u{unit}"), if unit % 2 == 0 { "a" } else { "b" }));
        lines.push(purchase(10_000 + unit, &format!("u{unit}"), &format!("{unit}.5")));
    }
    fs::write(folder.path().join("x"), lines.join("\n")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = |engine: EmbeddedEngine| runtime.block_on(analyze(&engine, &question())).unwrap();
    let in_memory = answer(EmbeddedEngine::new(folder.path()));
    let on_disk = answer(EmbeddedEngine::new(folder.path()).with_store_bytes(0).with_threads(3));
    assert_eq!(on_disk, in_memory);
    assert_eq!(total(&in_memory, "revenue"), "4500000");
}

#[test]
fn parquet_is_read_by_its_columns() {
    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    let folder = tempfile::tempdir().unwrap();
    let columns = |names: &[&str]| {
        let values = |name: &str| -> ArrayRef {
            let (exposure, purchase) = match name {
                "id" => (Some("s:1"), Some("s:2")),
                "arrived_at" => (Some("2026-03-01T00:00:00Z"), Some("2026-03-01T01:00:00Z")),
                "type" => (Some("exposure"), Some("conversion")),
                "unit" => (Some("u"), Some("u")),
                "event" => (None, Some("buy")),
                "experiment" => (Some("checkout"), None),
                "variant" => (Some("a"), None),
                "sent" => (Some("{}"), Some(r#"{"properties":{"amount":2.5}}"#)),
                _ => (None, None),
            };
            // The third row is none of an archive.
            Arc::new(StringArray::from(vec![exposure, purchase, None]))
        };
        RecordBatch::try_from_iter(names.iter().map(|name| (*name, values(name)))).unwrap()
    };
    let write = |name: &str, batch: &RecordBatch| {
        let file = fs::File::create(folder.path().join(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    };
    let all = [
        "id",
        "arrived_at",
        "type",
        "unit",
        "event",
        "experiment",
        "flag",
        "variant",
        "timestamp",
        "credited",
        "sent",
    ];
    write("good.parquet", &columns(&all));
    write("old", &columns(&all[..7]));
    let answer = ask(folder.path(), &question()).unwrap();
    assert_eq!(total(&answer, "revenue"), "2.5");
    let bad: Vec<String> = answer.read.bad.iter().map(ToString::to_string).collect();
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(bad[0].ends_with("good.parquet:3: `arrived_at` is missing"), "{bad:?}");
    assert!(
        bad[1].ends_with("old: it is Parquet without the columns `variant`, `timestamp`, `sent`"),
        "{bad:?}"
    );
}
