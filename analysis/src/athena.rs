//! The distributed engine: Amazon Athena over Glue's table `events` of an archive.

use crate::analyze::Engine;
use crate::answer::ReadReport;
use crate::{AnalysisError, Dialect, Extract, Rows, Statement};
pub use aws_sdk_athena::Client;
use aws_sdk_athena::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatistics,
    QueryExecutionStatus, ResultSet, Row,
};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The time that a statement may take.
const WAIT: Duration = Duration::from_mins(10);
/// The longest time between two questions for a statement's state.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Athena, in a workgroup and a database.
#[derive(Debug)]
pub struct AthenaEngine {
    client: Client,
    workgroup: String,
    database: String,
    wait: Duration,
    scanned: AtomicU64,
}

impl AthenaEngine {
    /// An engine that runs statements in a workgroup, which says where results are written, over the table `events` of a database.
    #[must_use]
    pub fn new(client: Client, workgroup: &str, database: &str) -> Self {
        Self {
            client,
            workgroup: workgroup.to_owned(),
            database: database.to_owned(),
            wait: WAIT,
            scanned: AtomicU64::new(0),
        }
    }

    /// Waits so long for a statement, and then stops it.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    fn failed(&self, statement: &Statement, why: &str, cause: Option<crate::Cause>) -> AnalysisError {
        AnalysisError::Engine {
            statement: format!(
                "{} (Athena, workgroup {}, database {})",
                statement.name, self.workgroup, self.database
            ),
            why: why.to_owned(),
            help: help(why).to_owned(),
            cause,
        }
    }

    fn refused<E>(&self, statement: &Statement, error: SdkError<E>) -> AnalysisError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let why = match error.as_service_error() {
            Some(refusal) => {
                let (code, message) =
                    (refusal.code().unwrap_or("an error"), refusal.message().unwrap_or("no message"));
                format!("{code}: {message}")
            }
            None => DisplayErrorContext(&error).to_string(),
        };
        self.failed(statement, &why, Some(Box::new(error)))
    }

    /// Waits for the end of a statement.
    async fn finish(&self, statement: &Statement, id: &str) -> Result<(), AnalysisError> {
        let deadline = Instant::now() + self.wait;
        let mut pause = Duration::from_millis(100);
        loop {
            let answer = self.client.get_query_execution().query_execution_id(id).send().await;
            let answer = answer.map_err(|error| self.refused(statement, error))?;
            let execution = answer.query_execution();
            let status = execution.and_then(QueryExecution::status);
            let reason = || {
                status.and_then(QueryExecutionStatus::state_change_reason).unwrap_or("Athena gives no reason")
            };
            let scanned = || {
                execution
                    .and_then(QueryExecution::statistics)
                    .and_then(QueryExecutionStatistics::data_scanned_in_bytes)
            };
            match status.and_then(QueryExecutionStatus::state) {
                Some(QueryExecutionState::Succeeded) => {
                    self.scanned.fetch_add(
                        scanned().and_then(|it| u64::try_from(it).ok()).unwrap_or(0),
                        Ordering::Relaxed,
                    );
                    return Ok(());
                }
                Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
                    self.scanned.fetch_add(
                        scanned().and_then(|it| u64::try_from(it).ok()).unwrap_or(0),
                        Ordering::Relaxed,
                    );
                    return Err(self.failed(
                        statement,
                        &format!("{}: {} (query {id})", state.as_str(), reason()),
                        None,
                    ));
                }
                _ if Instant::now() + pause > deadline => {
                    // It would go on to cost money. If it cannot be stopped, it ends by the workgroup's own limit.
                    let _ = self.client.stop_query_execution().query_execution_id(id).send().await;
                    let why = format!(
                        "it took longer than {} seconds and was stopped (query {id})",
                        self.wait.as_secs()
                    );
                    return Err(self.failed(statement, &why, None));
                }
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn rows(&self, statement: &Statement, id: &str) -> Result<Rows, AnalysisError> {
        let mut rows = Rows::default();
        let mut next = None;
        loop {
            let answer =
                self.client.get_query_results().query_execution_id(id).set_next_token(next).send().await;
            let answer = answer.map_err(|error| self.refused(statement, error))?;
            let page = answer.result_set().map(ResultSet::rows).unwrap_or_default();
            let mut page = page.iter().map(values);
            // The first row of the first page has the names.
            if rows.columns.is_empty() {
                rows.columns =
                    page.next().unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect();
            }
            rows.rows.extend(page);
            next = answer.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(rows);
            }
        }
    }
}

fn values(row: &Row) -> Vec<Option<String>> {
    row.data().iter().map(|value| value.var_char_value().map(str::to_owned)).collect()
}

/// What to do, by words of the error.
fn help(why: &str) -> &'static str {
    let table = [
        (
            "AccessDenied",
            "let this role use the workgroup, read the database's table in Glue and the archive's bucket, and write the results",
        ),
        (
            "Insufficient permissions",
            "let this role read the archive's bucket and Glue's table, and use their key",
        ),
        ("Access Denied", "let this role read the archive's bucket and Glue's table, and use their key"),
        ("output location", "give the workgroup a location for results: `aws athena update-work-group`"),
        ("WorkGroup", "check the name of the workgroup: `aws athena list-work-groups`"),
        (
            "TABLE_NOT_FOUND",
            "check the database: the stack names it after the deployment, with `_archive` at its end",
        ),
        (
            "SCHEMA_NOT_FOUND",
            "check the database: the stack names it after the deployment, with `_archive` at its end",
        ),
        ("COLUMN_NOT_FOUND", "deploy the stack of this version, which creates the table's columns"),
        ("overflow", "limit the values of the metrics with `cap`, or send the property in a larger unit"),
        ("HIVE_", "repair or move the file that the message names; Athena reads no file in part"),
        ("Too Many", "wait, and run the command again: the account's limit of queries is reached"),
        ("Throttl", "wait, and run the command again: the account's limit of queries is reached"),
        ("TooManyRequests", "wait, and run the command again: the account's limit of queries is reached"),
        ("longer than", "read fewer days, or use a workgroup with more capacity"),
        ("dispatch failure", "check the network and the region"),
        ("credentials", "log in to AWS, or set the profile"),
    ];
    let found = table.iter().find(|(words, _)| why.contains(words));
    found.map_or("look at the query in Athena's history, which shows its whole text", |it| it.1)
}

impl Engine for AthenaEngine {
    fn dialect(&self) -> Dialect {
        Dialect::Athena
    }

    async fn prepare(&self, _: &Extract) -> Result<(), AnalysisError> {
        self.scanned.store(0, Ordering::Relaxed);
        Ok(())
    }

    async fn run(&self, statement: &Statement) -> Result<Rows, AnalysisError> {
        let context = QueryExecutionContext::builder().database(&self.database).build();
        let start = self.client.start_query_execution().query_string(statement.sql());
        let started = start.work_group(&self.workgroup).query_execution_context(context).send().await;
        let started = started.map_err(|error| self.refused(statement, error))?;
        let id = started.query_execution_id().unwrap_or_default();
        self.finish(statement, id).await?;
        self.rows(statement, id).await
    }

    fn read(&self) -> ReadReport {
        ReadReport { scanned_bytes: Some(self.scanned.load(Ordering::Relaxed)), ..ReadReport::default() }
    }
}
