//! Every command that asks AWS says what is at fault, what and where it asked, and what to do next.

use crate::program::Place;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

/// Every command that asks AWS, and what it asks for there, between bars if it is more than one thing. `OUT` is a folder, `IN` a batch of events.
const COMMANDS: [(&[&str], &str); 20] = [
    (&["publish", "docs", "--table", "T"], "table T"),
    (&["publish", "docs", "--yes", "--table", "T"], "table T"),
    (&["rollback", "--yes", "--table", "T"], "table T"),
    (&["revisions", "--table", "T"], "table T"),
    (&["pull", "OUT/pulled", "--yes", "--table", "T"], "table T"),
    (&["results", "e", "--table", "T", "--metrics-table", "M"], "table T"),
    (&["status", "--from", "docs", "--table", "T", "--metrics-table", "M", "--stream", "S"], "table T"),
    (&DEPLOYED, "alarms P|function F|delivery stream A"),
    (&["diff", "@1", "@head", "--table", "T"], "table T"),
    (&["explain", "u", "e", "--from", "@head", "--table", "T"], "table T"),
    (&["list", "@head", "--table", "T"], "table T"),
    (&["assign", "u", "--from", "@head", "--table", "T"], "table T"),
    (&["quarantine", "list", "--table", "T", "--metrics-table", "M"], "table M"),
    (&["quarantine", "show", "x", "--table", "T", "--metrics-table", "M"], "table M"),
    (&["redrive", "--quarantine", "--table", "T", "--metrics-table", "M"], "table M"),
    (&["redrive", "--quarantine", "--yes", "--table", "T", "--metrics-table", "M"], "table M"),
    (&["capture", "OUT/captured.json", "--stream", "S"], "stream S"),
    (&["invoke", "F", "--payload", "{}"], "function F"),
    (&["bench", "F", "--payload", "{}", "--duration", "1s", "--rate", "1"], "function F"),
    (&["replay", "IN", "--to", "F", "--yes"], "function F"),
];

/// A status that asks about all of a deployment.
const DEPLOYED: [&str; 11] = [
    "status",
    "--from",
    "docs",
    "--table",
    "T",
    "--alarm-prefix",
    "P",
    "--events-function",
    "F",
    "--archive-stream",
    "A",
];

/// The errors of a service, and the report of each: the words, and the next step.
const REFUSALS: [(u16, &str, &str, i32, &str); 10] = [
    (400, "ExpiredTokenException", "the AWS credentials have expired", 2, "export-credentials"),
    (400, "UnrecognizedClientException", "the AWS credentials are not valid", 2, "get-caller-identity"),
    (403, "InvalidSignatureException", "the AWS credentials are not valid", 2, "clock"),
    (403, "AccessDeniedException", "access denied", 3, "the credentials need `"),
    (404, "ResourceNotFoundException", "it does not exist there", 2, "--region us-east-1` lists"),
    (400, "ThrottlingException", "throttled", 3, "again"),
    (429, "TooManyRequestsException", "throttled", 3, "again"),
    (400, "UnknownOperationException", "the answer is not one of this service", 3, "check --endpoint"),
    (500, "InternalServerError", "the service failed", 3, "again"),
    (400, "ValidationException", "what the request holds was refused", 2, "see the reason above"),
];

/// A service that gives every caller the same answer.
fn service(status: u16, headers: String, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (headers, body) = (headers.clone(), body.clone());
            thread::spawn(move || answer(stream.unwrap(), status, &headers, &body));
        }
    });
    endpoint
}

/// Answers one request; `None` where the caller has gone.
fn answer(mut stream: std::net::TcpStream, status: u16, headers: &str, body: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let head: Vec<String> =
        reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length =
        head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)]).ok()?;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).ok()
}

fn place() -> Place {
    let place = Place::with(&[("e.yaml", "experiment: e\nstatus: active\nvariants: [{key: a}, {key: b}]\n")]);
    let batch = r#"{"Records": [{"kinesis": {"sequenceNumber": "1", "partitionKey": "u", "data": "e30="}, "eventID": "s:1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:1:stream/s"}]}"#;
    std::fs::write(place.path().join("in.json"), batch.replace('\n', "")).unwrap();
    place
}

