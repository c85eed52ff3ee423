//! DynamoDB, as an emulator in this process, and a Kinesis that remembers what it was sent.

use abx_functions::adapters::aws::{
    Budget, DynamoAssignments, DynamoCatalog, DynamoMetrics, TableNames, create_tables, dynamodb, emulator,
};
use abx_functions::catalog::encode;
use abx_functions::ports::{CatalogStore, RevisionMeta};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// The tables and the stream of one test.
pub(crate) struct Aws {
    dynamodb: String,
    kinesis: String,
    firehose: String,
    stream: Arc<Stream>,
    archived: Arc<Mutex<Vec<Value>>>,
}

/// A stream that remembers what it was sent, and may refuse.
#[derive(Default)]
struct Stream {
    sent: Mutex<Vec<Value>>,
    refuses: AtomicBool,
    refused: AtomicU64,
    /// The time that each call takes, in milliseconds, and the number of calls that began.
    delay: AtomicU64,
    begun: AtomicU64,
}

/// One experiment and one flag.
pub(crate) fn documents() -> Vec<Value> {
    vec![
        json!({"experiment": "e", "status": "active", "variants": [
            {"key": "control", "allocation": 0.5}, {"key": "treatment", "allocation": 0.5}]}),
        json!({"flag": "f", "enabled": true}),
    ]
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let database = dynoxide::Database::memory().unwrap();
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let stream = Arc::new(Stream::default());
        let archived = Arc::new(Mutex::new(Vec::new()));
        let aws = Self {
            dynamodb: endpoint,
            kinesis: serve(Router::new().route("/", post(put_records)).with_state(Arc::clone(&stream))).await,
            firehose: serve(
                Router::new().route("/", post(put_record_batch)).with_state(Arc::clone(&archived)),
            )
            .await,
            stream,
            archived,
        };
        let names =
            TableNames { catalog: "catalog", assignments: "assignments", metrics: "metrics", marks: "marks" };
        create_tables(&aws.client(), names).await.unwrap();
        aws
    }

    fn client(&self) -> aws_sdk_dynamodb::Client {
        dynamodb(&emulator(&self.dynamodb), Budget::PATIENT)
    }

    pub(crate) fn assignments(&self) -> DynamoAssignments {
        DynamoAssignments::new(self.client(), "assignments")
    }

    pub(crate) async fn publish(&self, revision: u64, documents: &[Value]) {
        let catalog = DynamoCatalog::new(self.client(), "catalog");
        let meta =
            RevisionMeta { created_at: Timestamp::UNIX_EPOCH, author: "t".into(), message: "t".into() };
        catalog.put_revision(revision, &encode(documents).unwrap(), &meta).await.unwrap();
        let from = (revision > 1).then(|| revision - 1);
        catalog.flip_head(from, revision, &meta).await.unwrap();
    }

    /// The environment variables that a function needs.
    pub(crate) fn vars(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ABX_CATALOG_TABLE", "catalog".into()),
            ("ABX_ASSIGNMENTS_TABLE", "assignments".into()),
            ("ABX_EVENT_STREAM", "events".into()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.clone()),
            ("AWS_ENDPOINT_URL_KINESIS", self.kinesis.clone()),
        ]
    }

    /// The environment variables of the event function; the archive may be elsewhere.
    pub(crate) fn vars_of_events(&self, archive: Option<String>) -> Vec<(&'static str, String)> {
        vec![
            ("ABX_CATALOG_TABLE", "catalog".into()),
            ("ABX_METRICS_TABLE", "metrics".into()),
            ("ABX_MARKS_TABLE", "marks".into()),
            ("ABX_ARCHIVE_STREAM", "archive".into()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.clone()),
            ("AWS_ENDPOINT_URL_FIREHOSE", archive.unwrap_or_else(|| self.firehose.clone())),
        ]
    }

    pub(crate) fn metrics(&self) -> DynamoMetrics {
        DynamoMetrics::new(self.client(), "metrics", "marks")
    }

    /// The lines of the archive.
    pub(crate) fn archived(&self) -> Vec<Value> {
        self.archived.lock().unwrap().clone()
    }

    /// The events that arrived.
    pub(crate) fn sent(&self) -> Vec<Value> {
        self.stream.sent.lock().unwrap().clone()
    }

    /// Lets the stream refuse everything, or take it.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.stream.refused.store(0, SeqCst);
        self.stream.refuses.store(refuses, SeqCst);
    }

    /// Lets each call of the stream take some time.
    pub(crate) fn delay(&self, milliseconds: u64) {
        self.stream.delay.store(milliseconds, SeqCst);
    }

    /// The number of calls that the stream was asked for.
    pub(crate) fn begun(&self) -> u64 {
        self.stream.begun.load(SeqCst)
    }

    /// The number of calls that the stream refused since.
    pub(crate) fn refused(&self) -> u64 {
        self.stream.refused.load(SeqCst)
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

async fn put_records(State(stream): State<Arc<Stream>>, body: Bytes) -> (StatusCode, String) {
    stream.begun.fetch_add(1, SeqCst);
    tokio::time::sleep(Duration::from_millis(stream.delay.load(SeqCst))).await;
    if stream.refuses.load(SeqCst) {
        stream.refused.fetch_add(1, SeqCst);
        let why = json!({"__type": "InternalFailure", "message": "away"});
        return (StatusCode::INTERNAL_SERVER_ERROR, why.to_string());
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let records = request["Records"].as_array().unwrap();
    for record in records {
        let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
        stream.sent.lock().unwrap().push(serde_json::from_slice(&data).unwrap());
    }
    let taken = vec![json!({"SequenceNumber": "1", "ShardId": "shardId-0"}); records.len()];
    (StatusCode::OK, json!({"FailedRecordCount": 0, "Records": taken}).to_string())
}

/// A Firehose that keeps the lines of all records.
async fn put_record_batch(State(archived): State<Arc<Mutex<Vec<Value>>>>, body: Bytes) -> String {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let records = request["Records"].as_array().unwrap();
    for record in records {
        let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
        let lines = serde_json::Deserializer::from_slice(&data).into_iter::<Value>();
        archived.lock().unwrap().extend(lines.map(Result::unwrap));
    }
    let taken = vec![json!({"RecordId": "1"}); records.len()];
    json!({"FailedPutCount": 0, "RequestResponses": taken}).to_string()
}

/// An address that accepts and never answers.
pub(crate) async fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    endpoint
}
