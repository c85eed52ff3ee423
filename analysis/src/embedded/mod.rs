//! The embedded engine: Apache DataFusion over the files of an archive.
//!
//! The files are read once for a question, by a reader of this crate ([`reader`]): every line that is not an event is named with its file and
//! line, which a scan of the engine does not do. What the question needs is kept as columns, divided by unit ([`store`]). Statements then
//! run over a part of the units at a time, so that memory is bounded however large the archive is.

mod decode;
mod files;
mod reader;
mod running;
mod store;

use crate::analyze::Engine;
use crate::answer::ReadReport;
use crate::{AnalysisError, Dialect, Extract, Rows, Scope, Statement};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
pub use files::ArchiveFile;
use files::ArchivePlace;
use reader::Loaded;
use running::UseRunningSums;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use store::Store;

/// The bytes of columns that are kept in memory; more are kept in temporary files.
const STORE_BYTES: usize = 800 << 20;
/// The bytes that the statements may use at a time, all threads together.
const STATEMENT_BYTES: usize = 512 << 20;

/// The embedded engine over one archive.
#[derive(Debug)]
pub struct EmbeddedEngine {
    place: ArchivePlace,
    threads: usize,
    store_bytes: usize,
    prepared: Mutex<Option<Arc<Prepared>>>,
}

/// What was read for a question.
struct Prepared {
    store: Store,
    loaded: Loaded,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("report", &self.loaded.report).finish_non_exhaustive()
    }
}

impl EmbeddedEngine {
    /// An engine over a folder with partitions `day=2026-11-24`, a folder of files, or a file. Nothing is read yet.
    #[must_use]
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self::over(ArchivePlace::Path(root.as_ref().to_owned()))
    }

    /// An engine over files that were listed elsewhere, for example copies of the objects of a bucket. The place is named so for a person.
    #[must_use]
    pub fn of_files(place: &str, files: Vec<ArchiveFile>) -> Self {
        Self::over(ArchivePlace::Files(place.to_owned(), files))
    }

    fn over(place: ArchivePlace) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { place, threads, store_bytes: STORE_BYTES, prepared: Mutex::default() }
    }

    /// Uses so many threads, at least one.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }

    /// Keeps columns of so many bytes in memory, and more in temporary files.
    #[must_use]
    pub fn with_store_bytes(self, store_bytes: usize) -> Self {
        Self { store_bytes, ..self }
    }

    fn prepared(&self) -> Option<Arc<Prepared>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Engine for EmbeddedEngine {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    async fn prepare(&self, extract: &Extract) -> Result<(), AnalysisError> {
        let (place, extract) = (self.place.clone(), extract.clone());
        let (threads, store_bytes) = (self.threads, self.store_bytes);
        let prepared = blocking(move || {
            let store = Store::new(&extract, store_bytes);
            let loaded = reader::load(&place, &extract, &store, threads)?;
            Ok(Prepared { store, loaded })
        });
        let prepared = prepared.await?;
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(prepared));
        Ok(())
    }

    async fn run(&self, statement: &Statement) -> Result<Rows, AnalysisError> {
        let Some(prepared) = self.prepared() else {
            return Err(AnalysisError::Result { why: "no archive was read before the statement".to_owned() });
        };
        let (statement, threads) = (statement.clone(), self.threads);
        blocking(move || {
            run(&prepared, &statement, threads).map_err(|error| AnalysisError::Engine {
                statement: format!("{} (DataFusion)", statement.name),
                help: match error.find_root() {
                    DataFusionError::ResourcesExhausted(_) => {
                        "ask for fewer metrics at a time, or free space in the folder for temporary files"
                            .to_owned()
                    }
                    _ => "report it with the archive's first lines, because no archive should cause it"
                        .to_owned(),
                },
                why: error.find_root().to_string(),
                cause: Some(Box::new(error)),
            })
        })
        .await
    }

    fn read(&self) -> ReadReport {
        self.prepared().map(|it| it.loaded.report.clone()).unwrap_or_default()
    }
}

/// Runs what keeps a processor busy beside the tasks of the caller's runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AnalysisError> + Send + 'static,
) -> Result<T, AnalysisError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(AnalysisError::Result { why: format!("a thread of the engine ended early: {error}") })
    })
}

