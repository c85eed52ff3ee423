//! Documents, stores, and requests to the routers.

use abx_functions::adapters::embedded::EmbeddedStore;
use abx_functions::assignment::{self, AssignRequest, AssignmentResponse, RequestClock};
use abx_functions::catalog::{CatalogHolder, Snapshot, encode};
use abx_functions::flags;
use abx_functions::http::{Cors, HttpFunction, HttpOptions};
use abx_functions::ports::{
    AssignmentStore, CatalogStore, Event, EventSink, PortError, PortResult, Put, RevisionMeta, SendReport,
    StoredAssignment,
};
use abx_functions::settings::{Evaluations, Exposures};
use abx_functions::telemetry::{Level, Telemetry};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// The reaction of a store or a stream to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Failing,
    Silent,
}

/// A store in memory, in a mood.
pub(crate) struct Moody {
    pub(crate) store: EmbeddedStore,
    mood: Mutex<Mood>,
    pub(crate) calls: AtomicUsize,
    /// Those of the calls that write.
    pub(crate) puts: AtomicUsize,
}

impl Moody {
    fn new() -> Self {
        let store = EmbeddedStore::in_memory().unwrap();
        Self { store, mood: Mutex::new(Mood::Well), calls: AtomicUsize::new(0), puts: AtomicUsize::new(0) }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn call(&self) -> PortResult<()> {
        self.calls.fetch_add(1, SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Failing => Err(PortError::transient("throttled")),
            Mood::Silent => std::future::pending().await,
        }
    }
}

impl AssignmentStore for Moody {
    async fn get(&self, unit: &str, key: &str) -> PortResult<Option<StoredAssignment>> {
        self.call().await?;
        self.store.get(unit, key).await
    }
    async fn get_many(&self, unit: &str, keys: &[&str]) -> PortResult<Vec<Option<StoredAssignment>>> {
        self.call().await?;
        self.store.get_many(unit, keys).await
    }
    async fn put_if_absent(&self, assignment: &StoredAssignment, now: i64) -> PortResult<Put> {
        self.puts.fetch_add(1, SeqCst);
        self.call().await?;
        self.store.put_if_absent(assignment, now).await
    }
}

/// A stream that a test reads, in a mood.
pub(crate) struct Stream {
    sent: Mutex<Vec<Event>>,
    mood: Mutex<Mood>,
}

impl Stream {
    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn take(&self) -> Vec<Value> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        sent.iter().map(|event| serde_json::from_slice(&event.data).unwrap()).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|event| event.partition_key.clone()).collect()
    }
}

impl EventSink for Stream {
    async fn send(&self, events: &[Event]) -> SendReport {
        if *self.mood.lock().unwrap() == Mood::Well {
            self.sent.lock().unwrap().extend_from_slice(events);
            return SendReport::default();
        }
        SendReport { failed: (0..events.len()).collect(), cause: Some(PortError::transient("away")) }
    }
}

/// A log that a test reads.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// The differences between a world and the usual one.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) documents: Vec<Value>,
    pub(crate) exposures: Exposures,
    pub(crate) evaluations: Evaluations,
    pub(crate) origins: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) base_path: String,
}

type Assignment = assignment::AssignmentService<EmbeddedStore, Arc<Moody>, Arc<Stream>>;
type Flags = flags::FlagService<EmbeddedStore, Arc<Stream>>;

/// Both functions over the same catalog.
pub(crate) struct World {
    pub(crate) catalog: EmbeddedStore,
    pub(crate) holder: Arc<CatalogHolder<EmbeddedStore>>,
    pub(crate) store: Arc<Moody>,
    pub(crate) stream: Arc<Stream>,
    pub(crate) log: Log,
    pub(crate) assignment: Arc<Assignment>,
    pub(crate) flags: Arc<Flags>,
    base_path: String,
}

impl World {
    pub(crate) async fn of(documents: impl IntoIterator<Item = Value>) -> Self {
        let documents = documents.into_iter().collect();
        Self::new(Setup { documents, ..Setup::default() }).await
    }

    pub(crate) async fn new(setup: Setup) -> Self {
        let catalog = EmbeddedStore::in_memory().unwrap();
        let world = Self::over(catalog, Arc::new(Moody::new()), &setup);
        if !setup.documents.is_empty() {
            world.publish(setup.documents).await;
        }
        world
    }

    /// Another process over the same stores.
    pub(crate) async fn twin(&self) -> Self {
        let twin = Self::over(self.catalog.clone(), Arc::clone(&self.store), &Setup::default());
        twin.holder.load().await.unwrap();
        twin
    }

