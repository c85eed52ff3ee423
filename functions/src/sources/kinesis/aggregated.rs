//! Records of the Kinesis Producer Library hold many events: a magic number, a protobuf message, an MD5.
//!
//! Source: the format's own description in the repository `awslabs/amazon-kinesis-producer`, `aggregation-format.md`.

use md5::{Digest, Md5};
use prost::Message;

pub(super) const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;

/// The message. Its table of partition keys says where a record was meant to go; every record in it is read here, also
/// one that was meant for another shard (after a resharding), because nobody else would read it.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<AggregatedEvent>,
}

#[derive(Clone, PartialEq, Message)]
struct AggregatedEvent {
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

/// The partition key of an event in a record, if it has one, and its bytes.
pub type KeyedData = (Option<Box<str>>, Vec<u8>);

/// The events in a record with their partition keys, if it is one of the library's and whole; `None` for any other, and for one whose checksum or
/// message is broken: that is then one event, which will say itself that it is none.
#[must_use]
pub fn deaggregate(data: &[u8]) -> Option<Vec<KeyedData>> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(DIGEST_BYTES)?)?;
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    let message = AggregatedRecord::decode(message).ok()?;
    let keys = message.partition_key_table;
    let key = |index: u64| {
        let key = keys.get(usize::try_from(index).ok()?)?;
        (!key.is_empty()).then(|| key.as_str().into())
    };
    Some(message.records.into_iter().map(|it| (key(it.partition_key_index), it.data)).collect())
}

/// Puts events into one record under one partition key, as the library does: for tests, and for whoever replays.
#[must_use]
pub fn aggregate(partition_key: &str, events: &[Vec<u8>]) -> Vec<u8> {
    let keyed = events.iter().map(|data| (Some(partition_key.into()), data.clone()));
    aggregate_keyed(keyed.collect())
}

/// Puts events into one record, each with its own partition key; empty where it has none.
#[must_use]
pub fn aggregate_keyed(events: Vec<KeyedData>) -> Vec<u8> {
    let mut message = AggregatedRecord::default();
    for (key, data) in events {
        let key = key.as_deref().unwrap_or_default();
        let table = &mut message.partition_key_table;
        let index = table.iter().position(|it| it == key).unwrap_or_else(|| {
            table.push(key.to_owned());
            table.len() - 1
        });
        message.records.push(AggregatedEvent {
            partition_key_index: index as u64,
            explicit_hash_key_index: None,
            data,
        });
    }
    let message = message.encode_to_vec();
    [&MAGIC[..], &message, Md5::digest(&message).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made with the Python package `aws_kinesis_agg` 1.2.3: two events, `{"a":1}` and `{"b":2}`, partition key `pk`.
    const OTHER: &[u8] = include_bytes!("../../../tests/data/kpl_aggregated.bin");

    #[test]
    fn records_of_another_implementation_are_opened() {
        let event = |data: &[u8]| (Some("pk".into()), data.to_vec());
        assert_eq!(deaggregate(OTHER).unwrap(), [event(br#"{"a":1}"#), event(br#"{"b":2}"#)]);
    }

    #[test]
    fn each_event_keeps_its_own_key() {
        let event = |key: Option<&str>| (key.map(Into::into), b"{}".to_vec());
        let events = vec![event(Some("a")), event(Some("b")), event(None), event(Some("a"))];
        assert_eq!(deaggregate(&aggregate_keyed(events.clone())), Some(events));
    }

    #[test]
    fn what_is_not_whole_is_not_opened() {
        assert_eq!(deaggregate(b""), None);
        assert_eq!(deaggregate(&MAGIC), None);
        assert_eq!(deaggregate(br#"{"type":"conversion"}"#), None);
        let mut broken = aggregate("k", &[b"one".to_vec()]);
        assert!(deaggregate(&broken).is_some());
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(deaggregate(&broken), None, "a bad checksum");
        let nonsense = b"\xff\xff\xff";
        let signed = [&MAGIC[..], nonsense, Md5::digest(nonsense).as_slice()].concat();
        assert_eq!(deaggregate(&signed), None, "a message that is none");
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let opened = deaggregate(&aggregate("k", &events)).unwrap();
            prop_assert!(opened.iter().all(|(key, _)| key.as_deref() == Some("k")));
            prop_assert_eq!(opened.into_iter().map(|(_, data)| data).collect::<Vec<_>>(), events);
        }

        #[test]
        fn anything_after_the_magic_is_survived(rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = deaggregate(&[&MAGIC[..], &rest].concat());
        }
    }
}
