//! The bearer token that requests have to bring.

use crate::error::Error;
use abx_functions::http::{ApiError, Cors, request_id};
use abx_functions::telemetry::{Level, Telemetry};
use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::time::interval;

/// The paths that are open to everybody: a probe has no token.
pub(super) const OPEN: [&str; 2] = ["/health", "/ready"];
/// The time between two looks at the file: a secret that is mounted into a container is replaced while it runs.
const TICK: Duration = Duration::from_secs(1);

/// The tokens that are valid now, as their hashes: two texts are compared in constant time only if they are equally long.
#[derive(Debug)]
pub(super) struct Tokens {
    file: PathBuf,
    valid: ArcSwap<Vec<[u8; 32]>>,
}

impl Tokens {
    /// Reads the file, which must hold a token.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let valid = tokens(file).map_err(|error| {
            Error::caller(format!("{}: no token can be read", file.display()))
                .because(error)
                .help("write a token into the file, for example with `openssl rand -hex 32`")
        })?;
        Ok(Self { file: file.to_owned(), valid: ArcSwap::from_pointee(valid) })
    }

    /// Reads the file again and again. One that cannot be read, or is empty, changes nothing: that is logged once.
    pub(super) async fn follow(&self, telemetry: &Telemetry) {
        let mut tick = interval(TICK);
        let mut told = None;
        loop {
            tick.tick().await;
            match tokens(&self.file) {
                Ok(valid) => {
                    if **self.valid.load() != valid {
                        let fields = json!({"tokens": valid.len()});
                        self.valid.store(Arc::new(valid));
                        telemetry.log(Level::Info, "tokens_changed", None, &fields);
                    }
                    told = None;
                }
                Err(error) => {
                    let why = error.to_string();
                    if told.as_ref() != Some(&why) {
                        let fields = json!({"path": self.file.display().to_string(), "why": why});
                        telemetry.log(Level::Error, "tokens_unreadable", None, &fields);
                    }
                    told = Some(why);
                }
            }
        }
    }

    /// Compares with every token, whichever fits.
    fn knows(&self, token: &str) -> bool {
        let token: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let fits = |all: Choice, valid: &[u8; 32]| all | valid.ct_eq(&token);
        self.valid.load().iter().fold(Choice::from(0), fits).into()
    }
}

/// Lets a request through that has a valid token, a preflight, which has none, and whoever asks for an open path.
pub(super) async fn check(
    State((tokens, base_path)): State<(Arc<Tokens>, String)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let path = path.strip_prefix(&*base_path).unwrap_or(path);
    if OPEN.contains(&path.trim_end_matches('/')) || Cors::is_preflight(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let given = bearer(request.headers());
    if given.is_some_and(|token| tokens.knows(token)) {
        return next.run(request).await;
    }
    let mut refusal = ApiError::unauthorized().respond(&request_id(None, request.headers()));
    let challenge = match given {
        Some(_) => "Bearer realm=\"abx\", error=\"invalid_token\"",
        None => "Bearer realm=\"abx\"",
    };
    refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    refusal
}

/// The token of a request; the word before it is written in any case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// One token a line, so that the old one is valid for a while beside the new one.
fn tokens(file: &Path) -> Result<Vec<[u8; 32]>, std::io::Error> {
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<[u8; 32]> = lines.map(|token| Sha256::digest(token.as_bytes()).into()).collect();
    if tokens.is_empty() { Err(std::io::Error::other("the file is empty")) } else { Ok(tokens) }
}
