//! The connections of a server, and which of them makes room for the next.
//!
//! A connection is *waiting* while its caller has to send something: the head of a request, the rest of a body. Such connections cost
//! their caller nothing, so thousands of them may stand. At the limit, the one that has waited longest is closed for a new one: whoever
//! sends a whole request is answered, however many others only hold a connection. One that is being answered is never closed for that.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The connections that are open, and counts of those that were.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    places: Arc<Semaphore>,
    /// Those that wait for their caller, in the order in which they began to.
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
    began_to_wait: Notify,
    next: AtomicU64,
    accepted: AtomicU64,
    closed_for_room: AtomicU64,
}

impl Connections {
    /// At most so many at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            places: Arc::new(Semaphore::new(limit)),
            waiting: Mutex::default(),
            began_to_wait: Notify::new(),
            next: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            closed_for_room: AtomicU64::new(0),
        }
    }

    /// The most that may be open.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.limit.saturating_sub(self.places.available_permits())
    }

    /// The number that were ever accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// The number that were closed because they waited longest, and another one came.
    #[must_use]
    pub fn closed_for_room(&self) -> u64 {
        self.closed_for_room.load(Relaxed)
    }

    /// A place for a connection that was accepted: a free one, or that of the one that has waited longest. While all of them are being
    /// answered, it waits for the first that is done.
    pub(super) async fn enter(self: &Arc<Self>) -> Arc<Connection> {
        let place = loop {
            let mut freed = pin!(self.began_to_wait.notified());
            freed.as_mut().enable();
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                break Some(place);
            }
            if self.make_room() {
                break Arc::clone(&self.places).acquire_owned().await.ok();
            }
            tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => break place.ok(),
                () = freed => {}
            }
        };
        self.accepted.fetch_add(1, Relaxed);
        let connection = Connection {
            all: Arc::clone(self),
            _place: place,
            leave: Arc::new(Notify::new()),
            turn: Mutex::default(),
        };
        connection.waits();
        Arc::new(connection)
    }

    /// Closes the connection that has waited longest; false if none waits.
    pub(super) fn make_room(&self) -> bool {
        let Some((_, leave)) = self.waiting().pop_first() else { return false };
        self.closed_for_room.fetch_add(1, Relaxed);
        leave.notify_one();
        true
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    /// None only if the places were closed, which nothing does.
    _place: Option<OwnedSemaphorePermit>,
    leave: Arc<Notify>,
    /// The place among those that wait; `None` while a request is answered.
    turn: Mutex<Option<u64>>,
}

impl Connection {
    /// From now on, its caller has to send something.
    pub(super) fn waits(&self) {
        let turn = self.all.next.fetch_add(1, Relaxed);
        let before = self.turn().replace(turn);
        let mut waiting = self.all.waiting();
        before.map(|before| waiting.remove(&before));
        waiting.insert(turn, Arc::clone(&self.leave));
        drop(waiting);
        self.all.began_to_wait.notify_waiters();
    }

    /// From now on, a request is answered that is here as a whole.
    fn answers(&self) {
        let turn = self.turn().take();
        turn.map(|turn| self.all.waiting().remove(&turn));
    }

    /// Ends when the connection has to make room.
    pub(super) async fn has_to_leave(&self) {
        self.leave.notified().await;
    }

    /// The body of a request, which is answered once it has come to its end.
    pub(super) fn reads(self: &Arc<Self>, body: Incoming) -> Body {
        if body.is_end_stream() {
            self.answers();
            return Body::new(body);
        }
        Body::new(AwaitedBody { body, connection: Arc::clone(self) })
    }

    fn turn(&self) -> MutexGuard<'_, Option<u64>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.answers();
    }
}

/// A body that tells its connection when all of it is here.
struct AwaitedBody {
    body: Incoming,
    connection: Arc<Connection>,
}

impl HttpBody for AwaitedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.body.is_end_stream() || matches!(polled, Poll::Ready(None)) {
            self.connection.answers();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
