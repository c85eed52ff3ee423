//! One record may hold several events: JSON lines, a JSON list, or either of them in gzip.

use super::{Rejection, RejectionReason as Reason};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde_json::value::RawValue;
use std::io::Read;

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The largest growth of a compressed record: text of events compresses to a tenth, seldom to a fiftieth.
const MOST_GROWTH: u64 = 50;
/// The most bytes that a compressed record may hold, whatever its length.
const MOST_BYTES: u64 = 16 << 20;
/// The most events that one record may hold.
const MOST_EVENTS: usize = 10_000;

/// The events of a record, each as it was sent, in their order; at least one. The limits depend on the record alone, so that it is
/// read in the same way with whichever neighbours it is delivered.
pub fn unpack(data: Bytes) -> Result<Vec<Bytes>, Rejection> {
    let data = if data.starts_with(&GZIP) { decompress(&data)? } else { data };
    let text = data.trim_ascii();
    // Nearly every record is one event on one line.
    if !text.starts_with(b"[") && !text.contains(&b'\n') {
        return Ok(vec![data]);
    }
    let events: Vec<Bytes> = match values(text) {
        Some(values) => values.iter().map(|value| data.slice_ref(value)).collect(),
        None if text.contains(&b'\n') => lines(text).map(|line| data.slice_ref(line)).collect(),
        None => return Err(Rejection::new(Reason::NotJson, "the list is not JSON")),
    };
    check(events.len())?;
    Ok(events)
}

/// Refuses a record without events, and one with too many.
pub(super) fn check(events: usize) -> Result<(), Rejection> {
    match events {
        0 => Err(Rejection::new(Reason::InvalidValue, "the record holds no events")),
        1..=MOST_EVENTS => Ok(()),
        number => {
            let detail = format!("the record holds {number} events; at most {MOST_EVENTS} are read");
            Err(Rejection::new(Reason::TooLarge, detail))
        }
    }
}

fn decompress(data: &[u8]) -> Result<Bytes, Rejection> {
    let most = (data.len() as u64 * MOST_GROWTH + (64 << 10)).min(MOST_BYTES);
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(data).take(most + 1).read_to_end(&mut text);
    read.map_err(|error| Rejection::new(Reason::NotJson, format!("the gzip cannot be read: {error}")))?;
    if text.len() as u64 > most {
        let detail = format!("the gzip of {} bytes holds more than {most} bytes", data.len());
        return Err(Rejection::new(Reason::TooLarge, detail));
    }
    Ok(text.into())
}

/// The JSON values of a text one after another, those of a list each by itself; `None` if a part of it is not JSON.
fn values(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>() {
        let value = value.ok()?.get();
        if value.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
            found.extend(items.into_iter().map(|item| item.get().as_bytes()));
        } else {
            found.push(value.as_bytes());
        }
    }
    Some(found)
}

/// The lines that are not blank: one that is broken costs no other.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn texts(data: &[u8]) -> Result<Vec<String>, Reason> {
        let events = unpack(Bytes::copy_from_slice(data)).map_err(|rejection| rejection.reason)?;
        Ok(events.iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect())
    }

    #[test]
    fn several_events_are_found_however_they_are_put_together() {
        for (data, events) in [
            ("{\"a\":1}", vec!["{\"a\":1}"]),
            ("{\"a\":1}\n{\"b\":2}\n", vec!["{\"a\":1}", "{\"b\":2}"]),
            ("{\"a\":1}\r\n\r\n{\"b\":2}", vec!["{\"a\":1}", "{\"b\":2}"]),
            ("[{\"a\":1}, {\"b\":[2]}]", vec!["{\"a\":1}", "{\"b\":[2]}"]),
            ("[{\"a\":1}]\n[{\"b\":2}]", vec!["{\"a\":1}", "{\"b\":2}"]),
            ("{\n  \"a\": 1\n}", vec!["{\n  \"a\": 1\n}"]),
            ("{\"a\":1}\nbroken\n{\"b\":2}", vec!["{\"a\":1}", "broken", "{\"b\":2}"]),
            ("no JSON", vec!["no JSON"]),
            ("", vec![""]),
        ] {
            assert_eq!(texts(data.as_bytes()).unwrap(), events, "{data:?}");
            assert_eq!(texts(&gzip(data.as_bytes())).unwrap(), events, "{data:?} in gzip");
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_one_rejected_record() {
        assert_eq!(texts(b"[]"), Err(Reason::InvalidValue));
        assert_eq!(texts(b"[1 true]"), Err(Reason::NotJson));
        assert_eq!(texts(b"[{\"a\":1},"), Err(Reason::NotJson));
        let whole = gzip(b"{\"a\":1}\n{\"b\":2}");
        assert_eq!(texts(&whole[..whole.len() - 6]), Err(Reason::NotJson), "a cut gzip");
        assert_eq!(texts(&gzip(&vec![b' '; 20 << 20])), Err(Reason::TooLarge), "a bomb");
        let many = "{}\n".repeat(MOST_EVENTS + 1);
        assert_eq!(texts(many.as_bytes()), Err(Reason::TooLarge));
        assert_eq!(texts("{}\n".repeat(MOST_EVENTS).as_bytes()).unwrap().len(), MOST_EVENTS);
    }
}
