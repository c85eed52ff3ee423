//! Archives, written in many ways.

use crate::model::{Line, What};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;

pub(crate) fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).unwrap().to_string()
}

/// The event as its producer sends it.
pub(crate) fn sent(line: &Line, by_account: bool) -> Value {
    let mut sent = match &line.what {
        What::Exposure { variant, epoch, revision, dimension } => {
            let mut sent =
                json!({"type": "exposure", "experiment": "checkout", "variant": variant, "epoch": epoch});
            if let Some(revision) = revision {
                sent["revision"] = json!(revision);
            }
            if let Some(dimension) = dimension {
                sent["dimensions"] = json!({"country": dimension, "other": {"country": 1}});
            }
            sent
        }
        What::Conversion { event, amount } => {
            let mut sent = json!({"type": "conversion", "event": event});
            if let Some(amount) = amount {
                sent["properties"] =
                    json!({"amount": serde_json::from_str::<Value>(amount).unwrap(), "note": "it's"});
            }
            if let Some(account) = line.account {
                sent["context"] = json!({"account": {"id": account}});
            }
            sent
        }
    };
    let field = if matches!(line.what, What::Exposure { .. }) { "unit" } else { "user_id" };
    sent[field] = json!(line.column_unit(by_account));
    if let Some(id) = line.event_id {
        sent["event_id"] = json!(id);
    }
    if let Some(timestamp) = line.timestamp {
        sent["timestamp"] = json!(time(timestamp));
    }
    sent
}

/// The line of the archive.
pub(crate) fn text(line: &Line, by_account: bool) -> String {
    let sent = sent(line, by_account);
    let mut fields = vec![
        format!("\"_id\":\"events/shard-1:{}\"", line.id),
        format!("\"arrived_at\":{}", json!(time(line.arrived))),
        format!("\"type\":{}", sent["type"]),
        format!("\"unit\":{}", json!(line.column_unit(by_account))),
    ];
    for name in ["event", "experiment", "variant"] {
        if let Some(value) = sent.get(name) {
            fields.push(format!("\"{name}\":{value}"));
        }
    }
    if let Some(timestamp) = line.timestamp {
        fields.push(format!("\"timestamp\":{}", json!(time(timestamp))));
    }
    // An amount stays as it is written: `serde_json` would make a double of `1e3`.
    let mut written = sent.to_string();
    if let What::Conversion { amount: Some(amount), .. } = &line.what {
        let value: Value = serde_json::from_str(amount).unwrap();
        written = written.replace(&format!("\"amount\":{value}"), &format!("\"amount\":{amount}"));
    }
    fields.push(format!("\"sent\":{written}"));
    format!("{{{}}}", fields.join(","))
}

/// One file for each day, in the order of arrival.
pub(crate) fn write_by_day(root: &Path, lines: &[Line], by_account: bool) {
    let mut lines: Vec<&Line> = lines.iter().collect();
    lines.sort_by_key(|it| it.arrived);
    for line in lines {
        let day = &time(line.arrived)[..10];
        let folder = root.join(format!("day={day}"));
        fs::create_dir_all(&folder).unwrap();
        let file = fs::OpenOptions::new().create(true).append(true).open(folder.join("events.jsonl"));
        writeln!(file.unwrap(), "{}", text(line, by_account)).unwrap();
    }
}

/// Files without an order: lines are repeated and shuffled by a seed, and every other file is in gzip, of two members.
pub(crate) fn write_scattered(root: &Path, lines: &[Line], by_account: bool, seed: u64) {
    let mut random = seed;
    let mut draw = |below: u64| {
        // A linear congruential generator is random enough to shuffle.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut scattered: Vec<&Line> = lines.iter().flat_map(|line| vec![line; 1 + draw(2) as usize]).collect();
    for at in (1..scattered.len()).rev() {
        scattered.swap(at, draw(at as u64 + 1) as usize);
    }
    let size = 1 + draw(7) as usize;
    for (at, chunk) in scattered.chunks(size).enumerate() {
        let texts: Vec<String> = chunk.iter().map(|it| text(it, by_account)).collect();
        let folder = if at % 3 == 0 { root.join("nested/deep") } else { root.to_owned() };
        fs::create_dir_all(&folder).unwrap();
        if at % 2 == 0 {
            fs::write(folder.join(format!("{at}.json")), texts.join("\n")).unwrap();
        } else {
            // As Firehose names it.
            let mut bytes = Vec::new();
            for text in texts {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                writeln!(encoder, "{text}").unwrap();
                bytes.extend(encoder.finish().unwrap());
            }
            fs::write(folder.join(format!("abx-archive-1-2026-03-01-00-00-00-{at}")), bytes).unwrap();
        }
    }
}
