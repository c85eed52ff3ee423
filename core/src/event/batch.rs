//! A batch of records by shard: each is taken apart into its events by itself, whatever its neighbours are.

use super::unpack::{self, unpack};
use super::{EventData, ItemContent, Position, Rejection, RejectionReason as Reason, Sequence, StreamItem};
use bytes::Bytes;
use jiff::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A record as an event source hands it over.
#[derive(Debug, Clone)]
pub struct Record {
    /// The stream and the shard, as `events/shardId-000000000001`: ids of shards are unique in a stream only. Within a shard, records
    /// come in the order of their sequence numbers.
    pub shard: Arc<str>,
    /// Its number in the shard.
    pub sequence: Sequence,
    /// The time of its arrival on the stream; counting uses it to the millisecond.
    pub arrived: Timestamp,
    /// The key that chose its shard; `None` where that is not known, as in an archive.
    pub partition_key: Option<Box<str>>,
    /// Its bytes.
    pub data: Bytes,
    /// The content of these bytes, as far as their source knows it.
    pub content: RecordContent,
}

/// The content of a record's bytes, as far as an event source knows it.
#[derive(Debug, Clone)]
pub enum RecordContent {
    /// They are what its producer sent: one event, or several as [`unpack`] finds them.
    AsSent,
    /// The client library of the source put together what was sent, several times over, each with a partition key of its own or none.
    Aggregated(Vec<(Option<Box<str>>, Bytes)>),
    /// They cannot be read.
    Unreadable(Rejection),
}

/// A batch by shard. That of an invocation has one; replayed records may be of several.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records of each shard, in the order of their positions, each once.
    pub shards: Vec<ShardBatch>,
    /// Records without a shard or a sequence number, so that nobody can ask for them again.
    pub unplaced: Vec<Unplaced>,
}

/// Records of one shard.
#[derive(Debug)]
pub struct ShardBatch {
    /// The stream and the shard.
    pub shard: String,
    /// The contents of the records.
    pub payloads: Vec<Payload>,
    /// The number of further records at places that others of them have: the same record, delivered twice in one batch.
    pub repeated: usize,
}

/// One event as delivered: a record, or one of the events in it.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The position.
    pub position: Position,
    /// The time of its arrival on the stream.
    pub arrived: Timestamp,
    /// The key that chose its shard; `None` where that is not known, as in an archive.
    pub partition_key: Option<Box<str>>,
    /// Its bytes.
    pub data: Bytes,
    /// Why it can be no event, where that is known before it is read.
    pub rejection: Option<Rejection>,
}

/// A record without a place.
#[derive(Debug)]
pub struct Unplaced {
    /// The record as its source handed it over.
    pub raw: String,
    /// The problem with it.
    pub rejection: Rejection,
}

impl Batch {
    /// Takes records apart into events, and puts these in their order, each place once.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        let mut batch = Self::default();
        for record in records {
            batch.shard(&record.shard).take(record);
        }
        for shard in &mut batch.shards {
            shard.payloads.sort_by(|a, b| a.position.cmp(&b.position));
            let delivered = shard.payloads.len();
            shard.payloads.dedup_by(|a, b| a.position == b.position);
            shard.repeated = delivered - shard.payloads.len();
        }
        batch
    }

    fn shard(&mut self, name: &str) -> &mut ShardBatch {
        let at = self.shards.iter().position(|it| it.shard == name).unwrap_or(self.shards.len());
        if at == self.shards.len() {
            self.shards.push(ShardBatch { shard: name.to_owned(), payloads: Vec::new(), repeated: 0 });
        }
        let Some(shard) = self.shards.get_mut(at) else { unreachable!() };
        shard
    }
}

/// An event in a record.
struct UnpackedEvent {
    /// That of the event alone; `None` where the record's holds.
    partition_key: Option<Box<str>>,
    data: Bytes,
    /// Why the bytes can be no event, where that is known already.
    rejection: Option<Rejection>,
}

/// The events of a record, whether its source put them together, or their producer.
fn events_of(data: &Bytes, content: RecordContent) -> Result<Vec<UnpackedEvent>, Rejection> {
    match content {
        RecordContent::AsSent => {
            let found = |data| UnpackedEvent { partition_key: None, data, rejection: None };
            Ok(unpack(data.clone())?.into_iter().map(found).collect())
        }
        RecordContent::Aggregated(parts) => {
            unpack::check(parts.len())?;
            let found = parts.into_iter().flat_map(|(key, data)| {
                let found = |data, rejection| UnpackedEvent { partition_key: key.clone(), data, rejection };
                match unpack(data.clone()) {
                    Ok(events) => events.into_iter().map(|event| found(event, None)).collect(),
                    Err(rejection) => vec![found(data, Some(rejection))],
                }
            });
            Ok(found.collect())
        }
        RecordContent::Unreadable(rejection) => Err(rejection),
    }
}

