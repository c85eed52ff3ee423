//! The catalog in DynamoDB.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `head` | `head` | the number of the revision that serves |
//! | `head` | `move#{n, 20 digits}` | the nth move of the head: from where and to where, when, by whom and why |
//! | `revisions` | the number, 20 digits | a manifest, written last; one query lists them all |
//! | `rev#{n}` | `{checksum}#{chunk, 5 digits}` | a chunk |
//!
//! The checksum in a chunk's key keeps two publishers of one number apart: the manifest alone decides whose the number
//! is, and what a dead publisher left is in nobody's way.

use super::backoff::{ROUNDS, pause};
use super::dynamo::{Conditional, DynamoItem, bytes, item, n, number, parsed, put_if, s, table, text};
use super::error::port_error;
use super::transaction::{TransactionOutcome, transact};
use crate::ports::{
    CHUNK_BYTES, CatalogStore, Flip, Head, HeadMove, PortError, PortResult, PutRevision, RevisionInfo,
    RevisionMeta, no_such_revision,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};

const ABSENT: &str = "attribute_not_exists(pk)";
const HEAD: &str = "head";
const MANIFESTS: &str = "revisions";
const MOVES: &str = "move#";

/// The [`CatalogStore`] of a table.
#[derive(Debug, Clone)]
pub struct DynamoCatalog {
    client: Client,
    table: String,
    fresh_head: bool,
}

impl DynamoCatalog {
    /// Uses a table through a client. Reading the head costs 0.5 RCU and may be a second old, which does for requests.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), fresh_head: false }
    }

    /// Reads the head as it is now, for 1 RCU, as a publisher wants it.
    #[must_use]
    pub fn with_fresh_head(self) -> Self {
        Self { fresh_head: true, ..self }
    }

    fn at(&self, error: PortError) -> PortError {
        error.at(table(&self.client, &self.table))
    }

    async fn read(&self, pk: &str, sk: &str, fresh: bool) -> PortResult<Option<DynamoItem>> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(fresh);
        let answer = Box::pin(request.key("pk", s(pk)).key("sk", s(sk)).send());
        Ok(answer.await.map_err(|error| port_error("GetItem", error))?.item)
    }

    async fn manifest(&self, revision: u64) -> PortResult<Option<RevisionInfo>> {
        let item = self.read(MANIFESTS, &manifest_key(revision), true).await?;
        item.as_ref().map(read_manifest).transpose()
    }

    /// Items of a partition; always as they are now.
    fn query(&self, pk: &str) -> QueryFluentBuilder {
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        request.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk))
    }

    /// Items of a partition whose sort key starts in some way. DynamoDB refuses a start that is empty.
    fn query_start(&self, pk: &str, start: &str) -> QueryFluentBuilder {
        self.query(pk)
            .key_condition_expression("pk = :pk AND begins_with(sk, :start)")
            .expression_attribute_values(":start", s(start))
    }

    /// The moves of the head, the newest first.
    fn moves(&self) -> QueryFluentBuilder {
        self.query_start(HEAD, MOVES).scan_index_forward(false)
    }

    async fn fresh_head(&self) -> PortResult<Option<u64>> {
        let item = self.read(HEAD, HEAD, true).await?;
        item.map(|item| number(&item, "revision")).transpose()
    }

    fn put_head(&self, from: Option<u64>, to: u64) -> Result<Put, BuildError> {
        let head = item([("pk", s(HEAD)), ("sk", s(HEAD)), ("revision", n(to))]);
        let put = Put::builder().table_name(&self.table).set_item(Some(head));
        match from {
            None => put.condition_expression(ABSENT),
            Some(from) => {
                put.condition_expression("revision = :from").expression_attribute_values(":from", n(from))
            }
        }
        .build()
    }

    /// Its number is free, or another move came first.
    fn put_move(&self, number: u64, new: &HeadMove) -> Result<Put, BuildError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(write_move(number, new)));
        put.condition_expression(ABSENT).build()
    }

    async fn put_if_absent(&self, item: DynamoItem) -> PortResult<Conditional> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put_if(request.condition_expression(ABSENT)).await
    }

    async fn put_chunks(&self, info: &RevisionInfo, bytes: &[u8]) -> PortResult<()> {
        for (index, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            // One that is there already has the same bytes: its key says so.
            self.put_if_absent(item([
                ("pk", s(chunks_key(info.revision))),
                ("sk", s(format!("{}#{index:05}", info.checksum))),
                ("data", AttributeValue::B(Blob::new(chunk))),
            ]))
            .await?;
        }
        Ok(())
    }

    async fn chunks(&self, info: &RevisionInfo) -> PortResult<Vec<u8>> {
        let start = format!("{}#", info.checksum);
        let mut pages = self.query_start(&chunks_key(info.revision), &start).into_paginator().items().send();
        let mut chunks = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error("Query", error))?;
            chunks.push(bytes(&item, "data")?.to_vec());
        }
        info.join(&chunks)
    }
}

