//! Order and memory, whatever the order in which points finished.

use std::collections::BTreeMap;

use super::super::parts::{Parts, Record};
use super::super::sample::part;
use super::super::{AuditFolder, Perturbation};
use super::{create, finish, names};
use crate::schema::{CurveRow, PointRow};

const POINTS: i64 = 331;

/// Every point once, in a wild order: multiplication modulo a prime.
fn shuffled() -> Vec<i64> {
    (0..POINTS).map(|k| (k * 137 + 11) % POINTS).collect()
}

#[test]
fn shuffled_parts_come_out_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    // Parts of 1 to 12 points.
    let (mut left, mut size) = (&shuffled()[..], 0);
    while !left.is_empty() {
        size = size % 12 + 1;
        let (now, later) = left.split_at(size.min(left.len()));
        writer.append(&part(now)).unwrap();
        left = later;
    }
    let expected = part(&(0..POINTS).collect::<Vec<_>>());
    assert_eq!(writer.folder().rows().unwrap(), expected.rows);
    finish(&writer);
    let reader = AuditFolder::open(folder.path()).unwrap();
    assert_eq!(reader.rows().unwrap(), expected.rows);
    assert_eq!(reader.curves().unwrap(), expected.curves);
    for Perturbation { index, radius, values, shape } in expected.perturbations {
        assert_eq!(reader.perturbation(index, &radius).unwrap(), Some((shape, values)));
    }
    let files = names(&folder.path().join("perturbations"));
    assert!(files.len() > 3 && files[0] == "000000.safetensors", "{files:?}");
}

/// Chunks hold whole points, in order, and no more than they may.
fn check_chunks<R: Record>(parts: &Parts, amount: impl Fn(&R) -> u64) {
    let mut chunks = 0;
    let mut counts = BTreeMap::new();
    let mut last = -1;
    let each = |chunk: Vec<R>| {
        chunks += 1;
        assert!(chunk.iter().map(&amount).sum::<u64>() <= R::CHUNK);
        assert!(chunk.first().is_none_or(|record| record.index() > last));
        assert!(chunk.is_sorted_by_key(R::index));
        last = chunk.last().map_or(last, R::index);
        chunk.iter().for_each(|record| *counts.entry(record.index()).or_insert(0) += 1);
        Ok(())
    };
    parts.for_each_chunk(each).unwrap();
    assert!(chunks > 3);
    assert_eq!(counts.len() as i64, POINTS);
    let first = counts[&0];
    assert!(counts.values().all(|count| *count == first));
}

#[test]
fn chunks_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    shuffled().chunks(50).for_each(|indices| writer.append(&part(indices)).unwrap());
    let parts = Parts::scan(folder.path()).unwrap();
    check_chunks::<PointRow>(&parts, |_| 1);
    check_chunks::<CurveRow>(&parts, |_| 1);
    check_chunks::<Perturbation>(&parts, |record| 4 * record.values.len() as u64);
}
