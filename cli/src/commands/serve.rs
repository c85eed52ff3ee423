//! The routers of the deployed functions as a server that lives long: in a container, or beside a service.

mod metrics;
mod openapi;
mod readiness;
mod token;

use crate::advice::unanswered;
use crate::command::{ReportSchema, Run, block_on};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::inputs::wait;
use crate::output::Output;
use crate::stores::{AnyAssignments, AnyCatalog, AnySink, Backend, StoreArgs, archive_beside};
use abx_functions::adapters::embedded::JsonlArchive;
use abx_functions::assignment::AssignmentOptions;
use abx_functions::catalog::{CatalogHolder, Snapshot};
use abx_functions::events::LocalProcessor;
use abx_functions::http::{self, Connections, Cors, HttpOptions, ServerLimits, finish};
use abx_functions::ports::{Either, PortError};
use abx_functions::serving::Serving;
use abx_functions::settings::{Evaluations, Exposures};
use abx_functions::telemetry::{Level, Telemetry};
use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use metrics::{Metrics, StateOfProcess, measure, with_routes};
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use token::{Tokens, check};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::error::Elapsed;
use tokio::time::{interval, sleep, timeout};

/// The longest time that the start waits for the store. What is not loaded then is loaded later.
const START: Duration = Duration::from_secs(3);
/// The time that a file of a store may keep a request waiting: another program that writes to it needs some milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// The interval between looks for events to count, of a store in a file.
const TICK: Duration = Duration::from_millis(500);
/// Files that are open beside those of connections: the store, the log, and connections to AWS.
const OTHER_FILES: u64 = 64;

/// Serve assignments and flags as a long-lived server: in a container, or beside a service
///
/// The routers are those of the deployed functions: `/assign`, `/flags` and OFREP. Beside them: `/health` (200 while it holds a
/// catalog), `/ready` (200 while it is to get requests: the store was read, a revision is published, and it does not drain) and
/// `/metrics` for Prometheus. With --token-file, every path but `/health` and `/ready` asks for a token. TLS is left to a proxy.
///
/// SIGTERM drains: `/ready` is 503 at once, requests are answered for --drain-delay more, open ones have --grace to end, waiting events are sent, and
/// the exit code is 0. SIGINT does the same without the delay. A second signal ends at once. The log is on stdout, one JSON object a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx serve --store .abx/store.sqlite
  abx serve --table abx-prod-catalog --stream abx-prod-events --listen 0.0.0.0:8080
  abx serve --table abx-prod-catalog --stream abx-prod-events --token-file /run/secrets/abx-token
  abx serve --table abx-prod-catalog --exposures off --max-connections 10000
  curl -H \"authorization: Bearer $(cat token)\" 'localhost:8080/assign?user_id=user_123&experiment_key=checkout_redesign'")]
pub struct Args {
    #[command(flatten)]
    store: StoreArgs,
    /// The address and the port; 0.0.0.0 is every address of this machine, and port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The DynamoDB table of assignments; by default the name of --table with `assignments` for `catalog`
    #[arg(long, value_name = "NAME", requires = "table")]
    assignments_table: Option<String>,
    /// The Kinesis stream that exposures and evaluations are sent to; needed with --table, unless exposures are off
    #[arg(long, value_name = "NAME", requires = "table")]
    stream: Option<String>,
    /// The time at which exposures and evaluations are sent: after the answer, before it, or never
    #[arg(long, value_name = "WHEN", default_value = "after", value_parser = word(["off", "after", "sync"], Exposures::of_word))]
    exposures: Exposures,
    /// The way in which evaluations of flags are sent: counted, one by one, or not at all
    #[arg(long, value_name = "HOW", default_value = "summary", value_parser = word(["off", "summary", "each"], Evaluations::of_word))]
    evaluations: Evaluations,
    /// The lifetime of an assignment, in days
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    assignment_ttl_days: u32,
    /// The number of assignments that the process remembers
    #[arg(long, value_name = "NUMBER", default_value = "10000")]
    cache_assignments: NonZeroUsize,
    /// A file with a token that requests have to bring as `authorization: Bearer TOKEN`. Several lines are several valid tokens; the
    /// file is read again when it changes
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// An origin whose pages may send requests, for example <https://shop.example.com>; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// A path that is removed from the start of every request's, for example /experiments
    #[arg(long, value_name = "PATH", default_value = "", value_parser = base_path, hide_default_value = true)]
    base_path: String,
    /// Connections at a time. At the limit, the one that has waited longest for its caller is closed for a new one
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    max_connections: NonZeroUsize,
    /// The time in which the head of a request must come, and that a connection may be idle
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = wait)]
    idle_timeout: Duration,
    /// The time in which a request must be answered, its body read too
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = wait)]
    request_timeout: Duration,
    /// The time after SIGTERM in which new requests are still answered, so that a load balancer can notice `/ready`
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = wait)]
    drain_delay: Duration,
    /// The time that open requests have to end after that, and waiting events to be sent
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = wait)]
    grace: Duration,
    /// The age of the catalog from which on `/ready` is 503; by default a catalog of any age serves, because a store that is away concerns every server
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    max_catalog_age: Option<Duration>,
    /// The least severe events that are logged
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = word(["debug", "info", "warn", "error"], level))]
    log_level: Level,
}

