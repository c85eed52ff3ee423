//! The functions on this machine, over documents that are edited meanwhile.

mod events;
mod guard;
mod health;
mod invoke;
mod lock;
mod openapi;
mod requests;
mod samples;
mod watch;

use crate::advice::unanswered;
use crate::command::{ReportSchema, Run, block_on};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::inputs::{DOCUMENTS, DocumentSource};
use crate::output::Output;
use crate::render::numbers::plural;
use crate::render::style::{DIM, GOOD, TITLE};
use crate::render::{findings, printable_lines, progress};
use crate::stores::{DEFAULT_STORE, archive_beside, open_file};
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::catalog::{CatalogHolder, Snapshot};
use abx_functions::events::LocalProcessor;
use abx_functions::http::{self, Connections, Cors, HttpFunction, HttpOptions, Routes, ServerLimits, finish};
use abx_functions::telemetry::{Level, Telemetry};
use abx_functions::{assignment, flags};
use axum::Router;
use axum::middleware::from_fn_with_state;
use guard::RequestFilter;
use health::WatchedStore;
use jiff::Timestamp;
use lock::Lock;
use requests::RequestLog;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;
use watch::{SaveOutcome, Watch};

/// The interval between looks at files and store: an edit is to be live within a second.
const TICK: Duration = Duration::from_millis(250);
/// The time that the store may keep a request waiting: another program that writes to it needs some milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time that open requests have to end after the program is interrupted.
const GRACE: Duration = Duration::from_secs(1);
/// Connections at a time.
const CONNECTIONS: usize = 1_000;

/// Serve the functions on this machine, and apply every saved document immediately
///
/// Prints commands to try with your documents, and each request in one line (not with --quiet). The routers are those of the deployed functions, over one file instead of AWS. A saved document becomes a
/// revision; a file with errors keeps its last valid version.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx dev
  abx dev --quiet
  curl 'localhost:8080/assign?user_id=user_123&experiment_key=checkout_redesign'
  curl -d '{\"type\": \"conversion\", \"event\": \"order_placed\", \"user_id\": \"user_123\"}' localhost:8080/events
  abx results checkout_redesign
  curl -d '{\"user_id\": \"user_123\", \"context\": {\"country\": \"DE\"}}' localhost:8080/flags/instant_search
  # AWS CLI 2; version 1 does without --cli-binary-format
  aws lambda invoke --endpoint-url http://localhost:8080 --function-name assignment \\
    --cli-binary-format raw-in-base64-out --payload '{\"user_id\": \"u\", \"experiment_key\": \"e\"}' out.json
  abx invoke abx-dev-events --endpoint http://localhost:8080 --payload @batch.json")]
pub struct Args {
    /// Documents: files or folders, which are watched
    #[arg(default_value = DOCUMENTS, value_name = "SOURCE")]
    sources: Vec<DocumentSource>,
    /// The port on this machine; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// The file of the store: revisions, assignments and events
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STORE)]
    store: PathBuf,
    /// An origin whose pages may send requests, for example <http://localhost:3000>; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// A host name that requests may use besides localhost, for example the name of a container; may be given several times
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Write the functions' logs and metrics to stderr
    #[arg(long)]
    verbose: bool,
}

type LocalAssignments = assignment::AssignmentService<EmbeddedStore, Arc<WatchedStore>, Arc<WatchedStore>>;
type LocalFlags = flags::FlagService<EmbeddedStore, Arc<WatchedStore>>;

/// The service.
struct Dev {
    store: EmbeddedStore,
    watched: Arc<WatchedStore>,
    holder: Arc<CatalogHolder<EmbeddedStore>>,
    assignment: Arc<LocalAssignments>,
    flags: Arc<LocalFlags>,
    events: Arc<LocalProcessor>,
}

impl Run for Args {
    /// Serves until it is interrupted.
    fn run(&self, output: &Output) -> Exit {
        block_on(serve(self)).unwrap_or_else(|error| output.fail(&error))
    }

    fn reports() -> Vec<ReportSchema> {
        Vec::new()
    }
}

/// The OpenAPI document of `abx dev`.
#[must_use]
pub fn document() -> serde_json::Value {
    openapi::document()
}

