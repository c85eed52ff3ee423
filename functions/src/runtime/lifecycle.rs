//! Invocations one after another, and what happens between them.

use super::{ForeignTrigger, Invoker};
use crate::http::{ApiError, HttpFunction, LambdaResponse};
use crate::telemetry::{Level, TelemetryCounter};
use futures_util::FutureExt;
use lambda_extension::{Extension, NextEvent};
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::json;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// The interval at which an environment that serves several requests at once flushes the outbox.
const INTERVAL: Duration = Duration::from_millis(500);
/// The longest time that the end of the process waits for the stream: Lambda kills the process 500 ms after
/// its signal.
const LAST_MOMENTS: Duration = Duration::from_millis(450);

/// The environment that the function runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// An environment of Lambda: one request at a time, frozen in between.
    Lambda,
    /// A managed instance: several requests at a time, never frozen, and extensions hear of no invocations.
    Instance,
}

/// The trigger that flushes the outbox.
#[derive(Clone)]
enum Flush {
    /// The extension flushes. It is notified here of each response.
    Extension(UnboundedSender<()>),
    /// A task of its own flushes at an interval.
    Interval,
    /// Before each response, because there is no extension.
    Before,
}

/// Tells the extension that a response is made, whatever became of the handler: without it the extension would wait for as
/// long as the function may run.
struct ResponseNotice(Flush);

impl Drop for ResponseNotice {
    fn drop(&mut self) {
        if let Flush::Extension(done) = &self.0 {
            // The receiver lives as long as the extension, which is as long as the process.
            let _ = done.send(());
        }
    }
}

/// Serves invocations until the process is told to end, and sends what waits after each response and at the end.
pub async fn run<F: HttpFunction>(function: Arc<F>, host: Host) -> Result<(), lambda_runtime::Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let flush = match host {
        Host::Lambda => register(&function).await,
        Host::Instance => {
            spawn_interval(Arc::clone(&function));
            Flush::Interval
        }
    };
    let invoker = Invoker::new(Arc::clone(&function));
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let (invoker, flush) = (invoker.clone(), flush.clone());
        async move { answer(&invoker, flush, event).await }
    });
    let runtime = Box::pin(Runtime::new(handler).run_concurrent());
    let ended = tokio::select! {
        ended = runtime => ended,
        _ = terminate.recv() => Ok(()),
    };
    if timeout(LAST_MOMENTS, function.base().close()).await.is_err() {
        function.base().telemetry().log(Level::Error, "shutdown_cut", None, &json!({"after_ms": 450}));
    }
    function.base().telemetry().flush();
    ended
}

/// Answers one invocation; a panic outside a handler's own guard ends in an answer too.
async fn answer<F: HttpFunction>(
    invoker: &Invoker<F>,
    flush: Flush,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<LambdaResponse, Diagnostic> {
    let done = ResponseNotice(flush);
    let request_id = &event.context.request_id;
    let work = invoker.invoke(event.payload.get().as_bytes(), request_id);
    let answer = AssertUnwindSafe(work).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| {
        let telemetry = invoker.function().base().telemetry();
        telemetry.count(TelemetryCounter::Panics, 1);
        telemetry.log(Level::Error, "panic", Some(request_id), &json!({"where": "outside the handler"}));
        Ok(ApiError::internal().reply(request_id).into_envelope())
    });
    let answer = answer.map_err(|trigger| refused(&trigger))?;
    if let Flush::Before = done.0 {
        invoker.function().base().outbox().flush().await;
    }
    Ok(answer)
}

fn refused(trigger: &ForeignTrigger) -> Diagnostic {
    Diagnostic { error_type: ForeignTrigger::KIND.to_owned(), error_message: trigger.to_string() }
}

/// Registers an extension inside the process that flushes after each response. Where there are no extensions (some emulators), what
/// waits is sent before the response.
async fn register<F: HttpFunction>(function: &Arc<F>) -> Flush {
    let (sender, receiver) = unbounded_channel();
    let shared = Arc::new(tokio::sync::Mutex::new(receiver));
    let flusher = Arc::clone(function);
    let processor = lambda_extension::service_fn(move |event: lambda_extension::LambdaEvent| {
        let (flusher, shared) = (Arc::clone(&flusher), Arc::clone(&shared));
        async move {
            if let NextEvent::Invoke(invoked) = event.next {
                let mut receiver = shared.lock().await;
                wait(&mut receiver, invoked.deadline_ms).await;
                flusher.base().outbox().flush().await;
            }
            Ok::<_, Infallible>(())
        }
    });
    let extension = Extension::new()
        .with_extension_name("abx-flush")
        .with_events(&["INVOKE"])
        .with_events_processor(processor)
        .register()
        .await;
    match extension {
        Ok(extension) => {
            let function = Arc::clone(function);
            tokio::spawn(async move {
                if let Err(error) = extension.run().await {
                    let fields = json!({"why": error.to_string()});
                    function.base().telemetry().log(Level::Error, "extension_ended", None, &fields);
                }
            });
            Flush::Extension(sender)
        }
        Err(error) => {
            let fields = json!({"why": error.to_string()});
            function.base().telemetry().log(Level::Warn, "no_extension", None, &fields);
            Flush::Before
        }
    }
}

/// Waits for the response, but not longer than the invocation may take.
async fn wait(done: &mut UnboundedReceiver<()>, deadline_ms: u64) {
    let deadline = UNIX_EPOCH + Duration::from_millis(deadline_ms);
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let _ = timeout(left, done.recv()).await;
}

fn spawn_interval<F: HttpFunction>(function: Arc<F>) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            function.base().outbox().flush().await;
        }
    });
}
