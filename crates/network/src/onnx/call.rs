//! One node of a graph with its inputs and attributes.

use super::array::Array;
use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::value::{Dimension, Features, Value};

/// A node whose inputs are known.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a NodeProto,
    /// Attributes of the function the node stands in, for attributes given by reference.
    pub(crate) outer: Option<&'a Call<'a>>,
    pub(crate) inputs: Vec<Value>,
    /// Version of the operator set.
    pub(crate) opset: i64,
    /// Attributes of a function where the node gives none.
    pub(crate) defaults: &'a [AttributeProto],
}

impl Call<'_> {
    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        let mut given = self.node.attribute.iter().chain(self.defaults);
        let attribute = given.find(|attribute| attribute.name == name)?;
        if attribute.ref_attr_name.is_empty() {
            Some(attribute)
        } else {
            self.outer?.attribute(&attribute.ref_attr_name)
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(crate) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(crate) fn integers(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(crate) fn real(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    pub(crate) fn reals(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }

    pub(crate) fn text(&self, name: &str, default: &'static str) -> Result<&str, String> {
        self.attribute(name).map_or(Ok(default), |attribute| {
            std::str::from_utf8(&attribute.s).map_err(|_| format!("{name} is no text"))
        })
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attribute(name)?.t.as_ref()
    }

    pub(crate) fn graph(&self, name: &str) -> Option<&GraphProto> {
        self.attribute(name)?.g.as_ref()
    }

    pub(crate) fn input(&self, position: usize) -> &Value {
        self.inputs.get(position).unwrap_or(&Value::Absent)
    }

    pub(crate) fn is_given(&self, position: usize) -> bool {
        !matches!(self.input(position), Value::Absent)
    }

    /// An input that depends on the network's input, with the batch as its first axis.
    pub(crate) fn features(&self, position: usize) -> Result<&Features, String> {
        let features = self.placed_features(position)?;
        if features.is_plain() { Ok(features) } else { Err(displaced(features)) }
    }

    /// An input that depends on the network's input, wherever the batch is.
    pub(crate) fn placed_features(&self, position: usize) -> Result<&Features, String> {
        match self.input(position) {
            Value::Features(features) => Ok(features),
            other => Err(format!("input {position} is {}", other.kind())),
        }
    }

    /// A constant input of real numbers.
    pub(crate) fn numbers(&self, position: usize) -> Result<Array<f32>, String> {
        let value = self.input(position);
        value
            .as_numbers()
            .ok_or_else(|| format!("input {position} must be a constant, found {}", value.kind()))
    }

    /// A constant input of real numbers that may be left out.
    pub(crate) fn optional_numbers(&self, position: usize) -> Result<Option<Array<f32>>, String> {
        self.is_given(position).then(|| self.numbers(position)).transpose()
    }

    /// An input of integers that may depend on the number of rows.
    pub(crate) fn dimensions(&self, position: usize) -> Result<Array<Dimension>, String> {
        match self.input(position) {
            Value::Dimensions(array) => Ok(array.as_ref().clone()),
            Value::Numbers(array) => Ok(array.map(|&value| Dimension::fixed(value.into()))),
            other => Err(format!("input {position} must be constant, found {}", other.kind())),
        }
    }

    /// A constant input of integers.
    pub(crate) fn integer_input(&self, position: usize) -> Result<Vec<i64>, String> {
        let array = self.dimensions(position)?;
        if array.values.iter().all(|value| value.is_fixed()) {
            Ok(array.values.iter().map(|value| value.fixed as i64).collect())
        } else {
            Err(format!("input {position} depends on the number of rows"))
        }
    }

    /// Integers from an input or, in older operator sets, an attribute.
    pub(crate) fn integers_from(
        &self,
        position: usize,
        attribute: &str,
    ) -> Result<Option<Vec<i64>>, String> {
        if self.is_given(position) {
            self.integer_input(position).map(Some)
        } else {
            Ok(self.integers(attribute).map(<[i64]>::to_vec))
        }
    }
}

/// Why an operator that needs the batch first cannot take a value.
pub(crate) fn displaced(features: &Features) -> String {
    if features.merged > 1 {
        format!("an input has one axis for the batch and {} features", features.merged)
    } else {
        format!("the batch is axis {} of an input, not the first", features.batch)
    }
}

/// An axis of `rank`, counted from the end if negative.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let counted = counted.and_then(|axis| usize::try_from(axis).ok());
    counted.filter(|&axis| axis < rank).ok_or_else(|| format!("axis {axis} of {rank}"))
}

/// An axis other than the batch, in the axes of a sample.
pub(crate) fn sample_axis(given: i64, sample: &[usize]) -> Result<usize, String> {
    match axis(given, sample.len() + 1)? {
        0 => Err("it works along the batch".to_string()),
        axis => Ok(axis - 1),
    }
}
