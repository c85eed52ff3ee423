//! The trace that a request belongs to, by W3C Trace Context (<https://www.w3.org/TR/trace-context/>), which OpenTelemetry sends.
//!
//! No span is made here: the trace's id stands in the lines of the log, and the context of the caller goes on, as it came, with the
//! events of the request. What is not valid is ignored, as the standard says. `traceresponse` was left out: it is a draft.

use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use std::sync::Arc;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The members of a `tracestate`, at most.
const MEMBERS: usize = 32;
/// The length of a `tracestate` that has to be passed on; a longer one is not.
const STATE_BYTES: usize = 512;

tokio::task_local! {
    static CURRENT: Option<Arc<TraceContext>>;
}

/// The context of a caller's span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceContext {
    traceparent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl TraceContext {
    /// The context in a request's headers, if there is a valid one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (parent, None) = (parents.next()?, parents.next()) else { return None };
        let traceparent = traceparent(parent.to_str().ok()?)?;
        let states: Option<Vec<&str>> =
            headers.get_all(TRACESTATE).iter().map(|state| state.to_str().ok()).collect();
        let tracestate = states.map(|states| states.join(",")).filter(|state| is_state(state));
        Some(Self { traceparent, tracestate })
    }

    /// The context of the request that this task answers.
    #[must_use]
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }

    /// The id of the caller's span.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        self.traceparent.get(36..52).unwrap_or_default()
    }
}

/// Answers a request in the context that it came with.
pub(crate) async fn within<T>(context: Option<TraceContext>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(context.map(Arc::new), work).await
}

/// A `traceparent` of version 00, which a later version has at its start.
fn traceparent(text: &str) -> Option<String> {
    let mut parts = text.splitn(5, '-');
    let mut part = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then_some(part)
    };
    let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_none = |id: &str| id.bytes().all(|byte| byte == b'0');
    if version == "ff" || is_none(trace) || is_none(parent) || version == "00" && text.len() != LENGTH {
        return None;
    }
    if version == "00" {
        return Some(text.to_owned());
    }
    // Of a later version, nothing is known but that the last bit says whether the trace is sampled.
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    Some(format!("00-{trace}-{parent}-0{sampled}"))
}

/// True of a list of `key=value` that may be passed on.
fn is_state(text: &str) -> bool {
    let members: Vec<&str> = text.split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    let is_key = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let is_member = |member: &&str| {
        member.split_once('=').is_some_and(|(key, value)| {
            (1..=256).contains(&key.len())
                && key.bytes().all(is_key)
                && (1..=256).contains(&value.len())
                && value.bytes().all(is_value)
        })
    };
    (1..=MEMBERS).contains(&members.len()) && text.len() <= STATE_BYTES && members.iter().all(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    const PARENT: &str = "traceparent";
    const STATE: &str = "tracestate";

    fn of(headers: &[(&'static str, &str)]) -> Option<TraceContext> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        TraceContext::of(&map)
    }

    #[test]
    fn a_valid_parent_is_taken_and_any_other_is_ignored() {
        let context = of(&[(PARENT, VALID)]).unwrap();
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent_id(), "00f067aa0ba902b7");
        let later = VALID.replacen("00", "cc", 1);
        for (given, taken) in [
            (VALID.to_owned(), Some(VALID.to_owned())),
            (later.clone(), Some(VALID.to_owned())),
            (format!("{later}-what-is-new"), Some(VALID.to_owned())),
            (format!("{VALID}-what-is-new"), None),
            (format!("{later}x"), None),
            (VALID.to_uppercase(), None),
            (VALID.replacen("00", "ff", 1), None),
            (VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), None),
            (VALID.replace("00f067aa0ba902b7", &"0".repeat(16)), None),
            (VALID.replace("-01", "-1"), None),
            (VALID.replace("-01", ""), None),
            (VALID.replace('-', "_"), None),
            (String::new(), None),
        ] {
            assert_eq!(of(&[(PARENT, &given)]).map(|it| it.traceparent), taken, "{given}");
        }
        assert_eq!(of(&[(PARENT, VALID), (PARENT, VALID)]), None, "one, and not two");
        assert_eq!(of(&[(STATE, "a=1")]), None);
    }

    #[test]
    fn a_state_goes_with_its_parent_and_is_joined_in_order() {
        let state = |states: &[&str]| {
            let states = states.iter().map(|state| (STATE, *state));
            of(&[(PARENT, VALID)].into_iter().chain(states).collect::<Vec<_>>()).unwrap().tracestate
        };
        assert_eq!(state(&["rojo=00f067aa0ba902b7", "a@b=t:1"]).unwrap(), "rojo=00f067aa0ba902b7,a@b=t:1");
        let many = |count: usize| (0..count).map(|it| format!("k{it}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(state(&[&many(32)]).unwrap(), many(32));
        for refused in ["", "Rojo=1", "a", "a=b=c", "=1", &many(33), &format!("a={}", "b".repeat(600))] {
            assert_eq!(state(&[refused]), None, "{refused}");
        }
    }

    #[tokio::test]
    async fn the_context_is_that_of_the_request() {
        assert_eq!(TraceContext::current(), None);
        let context = of(&[(PARENT, VALID)]);
        within(context.clone(), async {
            assert_eq!(TraceContext::current().as_deref(), context.as_ref());
            within(None, async { assert_eq!(TraceContext::current(), None) }).await;
        })
        .await;
    }
}