impl ShardBatch {
    /// Takes the events out of a record; one that is not read stays one, and is rejected.
    fn take(&mut self, record: Record) {
        let Record { sequence, arrived, partition_key, data, content, .. } = record;
        // Marks and archives hold milliseconds: what is compared with them must not be finer.
        let arrived = Timestamp::from_millisecond(arrived.as_millisecond()).unwrap_or(arrived);
        match events_of(&data, content) {
            Ok(events) => self.payloads.extend((0..).zip(events).map(|(sub, event)| {
                let position = Position { sub, ..Position::from(sequence.clone()) };
                let UnpackedEvent { partition_key: own, data, rejection } = event;
                Payload {
                    position,
                    arrived,
                    partition_key: own.or_else(|| partition_key.clone()),
                    data,
                    rejection,
                }
            })),
            Err(rejection) => {
                let position = sequence.into();
                self.payloads.push(Payload {
                    position,
                    arrived,
                    partition_key,
                    data,
                    rejection: Some(rejection),
                });
            }
        }
    }

    /// The items after a place in the shard, in their order. An event whose id `is_known` from before is a duplicate; of those with one
    /// id in the same batch, [`fold`](super::fold) decides.
    pub fn items(&self, after: Option<&Position>, is_known: impl Fn(u64) -> bool) -> Vec<StreamItem<'_>> {
        let mut items = Vec::with_capacity(self.payloads.len());
        let left = self.payloads.iter().filter(|it| after.is_none_or(|after| it.position > *after));
        items.extend(left.map(|payload| {
            let what = match payload.event() {
                Err(rejection) => ItemContent::Rejected(rejection),
                Ok(event) => {
                    // Without an id nothing but its place tells it from others, and the head knows places.
                    let id = event.fingerprint();
                    let is_new = id.is_none_or(|id| !is_known(id));
                    if is_new { ItemContent::Event(event, id) } else { ItemContent::Duplicate(event) }
                }
            };
            let Payload { position, arrived, partition_key, data, .. } = payload;
            StreamItem { position, arrived: *arrived, partition_key: partition_key.as_deref(), data, what }
        }));
        items
    }
}

impl Payload {
    /// Notes that a store refuses what counting the event writes: from now on it is rejected.
    pub fn refuse(&mut self, detail: impl Into<String>) {
        self.rejection = Some(Rejection::new(Reason::RefusedByStore, detail));
    }