    fn over(catalog: EmbeddedStore, store: Arc<Moody>, setup: &Setup) -> Self {
        let holder = Arc::new(CatalogHolder::new(catalog.clone(), Snapshot::default()));
        let stream = Arc::new(Stream { sent: Mutex::default(), mood: Mutex::new(Mood::Well) });
        let log = Log::default();
        let telemetry = Arc::new(Telemetry::new("test", Level::Debug, log.clone()));
        let cors = Cors::new(setup.origins.clone()).with_headers(setup.headers.clone());
        let (exposures, base_path) = (setup.exposures, setup.base_path.clone());
        let http = HttpOptions { exposures, cors, base_path: base_path.clone() };
        let options = assignment::AssignmentOptions { http: http.clone(), ..Default::default() };
        let (sink, shared) = (Arc::clone(&stream), Arc::clone(&telemetry));
        let assignment = assignment::AssignmentService::new(
            Arc::clone(&holder),
            Arc::clone(&store),
            sink,
            shared,
            options,
        );
        let options = flags::FlagOptions { evaluations: setup.evaluations, http };
        let flags = flags::FlagService::new(Arc::clone(&holder), Arc::clone(&stream), telemetry, options);
        let (assignment, flags) = (Arc::new(assignment), Arc::new(flags));
        Self { catalog, holder, store, stream, log, assignment, flags, base_path }
    }

    /// Publishes, and loads what was published.
    pub(crate) async fn publish(&self, documents: impl IntoIterator<Item = Value>) {
        let documents: Vec<Value> = documents.into_iter().collect();
        let head = self.catalog.head().await.unwrap().map(|head| head.revision);
        let next = head.unwrap_or(0) + 1;
        let meta = RevisionMeta { created_at: at(0), author: "t".into(), message: "t".into() };
        self.catalog.put_revision(next, &encode(&documents).unwrap(), &meta).await.unwrap();
        self.catalog.flip_head(head, next, &meta).await.unwrap();
        self.holder.load().await.unwrap();
        assert!(self.holder.held().held_back.is_empty(), "{:?}", self.holder.held().held_back);
    }

    /// Assigns at a time in seconds since 1970; the answer as JSON.
    pub(crate) async fn assign(&self, request: Value, seconds: i64) -> Value {
        let request: AssignRequest = serde_json::from_value(request).unwrap();
        let snapshot = self.holder.held();
        let answer: AssignmentResponse<'_> =
            self.assignment.assign(&snapshot, &request, RequestClock::at(at(seconds))).await.unwrap();
        serde_json::to_value(answer).unwrap()
    }

    pub(crate) fn routers(&self) -> [Router; 2] {
        [Arc::clone(&self.assignment).router(), Arc::clone(&self.flags).router()]
    }

    /// Sends a request to the function that has its path. The response has to fit the OpenAPI document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let answer = self.send_unchecked(Request::from_parts(parts, Body::from(body.clone()))).await;
        let path = path.strip_prefix(&*self.base_path).unwrap_or(&path).trim_end_matches('/');
        crate::openapi::check(&method, path, &body, &answer);
        answer
    }

    /// The same for a document that is being made.
    pub(crate) async fn send_unchecked(&self, request: Request<Body>) -> Answer {
        let [assignment, flags] = self.routers();
        let router = if request.uri().path().contains("/assign") { assignment } else { flags };
        self.send_to(router, request).await
    }

    pub(crate) async fn send_to(&self, router: Router, request: Request<Body>) -> Answer {
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::post(path).body(body.into()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> Answer {
        self.post(path, body.to_string()).await
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// The body of an answer that says that all is well.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json
    }

    /// Checks a refusal in our own form.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let error = &self.json["error"];
        assert_eq!(error["code"], code, "{self:?}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert_eq!(error["request_id"].as_str().unwrap(), self.headers["x-request-id"]);
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// An active experiment for everybody, half and half, with some fields replaced.
pub(crate) fn experiment(key: &str, other: &Value) -> Value {
    let mut document = json!({
        "experiment": key,
        "status": "active",
        "variants": [
            {"key": "control", "allocation": 0.5, "payload": {"color": "grey"}},
            {"key": "treatment", "allocation": 0.5, "payload": {"color": "green"}},
        ],
    });
    let fields = other.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(fields);
    document
}

/// The same experiment, with everybody in one variant.
pub(crate) fn all_in(key: &str, variant: &str, other: &Value) -> Value {
    let share = |key: &str| i32::from(key == variant);
    let variants = ["control", "treatment"].map(|key| json!({"key": key, "allocation": share(key)}));
    let mut document = experiment(key, other);
    document["variants"] = json!(variants);
    document
}
