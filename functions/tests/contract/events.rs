//! Contract of an [`EventSink`].

use abx_functions::ports::{Event, EventSink, MAX_EVENT_BYTES};
use std::ops::Deref;

/// A sink that shows what it got.
pub(crate) trait Visible: Deref<Target: EventSink + Sized> {
    fn received(&self) -> Vec<Event>;
}

pub(crate) fn event(unit: &str, data: impl Into<Vec<u8>>) -> Event {
    Event { partition_key: unit.to_owned(), data: data.into() }
}

pub(crate) fn numbered(count: usize) -> Vec<Event> {
    (0..count).map(|number| event(&format!("u{}", number % 7), format!("{{\"number\":{number}}}"))).collect()
}

async fn send(sink: &impl EventSink, events: &[Event]) -> Vec<usize> {
    let report = sink.send(events).await;
    assert_eq!(report.failed.is_empty(), report.cause.is_none());
    report.failed
}

pub(crate) async fn all_arrive_in_order(sink: impl Visible) {
    assert_eq!(send(&*sink, &[]).await, [0; 0]);
    let mut events = numbered(20);
    events.push(event("u", *b"\0\xff\xfe not text"));
    events.push(event("u", "\0 שלום 😀 \u{202e}"));
    events.push(event("u", ""));
    assert_eq!(send(&*sink, &events).await, [0; 0]);
    assert_eq!(sink.received(), events);
}

pub(crate) async fn many_arrive(sink: impl Visible) {
    let mut events = numbered(1201);
    events.extend(numbered(9).into_iter().map(|event| Event { data: vec![b'x'; 1_000_000], ..event }));
    assert_eq!(send(&*sink, &events).await, [0; 0]);
    assert!(sink.received() == events);
}

pub(crate) async fn one_that_is_too_long_is_lost_alone(sink: impl Visible) {
    let mut events = numbered(5);
    events[1].data = vec![b'x'; MAX_EVENT_BYTES];
    events[3].data = vec![b'x'; MAX_EVENT_BYTES + 1];
    assert_eq!(send(&*sink, &events).await, [3]);
    events.remove(3);
    assert!(sink.received() == events);
}

pub(crate) async fn any_unit_may_send(sink: impl Visible) {
    let units = ["", " ", "\0", "😀", &"é".repeat(1024)];
    let events: Vec<_> = units.into_iter().map(|unit| event(unit, "{}")).collect();
    assert_eq!(send(&*sink, &events).await, [0; 0]);
    assert_eq!(sink.received().len(), units.len());
}
