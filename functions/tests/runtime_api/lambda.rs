//! A small Lambda: the Runtime API, the Extensions API, and a process under them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The time limit of any step of a test.
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome = Result<Value, Value>;

/// The state that the two APIs share.
#[derive(Default)]
struct Control {
    waiting: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    extensions: Mutex<Vec<String>>,
    /// The number of times that the extension asked for its next event: one more than the invocations that it has finished.
    extension_asked: AtomicU64,
    has_extensions: bool,
}

struct Queue<T> {
    sender: mpsc::UnboundedSender<T>,
    receiver: AsyncMutex<mpsc::UnboundedReceiver<T>>,
}

impl<T> Queue<T> {
    fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver: AsyncMutex::new(receiver) }
    }
    async fn next(&self) -> T {
        self.receiver.lock().await.recv().await.unwrap()
    }
}

struct Api {
    control: Control,
    invocations: Queue<(String, String)>,
    extension_events: Queue<Value>,
}

/// A process: of a function, or of an extension beside one.
pub(crate) struct Process {
    api: Arc<Api>,
    address: String,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    /// Ends with the log: what was written last may be read after the process has ended.
    log_reader: Option<JoinHandle<()>>,
    count: AtomicU64,
}

impl Process {
    /// Starts a bootstrap, and waits until it asks for work.
    pub(crate) async fn start(program: &str, vars: &[(&str, String)]) -> Self {
        Self::start_with(program, &[], vars, true).await
    }

    /// The same in a Lambda that has no Extensions API.
    pub(crate) async fn start_alone(program: &str, vars: &[(&str, String)]) -> Self {
        Self::start_with(program, &[], vars, false).await
    }

    pub(crate) async fn start_with(
        program: &str,
        args: &[&str],
        vars: &[(&str, String)],
        has_extensions: bool,
    ) -> Self {
        let control = Control { has_extensions, ..Control::default() };
        let api = Arc::new(Api { control, invocations: Queue::new(), extension_events: Queue::new() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = router(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self::spawn(api, address, program, args, vars)
    }

    /// Starts another process in the same environment.
    pub(crate) fn beside(&self, program: &str, args: &[&str], vars: &[(&str, String)]) -> Self {
        Self::spawn(Arc::clone(&self.api), self.address.clone(), program, args, vars)
    }

    fn spawn(api: Arc<Api>, address: String, program: &str, args: &[&str], vars: &[(&str, String)]) -> Self {
        let mut child = command(program, &address, vars).args(args).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (written, mut lines) = (Arc::clone(&log), BufReader::new(child.stdout.take().unwrap()).lines());
        let log_reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| json!({"not_json": line}));
                written.lock().unwrap().push(line);
            }
        });
        Self { api, address, child, log, log_reader: Some(log_reader), count: AtomicU64::new(0) }
    }

    /// Invokes the function with a payload.
    pub(crate) async fn invoke_raw(&self, payload: &str) -> Outcome {
        let id = format!("request-{}", self.count.fetch_add(1, SeqCst));
        let (sender, receiver) = oneshot::channel();
        self.api.control.waiting.lock().unwrap().insert(id.clone(), sender);
        // Nobody reads these if there is no extension.
        self.begin_invocation(&id);
        self.api.invocations.sender.send((id, payload.to_owned())).unwrap();
        timeout(PATIENCE, receiver).await.expect("an answer").unwrap()
    }

    /// Tells the extension of an invocation.
    pub(crate) fn begin_invocation(&self, id: &str) {
        let deadline: u64 = deadline().parse().unwrap();
        let begun = json!({"eventType": "INVOKE", "deadlineMs": deadline, "requestId": id,
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:1:function:tested",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"}});
        self.api.extension_events.sender.send(begun).unwrap();
    }

    /// The number of times that the extension asked for its next event.
    pub(crate) fn asked(&self) -> u64 {
        self.api.control.extension_asked.load(SeqCst)
    }

    /// Invokes the function, which must answer with an envelope; the status and the JSON body.
    pub(crate) async fn invoke(&self, payload: &Value) -> (u64, Value) {
        let envelope = self.envelope(payload).await;
        let body = envelope["body"].as_str().unwrap();
        (envelope["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap())
    }

    pub(crate) async fn envelope(&self, payload: &Value) -> Value {
        self.invoke_raw(&payload.to_string()).await.expect("no error")
    }

    /// Waits until the extension is done with all invocations so far, as Lambda does before it freezes.
    pub(crate) async fn freeze(&self) {
        let due = self.count.load(SeqCst) + 1;
        wait_for("the extension", || self.asked() >= due).await;
    }

    pub(crate) fn extensions(&self) -> Vec<String> {
        self.api.control.extensions.lock().unwrap().clone()
    }

    /// The lines of the log with this event.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line["event"] == name).cloned().collect()
    }

    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// Asks the process to end, as Lambda does, and waits for it; its exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(told.success());
        self.ended().await
    }

    /// Tells the extension that the environment ends, as Lambda does, and waits for it; its exit code.
    pub(crate) async fn shut_down(&mut self) -> Option<i32> {
        let deadline: u64 = deadline().parse().unwrap();
        let told = json!({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline});
        self.api.extension_events.sender.send(told).unwrap();
        self.ended().await
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let code = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code();
        if let Some(reader) = self.log_reader.take() {
            timeout(PATIENCE, reader).await.expect("its log ends").unwrap();
        }
        code
    }

    /// The most memory that the process ever had resident, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Waits for something that happens elsewhere.
pub(crate) async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waited).await.is_ok(), "waited in vain for {what}");
}

fn command(program: &str, runtime_api: &str, vars: &[(&str, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdout(Stdio::piped()).kill_on_drop(true);
    for (name, value) in [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_FUNCTION_NAME", "tested"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ] {
        command.env(name, value);
    }
    command.envs(vars.iter().map(|(name, value)| (*name, value)));
    command
}

fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(take_response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(take_error))
        .route("/2020-01-01/extension/register", post(register))
        .route("/2020-01-01/extension/event/next", get(next_event))
        .with_state(api)
}

fn deadline() -> String {
    let later = SystemTime::now() + Duration::from_secs(10);
    later.duration_since(UNIX_EPOCH).unwrap().as_millis().to_string()
}

async fn next_invocation(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let (id, payload) = api.invocations.next().await;
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:tested".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned()),
    ];
    (headers, payload)
}

async fn take_response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    finish(&api, &id, Ok(serde_json::from_slice(&body).unwrap()))
}

async fn take_error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    finish(&api, &id, Err(serde_json::from_slice(&body).unwrap()))
}

fn finish(api: &Api, id: &str, outcome: Outcome) -> StatusCode {
    let waiting = api.control.waiting.lock().unwrap().remove(id).unwrap();
    waiting.send(outcome).unwrap();
    StatusCode::ACCEPTED
}

async fn register(State(api): State<Arc<Api>>, headers: HeaderMap) -> impl IntoResponse {
    if !api.control.has_extensions {
        return (StatusCode::NOT_FOUND, HeaderMap::new(), String::new());
    }
    let name = headers["lambda-extension-name"].to_str().unwrap().to_owned();
    api.control.extensions.lock().unwrap().push(name);
    let mut headers = HeaderMap::new();
    headers.insert("lambda-extension-identifier", "extension-1".parse().unwrap());
    let told = json!({"functionName": "tested", "functionVersion": "1", "handler": "bootstrap"});
    (StatusCode::OK, headers, told.to_string())
}

async fn next_event(State(api): State<Arc<Api>>) -> String {
    api.control.extension_asked.fetch_add(1, SeqCst);
    api.extension_events.next().await.to_string()
}