    /// The event, read and validated. A panic on the way is this record's, and nobody else's.
    pub fn event(&self) -> Result<EventData<'_>, Rejection> {
        self.event_by(EventData::read)
    }

    fn event_by<'a>(
        &'a self,
        read: impl FnOnce(&'a [u8]) -> Result<EventData<'a>, Rejection>,
    ) -> Result<EventData<'a>, Rejection> {
        if let Some(rejection) = &self.rejection {
            return Err(rejection.clone());
        }
        catch_unwind(AssertUnwindSafe(|| read(&self.data))).unwrap_or_else(|_| {
            Err(Rejection::new(Reason::Panicked, "reading the event panicked, which is a bug of abx"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = br#"{"event_id":"e","type":"conversion","event":"purchase","user_id":"u"}"#;

    fn record(sequence: &str, data: &[u8]) -> Record {
        Record {
            shard: "events/1".into(),
            sequence: sequence.parse().unwrap(),
            arrived: "2018-12-17T22:10:50.987654321Z".parse().unwrap(),
            partition_key: Some("u".into()),
            data: Bytes::copy_from_slice(data),
            content: RecordContent::AsSent,
        }
    }

    fn aggregated(sequence: &str, parts: &[&[u8]]) -> Record {
        let parts = parts.iter().map(|data| (None, Bytes::copy_from_slice(data))).collect();
        Record { content: RecordContent::Aggregated(parts), ..record(sequence, b"aggregated") }
    }

    fn read(records: &[Record]) -> Batch {
        Batch::from_records(records.to_vec())
    }

    fn reasons(batch: &Batch) -> Vec<Option<Reason>> {
        let payloads = batch.shards.iter().flat_map(|shard| &shard.payloads);
        payloads.map(|payload| payload.event().err().map(|rejection| rejection.reason)).collect()
    }

    fn positions(shard: &ShardBatch) -> Vec<String> {
        shard.payloads.iter().map(|it| it.position.to_string()).collect()
    }

    #[test]
    fn records_are_placed_and_in_order() {
        let batch = read(&[record("10", GOOD), record("9", GOOD), record("10", GOOD)]);
        let [shard] = &batch.shards[..] else { panic!("one shard") };
        assert_eq!((&*shard.shard, shard.repeated), ("events/1", 1));
        assert_eq!(positions(shard), ["9", "10"]);
        let arrived = "2018-12-17T22:10:50.987Z".parse().unwrap();
        assert!(shard.payloads.iter().all(|it| it.arrived == arrived), "to the millisecond");
        assert_eq!(reasons(&batch), [None, None]);
    }

    #[test]
    fn shards_may_come_in_turns() {
        let of = |shard: &str, sequence: &str| Record { shard: shard.into(), ..record(sequence, GOOD) };
        let batch =
            read(&[of("events/1", "1"), of("events/2", "7"), of("events/1", "2"), of("events/2", "3")]);
        let found: Vec<_> = batch.shards.iter().map(|it| (&*it.shard, positions(it).join(" "))).collect();
        assert_eq!(found, [("events/1", "1 2".to_owned()), ("events/2", "3 7".to_owned())]);
    }

    #[test]
    fn every_event_knows_the_key_that_chose_its_shard() {
        let lines = [GOOD, GOOD].join(&b'\n');
        let parts = [(Some("v".into()), GOOD), (Some("w".into()), &lines), (None, GOOD)];
        let parts = parts.map(|(key, data)| (key, Bytes::copy_from_slice(data))).to_vec();
        let aggregated = Record { content: RecordContent::Aggregated(parts), ..record("2", b"") };
        let unknown = Record { partition_key: None, ..record("3", GOOD) };
        let batch = read(&[record("1", GOOD), aggregated, unknown, record("4", b"{")]);
        let keys: Vec<_> = batch.shards[0].payloads.iter().map(|it| it.partition_key.as_deref()).collect();
        assert_eq!(keys, [Some("u"), Some("v"), Some("w"), Some("w"), Some("u"), None, Some("u")]);
    }

    #[test]
    fn an_unreadable_record_is_rejected_and_costs_no_other() {
        let rejection = Rejection::new(Reason::NotBase64, "byte 0");
        let unreadable = Record { content: RecordContent::Unreadable(rejection), ..record("2", GOOD) };
        let batch = read(&[record("1", GOOD), unreadable, record("3", b"{}")]);
        assert_eq!(reasons(&batch), [None, Some(Reason::NotBase64), Some(Reason::MissingField)]);
    }

    #[test]
    fn several_events_in_one_record_are_taken_apart() {
        let good = std::str::from_utf8(GOOD).unwrap();
        let lines = format!("{good}\nbroken\n{good}\n");
        let list = format!("[{good},{{}}]");
        let batch = read(&[
            record("7", lines.as_bytes()),
            record("8", list.as_bytes()),
            record("9", b"[1 true]"),
            aggregated("10", &[lines.as_bytes(), GOOD, b"[]"]),
            aggregated("11", &[]),
        ]);
        let expected = ["7", "7:1", "7:2", "8", "8:1", "9", "10", "10:1", "10:2", "10:3", "10:4", "11"];
        assert_eq!(positions(&batch.shards[0]), expected);
        let (broken, empty, nothing) =
            (Some(Reason::NotJson), Some(Reason::MissingField), Some(Reason::InvalidValue));
        let expected = [None, broken, None, None, empty, broken, None, broken, None, None, nothing, nothing];
        assert_eq!(reasons(&batch), expected);
    }

    #[test]
    fn an_event_whose_id_is_known_is_a_duplicate() {
        let without = br#"{"type":"conversion","event":"purchase","user_id":"u"}"#;
        let batch = read(&[record("1", GOOD), record("2", GOOD), record("3", without), record("4", without)]);
        let known = EventData::read(GOOD).unwrap().fingerprint().unwrap();
        let taken = |after: Option<&str>, known: &[u64]| {
            let after = after.map(|it| it.parse().unwrap());
            let items = batch.shards[0].items(after.as_ref(), |id| known.contains(&id));
            items.iter().map(|item| matches!(item.what, ItemContent::Event(..))).collect::<Vec<_>>()
        };
        assert_eq!(taken(None, &[]), [true, true, true, true]);
        assert_eq!(taken(Some("1"), &[known]), [false, true, true]);
    }

    #[test]
    fn a_panic_is_one_records() {
        let batch = read(&[record("1", GOOD)]);
        let payload = &batch.shards[0].payloads[0];
        let rejection = payload.event_by(|_| panic!("a bug")).unwrap_err();
        assert_eq!(rejection.reason, Reason::Panicked);
    }
}
