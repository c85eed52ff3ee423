//! The largest size of the rows of an experiment.

use super::fold::UNKNOWN_VARIANT;
use super::row::{GROUPS, MetricCounter, VariantCounter};
use crate::document::{ExperimentConfig, MetricKind};

/// The largest row, in bytes: an item of DynamoDB has 400 KB, its names included.
pub const MAX_ROW_BYTES: usize = 400 * 1024;

/// A count: DynamoDB takes a byte for two digits and one more, and 64 bits have 20 digits.
const COUNT: usize = 11;
/// A sum: 38 digits, and a byte for a sign.
const SUM: usize = 21;
/// The names of the keys, an hour, a day or the word for groups, and a stream and a shard of 128 bytes each.
const KEYS: usize = 4 + 24 + 2 * 129;

/// The bytes of the largest row that counts of this experiment can make: one for each hour holds all variants, one for
/// each variant its sums by group, and one for each variant and day of exposure what metrics with a window count. It is never less than what a store writes.
#[must_use]
pub fn largest_row(written: &ExperimentConfig) -> usize {
    let key = "exp".len() + 1 + written.experiment.len() + 1 + "4294967295".len();
    let variants = || written.variants.iter().map(|it| &*it.key).chain([UNKNOWN_VARIANT]);
    let hour: usize = variants().map(|variant| counters_of(written, variant)).sum();
    let groups = groups(written) + variants().map(str::len).max().unwrap_or_default();
    // The row of a day of exposures has both, of one variant.
    let cohort = variants().map(|variant| groups + counters_of(written, variant)).max().unwrap_or_default();
    let has_window = written.metrics.iter().any(|it| it.window.is_some_and(|it| it.to.is_some()));
    KEYS + key + hour.max(if has_window { cohort } else { groups })
}

/// The size that a variant adds to the row of an hour.
fn counters_of(written: &ExperimentConfig, variant: &str) -> usize {
    let own = VariantCounter::ALL.iter().map(|it| size(&[it.as_str(), variant], COUNT));
    let metrics = written.metrics.iter().flat_map(|metric| {
        let of_kind: &[(MetricCounter, usize)] = match metric.kind {
            MetricKind::Conversion => &[(MetricCounter::Events, COUNT), (MetricCounter::Units, COUNT)],
            MetricKind::Quantile => &[(MetricCounter::Events, COUNT)],
            MetricKind::Ratio => &[],
            MetricKind::Count | MetricKind::Sum | MetricKind::Mean => {
                &[(MetricCounter::Events, COUNT), (MetricCounter::Sum, SUM), (MetricCounter::Invalid, COUNT)]
            }
        };
        of_kind.iter().map(move |(what, bytes)| size(&[what.as_str(), variant, &metric.key], *bytes))
    });
    own.chain(metrics).sum()
}

/// The counters of the row of groups.
fn groups(written: &ExperimentConfig) -> usize {
    let of_group = |group: u8| {
        let group = group.to_string();
        let sums = written.metrics.iter().map(|it| match it.kind {
            MetricKind::Conversion | MetricKind::Ratio | MetricKind::Quantile => 0,
            MetricKind::Count | MetricKind::Sum => size(&[&group, &it.key], SUM),
            MetricKind::Mean => size(&[&group, &it.key], SUM) + size(&[&group, "e", &it.key], COUNT),
        });
        size(&[&group], COUNT) + sums.sum::<usize>()
    };
    (0..GROUPS).map(of_group).sum()
}

/// The bytes of a counter: its name, of parts with a separator between them, and its amount.
fn size(name: &[&str], amount: usize) -> usize {
    name.iter().map(|part| part.len()).sum::<usize>() + name.len() - 1 + amount
}
