//! The catalog in the file.

use super::EmbeddedStore;
use super::assignments::unreadable;
use crate::ports::{
    CHUNK_BYTES, CatalogStore, Flip, Head, HeadMove, PortResult, PutRevision, RevisionInfo, RevisionMeta,
    no_such_revision,
};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};

const MANIFESTS: &str = "SELECT revision, created_at, author, message, bytes, checksum FROM revisions";

impl CatalogStore for EmbeddedStore {
    async fn head(&self) -> PortResult<Option<Head>> {
        self.with(|connection| Ok(head(connection)?.map(|revision| Head { revision })))
    }

    async fn revision(&self, revision: u64) -> PortResult<Option<Vec<u8>>> {
        let found = self.with(|connection| {
            let Some(info) = manifest(connection, revision)? else { return Ok(None) };
            let data = "SELECT data FROM revisions WHERE revision = ?1";
            let data: Vec<u8> = connection.prepare_cached(data)?.query_row([revision], |row| row.get(0))?;
            Ok(Some((info, data)))
        })?;
        found.map(|(info, data)| info.join(&data.chunks(CHUNK_BYTES).collect::<Vec<_>>())).transpose()
    }

    async fn put_revision(&self, number: u64, bytes: &[u8], meta: &RevisionMeta) -> PortResult<PutRevision> {
        let info = RevisionInfo::of(number, bytes, meta)?;
        let there = self.with(|connection| {
            let new = insert(connection, &info, bytes)?;
            if new { Ok(None) } else { manifest(connection, number) }
        })?;
        Ok(if there.is_none_or(|there| there == info) { PutRevision::Stored } else { PutRevision::Taken })
    }

    async fn flip_head(&self, from: Option<u64>, to: u64, meta: &RevisionMeta) -> PortResult<Flip> {
        let new = HeadMove { from, to, meta: meta.clone() };
        let flip = self.with(|connection| flip(connection, &new))?;
        flip.ok_or_else(|| no_such_revision(to))
    }

    async fn head_moves(&self) -> PortResult<Vec<HeadMove>> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM head_moves ORDER BY number DESC")?;
            statement.query_map((), read_move)?.collect()
        })
    }

    async fn revisions(&self) -> PortResult<Vec<RevisionInfo>> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&format!("{MANIFESTS} ORDER BY revision DESC"))?;
            statement.query_map((), read)?.collect()
        })
    }
}

fn head(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    connection.prepare_cached("SELECT revision FROM head")?.query_row((), |row| row.get(0)).optional()
}

/// Moves the head if it is where it is to be moved from; `None` if there is no revision to move it to.
fn flip(connection: &mut Connection, new: &HeadMove) -> rusqlite::Result<Option<Flip>> {
    let HeadMove { from, to, meta } = new;
    let (from, to) = (*from, *to);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if manifest(&transaction, to)?.is_none() {
        return Ok(None);
    }
    let actual = head(&transaction)?;
    if actual == Some(to) {
        return Ok(Some(Flip::Done));
    }
    if actual != from {
        return Ok(Some(Flip::Lost { actual }));
    }
    transaction.execute("INSERT OR REPLACE INTO head (id, revision) VALUES (1, ?1)", [to])?;
    let sql = "
        INSERT INTO head_moves (from_revision, to_revision, moved_at, author, message)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.execute(sql, (from, to, meta.created_at.to_string(), &meta.author, &meta.message))?;
    transaction.commit()?;
    Ok(Some(Flip::Done))
}

fn manifest(connection: &Connection, revision: u64) -> rusqlite::Result<Option<RevisionInfo>> {
    let sql = format!("{MANIFESTS} WHERE revision = ?1");
    connection.prepare_cached(&sql)?.query_row([revision], read).optional()
}

/// True if the number was free.
fn insert(connection: &Connection, info: &RevisionInfo, data: &[u8]) -> rusqlite::Result<bool> {
    let sql = "
        INSERT INTO revisions (revision, created_at, author, message, bytes, checksum, data)
        VALUES (:revision, :created_at, :author, :message, :bytes, :checksum, :data)
        ON CONFLICT DO NOTHING";
    let changed = connection.prepare_cached(sql)?.execute(named_params! {
        ":revision": info.revision,
        ":created_at": info.meta.created_at.to_string(),
        ":author": info.meta.author,
        ":message": info.meta.message,
        ":bytes": info.bytes,
        ":checksum": info.checksum,
        ":data": data,
    })?;
    Ok(changed == 1)
}

fn read_move(row: &Row<'_>) -> rusqlite::Result<HeadMove> {
    let moved_at: String = row.get("moved_at")?;
    let created_at = moved_at.parse().map_err(unreadable)?;
    let meta = RevisionMeta { created_at, author: row.get("author")?, message: row.get("message")? };
    Ok(HeadMove { from: row.get("from_revision")?, to: row.get("to_revision")?, meta })
}

fn read(row: &Row<'_>) -> rusqlite::Result<RevisionInfo> {
    let created_at: String = row.get("created_at")?;
    let bytes: u64 = row.get("bytes")?;
    Ok(RevisionInfo {
        revision: row.get("revision")?,
        meta: RevisionMeta {
            created_at: created_at.parse().map_err(unreadable)?,
            author: row.get("author")?,
            message: row.get("message")?,
        },
        bytes,
        // As many as it would have elsewhere: a copy of the file's revisions to AWS compares equal.
        chunks: u32::try_from(bytes.div_ceil(CHUNK_BYTES as u64)).map_err(unreadable)?,
        checksum: row.get("checksum")?,
    })
}
