//! The tensors of a PyTorch model, by the names that `state_dict()` gives them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use vaegis_network::real_numbers;

use crate::Error;

/// A file of tensors, and which of them were asked for.
pub(super) struct StateDict<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    used: BTreeSet<String>,
}

/// A tensor in single precision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// Endings of tensors that no layer computes with.
const COUNTERS: [&str; 1] = ["num_batches_tracked"];

/// Most names that are suggested in place of one that is not there.
const MOST_SUGGESTIONS: usize = 3;

impl<'a> StateDict<'a> {
    /// The tensors in the bytes of a file.
    pub(super) fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|error| Error::format(path, format!("not a safetensors file: {error}")))?;
        Ok(Self { path: path.to_path_buf(), tensors, used: BTreeSet::new() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// A tensor by its name.
    pub(super) fn take(&mut self, name: &str) -> Result<Stored, String> {
        let Ok(view) = self.tensors.tensor(name) else {
            return Err(format!("there is no tensor {name:?}{}", self.suggestions(name)));
        };
        self.used.insert(name.to_string());
        let Some(values) = real_numbers(&view) else {
            let found = view.dtype();
            return Err(format!(
                "tensor {name:?} has type {found:?}, expected F32, F64, F16 or BF16"
            ));
        };
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!("tensor {name:?} is {} at element {at}", values[at]));
        }
        Ok(Stored { shape: view.shape().to_vec(), values })
    }

    /// The tensors that nothing asked for, but for counters and those of `ignore`, and the
    /// entries of `ignore` that are no tensors.
    pub(super) fn unused(&self, ignore: &[String]) -> Vec<String> {
        let counts = |name: &str| COUNTERS.iter().any(|counter| name.ends_with(counter));
        let mut names = self.tensors.names();
        names.sort_unstable();
        let unused: Vec<&str> = names
            .into_iter()
            .filter(|&name| !self.used.contains(name) && !counts(name))
            .filter(|&name| !ignore.iter().any(|ignored| ignored == name))
            .collect();
        let mut problems = vec![];
        if !unused.is_empty() {
            problems.push(format!(
                "no layer uses {} of {}: name them in a layer or in `ignore`",
                unused.join(", "),
                self.path.display()
            ));
        }
        for name in ignore.iter().filter(|name| !self.has(name)) {
            let nearest = self.suggestions(name);
            problems.push(format!("`ignore` names {name:?}, which is no tensor{nearest}"));
        }
        problems
    }

    /// ` (there are "a", "b")`, the names nearest to one that is not there.
    fn suggestions(&self, name: &str) -> String {
        let mut near: Vec<(usize, &str)> = self
            .tensors
            .names()
            .into_iter()
            .map(|other| (distance(name, other), other))
            .filter(|(distance, other)| 2 * distance <= name.len().max(other.len()))
            .collect();
        near.sort_unstable();
        near.truncate(MOST_SUGGESTIONS);
        let near: Vec<String> = near.iter().map(|(_, other)| format!("{other:?}")).collect();
        if near.is_empty() { String::new() } else { format!(" (there are {})", near.join(", ")) }
    }
}

/// Levenshtein's distance: single bytes put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changes() {
        for (a, b, expected) in [("", "abc", 3), ("kitten", "sitting", 3), ("fc_mu", "fc.mu", 1)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
