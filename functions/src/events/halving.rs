//! The search for the record that a store refuses: it refuses the call that holds it, and does not say for which one.

/// Halves what was refused, until one record is refused by itself. What is taken on the way is done, so that the search moves the
/// head of its shard, and a search that ends with its invocation goes on in the next one where it was.
///
/// Of `n` records with one that is refused, the call for all is refused, and then `log2(n) + 1` calls find it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Halving {
    /// The number of the next records among which one is refused; 0 if none is known.
    suspects: usize,
}

impl Halving {
    /// The number of the next records that are tried together.
    pub(super) fn window(&self) -> usize {
        match self.suspects {
            0 => usize::MAX,
            suspects => suspects.div_ceil(2),
        }
    }

    /// Notes that so many records were taken.
    pub(super) fn taken(&mut self, records: usize) {
        self.suspects = self.suspects.saturating_sub(records);
    }

    /// Notes that the next records, so many, were refused together. Whether that is one record, which is refused by itself.
    pub(super) fn refused(&mut self, records: usize) -> bool {
        let is_alone = records <= 1;
        self.suspects = if is_alone { 0 } else { records };
        is_alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The records that are found, of so many, and how many calls that takes.
    fn search(records: usize, is_refused: impl Fn(usize) -> bool) -> (BTreeSet<usize>, usize) {
        let (mut halving, mut found, mut head, mut calls) = (Halving::default(), BTreeSet::new(), 0, 0);
        while head < records {
            calls += 1;
            let count = halving.window().min(records - head);
            let refuses = |record: &usize| is_refused(*record) && !found.contains(record);
            if !(head..head + count).any(|record| refuses(&record)) {
                halving.taken(count);
                head += count;
            } else if halving.refused(count) {
                found.insert(head);
            }
        }
        (found, calls)
    }

    #[test]
    fn one_record_is_found_by_halving() {
        for records in [1_usize, 2, 3, 100, 500, 512, 10_000] {
            let calls = (0..records).map(|bad| {
                let (found, calls) = search(records, |record| record == bad);
                assert_eq!(found, BTreeSet::from([bad]));
                calls
            });
            // All at once, the search, and the rest with the one that was found.
            let most = 1 + records.next_power_of_two().ilog2() as usize + 2;
            assert!(calls.max() <= Some(most), "{records}");
        }
        assert_eq!(search(500, |_| false).1, 1, "nothing is searched where nothing is refused");
    }

    proptest! {
        #[test]
        fn any_number_of_records_is_found(bad in prop::collection::btree_set(0..200_usize, 0..30)) {
            let (found, calls) = search(200, |record| bad.contains(&record));
            prop_assert!(calls <= 1 + bad.len() * (8 + 2), "{} calls", calls);
            prop_assert_eq!(found, bad);
        }
    }
}
