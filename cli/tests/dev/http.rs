//! A small HTTP client: one request a connection, sent as it is told, so that hostile requests can be sent too.

use crate::contract::{Contract, Exchange};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

/// The response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (there, value) = line.split_once(':')?;
            there.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body of an answer that says that all is well.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json
    }

    /// Checks a refusal in our own form.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.json["error"]["code"]), (status, &code.into()), "{self:?}");
        assert_eq!(self.json["error"]["request_id"].as_str(), self.header("x-request-id"));
    }
}

/// The document of `abx dev`.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::new(abx_cli::commands::dev::document()));

/// That of `abx serve`, with tokens: every response without them is in it, too.
static SERVED: LazyLock<Contract> = LazyLock::new(|| Contract::new(abx_cli::commands::serve::document(true)));

/// The base path that tests of `abx serve` give it; the document has no other.
pub(crate) const BASE_PATH: &str = "/x";

/// Sends a request to `abx dev` with these header lines and this body. The response has to fit the OpenAPI document.
pub(crate) fn send(to: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    send_by(&CONTRACT, to, line, headers, body)
}

/// The same to `abx serve`.
pub(crate) fn send_served(to: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    send_by(&SERVED, to, line, headers, body)
}

fn send_by(contract: &Contract, to: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    let answer = send_unchecked(to, line, headers, body);
    let (method, uri) = line.split_once(' ').unwrap();
    let path = uri.split('?').next().unwrap().trim_end_matches('/');
    let path = path.strip_prefix(BASE_PATH).unwrap_or(path);
    let (status, content_type) = (answer.status, answer.header("content-type"));
    contract.check(&Exchange { method, path, body, status, content_type, answer: &answer.json });
    answer
}

fn send_unchecked(to: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for header in headers {
        request.extend([header, "\r\n"]);
    }
    if !headers.iter().any(|header| header.starts_with("content-length:")) {
        request.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    send_raw(to, &[request.as_bytes(), b"\r\n", body].concat())
}

/// Sends any bytes. The answer is read even if the server does not want to hear them all.
pub(crate) fn send_raw(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // Whoever refuses a long body closes the connection while it is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{ended:?}, {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        text: body.to_owned(),
        json: serde_json::from_str(body).unwrap_or(Value::Null),
    }
}