/// Runs a command where nothing of this machine points to an account.
fn run(place: &Place, args: &[&str], env: &[(&str, &str)]) -> Output {
    let out = tempfile::tempdir().unwrap();
    let args = args.iter().map(|arg| match *arg {
        "IN" => "in.json".to_owned(),
        arg => arg.replace("OUT", out.path().to_str().unwrap()),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    let home: &Path = out.path();
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", home).env("USER", "ana");
    command.envs(env.iter().copied()).current_dir(place.path()).args(args).output().unwrap()
}

/// The message of a command that failed: an error, or for `status` the answers in its report.
fn said(output: &Output, args: &[&str], exit: i32) -> String {
    let text = [&output.stderr[..], &output.stdout].concat();
    let text = String::from_utf8(text).unwrap();
    let exits = if args[0] == "status" { vec![exit, 3] } else { vec![exit] };
    assert!(exits.contains(&output.status.code().unwrap()), "{args:?}: {:?}: {text}", output.status);
    for debug in
        ["Request {", "Response {", "SdkError", "ConnectorError", "Error {", "Error(", "Some(", "kind:"]
    {
        assert!(!text.contains(debug), "{args:?}: {text}");
    }
    assert!(!text.contains("this is a bug"), "{text}");
    // Each link of the chain stands there once.
    for line in text.lines() {
        for operation in ["GetItem: ", "Query: ", "Invoke: ", "ListShards: "] {
            assert!(line.matches(operation).count() <= 1, "{args:?}: {line}");
        }
    }
    text
}

/// Checks a command over an endpoint.
fn check(place: &Place, endpoint: &str, words: &[&str], exit: i32, help: &str) {
    for (args, resource) in COMMANDS {
        let text = said(&run(place, &[args, &["--endpoint", endpoint]].concat(), &[]), args, exit);
        let places = resource.split('|').map(|resource| format!("{resource} in us-east-1: "));
        for part in words.iter().map(|word| (*word).to_owned()).chain(places) {
            assert!(text.contains(&part), "{args:?}: no {part:?} in: {text}");
        }
        // A report of many questions has no room for what to do about each.
        assert!(
            args[0] == "status" || text.contains("help: ") && text.contains(help),
            "{args:?}: no {help:?} in: {text}"
        );
    }
}

#[test]
fn what_a_service_refuses_is_said_with_its_reason() {
    let place = place();
    for (status, code, words, exit, help) in REFUSALS {
        let headers = format!("content-type: application/x-amz-json-1.1\r\nx-amzn-errortype: {code}\r\n");
        let body = format!(
            r#"{{"__type": "com.amazonaws#{code}", "message": "as it says", "Message": "as it says"}}"#
        );
        check(&place, &service(status, headers, body), &[words, code, "as it says"], exit, help);
    }
}

/// A server waits for a store that is away. One that is missing, or denied, will not come.
#[test]
fn a_server_does_not_start_over_a_table_that_it_may_not_have() {
    let place = place();
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--table",
        "T",
        "--assignments-table",
        "A",
        "--exposures",
        "off",
    ];
    for (status, code, words, exit, help) in REFUSALS {
        let may_pass = [
            "ThrottlingException",
            "TooManyRequestsException",
            "InternalServerError",
            "UnknownOperationException",
        ];
        if may_pass.contains(&code) {
            continue;
        }
        let headers = format!("content-type: application/x-amz-json-1.1\r\nx-amzn-errortype: {code}\r\n");
        let body = format!(r#"{{"__type": "com.amazonaws#{code}", "message": "as it says"}}"#);
        let endpoint = service(status, headers, body);
        let text = said(&run(&place, &[&args[..], &["--endpoint", &endpoint]].concat(), &[]), &args, exit);
        assert!(
            text.contains("table T in us-east-1: ") && text.contains(words) && text.contains(help),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_reached_is_said_with_its_cause() {
    let place = place();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = ["nothing listens at the endpoint", "Connection refused (os error"];
    check(&place, &format!("http://{closed}"), &refused, 3, "--endpoint");
    let dns = ["the endpoint's name has no address (DNS)", "failed to lookup address"];
    check(&place, "http://no-such-host.invalid", &dns, 3, "AWS_REGION");
    let html = service(404, "content-type: text/html\r\n".to_owned(), "<html>no such page</html>".to_owned());
    check(&place, &html, &["the answer is not one of this service"], 3, "another server may listen there");
    let tls = ["no TLS connection to the endpoint", "InvalidContentType"];
    check(&place, &speaks_no_tls(), &tls, 3, "http:// instead of https://");
}

/// A server that answers whatever comes as one answers who does not know TLS.
fn speaks_no_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    endpoint
}

#[test]
fn without_a_region_or_credentials_nothing_is_asked() {
    let place = place();
    for (args, resource) in COMMANDS {
        // The first that is opened is the table of the catalog.
        let resource = if args.contains(&"--table") { "table T" } else { resource };
        let text = said(&run(&place, args, &[]), args, 2);
        assert!(text.contains(&format!("{resource}: there is no AWS region")), "{args:?}: {text}");
        assert!(text.contains("help: set AWS_REGION"), "{text}");
        let region = [("AWS_REGION", "eu-central-1")];
        let text = said(&run(&place, args, &region), args, 2);
        let words = format!("{resource} in eu-central-1: there are no AWS credentials");
        assert!(
            text.contains(&format!("{words}: ")) && text.contains("help: set AWS_PROFILE"),
            "{args:?}: {text}"
        );
        let profile = [("AWS_REGION", "eu-central-1"), ("AWS_PROFILE", "nobody")];
        let text = said(&run(&place, args, &profile), args, 2);
        assert!(text.contains(&format!("{words} of profile nobody: ")), "{args:?}: {text}");
    }
}

#[test]
fn a_way_to_sign_in_that_is_left_out_is_said_with_the_way_round() {
    let place = place();
    let config = "[profile dev]\nregion = eu-west-1\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n\
        [sso-session s]\nsso_start_url = https://x.example\nsso_region = eu-west-1\n";
    let file = place.path().join("config");
    std::fs::write(&file, config).unwrap();
    let env = [("AWS_PROFILE", "dev"), ("AWS_CONFIG_FILE", file.to_str().unwrap())];
    let args = ["revisions", "--table", "T"];
    let text = said(&run(&place, &args, &env), &args, 2);
    assert!(text.contains("table T in eu-west-1: abx does not run SSO"), "{text}");
    assert!(text.contains("profile dev") && text.contains("aws configure export-credentials"), "{text}");
    assert!(!text.contains("cargo"), "{text}");
}

#[test]
fn an_endpoint_of_the_environment_is_asked_as_aws() {
    let place = place();
    let closed = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let env = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_ENDPOINT_URL", &*closed),
    ];
    for (args, resource) in COMMANDS {
        let text = said(&run(&place, args, &env), args, 3);
        for resource in resource.split('|') {
            assert!(text.contains(&format!("{resource} in eu-central-1: ")), "{args:?}: {text}");
        }
        assert!(text.contains("nothing listens at the endpoint"), "{args:?}: {text}");
    }
}
