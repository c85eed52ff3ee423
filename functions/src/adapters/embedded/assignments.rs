//! Assignments in the file.

use super::EmbeddedStore;
use crate::ports::{AssignmentStore, PortError, PortResult, Put, StoredAssignment, check_key, check_unit};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use std::error::Error;

const GET: &str = "SELECT * FROM assignments WHERE user_id = ?1 AND experiment_key = ?2";

/// One statement decides, so that no other program can come between.
const PUT: &str = "
    INSERT INTO assignments
        (user_id, experiment_key, variant, assignment_id, epoch, revision, assigned_at, context, ttl)
    VALUES
        (:user_id, :experiment_key, :variant, :assignment_id, :epoch, :revision, :assigned_at, :context, :ttl)
    ON CONFLICT (user_id, experiment_key) DO UPDATE SET
        variant = excluded.variant, assignment_id = excluded.assignment_id, epoch = excluded.epoch,
        revision = excluded.revision, assigned_at = excluded.assigned_at, context = excluded.context,
        ttl = excluded.ttl
    WHERE assignments.epoch < excluded.epoch OR assignments.ttl <= :now";

impl AssignmentStore for EmbeddedStore {
    async fn get(&self, unit: &str, experiment_key: &str) -> PortResult<Option<StoredAssignment>> {
        check_key(unit, experiment_key)?;
        self.with(|connection| get(connection, unit, experiment_key))
    }

    async fn get_many(&self, unit: &str, experiments: &[&str]) -> PortResult<Vec<Option<StoredAssignment>>> {
        check_unit(unit)?;
        self.with(|connection| experiments.iter().map(|key| get(connection, unit, key)).collect())
    }

    async fn put_if_absent(&self, assignment: &StoredAssignment, now: i64) -> PortResult<Put> {
        assignment.check()?;
        let context = assignment.context.as_ref().map(serde_json::to_string).transpose();
        let context = context.map_err(PortError::permanent)?;
        self.with(|connection| put(connection, assignment, context.as_deref(), now))
    }
}

fn get(
    connection: &Connection,
    unit: &str,
    experiment_key: &str,
) -> rusqlite::Result<Option<StoredAssignment>> {
    connection.prepare_cached(GET)?.query_row([unit, experiment_key], read).optional()
}

fn put(
    connection: &mut Connection,
    assignment: &StoredAssignment,
    context: Option<&str>,
    now: i64,
) -> rusqlite::Result<Put> {
    let changed = connection.prepare_cached(PUT)?.execute(named_params! {
        ":user_id": assignment.user_id,
        ":experiment_key": assignment.experiment_key,
        ":variant": assignment.variant,
        ":assignment_id": assignment.assignment_id,
        ":epoch": assignment.epoch,
        ":revision": assignment.revision,
        ":assigned_at": assignment.assigned_at.to_string(),
        ":context": context,
        ":ttl": assignment.ttl,
        ":now": now,
    })?;
    if changed == 1 {
        return Ok(Put::Stored);
    }
    let there =
        connection.prepare_cached(GET)?.query_row([&assignment.user_id, &assignment.experiment_key], read)?;
    Ok(if there.is_echo_of(assignment) { Put::Stored } else { Put::Existing(there) })
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredAssignment> {
    let assigned_at: String = row.get("assigned_at")?;
    let context: Option<String> = row.get("context")?;
    let context = context.map(|json| serde_json::from_str(&json)).transpose();
    Ok(StoredAssignment {
        user_id: row.get("user_id")?,
        experiment_key: row.get("experiment_key")?,
        variant: row.get("variant")?,
        assignment_id: row.get("assignment_id")?,
        epoch: row.get("epoch")?,
        revision: row.get("revision")?,
        assigned_at: assigned_at.parse().map_err(unreadable)?,
        context: context.map_err(unreadable)?,
        ttl: row.get("ttl")?,
    })
}

/// A text that is not what it should be.
pub(super) fn unreadable(error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
