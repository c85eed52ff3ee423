//! `abx invoke` against `abx dev`, and against a Lambda that fails as it is told.

use crate::program::Place;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;

fn place() -> Place {
    let test = "experiment: test\nstatus: active\nvariants: [{key: a}, {key: b}]\n";
    Place::with(&[("on.yaml", "flag: on\nenabled: true\n"), ("test.yaml", test)])
}

/// `abx invoke` with these arguments, in an environment where nothing points to an account.
fn abx(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").arg("invoke").args(args);
    command
}

fn report(output: &Output, exit: i32) -> Value {
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn complaint(output: &Output, exit: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(exit), 0), "{said}");
    assert!(!said.contains("this is a bug"), "{said}");
    said
}

#[test]
fn a_user_and_a_key_are_a_payload() {
    let (place, schema) = (place(), Schema::new());
    let dev = place.serve();
    let endpoint = format!("http://{}", dev.address);
    let ask = |args: &[&str], exit| {
        let common = ["--endpoint", &endpoint, "--format", "json"];
        let told = report(&abx(&[args, &common].concat()).output().unwrap(), exit);
        schema.check(&told);
        told
    };
    let test = ["assignment", "--user", "u", "--experiment", "test"];
    let told = ask(&[&test[..], &["--peek", "--context", "age=7"]].concat(), 0);
    let payload = json!({"user_id": "u", "experiment_key": "test", "context": {"age": 7}, "peek": true});
    assert_eq!(
        (&told["payload"], &told["status"], &told["answer"]["reason"]),
        (&payload, &json!(200), &json!("assigned"))
    );
    assert!(
        told["platform"]["duration_ms"].as_f64().unwrap() >= 0.0 && told["took_ms"].as_f64().unwrap() > 0.0
    );
    assert_eq!(
        (&told["log"], &told["error"], &told["version"]),
        (&Value::Null, &Value::Null, &json!("$LATEST"))
    );
    assert_eq!(ask(&test, 0)["answer"]["reason"], "assigned", "a peek enrolls nobody");
    let told = ask(&[&test[..], &["--tail-log"]].concat(), 0);
    assert_eq!(told["answer"]["reason"], "pinned");
    assert!(told["log"][0].as_str().unwrap().starts_with("START RequestId: "), "{told}");
    let told = ask(&["flags", "--user", "u", "--flag", "on"], 0);
    assert_eq!(told["answer"]["value"], true);
    let told = ask(&["flags", "--user", "u", "--flag", "unknown"], 1);
    assert_eq!(told["status"], 404);
    assert_eq!(ask(&["assignment"], 1)["status"], 400, "no payload is an empty one");
}

