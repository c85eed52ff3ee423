//! A function behind HTTP: its own URL, a gateway, or `abx dev`.

use super::{Args, InvokeReport};
use crate::aws::signer::Signer;
use crate::error::{Error, chain};
use crate::http::connector;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::Instant;
use tokio::time::timeout;

/// Posts the payload to the URL.
pub(super) async fn call(args: &Args, text: String, payload: Value) -> Result<InvokeReport, Error> {
    if args.qualifier.is_some() || args.endpoint.is_some() || args.tail_log {
        let error = Error::caller("--qualifier, --endpoint and --tail-log are for a function, not for a URL");
        return Err(error.help("give the function's name to call it by Invoke"));
    }
    let url = args.url()?;
    let host = url.host().unwrap_or_default().to_owned();
    let authority = url.authority().map_or_else(String::new, ToString::to_string);
    let request = Request::post(&url).header(HOST, authority).header(CONTENT_TYPE, "application/json");
    let mut request =
        request.body(text.into()).map_err(|error| Error::caller(url.to_string()).because(error))?;
    if args.signing.applies(&url) {
        let signer = Signer::new(&url).await?;
        signer.sign(&mut request).await.map_err(|error| Error::world(host.clone()).because(error))?;
    }
    let client = Client::builder(TokioExecutor::new()).build(connector(args.timeout)?);
    let start = Instant::now();
    let answer = timeout(args.timeout, async {
        let answer =
            client.request(request.map(Full::new)).await.map_err(|error| unreached(&host, &error))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| unreached(&host, &error))?;
        Ok::<_, Error>((head, body.to_bytes()))
    });
    let slow = |_| Error::world(format!("{host}: no answer in time")).help("wait longer with --timeout");
    let (head, body) = answer.await.map_err(slow)??;
    let id = head.headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let answered = (head.status.as_u16(), id, &*String::from_utf8_lossy(&body));
    Ok(InvokeReport::of_url(&args.function, payload, answered, start.elapsed()))
}

fn unreached(host: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    Error::world(format!("{host}: {}", chain(error))).help("check the network and the URL")
}

impl Args {
    /// The URL that is posted to: with a user, that of the experiment or the flag below the one that is given.
    fn url(&self) -> Result<Uri, Error> {
        let base = self.function.trim_end_matches('/');
        let url = match (&self.experiment, &self.flag) {
            (Some(_), _) => format!("{base}/assign"),
            (_, Some(key)) => format!("{base}/flags/{key}"),
            (None, None) => self.function.clone(),
        };
        let parsed = url.parse::<Uri>().ok().filter(|url| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|it| !it.is_empty())
        });
        let bad = || Error::caller(format!("{url:?} is not a URL")).help("begin it with https:// and a host");
        parsed.ok_or_else(bad)
    }
}
