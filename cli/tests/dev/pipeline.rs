//! `abx status` over a deployment: the mapping, what it gave up, and the archive, as AWS answers about them.

use crate::program::Place;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

/// The answers of AWS. Tables deny everything, so that nothing else is found: alone, a status that finds nothing ends with 3.
#[derive(Clone)]
struct Said {
    /// Stream, state and last result of each mapping.
    mappings: Vec<(&'static str, &'static str, &'static str)>,
    /// Failed deliveries, records kept and records dropped, in the hours after the first.
    given_up: [Vec<f64>; 3],
    stream: Value,
    /// The part of deliveries that succeeded, each five minutes.
    delivered: Vec<f64>,
}

const HOUR: u64 = 1_764_000_000;

fn well() -> Said {
    Said {
        mappings: vec![("abx-events", "Enabled", "OK")],
        given_up: [vec![], vec![0.0], vec![]],
        stream: json!({"DeliveryStreamStatus": "ACTIVE"}),
        delivered: vec![0.0, 1.0],
    }
}

impl Said {
    fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let said = self.clone();
                thread::spawn(move || said.answer(stream.unwrap()));
            }
        });
        endpoint
    }

    /// Answers one request; `None` where the caller has gone.
    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let lines = reader.by_ref().lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let head = head.join("\n").to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|it| it.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let (status, kind, body) = self.say(&head, &String::from_utf8_lossy(&body));
        let head = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/{kind}\r\nsmithy-protocol: rpc-v2-cbor\r\n\
            content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()
    }

    fn say(&self, head: &str, body: &str) -> (u16, &'static str, Vec<u8>) {
        if head.starts_with("get /2015-03-31/event-source-mappings?functionname=abx-prod-events%3alive")
            || head.starts_with("get /2015-03-31/event-source-mappings/?functionname=abx-prod-events%3alive")
        {
            let mapping = |(stream, state, result): &(&str, &str, &str)| {
                json!({"UUID": "1a2b", "State": state, "LastProcessingResult": result, "StateTransitionReason": "USER_INITIATED",
                    "EventSourceArn": format!("arn:aws:kinesis:us-east-1:1:stream/{stream}")})
            };
            let mappings: Vec<_> = self.mappings.iter().map(mapping).collect();
            return (200, "json", json!({"EventSourceMappings": mappings}).to_string().into_bytes());
        }
        if head.contains("operation/getmetricdata") {
            let names = ["DestinationDeliveryFailures", "OnFailureDestinationDelivered", "DroppedEventCount"];
            let is_archive = body.contains("DeliveryToS3.Success") && body.contains("abx-archive");
            assert!(is_archive || names.iter().all(|name| body.contains(name)) && body.contains("1a2b"));
            let delivered = [self.delivered.clone()];
            return (200, "cbor", metric_data(if is_archive { &delivered } else { &self.given_up }));
        }
        if head.contains("firehose_20150804.describedeliverystream") {
            let mut described = json!({"DeliveryStreamName": "abx-archive", "DeliveryStreamARN": "arn:x", "VersionId": "1",
                "DeliveryStreamType": "DirectPut", "Destinations": [], "HasMoreDestinations": false});
            described.as_object_mut().unwrap().extend(self.stream.as_object().unwrap().clone());
            return (
                200,
                "x-amz-json-1.1",
                json!({"DeliveryStreamDescription": described}).to_string().into_bytes(),
            );
        }
        let denied = json!({"__type": "com.amazonaws#AccessDeniedException", "message": "no"});
        (400, "x-amz-json-1.1", denied.to_string().into_bytes())
    }
}

