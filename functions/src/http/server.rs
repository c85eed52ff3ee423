//! A server that lives long, with limits on what a caller may keep open. Lambda needs none of it: there the service has the connections.

use super::{ApiError, Connections};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// How long callers may keep things open. How many is up to [`Connections`].
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
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
            head: Duration::from_secs(20),
            request: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

/// Connections that wait to be accepted: as many as Linux allows by itself.
const BACKLOG: u32 = 4096;
/// The time before the next attempt where the system gives no connection, as when files are exhausted.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens, with room for a burst of connections that the server has not accepted yet. The usual queue of 128 was seen to overflow on a
/// busy machine; whoever is dropped there tries again a second later.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `ending` ends: then no new connection is taken, those without a request are closed, and open requests have
/// [`ServerLimits::grace`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    connections: Arc<Connections>,
    ending: impl Future<Output = ()>,
) {
    let router =
        router.layer(from_fn(move |request: Request, next: Next| in_time(limits.request, request, next)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let open = GracefulShutdown::new();
    let mut ending = pin!(ending);
    loop {
        let next = async {
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, connections.enter().await))
        };
        let accepted = tokio::select! {
            next = next => next,
            () = &mut ending => break,
        };
        let Ok((stream, connection)) = accepted else {
            drop(connections.make_room());
            sleep(PAUSE).await;
            continue;
        };
        let (router, own) = (router.clone(), Arc::clone(&connection));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let answered = router.clone().oneshot(request.map(|body| own.reads(body)));
            let own = Arc::clone(&own);
            async move {
                let answer = answered.await;
                own.waits();
                answer
            }
        });
        let served = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            tokio::select! {
                // A caller who went away, or was too slow, is no error of the server.
                _ = served => {}
                () = connection.has_to_leave() => {}
            }
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    const SHORT: Duration = Duration::from_millis(150);

    fn limits() -> ServerLimits {
        ServerLimits { head: SHORT, request: 2 * SHORT, grace: 20 * SHORT }
    }

    /// A server whose `/slow` answers after a while; the sender ends it.
    fn server(limits: ServerLimits) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let slow = || async {
            sleep(SHORT).await;
            "done"
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/slow", get(slow))
            .route("/read", post(|body: String| async { body }));
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ending) = oneshot::channel();
        let connections = Arc::new(Connections::new(2));
        let served = tokio::spawn(serve(listener, router, limits, connections, async { drop(ending.await) }));
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
        let (address, _end, _) = server(limits());
        for sent in ["", "GET / HTTP/1.1\r\nhost: h\r\n", "GET / HTTP/1.1\r\nhost: h\r\n\r\n"] {
            let said = timeout(20 * SHORT, rest(open(address, sent).await)).await;
            let said = said.unwrap_or_else(|_| panic!("{sent:?} is still open"));
            assert_eq!(said.contains("here"), sent.ends_with("\r\n\r\n"), "{sent:?}: {said:?}");
        }
    }

    #[tokio::test]
    async fn whoever_sends_a_whole_request_is_answered_before_those_who_only_hold_a_connection() {
        let patient = ServerLimits { head: 1000 * SHORT, request: 1000 * SHORT, ..limits() };
        let (address, _end, _) = server(patient);
        let body = "POST /read HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nhal";
        for held in ["", "GET", body, "GET / HTTP/1.1\r\nhost: h\r\n\r\n"] {
            let held = [open(address, held).await, open(address, held).await, open(address, held).await];
            let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
            let said = timeout(20 * SHORT, rest(open(address, request).await)).await.unwrap();
            assert!(said.ends_with("here"), "{said}");
            drop(held);
        }
    }

    #[tokio::test]
    async fn a_request_that_is_being_answered_keeps_its_connection_and_the_next_waits() {
        let (address, _end, _) = server(ServerLimits { head: 1000 * SHORT, ..limits() });
        let slow = "GET /slow HTTP/1.1\r\nhost: h\r\n\r\n";
        let busy = (open(address, slow).await, open(address, slow).await);
        sleep(SHORT / 3).await;
        // Both connections stay open after their answer, and one of them then makes room.
        let request = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        let said = timeout(20 * SHORT, rest(open(address, request).await)).await.unwrap();
        assert!(said.ends_with("here"), "{said}");
        for mut busy in [busy.0, busy.1] {
            let mut answer = [0; 512];
            let length = timeout(20 * SHORT, busy.read(&mut answer)).await.unwrap().unwrap();
            assert!(String::from_utf8_lossy(&answer[..length]).ends_with("done"));
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_refused() {
        let (address, _end, _) = server(limits());
        let sent = "POST /read HTTP/1.1\r\nhost: h\r\nx-request-id: mine\r\ncontent-length: 9\r\n\r\nhal";
        let said = timeout(20 * SHORT, rest(open(address, sent).await)).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"request_id\":\"mine\""), "{said}");
    }

    #[tokio::test]
    async fn open_requests_are_answered_at_the_end() {
        let (address, end, served) = server(limits());
        let slow = open(address, "GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await;
        let _idle = open(address, "").await;
        sleep(SHORT / 3).await;
        end.send(()).unwrap();
        assert!(rest(slow).await.ends_with("done"));
        timeout(20 * SHORT, served).await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    }
}
