//! An explanation's steps, as a person reads them.

use super::short;
use super::style::{BAD, DIM, GOOD};
use abx_core::decide::Step;
use abx_core::hash::Range;
use serde_json::Value;

/// Characters that are shown of a value.
const LONG: usize = 100;

/// One line a step, nestings indented.
#[must_use]
pub fn steps(steps: &[Step]) -> String {
    lines(steps).into_iter().flat_map(|line| ["  ".to_owned(), line, "\n".to_owned()]).collect()
}

/// Renders each line by itself, without the first indentation.
#[must_use]
pub fn lines(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::with_capacity(steps.len());
    let mut depth = 0_usize;
    for step in steps {
        if matches!(step, Step::Close { .. }) {
            depth = depth.saturating_sub(1);
        }
        let indent = "  ".repeat(depth);
        let line = match step {
            Step::Stage { stage, decides, detail } => {
                let mark = if *decides { format!("{GOOD}●{GOOD:#}") } else { format!("{DIM}○{DIM:#}") };
                format!("{mark} {stage:<12} {detail}")
            }
            Step::Open { name } => format!("{DIM}{name}:{DIM:#}"),
            Step::Close { holds } => format!("{} {}", mark(*holds), outcome(*holds)),
            Step::Condition { attribute, operator, expected, actual, holds } => {
                let expected = expected.as_ref().map_or(String::new(), |it| format!(" {}", short(it, LONG)));
                let actual = actual.as_ref().map_or("missing".to_owned(), |it| short(it, LONG));
                format!("{} {attribute} {operator}{expected}; actual: {actual}", mark(*holds))
            }
            Step::Bucket { purpose, text, hash, bucket, range } => {
                let text = short(&Value::String(text.clone()), LONG);
                let inside = inside(*bucket, *range);
                format!("{DIM}# {purpose}: murmur3 of {text} is {hash}, bucket {inside}{DIM:#}")
            }
            Step::GivenBucket { purpose, bucket, range } => {
                format!("{DIM}# {purpose}: put into bucket {}{DIM:#}", inside(*bucket, *range))
            }
        };
        lines.push(format!("{indent}{line}"));
        if matches!(step, Step::Open { .. }) {
            depth += 1;
        }
    }
    lines
}

fn inside(bucket: u32, range: Range) -> String {
    let inside = if range.contains(bucket) { "in" } else { "not in" };
    format!("{bucket} {inside} {}..{}", range.start, range.end)
}

fn mark(holds: bool) -> String {
    if holds { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") }
}

fn outcome(holds: bool) -> &'static str {
    if holds { "holds" } else { "does not hold" }
}
