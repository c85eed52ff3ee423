//! Things that name one another, as segments and prerequisites do: an order in which each comes after those
//! that it names, and what cannot be in one.

/// The largest number of documents in a chain. Evaluation goes down the chain recursively, so the stack
/// limits it.
pub(super) const LONGEST: usize = 8;
/// The largest number of evaluations that a chain may cause in all. Without it, ten documents that each name
/// ten, and so on, would cause a hundred million.
pub(super) const LARGEST: u64 = 10_000;

/// The reason why a document is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainError {
    /// The document names itself, directly or through others.
    Circle,
    /// More than [`LONGEST`] follow it.
    Long,
    /// More than [`LARGEST`] is asked by way of it.
    Large,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Each after those that it names. What stands in a circle, or needs one that does, is not here.
    pub order: Vec<usize>,
    /// The faults, with the index of their document. Documents that only depend on a faulty one are not
    /// listed: one mistake is one finding.
    pub faults: Vec<(usize, ChainError)>,
}

/// `named[i]` are those that `i` names, and `weights[i]` is what `i` asks by itself.
pub(super) fn sort(named: &[Vec<usize>], weights: &[u64]) -> Order {
    let mut sorted = Order::default();
    let naming = reversed(named);
    let mut waits_for: Vec<usize> = named.iter().map(Vec::len).collect();
    // (how many follow, how much is asked); nothing for one that is left out, which is never asked.
    let mut sizes = vec![(0_usize, 0_u64); named.len()];
    let mut ready: Vec<usize> = (0..named.len()).filter(|at| waits_for.get(*at) == Some(&0)).collect();
    while let Some(at) = ready.pop() {
        sorted.order.push(at);
        let inner = || named.get(at).into_iter().flatten().filter_map(|it| sizes.get(*it));
        let length = inner().map(|(length, _)| length + 1).max().unwrap_or(0);
        let own = weights.get(at).copied().unwrap_or(1);
        let weight = inner().fold(own, |sum, (_, weight)| sum.saturating_add(*weight));
        if length > LONGEST {
            sorted.faults.push((at, ChainError::Long));
        } else if weight > LARGEST {
            sorted.faults.push((at, ChainError::Large));
        } else if let Some(size) = sizes.get_mut(at) {
            *size = (length, weight);
        }
        release(at, &naming, &mut waits_for, &mut ready);
    }
    let circles = circles(named, &naming, &waits_for);
    sorted.faults.extend(circles.into_iter().map(|at| (at, ChainError::Circle)));
    sorted.faults.sort_unstable_by_key(|(at, _)| *at);
    sorted
}

/// Returns, of the documents that still wait, those that others in a circle wait for.
fn circles(named: &[Vec<usize>], naming: &[Vec<usize>], waits_for: &[usize]) -> Vec<usize> {
    let waits = |at: usize| waits_for.get(at).is_some_and(|count| *count > 0);
    let mut needed_by: Vec<usize> =
        naming.iter().map(|by| by.iter().filter(|at| waits(**at)).count()).collect();
    let mut loose: Vec<usize> =
        (0..named.len()).filter(|at| waits(*at) && needed_by.get(*at) == Some(&0)).collect();
    let mut trimmed = vec![false; named.len()];
    while let Some(at) = loose.pop() {
        if let Some(it) = trimmed.get_mut(at) {
            *it = true;
        }
        release(at, named, &mut needed_by, &mut loose);
    }
    (0..named.len()).filter(|at| waits(*at) && trimmed.get(*at) == Some(&false)).collect()
}

/// Counts one less for each that `at` points to; those without any left are free.
fn release(at: usize, pointing: &[Vec<usize>], counts: &mut [usize], free: &mut Vec<usize>) {
    for other in pointing.get(at).into_iter().flatten() {
        let Some(count) = counts.get_mut(*other) else { continue };
        *count = count.saturating_sub(1);
        if *count == 0 {
            free.push(*other);
        }
    }
}

fn reversed(named: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut naming = vec![Vec::new(); named.len()];
    for (at, names) in named.iter().enumerate() {
        for other in names {
            if let Some(by) = naming.get_mut(*other) {
                by.push(at);
            }
        }
    }
    naming
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(named: &[Vec<usize>]) -> Vec<(usize, ChainError)> {
        sort(named, &vec![1; named.len()]).faults
    }

    #[test]
    fn each_comes_after_those_that_it_names() {
        let sorted = sort(&[vec![1, 2], vec![2], vec![], vec![0, 2]], &[1; 4]);
        assert_eq!(sorted, Order { order: vec![2, 1, 0, 3], faults: vec![] });
    }

    #[test]
    fn only_the_circle_is_at_fault() {
        // 0 needs the circle of 1 and 2, which needs 3; 4 names itself.
        let named = [vec![1], vec![2], vec![1, 3], vec![], vec![4]];
        assert_eq!(
            faults(&named),
            [(1, ChainError::Circle), (2, ChainError::Circle), (4, ChainError::Circle)]
        );
        assert_eq!(sort(&named, &[1; 5]).order, [3]);
    }

    #[test]
    fn only_the_first_that_is_too_far_is_at_fault() {
        let chain: Vec<Vec<usize>> =
            (0..14_usize).map(|at| at.checked_sub(1).into_iter().collect()).collect();
        assert_eq!(faults(&chain), [(9, ChainError::Long)]);
    }

    #[test]
    fn a_lattice_is_too_large_before_it_is_too_long() {
        let ten = |below: usize| (below * 10..below * 10 + 10).collect::<Vec<_>>();
        let named: Vec<Vec<usize>> =
            (0..60_usize).map(|at| (at / 10).checked_sub(1).map(ten).unwrap_or_default()).collect();
        assert_eq!(faults(&named).first(), Some(&(40, ChainError::Large)));
    }
}
