//! Requests by HTTP that are signed for AWS, and those that are not. The signature is computed again, by the description of
//! Signature Version 4 in the AWS documentation and not by the library that made it.

use crate::program::Place;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The options of a bench of five requests.
const SHORT: [&str; 6] = ["--rate", "5", "--duration", "1s", "--connections", "1"];

/// A request as it came.
#[derive(Debug, Default)]
struct Seen {
    method: String,
    target: String,
    /// By their names in small letters.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A server that takes any request; its URL, and what came.
fn server() -> (String, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(request) = read(&mut reader) {
                    let _ = sender.send(request);
                    let answer = "HTTP/1.1 200 OK\r\nx-amzn-requestid: r-1\r\ncontent-length: 14\r\n\r\n{\"value\":true}";
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (url, seen)
}

fn read(reader: &mut impl BufRead) -> Option<Seen> {
    let lines = reader.by_ref().lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = head.first()?.split(' ');
    let mut seen =
        Seen { method: words.next()?.to_owned(), target: words.next()?.to_owned(), ..Seen::default() };
    let headers = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    seen.headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let length = seen.headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    seen.body = vec![0; length];
    reader.read_exact(&mut seen.body).ok()?;
    Some(seen)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// HMAC (RFC 2104) with SHA-256, for keys of up to a block.
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|it| it ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|it| it ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

/// The value of this field in the `Authorization` header of a request.
fn said<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let fields = seen.headers["authorization"].strip_prefix("AWS4-HMAC-SHA256 ").unwrap().split(", ");
    fields.filter_map(|field| field.split_once('=')).find(|(field, _)| *field == name).unwrap().1
}

/// The signature of a request, from its bytes. Paths and values here need no encoding.
fn signature(seen: &Seen, secret: &str) -> String {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let mut query: Vec<&str> = query.split('&').filter(|it| !it.is_empty()).collect();
    query.sort_unstable();
    let names = said(seen, "SignedHeaders");
    let headers: String = names.split(';').flat_map(|name| [name, ":", &seen.headers[name], "\n"]).collect();
    let hash = hex(&Sha256::digest(&seen.body));
    let canonical = format!("{}\n{path}\n{}\n{headers}\n{names}\n{hash}", seen.method, query.join("&"));
    let (_, scope) = said(seen, "Credential").split_once('/').unwrap();
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        seen.headers["x-amz-date"],
        hex(&Sha256::digest(canonical))
    );
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    hex(&hmac(&key, &to_sign))
}

fn abx(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "eu-central-1");
    command.envs([("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    command.env("AWS_SESSION_TOKEN", "a-token").args(args).output().unwrap()
}

/// The check below is right about the example that AWS publishes (its test suite's `get-vanilla`).
#[test]
fn the_published_example_has_the_published_signature() {
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
        SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let headers = [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        ("authorization", authorization),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen =
        Seen { method: "GET".to_owned(), target: "/".to_owned(), headers: headers.into(), body: vec![] };
    assert_eq!(signature(&seen, SECRET), said(&seen, "Signature"));
}

#[test]
fn a_signed_request_has_the_signature_of_its_bytes() {
    let (base, seen) = server();
    let flag = format!("{base}/flags/on");
    let get = format!("{flag}?user_id={{user}}&a=1");
    let runs = [
        [&["bench", &get, "--sign", "--header", "x-tenant: one"], &SHORT[..]].concat(),
        [&["bench", &flag, "--sign", "--body", "{\"user_id\": \"{user}\"}"], &SHORT[..]].concat(),
        vec!["invoke", &base, "--sign", "--user", "user_1", "--flag", "on", "--context", "age=7"],
    ];
    let mut signatures = BTreeMap::new();
    for args in runs {
        let output = abx(&args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let requests: Vec<Seen> = seen.try_iter().collect();
        assert_eq!(requests.len(), if args[0] == "bench" { 5 } else { 1 });
        for request in requests {
            assert_eq!(said(&request, "Signature"), signature(&request, SECRET), "{request:?}");
            let credential = said(&request, "Credential");
            assert!(credential.starts_with("AKIDEXAMPLE/20"), "{credential}");
            assert!(credential.ends_with("/eu-central-1/lambda/aws4_request"), "{credential}");
            assert_eq!(request.headers["x-amz-security-token"], "a-token");
            let names: Vec<&str> = said(&request, "SignedHeaders").split(';').collect();
            assert!(names.contains(&"host") && names.contains(&"x-amz-security-token"), "{names:?}");
            signatures.insert(said(&request, "Signature").to_owned(), request);
        }
    }
    assert_eq!(signatures.len(), 11, "each request has a signature of its own");
    let mut forged = signatures.into_values().next().unwrap();
    forged.target.push('x');
    assert_ne!(
        said(&forged, "Signature"),
        signature(&forged, SECRET),
        "another request has another signature"
    );
}

#[test]
fn a_plain_url_gets_no_signature_unless_it_is_asked_for() {
    let (base, seen) = server();
    let flag = format!("{base}/flags/on");
    for args in [
        [&["bench", &flag], &SHORT[..]].concat(),
        [&["bench", &flag, "--no-sign"], &SHORT[..]].concat(),
        [&["bench", &flag, "--sign", "--header", "authorization: Bearer x"], &SHORT[..]].concat(),
        vec!["invoke", &base, "--user", "user_1", "--flag", "on"],
    ] {
        let output = abx(&args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for request in seen.try_iter() {
            let authorization = request.headers.get("authorization");
            assert!(authorization.is_none_or(|it| it == "Bearer x"), "{request:?}");
            assert!(!request.headers.keys().any(|name| name.starts_with("x-amz-")), "{request:?}");
        }
    }
}

#[test]
fn without_credentials_a_function_url_is_not_called() {
    let url = "https://abc.lambda-url.eu-west-1.on.aws";
    for args in [vec!["invoke", url, "--payload", "{}"], vec!["bench", url, "--duration", "1s"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abx"));
        command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").args(&args);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("abc.lambda-url.eu-west-1.on.aws: there are no AWS credentials"), "{said}");
        assert!(said.contains("help: ") && said.contains("--no-sign"), "{said}");
    }
}

#[test]
fn a_function_is_called_by_its_url() {
    let place = Place::with(&[
        ("on.yaml", "flag: on\nenabled: true\n"),
        ("test.yaml", "experiment: test\nstatus: active\nvariants: [{key: a}, {key: b}]\n"),
    ]);
    let dev = place.serve();
    let url = format!("http://{}/", dev.address);
    let ask = |args: &[&str], exit| -> Value {
        let output = abx(&[&["invoke", &url, "--format", "json"], args].concat());
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let told = ask(&["--user", "u", "--experiment", "test", "--peek"], 0);
    assert_eq!((&told["status"], &told["answer"]["experiment_key"]), (&200.into(), &"test".into()), "{told}");
    assert_eq!(ask(&["--user", "u", "--flag", "on"], 0)["answer"]["value"], true);
    assert_eq!(ask(&["--user", "u", "--flag", "none"], 1)["status"], 404);
    let direct = format!("{url}assign");
    let output =
        abx(&["invoke", &direct, "--payload", r#"{"user_id": "u", "experiment_key": "test", "peek": true}"#]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (args, words) in [
        (&[&*url, "--payload", "{}", "--qualifier", "live"][..], "are for a function, not for a URL"),
        (&["ftp://host/", "--payload", "{}"], "is not a URL"),
        (&["flags", "--payload", "{}", "--sign"], "always signed"),
    ] {
        let output = abx(&[&["invoke"], args].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(words), "{said}");
    }
    let aliased = abx(&["invoke", "flags:$LATEST", "--endpoint", &url, "--user", "u", "--flag", "on"]);
    assert_eq!(aliased.status.code(), Some(0), "{aliased:?}");
}
