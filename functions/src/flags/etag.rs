//! Entity tags, which let a caller skip an answer that it already has.

use crate::telemetry::hex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The entity tag of an answer: over the revision, the context *and* the answer itself.
///
/// The answer is part of it because a revision and a context do not decide alone: a rule may look at the time, and a document
/// that does not compile keeps a previous form. So a flag with a time window is never "not modified" across its
/// edge, and no clock has to be rounded. Evaluating first costs some microseconds, less than what is saved: the
/// transfer.
pub(super) fn etag(revision: u64, context: &Map<String, Value>, answer: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(revision.to_be_bytes());
    // The names of an object are in order, so equal contexts are equal bytes.
    let context = serde_json::to_vec(context).unwrap_or_default();
    hash.update((context.len() as u64).to_be_bytes());
    hash.update(context);
    hash.update(answer);
    format!("\"{}\"", hex(&hash.finalize(), 32))
}

/// Returns true if an `If-None-Match` header names the tag (RFC 9110, 13.1.2: weak comparison, a list, or
/// `*`).
pub(super) fn matches(if_none_match: &str, etag: &str) -> bool {
    let tags = if_none_match.split(',').map(str::trim);
    tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == "*" || tag == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_that_decides_is_in_it() {
        let context = |plan: &str| json!({"plan": plan}).as_object().unwrap().clone();
        let tag = etag(1, &context("pro"), b"on");
        assert_eq!(tag, etag(1, &context("pro"), b"on"));
        assert_ne!(tag, etag(2, &context("pro"), b"on"));
        assert_ne!(tag, etag(1, &context("free"), b"on"));
        assert_ne!(tag, etag(1, &context("pro"), b"off"));
    }

    #[test]
    fn headers_are_lists_of_weak_and_strong_tags() {
        for header in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", " \"b\" ,W/\"a\" "] {
            assert!(matches(header, "\"a\""), "{header}");
        }
        for header in ["", "a", "\"b\"", "\"a", "W/\"b\""] {
            assert!(!matches(header, "\"a\""), "{header}");
        }
    }
}
