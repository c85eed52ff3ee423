//! Allocations and explicit ranges become ranges that cover every bucket once.

use crate::document::{Percentage, Share};
use crate::finding::{Code, Findings, Path};
use crate::hash::{BUCKETS, Range, SumError, allocate};

/// A part of a document that wants a share, as written.
struct ShareEntry<'d> {
    /// Its path, as `variants[1]`.
    path: Path,
    allocation: Option<f64>,
    ranges: Option<&'d [Range]>,
}

/// The ranges of each share, with its index; empty after an error. `path` is the list's, and `written` are the
/// allocations and ranges of its items.
pub(super) fn compile<'d>(
    path: &Path,
    written: impl Iterator<Item = (Option<Share>, &'d Option<Vec<Range>>)>,
    findings: &mut Findings,
) -> Vec<(Range, usize)> {
    let share = |(at, (allocation, ranges)): (usize, (Option<Share>, &'d Option<Vec<Range>>))| ShareEntry {
        path: path.index(at),
        allocation: allocation.map(|it| it.0),
        ranges: ranges.as_deref(),
    };
    compile_shares(path, &written.enumerate().map(share).collect::<Vec<_>>(), findings)
}

fn compile_shares(path: &Path, shares: &[ShareEntry<'_>], findings: &mut Findings) -> Vec<(Range, usize)> {
    let broken = |share: &ShareEntry<'_>| {
        let inside = |name: &'static str| findings.is_broken(share.path.field(name));
        findings.is_lost(&share.path) || inside("allocation") || inside("ranges")
    };
    if shares.is_empty() || shares.iter().any(broken) {
        return Vec::new();
    }
    let written = shares.iter().filter(|share| share.ranges.is_some()).count();
    if written == shares.len() {
        return explicit(path, shares, findings);
    }
    if written > 0 {
        for share in shares.iter().filter(|share| share.ranges.is_none()) {
            findings
                .add(
                    Code::AllocationMissing,
                    share.path.clone(),
                    "others have `ranges`, but this one has none",
                )
                .help("give `ranges` to all, or to none");
        }
        return Vec::new();
    }
    by_allocation(path, shares, findings)
}

fn by_allocation(path: &Path, shares: &[ShareEntry<'_>], findings: &mut Findings) -> Vec<(Range, usize)> {
    let with = shares.iter().filter(|share| share.allocation.is_some()).count();
    if with == 0 {
        #[expect(clippy::cast_precision_loss, reason = "a document has few shares")]
        let equal = 1.0 / shares.len() as f64;
        return numbered(allocate(&vec![equal; shares.len()]).unwrap_or_default());
    }
    let mut good = true;
    for share in shares {
        let path = share.path.field("allocation");
        match share.allocation {
            None => {
                good = false;
                findings
                    .add(
                        Code::AllocationMissing,
                        share.path.clone(),
                        "others have an allocation, but this one has none",
                    )
                    .help("give `allocation` to all; or to none, for equal shares");
            }
            Some(it) if !(0.0..=1.0).contains(&it) => {
                good = false;
                let finding = findings.add(Code::AllocationRange, path, format!("{it} is not from 0 to 1"));
                if (1.0..=100.0).contains(&it) {
                    finding.help(format!("a percentage? Write {}", it / 100.0));
                }
            }
            Some(_) => {}
        }
    }
    if !good {
        return Vec::new();
    }
    let allocations: Vec<f64> = shares.iter().filter_map(|share| share.allocation).collect();
    let ranges = allocate(&allocations);
    note_sum(path, &allocations, ranges.as_ref().err(), findings);
    numbered(ranges.unwrap_or_default())
}

fn note_sum(path: &Path, allocations: &[f64], error: Option<&SumError>, findings: &mut Findings) {
    let sum = (allocations.iter().sum::<f64>() * 1e9).round() / 1e9;
    if error.is_some() {
        let missing = ((1.0 - sum) * 1e9).round() / 1e9;
        let help = if missing > 0.0 {
            format!("{missing} of the units would get no variant: distribute the rest")
        } else {
            format!("take {} away", -missing)
        };
        findings.add(Code::AllocationSum, path, format!("the allocations sum to {sum}, not to 1")).help(help);
    } else if (sum - 1.0).abs() > 2e-6 {
        // Thirds and sevenths cannot be written exactly; six digits are as good as they get.
        findings
            .add(
                Code::AllocationNormalised,
                path,
                format!("the allocations sum to {sum}; each is divided by it"),
            )
            .help("write shares that sum to 1");
    }
}

fn numbered(ranges: Vec<Range>) -> Vec<(Range, usize)> {
    ranges.into_iter().enumerate().map(|(index, range)| (range, index)).collect()
}

fn explicit(path: &Path, shares: &[ShareEntry<'_>], findings: &mut Findings) -> Vec<(Range, usize)> {
    let mut all = Vec::new();
    let mut good = true;
    for (index, share) in shares.iter().enumerate() {
        if share.allocation.is_some() {
            let path = share.path.field("allocation");
            findings
                .add(Code::AllocationRange, path, "both `allocation` and `ranges` are written")
                .help("keep one of them; `ranges` alone are enough");
        }
        for (at, range) in share.ranges.unwrap_or_default().iter().enumerate() {
            good &= check_range(*range, &share.path.field("ranges").index(at), findings);
            all.push((*range, index));
        }
    }
    if !good {
        return Vec::new();
    }
    all.sort_unstable();
    let mut next = 0;
    for (range, index) in &all {
        if range.start != next {
            let (word, from, to) = if range.start > next {
                ("belong to no variant", next, range.start)
            } else {
                ("belong to two variants", range.start, next)
            };
            let at = shares.get(*index).map_or(path, |share| &share.path);
            findings
                .add(
                    Code::RangeInvalid,
                    at.field("ranges"),
                    format!("the buckets from {from} to {to} {word}"),
                )
                .help("the ranges of all must cover every bucket from 0 to 1000000 once");
            return Vec::new();
        }
        next = range.end;
    }
    if next != BUCKETS {
        findings
            .add(
                Code::RangeInvalid,
                path,
                format!("the buckets from {next} to {BUCKETS} belong to no variant"),
            )
            .help("the ranges of all must cover every bucket from 0 to 1000000 once");
        return Vec::new();
    }
    all
}

/// Returns true if a range lies in the bucket space and is not reversed.
pub(super) fn check_range(range: Range, path: &Path, findings: &mut Findings) -> bool {
    if findings.is_broken(path) {
        return false;
    }
    let good = range.start < range.end && range.end <= BUCKETS;
    if !good {
        let message = format!("[{}, {}] is not a range of buckets", range.start, range.end);
        findings
            .add(Code::RangeInvalid, path, message)
            .help("the first must be below the second, and the second at most 1000000");
    }
    good
}

/// A share from 0 to 1 (or a percentage, with `whole` 100) in buckets; notes one that is not.
pub(super) fn to_buckets(share: f64, whole: f64, path: &Path, findings: &mut Findings) -> u32 {
    if findings.is_broken(path) {
        return 0;
    }
    crate::hash::share_to_buckets(share / whole).unwrap_or_else(|| {
        let finding = findings.add(Code::AllocationRange, path, format!("{share} is not from 0 to {whole}"));
        if (whole..=100.0).contains(&share) {
            finding.help(format!("a percentage? Write {}", share / 100.0));
        }
        0
    })
}

/// A percentage in buckets; notes one that is not from 0 to 100, or may have been meant as a share.
pub(super) fn percent_to_buckets(percentage: Percentage, path: &Path, findings: &mut Findings) -> u32 {
    let Percentage { percent, has_sign } = percentage;
    if percent > 0.0 && percent < 1.0 && !has_sign {
        // As if the decimals had been moved in what is written: floats would add digits.
        let hundredfold: f64 = format!("{percent}e2").parse().unwrap_or(percent * 100.0);
        findings
            .add(
                Code::PercentageBelowOne,
                path,
                format!("{percent} is a percentage here, less than one in 100"),
            )
            .help(format!("write `{percent}%` if that is meant, or `{hundredfold}%` if it is a share"));
    }
    to_buckets(percent, 100.0, path, findings)
}
