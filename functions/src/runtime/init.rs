//! Settings become ports on AWS, and these a service.

use super::{Host, run, run_batches};
use crate::adapters::aws::{
    Budget, DynamoAssignments, DynamoCatalog, DynamoMetrics, DynamoQuarantine, FirehoseArchive, KinesisSink,
    dynamodb, firehose, kinesis, load,
};
use crate::catalog::{CatalogHolder, Snapshot, decode};
use crate::events::Processor;
use crate::http::{Cors, HttpFunction, HttpOptions};
use crate::ports::chain;
use crate::ports::{AssignmentStore, CatalogStore};
use crate::serving::Serving;
use crate::settings::{BUNDLED_REVISION, Exposures, Function, Settings, SettingsError};
use crate::telemetry::{Level, Telemetry};
use crate::{assignment as assigning, events as counting, flags as flagging};
use aws_config::SdkConfig;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest time that the start waits for the tables. Lambda gives an init 10 s.
pub(super) const INIT: Duration = Duration::from_secs(3);

/// The variables of a process.
type Vars = Vec<(String, String)>;

/// The parts that every function starts with.
pub(super) struct Start {
    vars: Vars,
    pub(super) settings: Settings,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) config: SdkConfig,
    catalog: Arc<CatalogHolder<DynamoCatalog>>,
}

/// Runs the assignment function until its process is told to end.
pub async fn assignment(vars: impl IntoIterator<Item = (String, String)>) -> ExitCode {
    let start = match Start::new(Function::Assignment, vars).await {
        Ok(start) => start,
        Err(code) => return code,
    };
    let client = dynamodb(&start.config, Budget::REQUEST);
    let store = DynamoAssignments::new(client, &*start.settings.assignments_table);
    // A store that cannot be reached now may be later; requests are answered without it.
    let _ = tokio::join!(load_catalog(&start.catalog, &start.telemetry), timeout(INIT, store.warm_up()));
    let options = start.assignment_options();
    let (catalog, telemetry) = (Arc::clone(&start.catalog), Arc::clone(&start.telemetry));
    start.serve(assigning::AssignmentService::new(catalog, store, start.sink(), telemetry, options)).await
}

/// Runs the flag function until its process is told to end.
pub async fn flags(vars: impl IntoIterator<Item = (String, String)>) -> ExitCode {
    let start = match Start::new(Function::Flags, vars).await {
        Ok(start) => start,
        Err(code) => return code,
    };
    load_catalog(&start.catalog, &start.telemetry).await;
    let options = flagging::FlagOptions { evaluations: start.settings.evaluations, http: start.http() };
    let (catalog, telemetry) = (Arc::clone(&start.catalog), Arc::clone(&start.telemetry));
    start.serve(flagging::FlagService::new(catalog, start.sink(), telemetry, options)).await
}

/// Runs the event function until its process is told to end.
pub async fn events(vars: impl IntoIterator<Item = (String, String)>) -> ExitCode {
    let Start { settings, telemetry, config, catalog, .. } = match Start::new(Function::Events, vars).await {
        Ok(start) => start,
        Err(code) => return code,
    };
    load_catalog(&catalog, &telemetry).await;
    let client = dynamodb(&config, Budget::BATCH);
    let store = DynamoMetrics::new(client.clone(), &*settings.metrics_table, &*settings.marks_table);
    let archive = FirehoseArchive::new(firehose(&config, Budget::BATCH), &*settings.archive_stream);
    let quarantine = DynamoQuarantine::new(client, &*settings.metrics_table);
    let kept = (archive, quarantine);
    let processor =
        Processor::new(catalog, store, kept, Arc::clone(&telemetry), counting::Options::default());
    ended(run_batches(Arc::new(processor)).await, &telemetry)
}

impl Start {
    /// Reads the settings, or says how the process ends without them. The catalog is not loaded yet.
    async fn new(
        function: Function,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ExitCode> {
        Self::named(function, function.as_str(), vars).await
    }

    /// The same for a program of another name, with the settings of a function.
    pub(super) async fn named(
        function: Function,
        name: &'static str,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ExitCode> {
        let vars: Vars = vars.into_iter().collect();
        let settings = read(function, name, &vars)?;
        // Under the name that Lambda knows the function by.
        let telemetry =
            Telemetry::stdout(name, settings.log_level).deployed_as(var(&vars, "AWS_LAMBDA_FUNCTION_NAME"));
        let config = load(settings.endpoint_url.as_deref()).await;
        let catalog = catalog(function, &config, &settings, &telemetry);
        Ok(Self { vars, settings, telemetry: Arc::new(telemetry), config, catalog })
    }

    fn http(&self) -> HttpOptions {
        let settings = &self.settings;
        HttpOptions {
            exposures: settings.exposures,
            cors: Cors::new(settings.cors_origins.clone()).with_headers(settings.cors_headers.clone()),
            base_path: settings.base_path.clone(),
        }
    }

    /// The stream, or nothing where exposures are off.
    fn sink(&self) -> Option<KinesisSink> {
        let stream = self.settings.event_stream.as_ref();
        let stream = stream.filter(|_| self.settings.exposures != Exposures::Off);
        stream.map(|stream| KinesisSink::new(kinesis(&self.config, Budget::EVENTS), &**stream))
    }

    /// A variable that Lambda sets.
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        var(&self.vars, name)
    }

