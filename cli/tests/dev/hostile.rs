//! Limits, refusals and CORS over a real socket. What a body may hold is tested at the routers (`functions/tests/service`).

use crate::http::{send, send_raw};
use crate::program::{Dev, Place};
use serde_json::json;

const SHOP: &str = "https://shop.example.com";

fn place() -> Place {
    let test = "experiment: test\nstatus: active\nvariants: [{key: a}, {key: b}]\n";
    Place::with(&[("on.yaml", "flag: on\nenabled: true\n"), ("test.yaml", test)])
}

fn lives(dev: &Dev) {
    assert_eq!(dev.get("/flags/on").ok()["value"], true);
}

#[test]
fn what_is_too_much_is_refused() {
    let place = place();
    let dev = place.serve();
    let paths = ["/assign", "/assign/batch", "/flags", "/flags/on", "/ofrep/v1/evaluate/flags", "/nothing"];
    for path in paths {
        let post = format!("POST {path}");
        send(dev.address, &post, &[], "x".repeat(64 * 1024 + 1).as_bytes()).refused(413, "body_too_large");
        send(dev.address, &post, &["content-length: 99999999999"], b"").refused(413, "body_too_large");
        let chunks = format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, "x".repeat(70_000));
        let head = format!(
            "{post} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        send_raw(dev.address, (head + &chunks).as_bytes()).refused(413, "body_too_large");
    }
    let ask = |context| json!({"user_id": "u", "experiment_key": "test", "context": context});
    let many =
        |count: usize| (0..count).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>();
    dev.post("/assign", &ask(json!(many(64)))).ok();
    dev.post("/assign", &ask(json!(many(65)))).refused(400, "context_too_large");
    dev.post("/assign", &ask(json!({"a": "x".repeat(1025)}))).refused(400, "context_too_large");
    let mut url = "/assign?experiment_key=test&user_id=".to_owned();
    url += &"x".repeat(2000);
    dev.get(&url).refused(400, "context_too_large");
    lives(&dev);
}

#[test]
fn what_is_no_question_is_refused() {
    let place = place();
    let dev = place.serve();
    dev.get("/nothing").refused(404, "not_found");
    dev.get("/assign?user_id=u&experiment_key=nothing").refused(404, "experiment_not_found");
    dev.get("/flags/nothing").refused(404, "flag_not_found");
    dev.get("/assign/batch").refused(405, "method_not_allowed");
    dev.get("/assign?user_id=%ff&experiment_key=test").refused(400, "invalid_request");
    dev.get("/assign?user_id=%20&experiment_key=test").refused(400, "unit_missing");
    for garbage in [&b""[..], b"\0\xff", b"[]", b"{", b"{\"user_id\": \"u\", \"experiment_key\": \"test\"}}"]
    {
        send(dev.address, "POST /assign", &[], garbage).refused(400, "invalid_request");
    }
    for id in ["a\0b", "\u{202e}evil", "\u{1b}[31m", "a\r\nx-evil: 1"] {
        let answer = dev.post("/assign", &json!({"user_id": id, "experiment_key": "test"}));
        assert_eq!(answer.header("x-evil"), None);
        assert_eq!(answer.ok()["user_id"], id);
    }
    assert_eq!(send_raw(dev.address, b"this is no HTTP\r\n\r\n").status, 400);
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(100_000));
    assert!((400..500).contains(&send_raw(dev.address, long.as_bytes()).status));
    lives(&dev);
}

#[test]
fn only_pages_of_named_origins_may_ask() {
    let place = place();
    let dev = place.serve_with(&["--cors", SHOP]);
    let ask = |line: &str, origin: &str| {
        let origin = format!("origin: {origin}");
        send(dev.address, line, &[&origin, "access-control-request-method: POST"], b"")
    };
    for path in ["/assign", "/flags/on", "/ofrep/v1/evaluate/flags"] {
        let preflight = ask(&format!("OPTIONS {path}"), SHOP);
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some(SHOP)));
        ask(&format!("OPTIONS {path}"), "https://evil.example").refused(403, "origin_not_allowed");
    }
    assert_eq!(ask("GET /flags/on", SHOP).header("access-control-allow-origin"), Some(SHOP));
    let evil = ask("GET /flags/on", "https://evil.example");
    assert_eq!((evil.header("access-control-allow-origin"), evil.header("vary")), (None, Some("origin")));
    drop(dev);
    let closed = place.serve();
    let answer = send(closed.address, "GET /flags/on", &[&format!("origin: {SHOP}")], b"");
    assert_eq!(answer.header("access-control-allow-origin"), None, "nobody by default");
}

/// A page can be called by any name that leads to this machine, and any page can send a form.
#[test]
fn foreign_hosts_and_foreign_pages_are_refused() {
    let place = place();
    let dev = place.serve_with(&["--cors", SHOP]);
    let ask = |line: &str, host: &str, header: &str| {
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n{header}\r\n"
        );
        send_raw(dev.address, request.as_bytes())
    };
    let invoke = "POST /2015-03-31/functions/events/invocations";
    let assign = "GET /assign?user_id=u&experiment_key=test";
    for line in ["GET /health", "GET /flags/on", assign, "POST /events", invoke] {
        ask(line, "evil.example:8080", "").refused(403, "host_not_allowed");
    }
    for host in ["localhost:8080", "127.0.0.1", "[::1]:1"] {
        assert_eq!(ask("GET /flags/on", host, "").status, 200, "{host}");
    }
    for line in [assign, "POST /assign", "POST /events", "POST /flags", invoke] {
        for header in
            ["origin: https://evil.example\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n"]
        {
            ask(line, "localhost", header).refused(403, "origin_not_allowed");
        }
        for header in
            ["", &format!("origin: {SHOP}\r\n"), "origin: http://localhost\r\n", "sec-fetch-site: none\r\n"]
        {
            assert_ne!(ask(line, "localhost", header).status, 403, "{line} {header}");
        }
    }
    lives(&dev);
}
