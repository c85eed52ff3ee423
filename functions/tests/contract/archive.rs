//! Contract of an [`Archive`].

use crate::race;
use abx_functions::ports::{Archive, ArchiveLine};
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

/// An archive that shows what it keeps.
pub(crate) trait Kept: Deref<Target: Archive + Sized> + Send + Sync + 'static {
    /// Its lines, without their ends; those of one day in their order.
    fn lines(&self) -> Vec<String>;
}

pub(crate) fn line(number: usize, length: usize) -> ArchiveLine {
    let arrived = "2026-11-24T10:11:12Z".parse().unwrap();
    let filler = "x".repeat(length.saturating_sub(41));
    ArchiveLine { arrived, json: format!("{{\"_id\":\"events/shard:{number:08}\",\"sent\":\"{filler}\"}}") }
}

pub(crate) fn texts(lines: &[ArchiveLine]) -> Vec<String> {
    lines.iter().map(|line| line.json.clone()).collect()
}

pub(crate) async fn lines_are_kept_in_order(archive: impl Kept) {
    archive.append(&[]).await.unwrap();
    assert_eq!(archive.lines(), [""; 0]);
    let mut lines: Vec<_> = (0..20).map(|number| line(number, 100)).collect();
    "{\"_id\":\"\\u0000 😀 \u{202e} \\n\"}".clone_into(&mut lines[3].json);
    let (first, second) = lines.split_at(7);
    archive.append(first).await.unwrap();
    archive.append(second).await.unwrap();
    assert_eq!(archive.lines(), texts(&lines));
}

pub(crate) async fn many_lines_are_kept(archive: impl Kept) {
    let mut lines: Vec<_> = (0..10_000).map(|number| line(number, 600)).collect();
    lines.extend((10_000..10_012).map(|number| line(number, 300_000)));
    lines.push(line(10_012, 100));
    lines.push(line(10_013, 999_999));
    archive.append(&lines).await.unwrap();
    assert!(archive.lines() == texts(&lines));
}

pub(crate) async fn lines_of_all_days_are_kept(archive: impl Kept) {
    let days =
        ["2026-11-24T23:59:59.999Z", "1970-01-01T00:00:00Z", "9999-12-30T00:00:00Z", "2026-11-25T00:00:00Z"];
    let lines: Vec<_> = (0..40)
        .map(|number| ArchiveLine { arrived: days[number % 4].parse().unwrap(), ..line(number, 100) })
        .collect();
    archive.append(&lines).await.unwrap();
    let kept = archive.lines();
    assert_eq!(kept.len(), lines.len());
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), texts(&lines).into_iter().collect());
}

pub(crate) async fn two_batches_do_not_mix_within_a_line(archive: impl Kept) {
    let archive = Arc::new(archive);
    let lines = |batch: usize| (0..200).map(move |number| line(batch * 1000 + number, 2_000));
    race(0..8, |batch| {
        let archive = Arc::clone(&archive);
        async move { archive.append(&lines(batch).collect::<Vec<_>>()).await.unwrap() }
    })
    .await;
    let expected: BTreeSet<_> = (0..8).flat_map(lines).map(|line| line.json).collect();
    let kept = archive.lines();
    assert_eq!(kept.len(), expected.len());
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), expected);
}
