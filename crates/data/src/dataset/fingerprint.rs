//! What tells one data set from another.
//!
//! Results are stored with the fingerprint of the data they were computed on, so that resuming
//! or merging with other data is noticed. It covers what a computation can see and nothing
//! else: not the name, nor the file or its compression.

use super::{Dataset, Values};

impl Dataset {
    /// A hash of shape, values and labels: 64 hexadecimal digits (BLAKE3).
    ///
    /// The same on every platform and for every container of the same data; the name does not
    /// matter. It is stored with results, so its definition does not change: the text
    /// `vaegis dataset 1`, the rank and dimensions of a sample, the number of rows, a byte for
    /// the kind of values (0 pixels, 1 reals), the values, a byte for the presence of
    /// labels, the labels; where the test split is not the last fifth, a byte 1 and the first
    /// row of it; integers as 64 bits and everything little-endian.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"vaegis dataset 1");
        let sizes = [&[self.shape.len()], self.shape.as_slice(), &[self.rows]].concat();
        update(&mut hasher, &sizes, |&size| (size as u64).to_le_bytes());
        match &self.values {
            Values::Pixels(pixels) => {
                hasher.update(&[0]).update(pixels);
            }
            Values::Reals(reals) => {
                hasher.update(&[1]);
                update(&mut hasher, reals, |value| value.to_le_bytes());
            }
            Values::Sprites(rows) => {
                hasher.update(&[0]);
                (0..rows.len()).for_each(|i| {
                    hasher.update(&rows.pixels(i));
                });
            }
        }
        hasher.update(&[u8::from(self.labels.is_some())]);
        update(&mut hasher, self.labels.as_deref().unwrap_or_default(), |label| {
            label.to_le_bytes()
        });
        if self.has_own_split() {
            hasher.update(&[1]).update(&(self.first_test_row as u64).to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Hashes `items` a few kilobytes at a time, which is what BLAKE3 is fast at.
fn update<T, const N: usize>(hasher: &mut blake3::Hasher, items: &[T], bytes: fn(&T) -> [u8; N]) {
    for chunk in items.chunks(4096) {
        hasher.update(chunk.iter().map(bytes).collect::<Vec<_>>().as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::plain;
    use crate::dataset::{About, Parts};

    #[test]
    fn the_fingerprint_sees_a_split_that_no_rule_gives() {
        let make = |test_from| {
            let (shape, values) = (vec![1], Values::Pixels(vec![1, 2, 3]));
            let (name, about) = (String::new(), About::default());
            Dataset::from_parts(Parts { name, shape, values, labels: None, test_from, about })
        };
        let fingerprints = [None, Some(2), Some(1)].map(|test_from| make(test_from).fingerprint());
        assert_eq!(fingerprints[0], fingerprints[1]);
        assert_ne!(fingerprints[0], fingerprints[2]);
        assert_eq!(make(Some(1)).test(), 1..3);
    }

    #[test]
    fn the_fingerprint_sees_content_and_nothing_else() {
        let make = |name: &str, shape: &[usize], values: &[f32], labels: Option<Vec<i64>>| {
            Dataset::from_f32(name, shape, values.to_vec(), labels).unwrap().fingerprint()
        };
        let base = make("a", &[2], &[0.0, 1.0], Some(vec![3]));
        assert_eq!(base, make("b", &[2], &[0.0, 1.0], Some(vec![3])));
        let pixels = Values::Pixels(vec![0, 1]);
        let others = [
            make("a", &[1, 2], &[0.0, 1.0], Some(vec![3])),
            make("a", &[2], &[0.0, 1.5], Some(vec![3])),
            make("a", &[2], &[0.0, 1.0], Some(vec![4])),
            make("a", &[2], &[0.0, 1.0], None),
            make("a", &[1], &[0.0, 1.0], Some(vec![3, 3])),
            plain("a", &[2], pixels, Some(vec![3])).fingerprint(),
        ];
        assert!(others.iter().all(|other| *other != base && other.len() == 64));
        // Stored with results: a change here orphans them.
        assert_eq!(base, "f739f35971b7677e7fc3b46ab9d8e2349463720452608f6019b14848be7a0ae8");
    }
}