    /// Both functions that answer requests, in one process.
    pub(super) fn serving<S: AssignmentStore + 'static>(
        &self,
        store: S,
    ) -> Serving<DynamoCatalog, S, Option<KinesisSink>> {
        let options = self.assignment_options();
        let (catalog, telemetry) = (Arc::clone(&self.catalog), Arc::clone(&self.telemetry));
        Serving::new(catalog, store, self.sink(), telemetry, options, self.settings.evaluations)
    }

    fn assignment_options(&self) -> assigning::AssignmentOptions {
        assigning::AssignmentOptions {
            ttl_days: self.settings.assignment_ttl_days,
            cache: self.settings.cache_assignments,
            http: self.http(),
        }
    }

    async fn serve(&self, function: impl HttpFunction) -> ExitCode {
        let limit = var(&self.vars, "AWS_LAMBDA_MAX_CONCURRENCY");
        let several = limit.is_some_and(|limit| limit.parse().is_ok_and(|limit: u32| limit > 1));
        let host = if several { Host::Instance } else { Host::Lambda };
        ended(run(Arc::new(function), host).await, &self.telemetry)
    }
}

/// The settings, or how the process ends without them.
fn read(function: Function, name: &'static str, vars: &Vars) -> Result<Settings, ExitCode> {
    Settings::from_vars(function, vars.iter().cloned()).map_err(|SettingsError(problems)| {
        let told: Vec<_> = problems
            .iter()
            .map(|it| json!({"name": it.name, "what": it.what, "example": it.example}))
            .collect();
        let fields = json!({"problems": told});
        Telemetry::stdout(name, Level::Error).log(Level::Error, "wrong_settings", None, &fields);
        ExitCode::from(2)
    })
}

/// A variable that Lambda sets.
fn var<'a>(vars: &'a Vars, name: &str) -> Option<&'a str> {
    vars.iter().find(|(it, _)| it == name).map(|(_, value)| &**value)
}

fn ended(ended: Result<(), lambda_runtime::Error>, telemetry: &Telemetry) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry.log(Level::Error, "runtime_ended", None, &json!({"why": error.to_string()}));
            ExitCode::FAILURE
        }
    }
}

fn catalog(
    function: Function,
    config: &SdkConfig,
    settings: &Settings,
    telemetry: &Telemetry,
) -> Arc<CatalogHolder<DynamoCatalog>> {
    let bundled = match &settings.bundled_revision {
        Some(path) => bundled(path, telemetry),
        None if Path::new(BUNDLED_REVISION).exists() => bundled(Path::new(BUNDLED_REVISION), telemetry),
        None => Snapshot::default(),
    };
    let store = DynamoCatalog::new(dynamodb(config, Budget::CATALOG), &*settings.catalog_table);
    // Events are counted by what was published before they came; requests are answered by what was published lately.
    let store = if function == Function::Events { store.with_fresh_head() } else { store };
    Arc::new(CatalogHolder::new(store, bundled))
}

/// The revision in a file, as number 0: whatever the table has is newer.
fn bundled(path: &Path, telemetry: &Telemetry) -> Snapshot {
    let read = std::fs::read(path).map_err(|error| chain(&error));
    match read.and_then(|bytes| decode(&bytes).map_err(|error| chain(&error))) {
        Ok(documents) => Snapshot::compile(0, documents, &Snapshot::default()),
        Err(why) => {
            let fields = json!({"path": path.display().to_string(), "why": why});
            telemetry.log(Level::Error, "bundled_revision_unreadable", None, &fields);
            Snapshot::default()
        }
    }
}

/// Loads the head before the first request. A failure is no reason not to start: what is bundled serves, and the next
/// request tries again.
pub(super) async fn load_catalog<C: CatalogStore + 'static>(
    catalog: &Arc<CatalogHolder<C>>,
    telemetry: &Telemetry,
) {
    let why = match timeout(INIT, catalog.load()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("it did not answer in time".to_owned()),
    };
    let held = catalog.held();
    let fields = json!({
        "revision": held.revision,
        "experiments": held.catalog.experiments().len(),
        "flags": held.catalog.flags().len(),
        "held_back": held.held_back,
        "why": why,
    });
    match why {
        None => telemetry.log(Level::Info, "catalog_loaded", None, &fields),
        Some(_) => telemetry.log(Level::Warn, "catalog_not_loaded", None, &fields),
    }
}
