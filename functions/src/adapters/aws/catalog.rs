//! The catalog in DynamoDB.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `head` | `head` | the number of the revision that serves |
//! | `revisions` | the number, 20 digits | a manifest, written last; one query lists them all |
//! | `rev#{n}` | `{checksum}#{chunk, 5 digits}` | a chunk |
//!
//! The checksum in a chunk's key keeps two publishers of one number apart: the manifest alone decides whose the number
//! is, and what a dead publisher left is in nobody's way.

use super::dynamo::{Conditional, Item, bytes, item, n, number, parsed, put_if, s, text};
use super::error::port_error;
use crate::ports::{
    CHUNK_BYTES, CatalogStore, Flip, Head, PortError, PutRevision, RevisionInfo, RevisionMeta, half_written,
    no_such_revision,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

const ABSENT: &str = "attribute_not_exists(pk)";
const HEAD: &str = "head";
const MANIFESTS: &str = "revisions";

/// The [`CatalogStore`] of a table.
#[derive(Debug, Clone)]
pub struct DynamoCatalog {
    client: Client,
    table: String,
    fresh_head: bool,
}

impl DynamoCatalog {
    /// Uses a table through a client. Reading the head costs 0.5 RCU and may be a second old, as functions want it.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), fresh_head: false }
    }

    /// Reads the head as it is now, for 1 RCU, as a publisher wants it.
    #[must_use]
    pub fn with_fresh_head(self) -> Self {
        Self { fresh_head: true, ..self }
    }

    async fn read(&self, pk: &str, sk: &str, fresh: bool) -> Result<Option<Item>, PortError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(fresh);
        let answer = Box::pin(request.key("pk", s(pk)).key("sk", s(sk)).send());
        Ok(answer.await.map_err(|error| port_error("GetItem", error))?.item)
    }

    async fn manifest(&self, revision: u64) -> Result<Option<RevisionInfo>, PortError> {
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

    async fn put_if_absent(&self, item: Item) -> Result<Conditional, PortError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put_if(request.condition_expression(ABSENT)).await
    }

    async fn put_chunks(&self, info: &RevisionInfo, bytes: &[u8]) -> Result<(), PortError> {
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

    async fn chunks(&self, info: &RevisionInfo) -> Result<Vec<u8>, PortError> {
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

impl CatalogStore for DynamoCatalog {
    async fn head(&self) -> Result<Option<Head>, PortError> {
        let item = self.read(HEAD, HEAD, self.fresh_head).await?;
        item.map(|item| Ok(Head { revision: number(&item, "revision")? })).transpose()
    }

    async fn revision(&self, revision: u64) -> Result<Option<Vec<u8>>, PortError> {
        if let Some(info) = self.manifest(revision).await? {
            return self.chunks(&info).await.map(Some);
        }
        let leftover = Box::pin(self.query(&chunks_key(revision)).limit(1).send());
        match leftover.await.map_err(|error| port_error("Query", error))?.count() {
            0 => Ok(None),
            _ => Err(half_written(revision)),
        }
    }

    async fn put_revision(
        &self,
        revision: u64,
        bytes: &[u8],
        meta: &RevisionMeta,
    ) -> Result<PutRevision, PortError> {
        let info = RevisionInfo::of(revision, bytes, meta)?;
        let verdict = |there: &RevisionInfo| {
            if *there == info { PutRevision::Stored } else { PutRevision::Taken }
        };
        if let Some(there) = self.manifest(revision).await? {
            return Ok(verdict(&there));
        }
        self.put_chunks(&info, bytes).await?;
        match self.put_if_absent(write_manifest(&info)).await? {
            Conditional::Done => Ok(PutRevision::Stored),
            Conditional::Refused(Some(there)) => Ok(verdict(&read_manifest(&there)?)),
            Conditional::Refused(None) => Ok(PutRevision::Taken),
        }
    }

    async fn flip_head(&self, from: Option<u64>, to: u64) -> Result<Flip, PortError> {
        // Revisions are never deleted, so what is seen here still holds when the write comes.
        if self.manifest(to).await?.is_none() {
            return Err(no_such_revision(to));
        }
        let head = item([("pk", s(HEAD)), ("sk", s(HEAD)), ("revision", n(to))]);
        let request = self.client.put_item().table_name(&self.table).set_item(Some(head));
        let request = match from {
            None => request.condition_expression(ABSENT),
            Some(from) => {
                request.condition_expression("revision = :from").expression_attribute_values(":from", n(from))
            }
        };
        match put_if(request).await? {
            Conditional::Done => Ok(Flip::Done),
            Conditional::Refused(None) => Ok(Flip::Lost { actual: None }),
            Conditional::Refused(Some(there)) => match number(&there, "revision")? {
                actual if actual == to => Ok(Flip::Done),
                actual => Ok(Flip::Lost { actual: Some(actual) }),
            },
        }
    }

    async fn revisions(&self) -> Result<Vec<RevisionInfo>, PortError> {
        let mut pages = self.query(MANIFESTS).scan_index_forward(false).into_paginator().items().send();
        let mut revisions = Vec::new();
        while let Some(item) = pages.next().await {
            revisions.push(read_manifest(&item.map_err(|error| port_error("Query", error))?)?);
        }
        Ok(revisions)
    }
}

fn chunks_key(revision: u64) -> String {
    format!("rev#{revision}")
}

fn manifest_key(revision: u64) -> String {
    format!("{revision:020}")
}

fn write_manifest(info: &RevisionInfo) -> Item {
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

fn read_manifest(item: &Item) -> Result<RevisionInfo, PortError> {
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
