//! The functions on this machine, over documents that are edited meanwhile.

mod events;
mod invoke;
mod watch;

use super::store::{open_file, unanswered};
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::findings;
use crate::render::style::{DIM, GOOD, TITLE};
use abx_functions::adapters::embedded::{EmbeddedStore, JsonlArchive};
use abx_functions::catalog::{CatalogHolder, Snapshot};
use abx_functions::events::LocalProcessor;
use abx_functions::http::{Cors, finish};
use abx_functions::settings::Exposures;
use abx_functions::telemetry::{Level, Telemetry};
use abx_functions::{assignment, flags};
use axum::Router;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::interval;
use watch::{Edit, Watch};

/// Serve the functions on this machine, and take every saved document at once
///
/// The routers are those of the deployed functions, over one file instead of AWS. A saved document becomes a
/// revision; one with errors keeps its last good form.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx dev
  curl 'localhost:8080/assign?user_id=user_123&experiment_key=checkout_redesign'
  curl -d '{\"type\": \"conversion\", \"event\": \"purchase\", \"user_id\": \"user_123\"}' localhost:8080/events
  abx results checkout_redesign
  curl -d '{\"user_id\": \"user_123\", \"context\": {\"country\": \"DE\"}}' localhost:8080/flags/instant_search
  aws lambda invoke --endpoint-url http://localhost:8080 --function-name assignment \\
    --cli-binary-format raw-in-base64-out --payload '{\"user_id\": \"u\", \"experiment_key\": \"e\"}' out.json")]
pub struct Args {
    /// Files or folders with the documents
    #[arg(default_value = "experiments", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The port on this machine; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// The file of the store: revisions, assignments and events
    #[arg(long, value_name = "FILE", default_value = ".abx/store.sqlite")]
    store: PathBuf,
    /// An origin whose pages may ask, as <http://localhost:3000>; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// Write the functions' logs and metrics to stderr
    #[arg(long)]
    verbose: bool,
}

type AssignmentService = assignment::Service<Arc<EmbeddedStore>, Arc<EmbeddedStore>, Arc<EmbeddedStore>>;
type FlagService = flags::Service<Arc<EmbeddedStore>, Arc<EmbeddedStore>>;

/// What serves.
struct Dev {
    store: Arc<EmbeddedStore>,
    holder: Arc<CatalogHolder<Arc<EmbeddedStore>>>,
    assignment: Arc<AssignmentService>,
    flags: Arc<FlagService>,
    events: LocalProcessor,
}

/// Serves until it is interrupted.
pub fn run(args: &Args) -> Result<Exit, Error> {
    super::store::block_on(serve(args))
}

async fn serve(args: &Args) -> Result<Exit, Error> {
    let dev = Dev::open(args)?;
    let mut watch = Watch::new(args.paths.clone());
    watch.has_changed();
    dev.take(&mut watch).await?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::world(format!("{address}: {error}")).help("another program may have the port: see --port")
    })?;
    let address = listener.local_addr().map_err(|error| Error::world(error.to_string()))?;
    anstream::eprintln!("{TITLE}http://{address}{TITLE:#} {DIM}store {}{DIM:#}", args.store.display());
    let server = axum::serve(listener, dev.router()).with_graceful_shutdown(interrupted());
    tokio::select! {
        ended = server => ended.map_err(|error| Error::world(error.to_string()))?,
        never = dev.follow(&mut watch) => never?,
    }
    dev.flush().await;
    dev.count().await;
    Ok(exit::INTERRUPTED)
}

/// The folder of the archive: `archive` beside the file of the store.
pub fn archive_beside(store: &Path) -> PathBuf {
    store.with_file_name("archive")
}

/// Ends when the program is interrupted or asked to end.
async fn interrupted() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            // Without a handler the signal ends the program by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
}

impl Dev {
    fn open(args: &Args) -> Result<Self, Error> {
        let store = Arc::new(open_file(&args.store)?);
        let holder = Arc::new(CatalogHolder::new(Arc::clone(&store), Snapshot::default()));
        let telemetry = |function| {
            let stderr = std::io::stderr();
            let out = if args.verbose {
                Telemetry::new(function, Level::Info, stderr)
            } else {
                Telemetry::silent(function)
            };
            Arc::new(out)
        };
        let cors = Cors::new(args.cors.clone());
        let assignment = assignment::Service::new(
            Arc::clone(&holder),
            Arc::clone(&store),
            Arc::clone(&store),
            telemetry("assignment"),
            assignment::Options { cors: cors.clone(), ..assignment::Options::default() },
        );
        let flags = flags::Service::new(
            Arc::clone(&holder),
            Arc::clone(&store),
            telemetry("flags"),
            flags::Options { exposures: Exposures::After, cors },
        );
        let archive = JsonlArchive::new(archive_beside(&args.store));
        let events =
            LocalProcessor::new(Arc::clone(&store), Arc::clone(&holder), archive, telemetry("events"));
        Ok(Self { store, holder, assignment: Arc::new(assignment), flags: Arc::new(flags), events })
    }

    fn router(&self) -> Router {
        let routes = assignment::routes(Arc::clone(&self.assignment))
            .merge(flags::routes(Arc::clone(&self.flags)))
            .merge(events::routes(Arc::clone(&self.store), Arc::clone(&self.assignment)))
            .merge(invoke::routes(Arc::clone(&self.assignment), Arc::clone(&self.flags)));
        finish(routes, self.assignment.front())
    }

    /// Follows the files, the head and the queues of events, for ever.
    async fn follow(&self, watch: &mut Watch) -> Result<(), Error> {
        let mut tick = interval(Duration::from_millis(250));
        loop {
            tick.tick().await;
            if watch.has_changed() {
                // A file may be away or half written for a moment; the next tick looks again.
                if let Err(error) = self.take(watch).await {
                    anstream::eprintln!("abx: {error}");
                }
            }
            self.follow_head().await?;
            self.flush().await;
            self.count().await;
        }
    }

    /// Counts the events that came since.
    async fn count(&self) {
        if let Err(error) = self.events.catch_up().await {
            anstream::eprintln!("abx: {error}");
        }
    }

    /// Takes the documents as they are now.
    async fn take(&self, watch: &mut Watch) -> Result<(), Error> {
        let look = watch.take(&*self.store).await?;
        if !look.findings.is_empty() {
            anstream::eprint!("{}", findings::human(&look.findings, &look.files));
        }
        if let Edit::Published(revision) = look.edit {
            anstream::eprintln!("{GOOD}revision {revision}{GOOD:#} from {} files", look.files.len());
        }
        self.follow_head().await
    }

    /// Serves the head, also when another command has moved it.
    async fn follow_head(&self) -> Result<(), Error> {
        let before = self.holder.held().revision;
        self.holder.load().await.map_err(unanswered)?;
        let snapshot = self.holder.held();
        if snapshot.revision != before {
            let experiments = snapshot.catalog.experiments().len();
            let flags = snapshot.catalog.flags().len();
            anstream::eprintln!(
                "serving revision {}: {experiments} experiments, {flags} flags",
                snapshot.revision
            );
        }
        Ok(())
    }

    /// Sends the events that wait.
    async fn flush(&self) {
        self.assignment.outbox().flush().await;
        self.flags.outbox().flush().await;
        self.assignment.telemetry().flush();
        self.flags.telemetry().flush();
    }
}
