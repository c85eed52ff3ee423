//! One connection to an HTTP server.
//!
//! The connection is driven by the very task that waits for the answer: hyper's usual second task for each connection costs two
//! wake-ups a request.

use super::tally::{RequestFailure, RequestOutcome};
use super::template::Template;
use crate::aws::signer::{SignArgs, Signer};
use crate::error::{Error, chain};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;

type Io = MaybeHttpsStream<TokioIo<TcpStream>>;
type HttpConnection = http1::Connection<Io, Full<Bytes>>;

/// A request, as it was asked for.
#[derive(Debug)]
pub(super) struct HttpRequest {
    method: Method,
    /// Scheme, host and port: where to connect to.
    base: Uri,
    path: Template,
    /// The path where it does not vary.
    constant: Uri,
    headers: HeaderMap,
    body: Template,
    constant_body: Bytes,
    /// True if each request is signed for AWS.
    is_signed: bool,
}

impl HttpRequest {
    pub(super) fn new(
        url: &str,
        (method, body): (Method, &str),
        headers: HeaderMap,
        signing: SignArgs,
    ) -> Result<Self, Error> {
        let bad = |error: hyper::http::Error| Error::caller(url.to_string()).because(error);
        let base: Uri = url
            .replace("{unit}", "u")
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| bad(error.into()))?;
        let start = url.find("://").map_or(0, |at| at + 3);
        let rest = url.get(start..).unwrap_or_default();
        let path = rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/");
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let constant = path
            .replace("{unit}", "u")
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| bad(error.into()))?;
        let is_signed = signing.applies(&base) && !headers.contains_key(AUTHORIZATION);
        let mut all = HeaderMap::new();
        let host = base.authority().map(|it| it.as_str().rsplit('@').next().unwrap_or_default());
        let host = host.and_then(|host| HeaderValue::from_str(host).ok());
        all.extend(host.map(|host| (HOST, host)));
        all.extend(headers);
        Ok(Self {
            method,
            base,
            path: Template::new(&path),
            constant,
            headers: all,
            body: Template::new(body),
            constant_body: Bytes::copy_from_slice(body.as_bytes()),
            is_signed,
        })
    }

    /// Host and port, for a person.
    pub(super) fn host(&self) -> &str {
        self.base.authority().map_or("", |authority| authority.as_str())
    }

    /// The signer of the requests of a thread, if they are signed: a provider of credentials may hold connections of its own.
    pub(super) async fn signer(&self) -> Result<Option<Arc<Signer>>, Error> {
        Ok(if self.is_signed { Some(Arc::new(Signer::new(&self.base).await?)) } else { None })
    }

    fn for_user(&self, user: u64) -> Result<Request<Bytes>, hyper::http::Error> {
        let body =
            if self.body.varies() { self.body.render(user).into() } else { self.constant_body.clone() };
        let mut request = Request::new(body);
        *request.uri_mut() =
            if self.path.varies() { self.path.render(user).parse()? } else { self.constant.clone() };
        request.method_mut().clone_from(&self.method);
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }
}

/// `Name: value`, as on the command line.
pub(super) fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim().parse().ok()?)));
    parsed.ok_or_else(|| "write a header as `Name: value`".to_owned())
}

/// A connection, and what drives it.
type Open = (SendRequest<Full<Bytes>>, HttpConnection);

/// Sends one request after the other over a connection that is opened again when the server has closed it.
pub(super) struct HttpCaller {
    request: Arc<HttpRequest>,
    connector: HttpsConnector<HttpConnector>,
    signer: Option<Arc<Signer>>,
    patience: Duration,
    open: Option<Open>,
}

/// An exchange that did not come to its end.
enum Ended {
    /// The connection ended before any byte of an answer.
    Unanswered,
    /// It ended in the middle of the answer, or what came was no answer.
    Broken,
    /// The request was not sent, because it could not be signed.
    NotSigned,
}