fn session(threads: usize, bytes: usize) -> DataFusionResult<SessionContext> {
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(bytes))).build_arc()?;
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    // Statistics that a table in memory has would only cost time to keep.
    config.options_mut().execution.collect_statistics = false;
    let state = SessionContext::new_with_config_rt(config, runtime).state();
    let state =
        SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rule(Arc::new(UseRunningSums));
    Ok(SessionContext::new_with_state(state.build()))
}

/// Runs a future that keeps a processor busy.
fn block_on<T>(future: impl Future<Output = DataFusionResult<T>>) -> DataFusionResult<T> {
    tokio::runtime::Builder::new_current_thread().build().map_err(DataFusionError::from)?.block_on(future)
}

fn run(prepared: &Prepared, statement: &Statement, threads: usize) -> DataFusionResult<Rows> {
    let sql = match statement.scope {
        Scope::Lines => {
            let context = session(1, STATEMENT_BYTES)?;
            register(&context, "lines", vec![lines(&prepared.loaded)?])?;
            return rows(&block_on(collect(&context, &statement.sql()))?);
        }
        Scope::Unit => statement.sql(),
        Scope::Staged => statement.staged_sql(),
    };
    let parts = prepared.store.parts();
    let next = AtomicUsize::new(0);
    let work = || -> DataFusionResult<Vec<(usize, Vec<RecordBatch>)>> {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(at) else { return Ok(found) };
            let context = session(1, STATEMENT_BYTES / threads)?;
            register(&context, "archive", prepared.store.read(part)?)?;
            found.push((at, block_on(collect(&context, &sql))?));
        }
    };
    let workers = threads.min(parts.len());
    let results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    // In the order of the parts, so that nothing depends on which thread was faster.
    let mut ordered = BTreeMap::new();
    for result in results {
        let panicked = || DataFusionError::Execution("a thread panicked".to_owned());
        ordered.extend(result.map_err(|_| panicked())??);
    }
    let batches: Vec<RecordBatch> = ordered.into_values().flatten().collect();
    if statement.scope == Scope::Unit || batches.is_empty() {
        return rows(&batches);
    }
    let context = session(threads, STATEMENT_BYTES)?;
    register(&context, "staged", batches)?;
    rows(&block_on(collect(&context, &statement.query))?)
}

fn register(context: &SessionContext, name: &str, batches: Vec<RecordBatch>) -> DataFusionResult<()> {
    let Some(first) = batches.first() else { return Ok(()) };
    let table = MemTable::try_new(first.schema(), vec![batches])?;
    context.register_table(name, Arc::new(table)).map(|_| ())
}

async fn collect(context: &SessionContext, sql: &str) -> DataFusionResult<Vec<RecordBatch>> {
    context.sql(sql).await?.collect().await
}

fn lines(loaded: &Loaded) -> DataFusionResult<RecordBatch> {
    let all = || loaded.lines.iter();
    let numbers = |number: fn(&reader::LineTotals) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(all().map(|(_, it)| number(it))))
    };
    let day: ArrayRef = Arc::new(StringArray::from_iter_values(all().map(|(key, _)| key.0.to_string())));
    let kind: ArrayRef = Arc::new(StringArray::from_iter_values(all().map(|(key, _)| key.1.as_str())));
    let columns = [
        ("day", day),
        ("kind", kind),
        ("lines", numbers(|it| it.lines)),
        ("arrived", numbers(|it| it.arrived)),
        ("t", numbers(|it| it.t)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn rows(batches: &[RecordBatch]) -> DataFusionResult<Rows> {
    let Some(first) = batches.first() else { return Ok(Rows::default()) };
    let columns = first.schema().fields().iter().map(|it| it.name().clone()).collect();
    let mut rows = Vec::new();
    let options = FormatOptions::default();
    for batch in batches {
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let value = |(column, formatter): (&ArrayRef, &ArrayFormatter<'_>)| {
                (!column.is_null(row)).then(|| formatter.value(row).to_string())
            };
            rows.push(batch.columns().iter().zip(&formatters).map(value).collect());
        }
    }
    Ok(Rows { columns, rows })
}
