//! A server that lives long, with limits on what a caller may keep open. Lambda needs none of it: there the service has the connections.

use super::ApiError;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// What callers may keep open, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections at a time. Those beyond wait in the system's queue until one ends.
    pub connections: usize,
    /// The time in which the head of a request must be there, from the start of the connection or from the answer before: so long may a
    /// connection be idle.
    pub head: Duration,
    /// The time in which a request must be answered, its body read too.
    pub request: Duration,
    /// The time that open requests have to end once the server is to end.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            head: Duration::from_secs(20),
            request: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

/// The time before the next attempt where the system gives no connection, as when files are exhausted.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `ending` ends: then no new connection is taken, those without a request are closed, and open requests have
/// [`ServerLimits::grace`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    ending: impl Future<Output = ()>,
) {
    let router =
        router.layer(from_fn(move |request: Request, next: Next| in_time(limits.request, request, next)));
    let service = TowerToHyperService::new(
        router.map_request(|request: axum::http::Request<Incoming>| request.map(Body::new)),
    );
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let (places, open) = (Arc::new(Semaphore::new(limits.connections)), GracefulShutdown::new());
    let mut ending = pin!(ending);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = &mut ending => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service.clone()));
        tokio::spawn(async move {
            // A caller who went away, or was too slow, is no error of the server.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(limits.grace, open.shutdown()).await;
}

/// Refuses a request that takes too long: nearly always its body does not come.
async fn in_time(limit: Duration, request: Request, next: Next) -> Response {
    let id = super::request_id(None, request.headers());
    match timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::request_timeout().respond(&id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    const SHORT: Duration = Duration::from_millis(150);

    fn limits() -> ServerLimits {
        ServerLimits { connections: 2, head: SHORT, request: 2 * SHORT, grace: 20 * SHORT }
    }

    /// A server whose `/slow` answers after a while; the sender ends it.
    async fn server(limits: ServerLimits) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let slow = || async {
            sleep(SHORT).await;
            "done"
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/slow", get(slow))
            .route("/read", post(|body: String| async { body }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ending) = oneshot::channel();
        let served = tokio::spawn(serve(listener, router, limits, async { drop(ending.await) }));
        (address, end, served)
    }

    async fn open(address: SocketAddr, sent: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream
    }

    /// All that comes until the server closes the connection.
    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn connections_without_a_whole_head_are_closed() {
        let (address, _end, _) = server(limits()).await;
        for sent in ["", "GET / HTTP/1.1\r\nhost: h\r\n", "GET / HTTP/1.1\r\nhost: h\r\n\r\n"] {
            let said = timeout(20 * SHORT, rest(open(address, sent).await)).await;
            let said = said.unwrap_or_else(|_| panic!("{sent:?} is still open"));
            assert_eq!(said.contains("here"), sent.ends_with("\r\n\r\n"), "{sent:?}: {said:?}");
        }
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_and_are_served() {
        let (address, _end, _) = server(limits()).await;
        let _half = (open(address, "GET").await, open(address, "GET").await);
        let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        let said = timeout(20 * SHORT, rest(open(address, request).await)).await.unwrap();
        assert!(said.ends_with("here"), "{said}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_refused() {
        let (address, _end, _) = server(limits()).await;
        let sent = "POST /read HTTP/1.1\r\nhost: h\r\nx-request-id: mine\r\ncontent-length: 9\r\n\r\nhal";
        let said = timeout(20 * SHORT, rest(open(address, sent).await)).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"request_id\":\"mine\""), "{said}");
    }

    #[tokio::test]
    async fn open_requests_are_answered_at_the_end() {
        let (address, end, served) = server(limits()).await;
        let slow = open(address, "GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await;
        let _idle = open(address, "").await;
        sleep(SHORT / 3).await;
        end.send(()).unwrap();
        assert!(rest(slow).await.ends_with("done"));
        timeout(20 * SHORT, served).await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    }
}
