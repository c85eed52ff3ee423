//! Contracts of the ports, over each of their adapters, and the reactions of the AWS adapters to failures of AWS.
//!
//! | file | what it is |
//! |---|---|
//! | `assignments`, `catalog`, `events`, `metrics`, `marks`, `archive`, `quarantine`, `personal_data` | the promises of one port each, for any adapter of it |
//! | `embedded`, `dynamodb`, `kinesis`, `firehose` | the adapters, each with a fresh store for each promise |
//! | `reading`, `ownership` | the embedded store, opened to read; and whose file it is |
//! | `lag` | what waits in a stream |
//! | `faults` | silent peers, 500s, throttles and cut answers |
//! | `assigning` | what a caller of the assignment function gets meanwhile |
//! | `partly` | services that do a part of what they are asked, or all of it and do not say so |
//! | `refusals` | what a store refuses for its content, and what becomes of the record and of its neighbours |
//! | `cost` | what a commit costs |
//! | `http` | a small HTTP server that answers as it is told, or not at all |
//! | `proxy` | what stands between a client and the emulator, and sees, refuses or loses calls |
//!
//! DynamoDB is an emulator in this process, spoken to over the wire with the real SDK; nothing has to be installed or started.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail by panicking, and report measurements"
)]

mod archive;
mod assigning;
mod assignments;
mod catalog;
mod cost;
mod dynamodb;
mod embedded;
mod events;
mod faults;
mod firehose;
mod http;
mod kinesis;
mod lag;
mod marks;
mod metrics;
mod ownership;
mod partly;
mod personal_data;
mod proxy;
mod quarantine;
mod reading;
mod refusals;

/// One test for each promise of a port, each over a store of its own.
macro_rules! promises {
    ($port:ident, $open:path: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::$port::$promise($open().await).await;
            }
        )*
    };
}

/// Declares a macro for each port, which tests all of its promises.
macro_rules! ports {
    ($dollar:tt $($(#[$doc:meta])* $port:ident: $($file:ident { $($promise:ident)* })*;)*) => {
        $(
            $(#[$doc])*
            macro_rules! $port {
                ($dollar open:path) => { $($crate::promises! { $file, $dollar open: $($promise)* })* };
            }
            pub(crate) use $port;
        )*
    };
}

ports! { $
    /// All promises of the port `AssignmentStore`.
    assignment_store: assignments {
        what_is_stored_is_found
        racers_converge
        a_new_epoch_replaces
        an_expired_one_is_replaced
        a_repeated_put_is_stored_again
        units_are_raw_bytes
        impossible_keys_are_refused
        many_come_in_the_order_asked
        contexts_hold_any_json
    };

    /// All promises of the port `CatalogStore`.
    catalog_store: catalog {
        an_empty_store_has_nothing
        revisions_of_all_sizes_come_back
        a_number_belongs_to_one_revision
        racing_publishers_do_not_mix
        the_head_moves_only_from_where_it_is
        racing_flips_have_one_winner
        the_head_never_points_nowhere
        the_newest_is_listed_first
        a_lost_chunk_is_an_error
        a_changed_byte_is_an_error
        a_half_written_revision_is_an_error_until_it_is_put
        moves_of_the_head_are_recorded
        racing_moves_are_recorded_one_after_another
    };

    /// All promises of the port `EventSink`.
    event_sink: events {
        all_arrive_in_order
        many_arrive
        one_that_is_too_long_is_lost_alone
        any_unit_may_send
    };

    /// All promises of the port `MetricStore`.
    metric_store: metrics {
        an_unknown_shard_has_no_head
        a_commit_moves_the_head_and_adds
        shards_do_not_touch_each_other
        a_wrong_expectation_writes_nothing
        a_repeated_commit_counts_once
        the_ledger_remembers_its_latest_commits
        the_log_has_its_entries_in_order
        a_redriven_record_counts_once
        racing_redrives_have_one_winner
        the_largest_commit_fits
        amounts_are_exact
        each_experiment_has_its_own_rows
        racing_commits_have_one_winner
    } marks {
        a_mark_that_was_never_put_is_none
        the_first_mark_stays
        the_mark_of_an_id_ends_after_a_day
        many_marks_come_in_their_order
        units_of_marks_are_raw_bytes
        racers_for_a_mark_have_one_first
    };

    /// All promises of the port `Archive`.
    archive_port: archive {
        lines_are_kept_in_order
        many_lines_are_kept
        lines_of_all_days_are_kept
        two_batches_do_not_mix_within_a_line
    };

    /// All promises of the port `Quarantine`.
    quarantine_port: quarantine {
        an_empty_quarantine_lists_nothing
        records_of_all_sizes_come_back
        the_newest_come_first
        a_record_is_kept_once
        many_of_one_moment_are_all_kept
        only_what_came_since_is_listed_and_counted
        what_is_removed_is_gone_alone
    };

    /// All promises of the port `PersonalData`.
    personal_data_port: personal_data {
        nothing_is_held_of_a_stranger
        one_unit_is_erased_and_no_other
        a_unit_with_many_items_is_erased_whole
    };
}

/// Gives a store that a test made the methods of the adapter in it.
macro_rules! deref_to_adapter {
    ($store:ident: $field:ident, $adapter:ty) => {
        impl std::ops::Deref for $store {
            type Target = $adapter;

            fn deref(&self) -> &$adapter {
                &self.$field
            }
        }
    };
}

pub(crate) use {deref_to_adapter, promises};

/// Starts a task for each value, all at once. Returns what they returned, in the order of the values.
pub(crate) async fn race<T, F>(values: impl IntoIterator<Item = T>, task: impl Fn(T) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = values.into_iter().map(|value| tokio::spawn(task(value))).collect();
    let mut returned = Vec::with_capacity(tasks.len());
    for task in tasks {
        returned.push(task.await.unwrap());
    }
    returned
}

/// Units that a store must keep apart, byte by byte.
pub(crate) fn odd_units() -> Vec<String> {
    let long = "ü".repeat(abx_functions::ports::MAX_UNIT_BYTES / 2);
    [
        "a",
        "A",
        " a",
        "a ",
        "a\n",
        "a\0",
        "a\0b",
        "\0",
        "é",
        "e\u{301}",
        "\u{200b}a",
        "שלום",
        "\u{202e}abc",
        "😀",
        "👩‍👩‍👧",
        "'; DROP TABLE assignments; --",
        "'; --",
        "\"",
        "\\u0000",
        "1",
        "1.0",
        "%",
        "a#b",
        "a#1",
        "NULL",
        "\u{feff}a",
        &long,
    ]
    .map(str::to_owned)
    .into()
}

/// Checks that one racer was the first, and that every other one got what the first had put. Returns that.
pub(crate) fn only_winner<T: PartialEq + std::fmt::Debug>(answers: Vec<(Option<T>, T)>) -> T {
    let (mut winners, losers): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(there, _)| there.is_none());
    assert_eq!((winners.len(), losers.len()), (1, 15));
    let (_, winner) = winners.remove(0);
    assert!(
        losers.iter().all(|(there, _)| there.as_ref() == Some(&winner)),
        "every loser learns the winner's"
    );
    winner
}