/// What serves.
type Served = Serving<AnyCatalog, AnyAssignments, AnySink>;
type Readiness = readiness::Readiness<AnyCatalog>;

impl Run for Args {
    /// Serves until it is told to end.
    fn run(&self, output: &Output) -> Exit {
        block_on(serve(self)).unwrap_or_else(|error| output.fail(&error))
    }

    fn reports() -> Vec<ReportSchema> {
        Vec::new()
    }
}

/// One of some words, as the value that it stands for.
fn word<T: Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = &'static str>,
    value: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(move |word| value(&word).ok_or("this word is not known"))
}

/// A level in lower case; log lines have it in upper case.
fn level(word: &str) -> Option<Level> {
    Level::of_word(&word.to_ascii_uppercase())
}

/// With a slash before and none behind.
fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !path.bytes().all(is_plain) || path.contains("//") {
        return Err("write a path, for example /experiments".to_owned());
    }
    Ok(if path.is_empty() { String::new() } else { format!("/{path}") })
}

/// The OpenAPI document of `abx serve`, with or without tokens.
#[must_use]
pub fn document(has_tokens: bool) -> serde_json::Value {
    openapi::document(has_tokens)
}

async fn serve(args: &Args) -> Result<Exit, Error> {
    // First of all, so that in no moment a signal ends the program halfway.
    let mut signals = Signals::listen()?;
    let telemetry = Arc::new(Telemetry::stdout("serve", args.log_level).without_metrics());
    check_open_files(args.max_connections)?;
    let tokens = args.token_file.as_deref().map(Tokens::read).transpose()?.map(Arc::new);
    let mut backend = args.store.open_existing(true).await?;
    if let Backend::File { store, .. } = &mut backend {
        *store = store.clone().with_patience(PATIENCE).map_err(unanswered)?;
    }
    let served = Arc::new(args.open(&backend, &telemetry).await?);
    let listener = http::listen(args.listen).map_err(|error| {
        let help = "another program may have the port: see --listen";
        Error::world(args.listen.to_string()).because(error).help(help)
    })?;
    let address = listener.local_addr().map_err(|error| Error::world("the port").because(error))?;
    let readiness = Arc::new(Readiness::new(Arc::clone(served.catalog()), args.max_catalog_age));
    let connections = Arc::new(Connections::new(args.max_connections.get()));
    let router = router(&args.base_path, &served, &readiness, &connections, tokens.as_ref());
    let fields = json!({
        "address": address.to_string(),
        "store": args.store.name(),
        "asks_for_token": tokens.is_some(),
        "max_connections": connections.limit(),
    });
    telemetry.log(Level::Info, "serving", None, &fields);

    let (end, ended) = oneshot::channel();
    // Ends at the second signal, and only then.
    let orders = async {
        let delay = signals.next().await.map_or(Duration::ZERO, |()| args.drain_delay);
        readiness.drain();
        let fields = json!({"delay_seconds": delay.as_secs_f64(), "grace_seconds": args.grace.as_secs_f64()});
        telemetry.log(Level::Info, "draining", None, &fields);
        tokio::select! {
            () = sleep(delay) => {}
            _ = signals.next() => return,
        }
        let _ = end.send(());
        signals.next().await;
    };
    let limits = ServerLimits { head: args.idle_timeout, request: args.request_timeout, grace: args.grace };
    let serving = http::serve(listener, router, limits, connections, async { drop(ended.await) });
    let counter = counter(&backend, &telemetry);
    let work = async {
        serving.await;
        // The exposures of the last answers, and then what becomes of them in a file.
        let closed = timeout(args.grace, served.close()).await;
        let counted = match &counter {
            Some(counter) => counter.catch_up().await.map_err(unanswered).map(drop),
            None => Ok(()),
        };
        telemetry.log(Level::Info, "ended", None, &json!({"events_in_time": closed.is_ok()}));
        counted.map(|()| exit::DONE)
    };
    // The background goes on until the end: events that are cut off on their way to the stream are lost.
    tokio::select! {
        done = work => done,
        never = background(&served, counter.as_ref(), tokens.as_deref()) => match never {},
        () = orders => Ok(exit::INTERRUPTED),
    }
}

/// What goes on beside requests, for ever.
async fn background(
    served: &Served,
    counter: Option<&LocalProcessor>,
    tokens: Option<&Tokens>,
) -> Infallible {
    let count = async {
        let mut tick = interval(TICK);
        while let Some(counter) = counter {
            tick.tick().await;
            // What is not counted now waits in the file.
            let _ = counter.catch_up().await;
        }
    };
    let follow = async {
        if let Some(tokens) = tokens {
            tokens.follow(served.telemetry()).await;
        }
    };
    tokio::join!(served.tend(), count, follow);
    std::future::pending().await
}

