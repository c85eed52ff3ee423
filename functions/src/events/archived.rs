//! The line of the archive.

use crate::ports::ArchiveLine;
use abx_core::event::{Credit, EventData, EventKind, Item};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// An event as the archive keeps it: what was read, what it was credited to, and what was sent, whole.
#[derive(Debug, Serialize)]
struct ArchivedEvent<'a> {
    /// `shard:sequence[:sub]`: two lines with one id are one event.
    #[serde(rename = "_id")]
    id: String,
    arrived_at: Timestamp,
    #[serde(rename = "type")]
    kind: &'a str,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    /// What it was credited to, and by which variant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credited: Vec<Credited<'a>>,
    /// As it was sent.
    sent: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct Credited<'a> {
    experiment: &'a str,
    metric: &'a str,
    variant: &'a str,
}

/// An event's line. `None` for what is no JSON, which no event is.
pub(super) fn line(
    shard: &str,
    item: &Item<'_>,
    event: &EventData<'_>,
    credits: &[Credit<'_>],
) -> Option<ArchiveLine> {
    let (name, experiment, flag, variant) = match &event.kind {
        EventKind::Exposure { experiment, variant, .. } => {
            (None, Some(&**experiment), None, Some(&**variant))
        }
        EventKind::Evaluation { flag, variant } => (None, None, Some(&**flag), Some(&**variant)),
        EventKind::Conversion { event, .. } => (Some(&**event), None, None, None),
    };
    let credited = credits.iter().map(|credit| Credited {
        experiment: credit.experiment,
        metric: credit.metric,
        variant: credit.variant,
    });
    let written = ArchivedEvent {
        id: format!("{shard}:{}", item.position),
        arrived_at: item.arrived,
        kind: event.kind.as_str(),
        unit: &event.unit,
        event: name,
        experiment,
        flag,
        variant,
        timestamp: event.timestamp,
        credited: credited.collect(),
        sent: serde_json::from_slice(item.data).ok()?,
    };
    // A line feed can only stand between the tokens of what was sent: inside texts it is escaped.
    let json = serde_json::to_string(&written).ok()?.replace(['\n', '\r'], " ");
    Some(ArchiveLine { arrived: item.arrived, json })
}
