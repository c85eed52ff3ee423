//! The real client against a server on this machine that answers Athena's protocol from a script.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use abx_analysis::athena::AthenaEngine;
use abx_analysis::{Measure, MetricQuestion, Part, Question, analyze};
use aws_sdk_athena::Client;
use aws_sdk_athena::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Calls of the service: the operation and its body.
type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers each operation: the status and the body.
type Script = Box<dyn Fn(&str, &Value) -> (u16, Value) + Send>;

fn serve(script: Script) -> (String, Calls) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let calls = Calls::default();
    let known = Arc::clone(&calls);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &script, &known);
        }
    });
    (address, calls)
}

fn answer(mut stream: TcpStream, script: &Script, calls: &Calls) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => operation = value.trim().trim_start_matches("AmazonAthena.").to_owned(),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    calls.lock().unwrap().push((operation.clone(), body.clone()));
    let (status, answer) = script(&operation, &body);
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).unwrap();
}

fn engine(address: &str) -> AthenaEngine {
    let config = aws_sdk_athena::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(aws_sdk_athena::config::retry::RetryConfig::disabled())
        .endpoint_url(address)
        .build();
    AthenaEngine::new(Client::from_conf(config), "people", "abx_archive")
        .with_wait(Duration::from_millis(700))
}

fn question() -> Question {
    let part = Part { event: "purchase".to_owned(), measure: Measure::Count };
    Question { metrics: vec![MetricQuestion::new("orders", part)], ..Question::new("checkout", 1) }
}

fn execution(state: &str, reason: Option<&str>) -> Value {
    json!({"QueryExecution": {"Status": {"State": state, "StateChangeReason": reason}, "Statistics": {"DataScannedInBytes": 1000}}})
}

fn page(rows: &[&[Option<&str>]], next: Option<&str>) -> Value {
    let row = |row: &&[Option<&str>]| {
        let data: Vec<Value> =
            row.iter().map(|value| value.map_or(json!({}), |it| json!({"VarCharValue": it}))).collect();
        json!({"Data": data})
    };
    json!({"ResultSet": {"Rows": rows.iter().map(row).collect::<Vec<_>>()}, "NextToken": next})
}

/// Answers statements by a word of their text; each is running once before it is done, and results come in two pages.
fn good() -> Script {
    let (queries, asked) = (Mutex::new(Vec::<String>::new()), Mutex::new(Vec::<usize>::new()));
    Box::new(move |operation, body| {
        let mut queries = queries.lock().unwrap();
        let at = || body["QueryExecutionId"].as_str().unwrap().parse::<usize>().unwrap();
        match operation {
            "StartQueryExecution" => {
                queries.push(body["QueryString"].as_str().unwrap().to_owned());
                (200, json!({"QueryExecutionId": (queries.len() - 1).to_string()}))
            }
            "GetQueryExecution" => {
                let mut asked = asked.lock().unwrap();
                let is_first = !asked.contains(&at());
                asked.push(at());
                (200, execution(if is_first { "RUNNING" } else { "SUCCEEDED" }, None))
            }
            _ => {
                let sql = &queries[at()];
                let day = Some("1772323200000");
                let (names, row): (&[_], &[_]) = if sql.contains("FROM lines") {
                    (
                        &[Some("day"), Some("kind"), Some("lines"), Some("arrived"), Some("t")],
                        &[
                            Some("2026-03-01"),
                            Some("exposure"),
                            Some("3"),
                            Some("1772323300000"),
                            Some("1772323300000"),
                        ],
                    )
                } else if sql.contains("count(DISTINCT identity)") {
                    (
                        &[Some("kind"), Some("variant"), Some("lines"), Some("events")],
                        &[Some("exposure"), Some("a"), Some("3"), Some("2")],
                    )
                } else if sql.contains("AS units") {
                    (
                        &[
                            Some("phase"),
                            Some("variant"),
                            Some("metric"),
                            Some("day"),
                            Some("dimension"),
                            Some("mixed"),
                            Some("units"),
                        ],
                        &[Some("0"), Some("a"), Some("0"), day, None, Some("0"), Some("2")],
                    )
                } else {
                    let names = [
                        "phase",
                        "variant",
                        "metric",
                        "day",
                        "dimension",
                        "mixed",
                        "x",
                        "y",
                        "c",
                        "xx",
                        "yy",
                        "cc",
                        "xy",
                        "xc",
                        "yc",
                        "unusable",
                        "early",
                        "overtook",
                        "too_large",
                        "size",
                    ];
                    let values = [
                        "0",
                        "a",
                        "0",
                        "1772323200000",
                        "",
                        "0",
                        "3.000000",
                        "0.000000",
                        "0.000000",
                        "5.000000000000",
                        "0",
                        "0",
                        "3.000000000000",
                        "0",
                        "0",
                        "0",
                        "1",
                        "0",
                        "0",
                        "7.0",
                    ];
                    let values: Vec<Option<&str>> =
                        values.iter().map(|it| (!it.is_empty()).then_some(*it)).collect();
                    let names: Vec<Option<&str>> = names.iter().map(|it| Some(*it)).collect();
                    return match body["NextToken"].as_str() {
                        None => (200, page(&[&names], Some("more"))),
                        Some(_) => (200, page(&[&values], None)),
                    };
                };
                match body["NextToken"].as_str() {
                    None => (200, page(&[names], Some("more"))),
                    Some(_) => (200, page(&[row], None)),
                }
            }
        }
    })
}

