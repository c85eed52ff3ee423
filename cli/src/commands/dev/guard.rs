//! The pages that may send requests.
//!
//! Any page that is open in a browser on this machine can send requests here. A page whose name was made to lead to this machine
//! (DNS rebinding) is told by the `Host` that its browser sends, any other by its `Origin` or by `Sec-Fetch-Site`. Programs send none
//! of the latter two, and are not asked for them.

use abx_functions::http::{ApiError, request_id};
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The values that are let through.
#[derive(Debug)]
pub(super) struct RequestFilter {
    /// The address at which the program listens.
    pub(super) address: SocketAddr,
    /// The origins of `--cors`.
    pub(super) origins: Vec<String>,
    /// The names of `--allow-host`.
    pub(super) hosts: Vec<String>,
}

/// Refuses a request that a foreign page makes.
pub(super) async fn guard(State(guard): State<Arc<RequestFilter>>, request: Request, next: Next) -> Response {
    match guard.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.respond(&request_id(None, request.headers())),
    }
}

impl RequestFilter {
    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = headers.get(HOST);
        if host.is_some_and(|host| !self.is_ours(host)) {
            return Err(foreign_host());
        }
        if changes_state(method, path) && self.is_foreign(headers, host) {
            return Err(foreign_origin());
        }
        Ok(())
    }

    /// True if a host is this machine, or the address that the program listens at; at any port, because the port may be forwarded.
    fn is_ours(&self, host: &HeaderValue) -> bool {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        let Some(host) = host.as_ref().map(Authority::host) else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = host.parse::<IpAddr>() {
            return ip.is_loopback() || ip == self.address.ip();
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // Browsers take every name below it to this machine, without asking anybody.
        name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
    }

    fn is_foreign(&self, headers: &HeaderMap, host: Option<&HeaderValue>) -> bool {
        if let Some(origin) = headers.get(ORIGIN) {
            let is_named = self.origins.iter().any(|named| named.as_bytes() == origin.as_bytes());
            let own = origin.as_bytes().strip_prefix(b"http://");
            let is_own = own.is_some() && own == host.map(HeaderValue::as_bytes);
            return !is_named && !is_own;
        }
        // A page that loads an image or follows a link sends no origin.
        headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
    }
}

/// True if a request leaves something behind. That of an assignment enrolls its unit, also by GET; preflights are answered further
/// in, as everywhere.
fn changes_state(method: &Method, path: &str) -> bool {
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    !is_safe || (*method == Method::GET && path.starts_with("/assign"))
}

fn foreign_host() -> ApiError {
    let message = "the request names another host than this machine: ask for localhost or 127.0.0.1, or let it by `abx dev --allow-host NAME`";
    ApiError { status: StatusCode::FORBIDDEN, code: "host_not_allowed", message: message.into() }
}

fn foreign_origin() -> ApiError {
    let message = "a page of this origin may not ask; `abx dev --cors ORIGIN` lets it";
    ApiError { status: StatusCode::FORBIDDEN, code: "origin_not_allowed", message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, headers: &[(&'static str, &str)]) -> Result<(), &'static str> {
        let guard = RequestFilter {
            address: "192.0.2.7:8080".parse().unwrap(),
            origins: vec!["https://shop.example.com".to_owned()],
            hosts: vec!["abx.internal".to_owned()],
        };
        let (method, path) = line.split_once(' ').unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        guard.check(&method, path, &headers.collect()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn only_names_of_this_machine_are_asked_for() {
        for ours in [
            "localhost",
            "localhost:8080",
            "LocalHost:1",
            "localhost.",
            "shop.localhost:3000",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "192.0.2.7:8080",
            "abx.internal:8080",
            "ABX.internal.",
        ] {
            assert_eq!(check("GET /flags/on", &[("host", ours)]), Ok(()), "{ours}");
        }
        for theirs in [
            "evil.example",
            "evil.example:8080",
            "x.abx.internal",
            "localhost.evil.example",
            "notlocalhost",
            "192.0.2.8",
            "[::2]",
            "0.0.0.0:8080",
            "127.0.0.1.evil.example",
            "user@evil.example",
            "",
            "a b",
            "localhost:8080:1",
        ] {
            for line in ["GET /health", "GET /flags/on", "POST /events", "OPTIONS /assign"] {
                assert_eq!(check(line, &[("host", theirs)]), Err("host_not_allowed"), "{line} {theirs}");
            }
        }
        assert_eq!(check("GET /health", &[]), Ok(()), "a program without a host");
    }

    #[test]
    fn foreign_pages_change_nothing() {
        let invoke = "POST /2015-03-31/functions/events/invocations";
        for line in
            ["POST /assign", "POST /events", "POST /flags", invoke, "GET /assign", "GET /assign/", "PUT /x"]
        {
            let from = |headers: &[(&'static str, &str)]| {
                check(line, &[&[("host", "localhost:8080")], headers].concat())
            };
            for foreign in [
                "https://evil.example",
                "null",
                "http://localhost:3000",
                "http://localhost",
                "https://localhost:8080",
            ] {
                assert_eq!(from(&[("origin", foreign)]), Err("origin_not_allowed"), "{line} {foreign}");
            }
            for site in ["cross-site", "same-site", "whatever"] {
                assert_eq!(from(&[("sec-fetch-site", site)]), Err("origin_not_allowed"), "{line} {site}");
            }
            assert_eq!(from(&[]), Ok(()), "{line} of a program");
            let own = [("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")];
            assert_eq!(from(&own), Ok(()), "{line} of our own page");
            let named = [("origin", "https://shop.example.com"), ("sec-fetch-site", "cross-site")];
            assert_eq!(from(&named), Ok(()), "{line} of a page that was named");
            assert_eq!(from(&[("sec-fetch-site", "none")]), Ok(()), "{line} typed by a person");
        }
        let foreign = [("host", "localhost"), ("origin", "https://evil.example")];
        for line in ["GET /flags/on", "GET /health", "OPTIONS /assign"] {
            assert_eq!(check(line, &foreign), Ok(()), "{line}: CORS keeps the answer from the page");
        }
    }
}
