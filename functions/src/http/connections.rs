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
    waiting: Mutex<BTreeMap<u64, Arc<Seat>>>,
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
            // The place goes over at once: its task is told to end, and nobody waits until it has.
            if let Some(place) = self.make_room() {
                break Some(place);
            }
            tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => break place.ok(),
                () = freed => {}
            }
        };
        self.accepted.fetch_add(1, Relaxed);
        let seat = Arc::new(Seat { place: Mutex::new(place), leave: Notify::new() });
        let connection = Connection { all: Arc::clone(self), seat, turn: Mutex::default() };
        connection.waits();
        Arc::new(connection)
    }

    /// Closes the connection that has waited longest, and returns its place; `None` if none waits.
    pub(super) fn make_room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let (_, seat) = self.waiting().pop_first()?;
            let place = seat.place.lock().unwrap_or_else(PoisonError::into_inner).take();
            // One that gave its place away may answer once more before it ends.
            if place.is_some() {
                self.closed_for_room.fetch_add(1, Relaxed);
                seat.leave.notify_one();
                return place;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Seat>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection, until another one gets it.
#[derive(Debug)]
struct Seat {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    leave: Notify,
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    seat: Arc<Seat>,
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
        waiting.insert(turn, Arc::clone(&self.seat));
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
        self.seat.leave.notified().await;
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