async fn serve(args: &Args) -> Result<Exit, Error> {
    // First of all, so that in no moment a signal ends the program halfway.
    let interrupted = interrupted()?;
    let paths = DocumentSource::paths(&args.sources, "watched")?;
    let dev = Dev::open(args)?;
    // Before anything is published: another `abx dev` may be here already.
    let _lock = Lock::take(&args.store)?;
    let listener = listen(args.port)?;
    let address = listener.local_addr().map_err(|error| Error::world("the port").because(error))?;
    let mut watch = Watch::new(paths);
    watch.has_changed();
    dev.take(&mut watch).await?;
    say(&format!("{TITLE}http://{address}{TITLE:#} {DIM}store {}{DIM:#}", args.store.display()));
    say_samples(args, &dev, address.port());
    let log = Arc::new(RequestLog::start());
    let guard = RequestFilter { address, origins: args.cors.clone(), hosts: args.allow_host.clone() };
    let router = if progress::is_hidden() {
        dev.router(guard)
    } else {
        dev.router(guard).layer(from_fn_with_state(Arc::clone(&log), requests::log))
    };
    // A caller who never sends the rest of a request must not keep the program.
    let limits = ServerLimits { grace: GRACE, ..ServerLimits::default() };
    tokio::select! {
        () = http::serve(listener, router, limits, Arc::new(Connections::new(CONNECTIONS)), interrupted) => {}
        () = dev.follow(&mut watch) => {}
    }
    log.finish();
    // Everything is written before anything is said: whoever closed the terminal hears nothing.
    dev.flush().await;
    let counted = dev.count().await;
    if let Some(news) = dev.watched.probe().await {
        complain(&news.to_string());
    }
    match (dev.watched.state(), counted) {
        (Some(failing), _) => complain(&failing.at_the_end().to_string()),
        (None, Err(error)) => complain(&error.to_string()),
        (None, Ok(())) => {}
    }
    Ok(exit::INTERRUPTED)
}

/// Shows commands that count something with the documents at hand.
fn say_samples(args: &Args, dev: &Dev, port: u16) {
    let store = args.store.to_str().filter(|it| *it != DEFAULT_STORE);
    let samples = samples::samples(&dev.holder.held().catalog, port, store, Timestamp::now());
    if !samples.is_empty() {
        say(&format!("{DIM}to try it, in another terminal:{DIM:#}"));
        for command in &samples {
            say(&format!("  {command}"));
        }
    }
}

/// Writes a line to the terminal, if there still is one, and it is not to be quiet.
fn say(line: &str) {
    if !progress::is_hidden() {
        let _ = writeln!(anstream::stderr(), "{line}");
    }
}

/// The same for what may hold words of others.
fn complain(text: &str) {
    let _ = writeln!(anstream::stderr(), "abx: {}", printable_lines(text));
}

fn listen(port: u16) -> Result<TcpListener, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    http::listen(address).map_err(|error| {
        Error::world(address.to_string()).because(error).help("another program may have the port: see --port")
    })
}