impl From<Ended> for RequestFailure {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::NotSigned => Self::NotSigned,
            Ended::Unanswered | Ended::Broken => Self::Broken,
        }
    }
}

impl HttpCaller {
    pub(super) fn new(
        request: Arc<HttpRequest>,
        connector: HttpsConnector<HttpConnector>,
        signer: Option<Arc<Signer>>,
        patience: Duration,
    ) -> Self {
        Self { request, connector, signer, patience, open: None }
    }

    /// Connects, so that the run does not begin with it.
    pub(super) async fn connect(&mut self) -> Result<(), String> {
        self.open = Some(self.opened().await?);
        Ok(())
    }

    async fn opened(&self) -> Result<Open, String> {
        let to = self.request.base.clone();
        let connected = timeout(self.patience, self.connector.clone().oneshot(to)).await;
        let io = connected.map_err(|_| "no connection in time".to_owned())?;
        let io = io.map_err(|error| chain(&*error))?;
        http1::handshake(io).await.map_err(|error| chain(&error))
    }

    /// Sends a request for a user, and waits for the end of its answer.
    pub(super) async fn call(&mut self, user: u64) -> RequestOutcome {
        let (patience, mut reopened) = (self.patience, false);
        let outcome = match timeout(patience, self.send(user, &mut reopened)).await {
            Ok(Ok(status)) => RequestOutcome::status(status),
            Ok(Err(failure)) => RequestOutcome::failed(failure),
            Err(_) => RequestOutcome::failed(RequestFailure::TimeOut),
        };
        RequestOutcome { reopened, ..outcome }
    }

    /// Servers close connections that are idle. That is no failure of theirs: the request goes over another connection, once, and
    /// only where no byte of an answer had come over the one that had been idle (RFC 9112, section 9.3.1: a client may not repeat
    /// what may have been processed).
    async fn send(&mut self, user: u64, reopened: &mut bool) -> Result<u16, RequestFailure> {
        if let Some(mut open) = self.open.take() {
            if !is_closed(&mut open.1).await {
                match self.exchange(open, user).await {
                    Err(Ended::Unanswered) => {}
                    answered => return answered.map_err(RequestFailure::from),
                }
            }
            *reopened = true;
        }
        let open = self.opened().await.map_err(|_| RequestFailure::Connect)?;
        self.exchange(open, user).await.map_err(RequestFailure::from)
    }

    /// Sends a request and reads its answer to the end; the status. The connection is kept where it can take another request.
    async fn exchange(&mut self, (mut sender, mut driver): Open, user: u64) -> Result<u16, Ended> {
        let mut request = self.request.for_user(user).map_err(|_| Ended::Broken)?;
        if let Some(signer) = &self.signer {
            signer.sign(&mut request).await.map_err(|_| Ended::NotSigned)?;
        }
        let request = request.map(Full::new);
        let answer = async {
            let mut response = sender.send_request(request).await.map_err(|_| Ended::Unanswered)?;
            while let Some(frame) = response.frame().await {
                frame.map_err(|_| Ended::Broken)?;
            }
            Ok(response.status().as_u16())
        };
        let mut answer = Box::pin(answer);
        let answered = tokio::select! {
            biased;
            answered = &mut answer => Some(answered),
            // The connection is at its end, and whatever came before that is here.
            _ = &mut driver => None,
        };
        if let Some(Ok(status)) = answered {
            drop(answer);
            self.open = Some((sender, driver));
            return Ok(status);
        }
        // Dropping the driver answers the request that it still holds: waiting for that before would be for ever.
        let has_begun = !driver.into_parts().read_buf.is_empty();
        let answered = match answered {
            Some(answered) => answered,
            None => answer.await,
        };
        answered.map_err(|ended| if has_begun { Ended::Broken } else { ended })
    }
}

/// True if the server has closed a connection while it was idle. Only whoever drives a connection notices.
async fn is_closed(driver: &mut HttpConnection) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *driver).poll(context).is_ready())).await
}