/// The signals that end the program, none of which ends it by itself from now on.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|error| Error::world("signals").because(error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one; `None` if it comes from a terminal, where nobody routes requests.
    async fn next(&mut self) -> Option<()> {
        tokio::select! {
            _ = self.terminate.recv() => Some(()),
            _ = self.interrupt.recv() => None,
            _ = self.hangup.recv() => None,
        }
    }
}

impl Args {
    /// The two functions over a store. One that is not there, or may not be read, is an error; one that does not answer may later.
    async fn open(&self, backend: &Backend, telemetry: &Arc<Telemetry>) -> Result<Served, Error> {
        let place = self.store.assignments_place(self.assignments_table.as_deref()).ok_or_else(|| {
            Error::caller("the table of assignments is not known").help("name it with --assignments-table")
        })?;
        let stream = self.stream.as_deref().filter(|_| self.exposures != Exposures::Off);
        if matches!(backend, Backend::Aws { .. }) && stream.is_none() && self.exposures != Exposures::Off {
            return Err(Error::caller("there is no stream for exposures")
                .help("name it with --stream, or send none: --exposures off"));
        }
        let catalog = Arc::new(CatalogHolder::new(backend.served_catalog(), Snapshot::default()));
        let assignments = backend.served_assignments(&place.name);
        let warm_up = async {
            match &assignments {
                Either::Right(table) => table.warm_up().await,
                Either::Left(_) => Ok(()),
            }
        };
        let (loaded, warm) = tokio::join!(timeout(START, catalog.load()), timeout(START, warm_up));
        answered("catalog", loaded, telemetry)?;
        answered("assignments", warm, telemetry)?;
        let http = HttpOptions {
            exposures: self.exposures,
            cors: Cors::new(self.cors.clone()),
            base_path: self.base_path.clone(),
        };
        let options =
            AssignmentOptions { ttl_days: self.assignment_ttl_days, cache: self.cache_assignments, http };
        let sink = backend.sink(stream);
        Ok(Serving::new(catalog, assignments, sink, Arc::clone(telemetry), options, self.evaluations))
    }
}

/// An error if the store will never answer; a line in the log if it does not now.
fn answered(
    what: &str,
    answer: Result<Result<(), PortError>, Elapsed>,
    telemetry: &Telemetry,
) -> Result<(), Error> {
    let why = match answer {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) if !error.is_transient() => return Err(unanswered(error)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it did not answer in time".to_owned(),
    };
    telemetry.log(Level::Warn, "store_unavailable", None, &json!({"what": what, "why": why}));
    Ok(())
}

fn router(
    base_path: &str,
    served: &Arc<Served>,
    readiness: &Arc<Readiness>,
    connections: &Arc<Connections>,
    tokens: Option<&Arc<Tokens>>,
) -> Router {
    let state = StateOfProcess {
        served: Arc::clone(served),
        readiness: Arc::clone(readiness),
        connections: Arc::clone(connections),
    };
    let metrics = Arc::new(Metrics::new(state));
    let (told, asked) = (Arc::clone(readiness), Arc::clone(served.middleware()));
    let shown = Arc::clone(&metrics);
    let routes = served
        .routes()
        .get("/ready", async move |request: Request| asked.serve(request, async |_| Ok(told.reply())).await)
        .get("/metrics", async move |_: Request| shown.respond())
        .with_service_routes(served.middleware(), openapi::document(tokens.is_some()).to_string());
    debug_assert!(openapi::has(routes.list()), "the document has the routes that there are");
    let router = finish(with_routes(routes), served.middleware());
    let router = match tokens {
        Some(tokens) => router.layer(from_fn_with_state((Arc::clone(tokens), base_path.to_owned()), check)),
        None => router,
    };
    router.layer(from_fn_with_state(metrics, measure))
}

/// The event function, for a store in a file: nobody else counts its events.
fn counter(backend: &Backend, telemetry: &Arc<Telemetry>) -> Option<LocalProcessor> {
    let Backend::File { path, store } = backend else { return None };
    let catalog = Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()));
    let archive = JsonlArchive::new(archive_beside(path));
    Some(LocalProcessor::new(store.clone(), catalog, archive, Arc::clone(telemetry)))
}

/// An error if the system does not let the process have as many files as connections.
fn check_open_files(connections: NonZeroUsize) -> Result<(), Error> {
    let Some(allowed) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current else {
        return Ok(());
    };
    if connections.get() as u64 + OTHER_FILES <= allowed {
        return Ok(());
    }
    let message = format!(
        "{connections} connections need {} open files, and the system allows {allowed}",
        connections.get() as u64 + OTHER_FILES
    );
    Err(Error::caller(message).help("raise the limit with `ulimit -n`, or lower --max-connections"))
}
