//! The counted records of a shard, by its commit log.

use crate::ports::LogEntry;
use abx_core::event::Position;

/// The outcome of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordStatus {
    /// A commit counted it.
    Counted,
    /// The head passed it and no commit counted it: Lambda gave it up.
    GivenUp {
        /// The last part of it that was counted before.
        part: Option<Position>,
    },
    /// The head is not there yet.
    Ahead,
    /// The log no longer has the commits around it.
    BeyondReach,
}

/// The outcome of the record at a position, given the head of its shard and those entries of the log that
/// [`MetricStore::log`](crate::ports::MetricStore::log) gives for it, in their order.
///
/// Commits follow each other, so what stands between two that were made one after the other was in neither. An entry that ended may
/// be missing anywhere, because the service deletes such items in no order: only the numbers of the commits say that none is.
pub(super) fn coverage(head: Option<&Position>, log: &[LogEntry], at: &Position) -> RecordStatus {
    if head.is_none_or(|head| at > head) {
        return RecordStatus::Ahead;
    }
    if head == Some(at) {
        return RecordStatus::Counted;
    }
    let next = log.partition_point(|entry| entry.last < *at);
    let Some(after) = log.get(next) else { return RecordStatus::BeyondReach };
    if after.first <= *at {
        return RecordStatus::Counted;
    }
    match next.checked_sub(1).and_then(|before| log.get(before)) {
        Some(before) if before.number + 1 == after.number => {
            RecordStatus::GivenUp { part: Some(before.last.clone()).filter(|last| last.is_part_of(at)) }
        }
        None if after.number == 0 => RecordStatus::GivenUp { part: None },
        _ => RecordStatus::BeyondReach,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    fn entry((number, first, last): (u64, &str, &str)) -> LogEntry {
        LogEntry { number, first: at(first), last: at(last) }
    }

    const GIVEN_UP: RecordStatus = RecordStatus::GivenUp { part: None };

    #[test]
    fn a_record_is_counted_given_up_ahead_or_beyond_reach() {
        let whole = [(0, "5", "7"), (1, "9:1", "12"), (2, "13", "13@e/m"), (3, "15", "15")].map(entry);
        let part = RecordStatus::GivenUp { part: Some(at("13@e/m")) };
        for (position, expected) in [
            ("4", GIVEN_UP),
            ("5", RecordStatus::Counted),
            ("6", RecordStatus::Counted),
            ("7", RecordStatus::Counted),
            ("7:1", GIVEN_UP),
            ("9", GIVEN_UP),
            ("9:1", RecordStatus::Counted),
            ("12", RecordStatus::Counted),
            ("13", part),
            ("14", GIVEN_UP),
            ("15", RecordStatus::Counted),
            ("15:1", RecordStatus::Ahead),
            ("16", RecordStatus::Ahead),
        ] {
            assert_eq!(coverage(Some(&at("15")), &whole, &at(position)), expected, "{position}");
        }
        // Of a head that names a part, the whole is still to come.
        assert_eq!(coverage(Some(&at("13@e/m")), &whole[..3], &at("13")), RecordStatus::Ahead);
        assert_eq!(coverage(None, &[], &at("1")), RecordStatus::Ahead);
    }

    #[test]
    fn a_log_with_gaps_says_nothing_about_them() {
        let lacking = [(3, "30", "39"), (5, "50", "59")].map(entry);
        for (position, expected) in [
            ("20", RecordStatus::BeyondReach),
            ("35", RecordStatus::Counted),
            ("45", RecordStatus::BeyondReach),
            ("55", RecordStatus::Counted),
            ("65", RecordStatus::BeyondReach),
            ("70", RecordStatus::Counted),
        ] {
            assert_eq!(coverage(Some(&at("70")), &lacking, &at(position)), expected, "{position}");
        }
        assert_eq!(coverage(Some(&at("70")), &[], &at("5")), RecordStatus::BeyondReach);
    }

    proptest! {
        /// Batches of a shard, some of them given up, and some entries of the log deleted.
        #[test]
        fn no_counted_record_is_taken_for_given_up(
            batches in prop::collection::vec((1..5_u64, any::<bool>(), prop::bool::weighted(0.2)), 1..12),
        ) {
            let (mut next, mut number, mut log, mut counted) = (1, 0, Vec::new(), Vec::new());
            for (length, is_counted, is_deleted) in batches {
                let (first, last) = (next, next + length - 1);
                next += length;
                counted.extend(vec![is_counted; usize::try_from(length).unwrap()]);
                if is_counted {
                    let entry = entry((number, &first.to_string(), &last.to_string()));
                    log.extend((!is_deleted).then_some(entry));
                    number += 1;
                }
            }
            let Some(head) = counted.iter().rposition(|counted| *counted) else { return Ok(()) };
            let head = at(&(head + 1).to_string());
            for (index, is_counted) in counted.iter().enumerate() {
                let position = at(&(index + 1).to_string());
                let said = coverage(Some(&head), &log, &position);
                if position > head {
                    prop_assert_eq!(said, RecordStatus::Ahead);
                } else if log.len() as u64 == number {
                    prop_assert_eq!(said, if *is_counted { RecordStatus::Counted } else { GIVEN_UP });
                } else {
                    prop_assert!(said != GIVEN_UP || !is_counted);
                    prop_assert!(said != RecordStatus::Counted || *is_counted);
                }
            }
        }
    }
}
