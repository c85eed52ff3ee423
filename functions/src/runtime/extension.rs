//! The extension: both routers on a port of the environment, beside a function of any language.
//!
//! It listens before it registers, so that the function finds it from its first line on, and the init ends once the catalog is loaded.
//! The crate `lambda-extension` registers it and asks for events.
//!
//! An external extension hears when an invocation begins, and not when it ends. The Telemetry API would tell it (`platform.runtimeDone`), at
//! the earliest 25 ms later, all of which is billed; that was rejected. Instead, exposures are sent as soon as their request is
//! answered, while the function goes on; what is not sent when the environment is frozen is sent when it is thawed for the next
//! invocation, or at SHUTDOWN. With `ABX_EXPOSURES=sync`, they are sent before the answer.

use super::init::{INIT, Start, load_catalog};
use crate::adapters::aws::{Budget, DynamoAssignments, dynamodb};
use crate::http::{Connections, ServerLimits, serve};
use crate::serving::Serving;
use crate::settings::Function;
use crate::telemetry::{Level, Telemetry};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use lambda_extension::{Extension, NextEvent};
use serde_json::json;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// The name that it registers by: that of its file in `/opt/extensions`.
const NAME: &str = "abx-extension";
/// The variable of its port, and the port without it: that of the agent of AWS `AppConfig`, which it replaces.
const PORT: (&str, &str) = ("ABX_EXTENSION_PORT", "2772");
/// The time that it takes to send what waits at SHUTDOWN. Lambda kills it 2 s after that.
const LAST_MOMENTS: Duration = Duration::from_millis(1500);
/// The connections of one function, which has one invocation at a time, and as many requests as it likes.
const CONNECTIONS: usize = 100;
/// A frozen environment is not idle, though the clock goes on: its connections are to be there when it is thawed.
const LIMITS: ServerLimits =
    ServerLimits { head: Duration::from_hours(24), request: Duration::from_secs(30), grace: Duration::ZERO };

/// Runs the extension until Lambda tells it to end.
pub async fn extension(vars: impl IntoIterator<Item = (String, String)>) -> ExitCode {
    let (own, vars): (Vec<_>, Vec<_>) = vars.into_iter().partition(|(name, _)| name == PORT.0);
    let port = own.first().map(|(_, port)| &**port).filter(|port| !port.is_empty());
    let start = match Start::named(Function::Assignment, "extension", vars).await {
        Ok(start) => start,
        Err(code) => return code,
    };
    let telemetry = Arc::clone(&start.telemetry);
    match run(&start, port.unwrap_or(PORT.1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err((event, why)) => {
            telemetry.log(Level::Error, event, None, &json!({"why": why}));
            ExitCode::FAILURE
        }
    }
}

/// The name of an event for the log, and the reason.
type Failure = (&'static str, String);

async fn run(start: &Start, port: &str) -> Result<(), Failure> {
    let failed = |event| move |error: std::io::Error| (event, error.to_string());
    let port: u16 = port.parse().map_err(|_| ("wrong_settings", format!("{} is not a port", PORT.0)))?;
    if start.var("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err((
            "no_extensions_api",
            "AWS_LAMBDA_RUNTIME_API is missing: this program runs in Lambda".into(),
        ));
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("no_signals"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| ("port_unavailable", format!("127.0.0.1:{port}: {error}")))?;
    let store = Arc::new(DynamoAssignments::new(
        dynamodb(&start.config, Budget::REQUEST),
        &*start.settings.assignments_table,
    ));
    let serving = Arc::new(start.serving(Arc::clone(&store)));
    let (loaded, is_loaded) = watch::channel(false);
    let answered = Arc::new(Notify::new());
    let notice = Arc::clone(&answered);
    let router = serving.router().layer(from_fn(move |request: Request, next: Next| {
        let (mut is_loaded, notice) = (is_loaded.clone(), Arc::clone(&notice));
        async move {
            // Requests of the function's own init come before the catalog does.
            let _ = timeout(INIT, is_loaded.wait_for(|is| *is)).await;
            let response = next.run(request).await;
            notice.notify_one();
            response
        }
    }));
    let connections = Arc::new(Connections::new(CONNECTIONS));
    let server = tokio::spawn(serve(listener, router, LIMITS, connections, std::future::pending()));
    let flushing = Arc::clone(&serving);
    let flusher = tokio::spawn(async move {
        loop {
            answered.notified().await;
            flushing.flush().await;
        }
    });

    let shutdown = Arc::new(Notify::new());
    let (tended, told) = (Arc::clone(&serving), Arc::clone(&shutdown));
    let processor = lambda_extension::service_fn(move |event: lambda_extension::LambdaEvent| {
        let (serving, shutdown) = (Arc::clone(&tended), Arc::clone(&told));
        async move {
            match event.next {
                // What the freeze left; and a catalog that grew old meanwhile, before the function asks.
                NextEvent::Invoke(_) => {
                    tokio::join!(serving.flush(), serving.refresh());
                }
                NextEvent::Shutdown(_) => shutdown.notify_one(),
            }
            Ok::<_, Infallible>(())
        }
    });
    let register = Extension::new()
        .with_extension_name(NAME)
        .with_events(&["INVOKE", "SHUTDOWN"])
        .with_events_processor(processor)
        .register();
    let load = async {
        // A store that cannot be reached now may be later; requests are answered without it.
        let _ = tokio::join!(
            load_catalog(serving.catalog(), serving.telemetry()),
            timeout(INIT, store.warm_up())
        );
        // Somebody waits for it, or nobody does.
        let _ = loaded.send(true);
    };
    let (registered, ()) = tokio::join!(register, load);
    let registered = registered.map_err(|error| ("not_registered", error.to_string()))?;
    let mut running = tokio::spawn(registered.run());
    let ended = tokio::select! {
        Ok(Err(error)) = &mut running => Err(("extension_ended", error.to_string())),
        () = shutdown.notified() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    server.abort();
    // The others go on meanwhile: events that are cut off on their way to the stream are lost.
    close(&serving).await;
    flusher.abort();
    running.abort();
    ended
}

/// Sends what waits, and says if there was no time for that.
async fn close<C, S, E>(serving: &Serving<C, S, E>)
where
    C: crate::ports::CatalogStore + 'static,
    S: crate::ports::AssignmentStore + 'static,
    E: crate::ports::EventSink + 'static,
{
    let telemetry: &Telemetry = serving.telemetry();
    if timeout(LAST_MOMENTS, serving.close()).await.is_err() {
        let fields = json!({"after_ms": LAST_MOMENTS.as_millis()});
        telemetry.log(Level::Error, "shutdown_cut", None, &fields);
    }
    telemetry.flush();
}