#[test]
fn a_payload_comes_from_anywhere() {
    let place = place();
    let dev = place.serve();
    let endpoint = format!("http://{}", dev.address);
    let payload = r#"{"user_id": "u", "flag_key": "on"}"#;
    fs::write(place.path().join("payload.json"), payload).unwrap();
    for given in [payload, "@payload.json", "-"] {
        let mut command = abx(&["flags", "--payload", given, "--endpoint", &endpoint, "--format", "json"]);
        let mut child =
            command.current_dir(place.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Who reads no standard input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(payload.as_bytes());
        assert_eq!(report(&child.wait_with_output().unwrap(), 0)["answer"]["value"], true, "{given}");
    }
    let human = abx(&["flags", "--payload", payload, "--endpoint", &endpoint]).output().unwrap();
    let text = String::from_utf8(human.stdout).unwrap();
    assert!(text.starts_with("flags (version $LATEST) answered 200 in "), "{text}");
    assert!(text.contains(r#"  "value": true"#), "{text}");
}

#[test]
fn what_cannot_be_called_says_why() {
    let place = place();
    let dev = place.serve();
    let endpoint = format!("http://{}", dev.address);
    let at_dev = |args: &[&str]| abx(&[args, &["--endpoint", &endpoint]].concat()).output().unwrap();
    let said = complaint(&at_dev(&["no-such-function"]), 2);
    assert!(
        said.contains("function no-such-function in us-east-1: Invoke: it does not exist there")
            && said.contains("help: "),
        "{said}"
    );
    let said = complaint(&at_dev(&["flags", "--payload", "{"]), 2);
    assert!(said.contains("--payload: EOF while parsing"), "{said}");
    assert!(complaint(&at_dev(&["flags", "--payload", "@none.json"]), 3).contains("none.json: No such file"));
    assert!(complaint(&at_dev(&["flags", "--context", "a=1"]), 2).contains("attributes belong to a unit"));
    complaint(&at_dev(&["flags", "--user", "u"]), 2);
    complaint(&at_dev(&["flags", "--flag", "on"]), 2);
    complaint(&at_dev(&["flags", "--user", "u", "--flag", "on", "--payload", "{}"]), 2);
    let large = place.path().join("large.json");
    fs::write(&large, format!("\"{}\"", "x".repeat(6 << 20))).unwrap();
    let said = complaint(&at_dev(&["flags", "--payload", &format!("@{}", large.display())]), 2);
    assert!(said.contains("at most 6 MB"), "{said}");
    let closed = abx(&["flags", "--endpoint", "http://127.0.0.1:1"]).output().unwrap();
    assert!(complaint(&closed, 3).contains("check the network"));
    assert!(
        complaint(&abx(&["flags"]).output().unwrap(), 2).contains("function flags: there is no AWS region")
    );
    let said = complaint(&abx(&["flags"]).env("AWS_REGION", "eu-central-1").output().unwrap(), 2);
    assert!(said.contains("no AWS credentials") && said.contains("AWS_PROFILE"), "{said}");
}

/// A Lambda that gives every caller the same answer.
fn lambda(status: &'static str, header: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let head: Vec<String> =
                reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let length = head
                .iter()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            reader.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    endpoint
}

#[test]
fn a_function_that_fails_is_a_finding_and_a_lambda_that_refuses_an_error() {
    let failed =
        r#"{"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 1 Error: Runtime exited"}"#;
    let endpoint = lambda("200 OK", "x-amz-function-error: Unhandled", failed);
    let output = abx(&["f", "--endpoint", &endpoint, "--format", "json"]).output().unwrap();
    let told = report(&output, 1);
    Schema::new().check(&told);
    let error = json!({"kind": "Unhandled", "type": "Runtime.ExitError", "message": "RequestId: 1 Error: Runtime exited"});
    assert_eq!((&told["error"], &told["status"]), (&error, &Value::Null));
    for (status, code, exit, words) in [
        (
            "429 Too Many Requests",
            "x-amzn-errortype: TooManyRequestsException",
            3,
            "function f in us-east-1: Invoke: throttled: TooManyRequestsException: Rate Exceeded.",
        ),
        ("403 Forbidden", "x-amzn-errortype: AccessDeniedException", 3, "lambda:InvokeFunction"),
        ("400 Bad Request", "x-amzn-errortype: InvalidParameterValueException", 2, "Rate Exceeded."),
        ("500 Oh", "x-amzn-errortype: ServiceException", 3, "ServiceException"),
        (
            "500 Oh",
            "content-type: text/html",
            3,
            "function f in us-east-1: Invoke: the service failed: status 500",
        ),
    ] {
        let endpoint = lambda(status, code, r#"{"Message": "Rate Exceeded.", "Type": "User"}"#);
        let said = complaint(&abx(&["f", "--endpoint", &endpoint]).output().unwrap(), exit);
        assert!(said.contains(words), "{said}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let said = complaint(&abx(&["f", "--endpoint", &endpoint, "--timeout", "200ms"]).output().unwrap(), 3);
    assert!(said.contains("no answer in time"), "{said}");
}

/// The published schema of the report.
struct Schema {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let schema =
            Command::new(env!("CARGO_BIN_EXE_abx")).args(["schema", "--report", "invoke"]).output().unwrap();
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("invoke.json", serde_json::from_slice(&schema.stdout).unwrap()).unwrap();
        let index = compiler.compile("invoke.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn check(&self, report: &Value) {
        assert!(self.schemas.validate(report, self.index).is_ok(), "{report}");
    }
}