/// Ends when the program is interrupted or asked to end, or its terminal is closed, none of which ends it by itself from now on.
fn interrupted() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| signal(kind).map_err(|error: io::Error| Error::world("signals").because(error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

impl Dev {
    fn open(args: &Args) -> Result<Self, Error> {
        let store = open_file(&args.store)?.with_patience(PATIENCE).map_err(unanswered)?;
        let watched = Arc::new(WatchedStore::new(store.clone()));
        let holder = Arc::new(CatalogHolder::new(store.clone(), Snapshot::default()));
        let telemetry = |function| {
            let stderr = std::io::stderr();
            let out = if args.verbose {
                Telemetry::new(function, Level::Info, stderr)
            } else {
                Telemetry::silent(function)
            };
            Arc::new(out)
        };
        let http = HttpOptions { cors: Cors::new(args.cors.clone()), ..HttpOptions::default() };
        let assignment = assignment::AssignmentService::new(
            Arc::clone(&holder),
            Arc::clone(&watched),
            Arc::clone(&watched),
            telemetry("assignment"),
            assignment::AssignmentOptions { http: http.clone(), ..assignment::AssignmentOptions::default() },
        );
        let flags = flags::FlagService::new(
            Arc::clone(&holder),
            Arc::clone(&watched),
            telemetry("flags"),
            flags::FlagOptions { http, ..flags::FlagOptions::default() },
        );
        let archive = JsonlArchive::new(archive_beside(&args.store));
        let events = LocalProcessor::new(store.clone(), Arc::clone(&holder), archive, telemetry("events"));
        let (assignment, flags, events) = (Arc::new(assignment), Arc::new(flags), Arc::new(events));
        Ok(Self { store, watched, holder, assignment, flags, events })
    }

    /// The routes, each of which is in the document.
    fn routes(&self) -> Routes {
        Arc::clone(&self.assignment)
            .routes()
            .merge(Arc::clone(&self.flags).routes())
            .merge(events::routes(
                Arc::clone(&self.watched),
                Arc::clone(&self.events),
                Arc::clone(&self.assignment),
                Arc::clone(&self.flags),
            ))
            .merge(invoke::routes(
                Arc::clone(&self.assignment),
                Arc::clone(&self.flags),
                Arc::clone(&self.events),
            ))
            .get("/docs", openapi::page)
            .with_service_routes(self.assignment.base().middleware(), document().to_string())
    }

    fn router(&self, guard: RequestFilter) -> Router {
        let health = (Arc::clone(&self.watched), Arc::clone(&self.events));
        finish(self.routes(), self.assignment.base().middleware())
            .layer(from_fn_with_state(health, health::health))
            .layer(from_fn_with_state(Arc::new(guard), guard::guard))
    }

    /// Follows the files, the head and the queues of events, for ever.
    async fn follow(&self, watch: &mut Watch) {
        let mut tick = interval(TICK);
        let mut said = None;
        loop {
            tick.tick().await;
            // What serves goes on serving. The next tick tries again, so the same error is said once.
            let looked = self.look(watch).await;
            self.flush().await;
            let counted = self.count().await;
            if counted.is_err() {
                // Whoever could not count does not say why; if it is the store, this does.
                let _ = self.watched.probe().await;
            }
            if let Some(news) = self.watched.look().await {
                complain(&news.to_string());
            }
            let is_told = self.watched.state().is_some();
            let error = looked.and(counted).err().filter(|_| !is_told).map(|error| error.to_string());
            if let Some(error) = error.as_ref().filter(|_| error != said) {
                complain(error);
            }
            said = error;
        }
    }

    /// Counts the events that came since.
    async fn count(&self) -> Result<(), Error> {
        self.events.catch_up().await.map(|_| ()).map_err(unanswered)
    }

    /// Takes what has changed in the files or in the store.
    async fn look(&self, watch: &mut Watch) -> Result<(), Error> {
        if watch.has_changed() {
            self.take(watch).await.inspect_err(|_| watch.forget())?;
        }
        self.follow_head(watch).await
    }

    /// Takes the documents as they are now.
    async fn take(&self, watch: &mut Watch) -> Result<(), Error> {
        let look = watch.take(&self.store).await?;
        if !look.findings.is_empty() {
            say(findings::human(&look.findings, &look.files).trim_end_matches('\n'));
        }
        match look.edit {
            SaveOutcome::Published(revision) => {
                say(&format!("{GOOD}revision {revision}{GOOD:#} from {}", plural(look.files.len(), "file")));
            }
            SaveOutcome::Finished(revision) => complain(&format!(
                "revision {revision} was published and never served: its publisher ended too early. It serves now"
            )),
            SaveOutcome::Behind | SaveOutcome::Same => {}
        }
        self.follow_head(watch).await
    }

    /// Serves the head, also when another command has moved it.
    async fn follow_head(&self, watch: &mut Watch) -> Result<(), Error> {
        let before = self.holder.held().revision;
        self.holder.load().await.map_err(unanswered)?;
        let snapshot = self.holder.held();
        if snapshot.revision != before {
            let experiments = snapshot.catalog.experiments().len();
            let flags = snapshot.catalog.flags().len();
            let experiments = plural(experiments, "experiment");
            let flags = plural(flags, "flag");
            say(&format!("serving revision {}: {experiments}, {flags}", snapshot.revision));
            if let Some(difference) = watch.difference(&self.store, snapshot.revision).await? {
                complain(&difference);
            }
        }
        Ok(())
    }

    /// Sends the events that wait.
    async fn flush(&self) {
        self.assignment.base().outbox().flush().await;
        self.flags.base().outbox().flush_all().await;
        self.assignment.base().telemetry().flush();
        self.flags.base().telemetry().flush();
    }
}
