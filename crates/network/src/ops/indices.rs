use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::host;

/// For every output feature, the input feature it takes, or none.
///
/// Stored as runs of evenly spaced indices, in memory and in manifests
/// (`[first, step, count]`, where `first` is null for none), because the lists that move
/// features about (slices, paddings, permutations of axes, repetitions) consist of few.
/// Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<StoredRun>", into = "Vec<StoredRun>")]
pub struct Indices(Arc<List>);

/// A run as a manifest stores it: first index, step, count.
type StoredRun = (Option<u32>, i64, u32);

struct List {
    runs: Vec<Run>,
    /// Indices in all runs, at most `u32::MAX`.
    len: usize,
    /// One more than the largest index.
    bound: usize,
    /// The indices one by one with [`NONE`] for none, for lists of short runs.
    table: OnceLock<Vec<u32>>,
    /// The list that undoes this one, if no input is taken twice.
    inverse: OnceLock<Option<Indices>>,
}

/// The evenly spaced indices of the outputs from `start` on.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: usize,
    count: usize,
    first: Option<u32>,
    step: i64,
}

impl Run {
    /// The index of the output `start + offset`. In range, because the last one is.
    fn index(&self, offset: usize) -> Option<usize> {
        self.first.map(|first| (i64::from(first) + self.step * offset as i64) as usize)
    }
}

/// Not an index in a table: lists are shorter.
const NONE: u32 = u32::MAX;

/// Runs longer than this on average are copied run by run, others by a table of indices.
const LONG_RUN: usize = 8;

impl Indices {
    /// Indices in the list.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The input feature that output feature `output` takes; none also beyond the list.
    pub fn get(&self, output: usize) -> Option<u32> {
        let after = self.0.runs.partition_point(|run| run.start <= output);
        let run = self.0.runs[..after].last().filter(|run| output < run.start + run.count)?;
        run.index(output - run.start).map(|index| index as u32)
    }

    /// The whole list.
    pub fn iter(&self) -> impl Iterator<Item = Option<u32>> {
        let indices = |run: &Run| {
            let run = *run;
            (0..run.count).map(move |offset| run.index(offset).map(|index| index as u32))
        };
        self.0.runs.iter().flat_map(indices)
    }

    /// One more than the largest index.
    pub(super) fn bound(&self) -> usize {
        self.0.bound
    }

    /// The table to go by if the runs are short.
    fn table(&self) -> Option<&[u32]> {
        let short = self.0.runs.len() * LONG_RUN > self.0.len;
        let table = || self.iter().map(|index| index.unwrap_or(NONE)).collect();
        short.then(|| self.0.table.get_or_init(table).as_slice())
    }

    /// Writes to every output the input that it takes; the others are zero already.
    pub(super) fn gather(&self, input: &[f32], output: &mut [f32]) {
        if let Some(table) = self.table() {
            for (output, &index) in output.iter_mut().zip(table) {
                *output = input.get(index as usize).copied().unwrap_or(0.0);
            }
            return;
        }
        for run in &self.0.runs {
            let output = &mut output[run.start..][..run.count];
            match (run.index(0), run.step) {
                (None, _) => {}
                (Some(first), 0) => output.fill(input[first]),
                (Some(first), 1) => output.copy_from_slice(&input[first..][..run.count]),
                (Some(first), step) => {
                    let mut index = first as isize;
                    for output in output {
                        *output = input[index as usize];
                        index += step as isize;
                    }
                }
            }
        }
    }

    /// Adds every output to the input that it takes, the transpose of
    /// [`gather`](Self::gather); the inputs are zero already.
    pub(super) fn scatter(&self, output: &[f32], input: &mut [f32]) {
        if let Some(inverse) = self.inverse() {
            inverse.gather(output, input);
            return;
        }
        for run in &self.0.runs {
            let output = &output[run.start..][..run.count];
            match (run.index(0), run.step) {
                (None, _) => {}
                (Some(first), 0) => input[first] += host::sum(output, f64::from) as f32,
                (Some(first), step) => {
                    let mut index = first as isize;
                    for output in output {
                        input[index as usize] += output;
                        index += step as isize;
                    }
                }
            }
        }
    }

    fn inverse(&self) -> Option<&Self> {
        let invert = || {
            let mut inverse = vec![None; self.bound()];
            for (output, index) in self.iter().enumerate() {
                let Some(index) = index else { continue };
                if inverse[index as usize].replace(output as u32).is_some() {
                    return None;
                }
            }
            Some(inverse.into())
        };
        self.0.inverse.get_or_init(invert).as_ref()
    }
}

impl From<Vec<Option<u32>>> for Indices {
    /// # Panics
    /// If there are more than `u32::MAX` indices, or one of them is `u32::MAX`.
    fn from(indices: Vec<Option<u32>>) -> Self {
        let mut runs: Vec<StoredRun> = vec![];
        for index in indices {
            match (runs.last_mut(), index) {
                (Some((None, _, count)), None) => *count += 1,
                (Some((Some(first), step, count @ 1)), Some(index)) => {
                    *step = i64::from(index) - i64::from(*first);
                    *count = 2;
                }
                (Some((Some(first), step, count)), Some(index))
                    if i64::from(*first) + *step * i64::from(*count) == i64::from(index) =>
                {
                    *count += 1;
                }
                _ => runs.push((index, 0, 1)),
            }
        }
        Self::try_from(runs).expect("indices below u32::MAX, and not more of them")
    }
}

impl TryFrom<Vec<StoredRun>> for Indices {
    type Error = String;

    fn try_from(stored: Vec<StoredRun>) -> Result<Self, String> {
        let (mut len, mut bound) = (0u32, 0);
        let mut runs = Vec::with_capacity(stored.len());
        for (first, step, count) in stored {
            let fail = |reason| format!("run [{first:?}, {step}, {count}] of indices {reason}");
            if count == 0 {
                return Err(fail("is empty"));
            }
            if let Some(first) = first {
                let last = step.checked_mul(i64::from(count) - 1);
                let last = last.and_then(|reach| reach.checked_add(i64::from(first)));
                match last.map(u32::try_from) {
                    Some(Ok(last)) if last.max(first) < NONE => {
                        bound = bound.max(last.max(first) as usize + 1);
                    }
                    _ => return Err(fail("leaves the range of 32 bits")),
                }
            }
            runs.push(Run { start: len as usize, count: count as usize, first, step });
            len = len.checked_add(count).ok_or_else(|| fail("makes the list too long"))?;
        }
        Ok(Self(Arc::new(List {
            runs,
            len: len as usize,
            bound,
            table: OnceLock::new(),
            inverse: OnceLock::new(),
        })))
    }
}

impl From<Indices> for Vec<StoredRun> {
    fn from(indices: Indices) -> Self {
        let stored = |run: &Run| (run.first, run.step, run.count as u32);
        indices.0.runs.iter().map(stored).collect()
    }
}

impl PartialEq for Indices {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Indices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Indices({} in {} runs)", self.len(), self.0.runs.len())
    }
}