#[tokio::test]
async fn a_question_is_answered_by_pages_of_texts() {
    let (address, calls) = serve(good());
    let answer = analyze(&engine(&address), &question()).await.unwrap();
    let cell = &answer.cells[0];
    assert_eq!(
        (cell.metric.as_deref(), cell.variant.as_str(), cell.day.to_string().as_str()),
        (Some("orders"), "a", "2026-03-01")
    );
    let sums = &cell.sums;
    let decimals = [sums.x, sums.y].map(|it| it.to_string());
    assert_eq!(
        (sums.units, decimals, sums.xx.to_string()),
        (2, ["3", "2"].map(str::to_owned), "5".to_owned())
    );
    assert_eq!(answer.checks.exposures.duplicates(), 1);
    assert_eq!((answer.checks.metrics[0].early, answer.checks.variants[0].exposures), (1, 2));
    assert_eq!(answer.read.scanned_bytes, Some(4000));
    let calls = calls.lock().unwrap();
    let (_, start) = calls.iter().find(|it| it.0 == "StartQueryExecution").unwrap();
    assert_eq!(
        (&start["WorkGroup"], &start["QueryExecutionContext"]["Database"]),
        (&json!("people"), &json!("abx_archive"))
    );
}

async fn message(script: Script) -> (String, Vec<String>) {
    let (address, calls) = serve(script);
    let error = analyze(&engine(&address), &question()).await.unwrap_err();
    let names = calls.lock().unwrap().iter().map(|it| it.0.clone()).collect();
    (error.to_string(), names)
}

#[tokio::test]
async fn a_refusal_has_athenas_words_and_what_to_do() {
    for (code, text, help) in [
        (
            "AccessDeniedException",
            "not authorized to perform: athena:StartQueryExecution",
            "let this role use the workgroup",
        ),
        ("InvalidRequestException", "WorkGroup people is not found.", "check the name of the workgroup"),
        ("InvalidRequestException", "No output location provided.", "give the workgroup a location"),
        ("TooManyRequestsException", "Too Many Requests", "wait, and run the command again"),
    ] {
        let script: Script = Box::new(move |_, _| (400, json!({"__type": code, "message": text})));
        let (message, _) = message(script).await;
        assert!(message.contains(code) && message.contains(text) && message.contains(help), "{message}");
    }
}

#[tokio::test]
async fn a_failed_statement_has_its_reason() {
    for (reason, help) in [
        ("COLUMN_NOT_FOUND: line 1:8: Column 'sent' cannot be resolved", "deploy the stack of this version"),
        ("TABLE_NOT_FOUND: Table 'awsdatacatalog.abx.events' does not exist", "check the database"),
        (
            "HIVE_CURSOR_ERROR: s3://b/events/day=2026-03-01/x.gz: Unexpected end of input stream",
            "repair or move the file",
        ),
        ("Access Denied (Service: Amazon S3; Status Code: 403)", "let this role read the archive's bucket"),
        ("NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow", "limit the values of the metrics with `cap`"),
        ("GENERIC_INTERNAL_ERROR", "look at the query in Athena's history"),
    ] {
        let script: Script = Box::new(move |operation, _| match operation {
            "StartQueryExecution" => (200, json!({"QueryExecutionId": "q-1"})),
            _ => (200, execution("FAILED", Some(reason))),
        });
        let (message, _) = message(script).await;
        assert!(message.contains(reason) && message.contains(help) && message.contains("q-1"), "{message}");
        assert!(message.contains("workgroup people, database abx_archive"), "{message}");
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let script: Script = Box::new(|operation, _| match operation {
        "StartQueryExecution" => (200, json!({"QueryExecutionId": "q-1"})),
        "StopQueryExecution" => (200, json!({})),
        _ => (200, execution("RUNNING", None)),
    });
    let (message, calls) = message(script).await;
    assert!(message.contains("was stopped") && message.contains("read fewer days"), "{message}");
    assert_eq!(calls.last().map(String::as_str), Some("StopQueryExecution"));
}

#[tokio::test]
async fn a_result_of_another_shape_is_refused() {
    let script: Script = Box::new(|operation, _| match operation {
        "StartQueryExecution" => (200, json!({"QueryExecutionId": "q-1"})),
        "GetQueryExecution" => (200, execution("SUCCEEDED", None)),
        _ => (200, page(&[&[Some("day"), Some("kind")], &[Some("2026-03-01"), Some("exposure")]], None)),
    });
    let (message, _) = message(script).await;
    assert!(message.contains("the column `lines` is missing"), "{message}");
}