/// The port's methods, whose errors do not say yet which table it is.
impl DynamoCatalog {
    async fn head_there(&self) -> PortResult<Option<Head>> {
        let item = self.read(HEAD, HEAD, self.fresh_head).await?;
        item.map(|item| Ok(Head { revision: number(&item, "revision")? })).transpose()
    }

    async fn revision_there(&self, revision: u64) -> PortResult<Option<Vec<u8>>> {
        if let Some(info) = self.manifest(revision).await? {
            return self.chunks(&info).await.map(Some);
        }
        let leftover = Box::pin(self.query(&chunks_key(revision)).limit(1).send());
        match leftover.await.map_err(|error| port_error("Query", error))?.count() {
            0 => Ok(None),
            _ => Err(half_written(revision)),
        }
    }

    async fn put_revision_there(
        &self,
        number: u64,
        bytes: &[u8],
        meta: &RevisionMeta,
    ) -> PortResult<PutRevision> {
        let info = RevisionInfo::of(number, bytes, meta)?;
        let verdict = |there: &RevisionInfo| {
            if *there == info { PutRevision::Stored } else { PutRevision::Taken }
        };
        if let Some(there) = self.manifest(number).await? {
            return Ok(verdict(&there));
        }
        self.put_chunks(&info, bytes).await?;
        match self.put_if_absent(write_manifest(&info)).await? {
            Conditional::Done => Ok(PutRevision::Stored),
            Conditional::Refused(Some(there)) => Ok(verdict(&read_manifest(&there)?)),
            Conditional::Refused(None) => Ok(PutRevision::Taken),
        }
    }

    async fn flip_head_there(&self, from: Option<u64>, to: u64, meta: &RevisionMeta) -> PortResult<Flip> {
        // Revisions are never deleted, so what is seen here still holds when the write comes.
        if self.manifest(to).await?.is_none() {
            return Err(no_such_revision(to));
        }
        let new = HeadMove { from, to, meta: meta.clone() };
        for round in 1..=ROUNDS {
            // As it is now: also where an answer was lost, what was written shows here.
            match self.fresh_head().await? {
                Some(actual) if actual == to => return Ok(Flip::Done),
                actual if actual != from => return Ok(Flip::Lost { actual }),
                _ => {}
            }
            let newest = Box::pin(self.moves().limit(1).send()).await;
            let newest = newest.map_err(|error| port_error("Query", error))?;
            let number = newest.items().first().map_or(Ok(0), |newest| number::<u64>(newest, "n"))? + 1;
            let actions = [self.put_head(from, to), self.put_move(number, &new)];
            let actions = actions.into_iter().map(|put| Ok(TransactWriteItem::builder().put(put?).build()));
            let actions: Result<_, BuildError> = actions.collect();
            match transact(&self.client, actions.map_err(PortError::permanent)?).await? {
                TransactionOutcome::Done => return Ok(Flip::Done),
                TransactionOutcome::Refused => pause(round).await,
            }
        }
        Err(PortError::transient("others move the head all the time"))
    }

