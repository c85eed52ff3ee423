//! Segments, each after those that it names.

use super::Shared;
use crate::compile::chains::{self, ChainError, LARGEST, LONGEST};
use crate::compile::rules::Rules;
use crate::decide::{CompiledSegment, USER_ID};
use crate::document::{Condition, SharedConfig};
use crate::finding::{Code, Findings, Path};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Shared {
    /// Compiles segments so that each comes after those that it names.
    pub(super) fn compile_segments(&mut self, written: &SharedConfig, findings: &mut Findings) {
        let segments = &written.segments;
        let path_of = |at: usize| Path::of("catalog").field("segments").index(at);
        self.segment_paths =
            segments.iter().enumerate().map(|(at, it)| (it.key.to_string(), path_of(at))).collect();
        let places: HashMap<&str, usize> =
            segments.iter().enumerate().rev().map(|(at, it)| (&*it.key, at)).collect();
        let mut named = Vec::new();
        let mut weights = Vec::new();
        for segment in segments {
            let mut names = Vec::new();
            weights.push(collect_segments(&segment.when, &mut names));
            named.push(names.into_iter().filter_map(|name| places.get(name).copied()).collect());
        }
        let sorted = chains::sort(&named, &weights);
        for (at, fault) in &sorted.faults {
            let Some(segment) = segments.get(*at) else { continue };
            note_fault(&segment.key, *fault, &path_of(*at).field("when"), findings);
        }
        let faulty: HashSet<usize> = sorted.faults.iter().map(|(at, _)| *at).collect();
        let in_order: HashSet<usize> = sorted.order.iter().copied().collect();
        // Those without a place in the order are compiled for what else is wrong in them.
        let others = (0..segments.len()).filter(|at| !in_order.contains(at));
        for at in sorted.order.iter().copied().chain(others) {
            let Some(segment) = segments.get(at) else { continue };
            let when = Rules::new(self, USER_ID, findings).compile(&segment.when, &path_of(at).field("when"));
            let compiled = CompiledSegment { key: (*segment.key).into(), when };
            if in_order.contains(&at) && !faulty.contains(&at) {
                self.segments.insert(segment.key.to_string(), Arc::new(compiled));
            }
        }
    }
}

/// The segments that conditions name, at any depth; returns how many conditions there are.
fn collect_segments<'d>(conditions: &'d [Condition], into: &mut Vec<&'d str>) -> u64 {
    let mut count = 0;
    for condition in conditions {
        count += 1;
        match condition {
            Condition::All { all } => count += collect_segments(all, into),
            Condition::Any { any } => count += collect_segments(any, into),
            Condition::Not { not } => count += collect_segments(not.conditions(), into),
            Condition::Segment { segment } => into.push(segment),
            Condition::Leaf(_) => {}
        }
    }
    count
}

fn note_fault(key: &str, fault: ChainError, path: &Path, findings: &mut Findings) {
    let (message, help) = match fault {
        ChainError::Circle => (
            format!("the segment `{key}` requires itself"),
            "break the circle: write one of the conditions out",
        ),
        ChainError::Long => (
            format!("more than {LONGEST} segments follow one another below `{key}`"),
            "write one of the conditions out",
        ),
        ChainError::Large => (
            format!("`{key}` expands to more than {LARGEST} conditions through other segments"),
            "name fewer segments, or let the program compute an attribute",
        ),
    };
    findings.add(Code::SegmentCycle, path, message).help(help);
}
