//! What flows along the edges of a graph while it is being understood.

use std::rc::Rc;

use super::array::Array;
use super::call::axis;

/// A number of a shape computation: it may depend on the number of rows in a batch, which
/// is only known later. `rows * (number of rows) + fixed`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dimension {
    pub(crate) rows: f64,
    pub(crate) fixed: f64,
}

impl Dimension {
    pub(crate) const ROWS: Self = Self { rows: 1.0, fixed: 0.0 };

    pub(crate) fn fixed(value: f64) -> Self {
        Self { rows: 0.0, fixed: value }
    }

    pub(crate) fn is_fixed(self) -> bool {
        self.rows == 0.0
    }

    /// The value in a batch of this many rows.
    pub(crate) fn at(self, rows: usize) -> f64 {
        self.rows * rows as f64 + self.fixed
    }
}

/// A value of the network under construction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Features {
    /// 0 is the input, k + 1 the output of node k.
    pub(crate) value: usize,
    /// Shape of one sample: the graph's shape without the batch.
    pub(crate) shape: Vec<usize>,
    /// Place of the batch among the axes of the graph: almost always the first. Rows are
    /// samples whatever it is.
    pub(crate) batch: usize,
    /// How many elements of a sample share the graph's axis with the batch: attention is
    /// written with axes of batch x heads. If more than 1, they are the sample's first axis.
    pub(crate) merged: usize,
    /// How many of these come before the batch, so that the axis is before x rows x after:
    /// attention over sequences is written with axes of steps x batch.
    pub(crate) before: usize,
}

impl Features {
    /// Whether the batch is an axis of its own and the first.
    pub(crate) fn is_plain(&self) -> bool {
        self.batch == 0 && self.merged == 1
    }

    /// The sample's axis that an axis of the graph is, counted from the end if negative.
    ///
    /// # Errors
    /// If it is that of the batch.
    pub(crate) fn sample_axis(&self, given: i64) -> Result<usize, String> {
        let joined = usize::from(self.merged > 1);
        let found = axis(given, self.shape.len() + 1 - joined)?;
        match found.cmp(&self.batch) {
            std::cmp::Ordering::Equal => Err("it works along the batch".to_string()),
            std::cmp::Ordering::Less => Ok(found + joined),
            std::cmp::Ordering::Greater => Ok(found - 1 + joined),
        }
    }

    /// The same samples with the batch as the first axis: where it stands is a matter of the
    /// graph's axes alone.
    pub(crate) fn plain(&self) -> Self {
        Self { batch: 0, merged: 1, before: 1, ..self.clone() }
    }

    /// Whether the batch stands in the same place as in `other`.
    pub(crate) fn is_placed_like(&self, other: &Self) -> bool {
        (self.batch, self.merged, self.before) == (other.batch, other.merged, other.before)
    }

    /// The same features with the batch placed as in `other`.
    pub(crate) fn placed_like(self, other: &Self) -> Self {
        Self { batch: other.batch, merged: other.merged, before: other.before, ..self }
    }

    /// Features of a sample.
    pub(crate) fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A comparison of a value of the network: where `value > limit`, or where not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) value: Features,
    pub(crate) limit: f32,
    pub(crate) negated: bool,
}

/// A value of the graph.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// An optional input that is not given.
    Absent,
    /// Real numbers that do not depend on the input.
    Numbers(Rc<Array<f32>>),
    /// Integers and truth values that depend on nothing but the number of rows.
    Dimensions(Rc<Array<Dimension>>),
    /// Places in a batch of [`TRIAL_ROWS`](super::draft::TRIAL_ROWS) rows, as multiples of the
    /// row's number and a constant; the first axis is that of the rows.
    Places(Rc<Array<f64>>),
    /// What depends on the input: one row for each sample.
    Features(Features),
    /// Where a value of the network exceeds a number.
    Above(Threshold),
    /// An input of the model that is no part of the network: only its sample shape is known.
    Outside(Vec<usize>),
    /// Random numbers drawn inside the graph.
    Noise,
    /// The output of a node that failed; what depends on it is not reported again.
    Failed,
}

impl Value {
    pub(crate) fn numbers(array: Array<f32>) -> Self {
        Self::Numbers(Rc::new(array))
    }

    pub(crate) fn dimensions(array: Array<Dimension>) -> Self {
        Self::Dimensions(Rc::new(array))
    }

    /// The numbers of a constant of either kind.
    pub(crate) fn as_numbers(&self) -> Option<Array<f32>> {
        match self {
            Self::Numbers(array) => Some(array.as_ref().clone()),
            Self::Dimensions(array) if array.values.iter().all(|value| value.is_fixed()) => {
                Some(array.map(|value| value.fixed as f32))
            }
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Absent => "nothing".to_string(),
            Self::Numbers(array) => format!("a constant of shape {:?}", array.shape),
            Self::Dimensions(array) => format!("integers of shape {:?}", array.shape),
            Self::Features(features) => format!("a value of sample shape {:?}", features.shape),
            Self::Places(_) => "places that depend on the number of rows".to_string(),
            Self::Above(..) => "a comparison".to_string(),
            Self::Outside(_) => {
                "an input of the model, which is no part of this network".to_string()
            }
            Self::Noise => "random numbers".to_string(),
            Self::Failed => "a value that could not be understood".to_string(),
        }
    }
}