/// The answer of `GetMetricData` in CBOR (RFC 8949), which the SDK speaks with `CloudWatch`.
fn metric_data(series: &[Vec<f64>]) -> Vec<u8> {
    let text = |text: &str| [&[0x60 + u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let array =
        |items: Vec<Vec<u8>>| [vec![0x80 + u8::try_from(items.len()).unwrap()], items.concat()].concat();
    let results = series.iter().enumerate().map(|(at, values)| {
        let times = (0_u64..).zip(values).map(|(hour, _)| {
            let seconds = (HOUR + 3600 * hour).to_be_bytes();
            [&[0xc1, 0x1b], &seconds[..]].concat()
        });
        let values = values.iter().map(|value| [&[0xfb], &value.to_be_bytes()[..]].concat());
        let fields = [
            [text("Id"), text(&format!("m{at}"))].concat(),
            [text("Timestamps"), array(times.collect())].concat(),
            [text("Values"), array(values.collect())].concat(),
        ];
        [vec![0xa3], fields.concat()].concat()
    });
    [vec![0xa1], text("MetricDataResults"), array(results.collect())].concat()
}

fn run(said: Said, more: &[&str]) -> Output {
    let place = Place::with(&[]);
    let endpoint = said.serve();
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.args([
        "status",
        "--table",
        "T",
        "--metrics-table",
        "M",
        "--stream",
        "abx-events",
        "--archive-stream",
    ]);
    command
        .args(["abx-archive", "--events-function", "abx-prod-events:live", "--endpoint", &endpoint])
        .args(more);
    command.env("NO_COLOR", "1").current_dir(place.path()).output().unwrap()
}

/// The status for a person, and its exit code.
fn status(said: Said) -> (String, Option<i32>) {
    let output = run(said, &[]);
    assert!(output.stderr.is_empty(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

fn with(change: impl FnOnce(&mut Said)) -> Said {
    let mut said = well();
    change(&mut said);
    said
}

#[test]
fn a_pipeline_that_works_is_no_finding() {
    let (text, exit) = status(well());
    assert!(text.contains("\n  mapping     Enabled: OK\n"), "{text}");
    assert!(text.contains("\n  given up    nothing since "), "{text}");
    assert!(text.contains("\n  archive     ACTIVE: the latest deliveries to S3 succeeded\n"), "{text}");
    assert_eq!(exit, Some(3), "the tables are not answered: {text}");
    let idle = with(|said| {
        said.delivered = vec![];
        said.mappings[0] = ("abx-events", "Updating", "No records processed");
        said.mappings.push(("another-stream", "Disabled", "OK"));
    });
    let (text, exit) = status(idle);
    assert!(text.contains("mapping     Updating: No records processed\n"), "{text}");
    assert!(text.contains("nothing was to be written in the last hour"), "{text}");
    assert_eq!(exit, Some(3), "{text}");
}

#[test]
fn whatever_stops_the_pipeline_is_a_finding_with_what_to_do() {
    let mapping = |state, result| with(|said| said.mappings[0] = ("abx-events", state, result));
    let cases = [
        (
            mapping("Disabled", "OK"),
            "aws lambda update-event-source-mapping --enabled \\\n                --uuid 1a2b\n",
        ),
        (mapping("Disabling", "OK"), "mapping     off: events wait"),
        (mapping("Enabled", "PROBLEM: KMS key is disabled"), "1a2b: Enabled; PROBLEM: KMS key is disabled\n"),
        (mapping("Enabled", "PROBLEM: access"), "npx cdk drift --all -c stage=STAGE\n"),
        (with(|said| said.mappings.clear()), "mapping     none: nothing hands the stream to the function"),
        (
            with(|said| said.mappings[0].0 = "another"),
            "mapping     none: nothing hands the stream to the function",
        ),
        (
            with(|said| said.given_up = [vec![], vec![0.0, 500.0, 7.0], vec![0.0, 0.0, 1.0]]),
            "given up    507 kept, 1 dropped from 2025-11-24 17:00 UTC on\n              `abx redrive` counts",
        ),
        (
            with(|said| said.given_up = [vec![2.0], vec![], vec![]]),
            "given up    0 kept, 0 dropped from 2025-11-24 16:00 UTC on\n              2 attempts to write",
        ),
        (
            with(|said| said.delivered = vec![1.0, 0.25]),
            "archive     75 % of the latest deliveries to S3 failed\n",
        ),
        (
            with(|said| {
                said.stream = json!({"DeliveryStreamStatus": "CREATING_FAILED",
                    "FailureDescription": {"Type": "KMS_ACCESS_DENIED", "Details": "not \u{1b}[31mallowed"}});
            }),
            "archive     CREATING_FAILED: lines are not archived\n              KMS_ACCESS_DENIED: not ",
        ),
        (
            with(|said| {
                said.stream = json!({"DeliveryStreamStatus": "ACTIVE", "DeliveryStreamEncryptionConfiguration":
                    {"FailureDescription": {"Type": "DISABLED_KMS_KEY", "Details": "off"}}});
            }),
            "archive     ACTIVE, with a failure\n              DISABLED_KMS_KEY: off\n",
        ),
    ];
    for (said, words) in cases {
        let (text, exit) = status(said);
        assert!(text.contains(words), "no {words:?} in: {text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(exit, Some(1), "{text}");
    }
}

#[test]
fn without_its_names_a_deployment_is_not_asked() {
    let place = Place::with(&[]);
    let endpoint = well().serve();
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.args(["status", "--table", "T", "--endpoint", &endpoint]).env("NO_COLOR", "1");
    let output = command.current_dir(place.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rest = "\n  not asked   alarms: give --alarm-prefix\n              mapping, given up: give --events-function\n              \
        archive: give --archive-stream\n";
    assert!(text.ends_with(rest), "{text}");
    assert_eq!(output.status.code(), Some(3), "the tables are not answered");
}

#[test]
fn a_program_reads_the_same() {
    let said = with(|said| said.given_up = [vec![], vec![0.0, 500.0, 7.0], vec![1.0]]);
    let output = run(said, &["--format", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mapping =
        json!([{"uuid": "1a2b", "state": "Enabled", "last_result": "OK", "reason": "USER_INITIATED"}]);
    assert_eq!(told["mappings"], json!({"state": "known", "told": mapping}));
    let given_up = &told["given_up"]["told"];
    assert_eq!(
        (&given_up["kept"], &given_up["dropped"], &given_up["failed_deliveries"]),
        (&json!(507), &json!(1), &json!(0))
    );
    assert_eq!(given_up["first"], "2025-11-24T16:00:00Z");
    let archive = &told["archive"]["told"];
    assert_eq!(
        (&archive["state"], &archive["failure"], &archive["delivered"]),
        (&json!("ACTIVE"), &json!(null), &json!(1.0))
    );
}