    async fn head_moves_there(&self) -> PortResult<Vec<HeadMove>> {
        let mut pages = self.moves().into_paginator().items().send();
        let mut moves = Vec::new();
        while let Some(item) = pages.next().await {
            moves.push(read_move(&item.map_err(|error| port_error("Query", error))?)?);
        }
        Ok(moves)
    }

    async fn revisions_there(&self) -> PortResult<Vec<RevisionInfo>> {
        let mut pages = self.query(MANIFESTS).scan_index_forward(false).into_paginator().items().send();
        let mut revisions = Vec::new();
        while let Some(item) = pages.next().await {
            revisions.push(read_manifest(&item.map_err(|error| port_error("Query", error))?)?);
        }
        Ok(revisions)
    }
}

impl CatalogStore for DynamoCatalog {
    async fn head(&self) -> PortResult<Option<Head>> {
        self.head_there().await.map_err(|error| self.at(error))
    }

    async fn revision(&self, revision: u64) -> PortResult<Option<Vec<u8>>> {
        self.revision_there(revision).await.map_err(|error| self.at(error))
    }

    async fn put_revision(&self, number: u64, bytes: &[u8], meta: &RevisionMeta) -> PortResult<PutRevision> {
        self.put_revision_there(number, bytes, meta).await.map_err(|error| self.at(error))
    }

    async fn flip_head(&self, from: Option<u64>, to: u64, meta: &RevisionMeta) -> PortResult<Flip> {
        self.flip_head_there(from, to, meta).await.map_err(|error| self.at(error))
    }

    async fn head_moves(&self) -> PortResult<Vec<HeadMove>> {
        self.head_moves_there().await.map_err(|error| self.at(error))
    }

    async fn revisions(&self) -> PortResult<Vec<RevisionInfo>> {
        self.revisions_there().await.map_err(|error| self.at(error))
    }
}

fn chunks_key(revision: u64) -> String {
    format!("rev#{revision}")
}

fn manifest_key(revision: u64) -> String {
    format!("{revision:020}")
}

fn write_move(number: u64, HeadMove { from, to, meta }: &HeadMove) -> DynamoItem {
    let mut written = item([
        ("pk", s(HEAD)),
        ("sk", s(format!("{MOVES}{number:020}"))),
        ("n", n(number)),
        ("to", n(*to)),
        ("moved_at", s(meta.created_at.to_string())),
        ("author", s(&meta.author)),
        ("message", s(&meta.message)),
    ]);
    written.extend(from.map(|from| ("from".to_owned(), n(from))));
    written
}

fn read_move(item: &DynamoItem) -> PortResult<HeadMove> {
    let from = item.contains_key("from").then(|| number(item, "from")).transpose()?;
    let meta = RevisionMeta {
        created_at: parsed(item, "moved_at", "a time")?,
        author: text(item, "author")?,
        message: text(item, "message")?,
    };
    Ok(HeadMove { from, to: number(item, "to")?, meta })
}

fn write_manifest(info: &RevisionInfo) -> DynamoItem {
    item([
        ("pk", s(MANIFESTS)),
        ("sk", s(manifest_key(info.revision))),
        ("revision", n(info.revision)),
        ("created_at", s(info.meta.created_at.to_string())),
        ("author", s(&info.meta.author)),
        ("message", s(&info.meta.message)),
        ("bytes", n(info.bytes)),
        ("chunks", n(info.chunks)),
        ("checksum", s(&info.checksum)),
    ])
}

fn read_manifest(item: &DynamoItem) -> PortResult<RevisionInfo> {
    Ok(RevisionInfo {
        revision: number(item, "revision")?,
        meta: RevisionMeta {
            created_at: parsed(item, "created_at", "a time")?,
            author: text(item, "author")?,
            message: text(item, "message")?,
        },
        bytes: number(item, "bytes")?,
        chunks: number(item, "chunks")?,
        checksum: text(item, "checksum")?,
    })
}

/// The chunks of a publisher that did not come to its manifest.
fn half_written(revision: u64) -> PortError {
    PortError::permanent(format!("revision {revision} is broken: it was never written to its end"))
}
