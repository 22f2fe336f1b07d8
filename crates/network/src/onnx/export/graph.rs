//! A graph under construction: nodes, constants, and which tensor holds which value.

use std::collections::HashMap;

use super::super::proto::{AttributeProto, FunctionProto, NodeProto, TensorProto, data_type};
use crate::ops::OperatorConfig;
use crate::{Value, Weights};

const WEIGHTS: &str = "the weights are those of the network";

/// A tensor that holds a value of the network.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) name: String,
    /// Its shape without the batch: any that has the features of the value.
    pub(super) shape: Vec<usize>,
}

pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) initialisers: Vec<TensorProto>,
    pub(super) functions: Vec<FunctionProto>,
    weights: &'a Weights,
    /// Where each value of the network is.
    held: Vec<Held>,
    /// The same tensors in other shapes, by name and shape.
    reshaped: HashMap<(String, Vec<usize>), String>,
    /// Position and name of the operator being written.
    operator: (usize, &'static str),
}

impl<'a> Graph<'a> {
    pub(super) fn new(input: &str, shape: &[usize], weights: &'a Weights) -> Self {
        Self {
            nodes: vec![],
            initialisers: vec![],
            functions: vec![],
            weights,
            held: vec![Held { name: input.to_string(), shape: shape.to_vec() }],
            reshaped: HashMap::new(),
            operator: (0, ""),
        }
    }

    /// What follows is that operator.
    pub(super) fn begin(&mut self, position: usize, operator: &OperatorConfig) {
        self.operator = (position, operator.name());
    }

    /// What the operator being written writes.
    pub(super) fn finish(&mut self, name: String, shape: Vec<usize>) {
        self.held.push(Held { name, shape });
    }

    /// A value as it is held.
    pub(super) fn held(&self, value: Value) -> Held {
        self.held[value].clone()
    }

    /// Features of a value.
    pub(super) fn features(&self, value: Value) -> usize {
        self.held[value].shape.iter().product()
    }

    /// The name of a value in this sample shape.
    pub(super) fn shaped(&mut self, value: Value, shape: &[usize]) -> String {
        let held = self.held(value);
        if held.shape == shape {
            return held.name;
        }
        let key = (held.name.clone(), shape.to_vec());
        if let Some(name) = self.reshaped.get(&key) {
            return name.clone();
        }
        // 0 is the size that the axis has: the batch.
        let sizes = std::iter::once(0).chain(shape.iter().map(|&size| size as i64)).collect();
        let sizes = self.integers("shape", sizes);
        let name = self.node("Reshape", &[&held.name, &sizes], vec![]);
        self.reshaped.insert(key, name.clone());
        name
    }

    /// Adds a node and returns the name of its output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let name = self.unused(operator);
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_string()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: operator.to_string(),
            attribute: attributes,
            domain: String::new(),
        });
        name
    }

    /// A name after the operator being written.
    fn unused(&self, what: &str) -> String {
        let (position, operator) = self.operator;
        let count = self.nodes.len() + self.initialisers.len();
        format!("{position}.{operator}.{what}.{count}")
    }

    /// A parameter of the operator being written, under the name that it has in all files.
    pub(super) fn parameter(&mut self, name: &str) -> String {
        let name = format!("{}.{name}", self.operator.0);
        let (shape, values) = self.weights.get(&name).expect(WEIGHTS);
        self.tensor(name.clone(), shape, data_type::FLOAT, bytes(values));
        name
    }

    /// The numbers of a parameter of the operator being written.
    pub(super) fn values(&self, name: &str) -> &'a [f32] {
        self.weights.get(&format!("{}.{name}", self.operator.0)).expect(WEIGHTS).1
    }

    /// A constant of real numbers.
    pub(super) fn numbers(&mut self, what: &str, shape: &[usize], values: &[f32]) -> String {
        let name = self.unused(what);
        self.tensor(name.clone(), shape, data_type::FLOAT, bytes(values));
        name
    }

    /// A list of integers.
    pub(super) fn integers(&mut self, what: &str, values: Vec<i64>) -> String {
        let name = self.unused(what);
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name.clone(), &[values.len()], data_type::INT64, raw);
        name
    }

    fn tensor(&mut self, name: String, shape: &[usize], data_type: i32, raw_data: Vec<u8>) {
        let dims = shape.iter().map(|&size| size as i64).collect();
        self.initialisers.push(TensorProto {
            dims,
            data_type,
            name,
            raw_data,
            ..TensorProto::default()
        });
    }

    /// Makes a value in its sample shape an output of the graph.
    pub(super) fn output(&mut self, value: Value, shape: &[usize], name: &str) {
        let found = self.shaped(value, shape);
        // The node that writes it can do so under the name of the output, unless that is
        // another output already.
        let writer = self.nodes.iter_mut().find(|node| node.output[0] == found);
        let Some(writer) = writer.filter(|node| node.output[0] == node.name) else {
            let identity = self.node("Identity", &[&found], vec![]);
            return self.rename(&identity, name);
        };
        debug_assert_eq!(writer.name, found);
        self.rename(&found, name);
    }

    fn rename(&mut self, from: &str, to: &str) {
        let names =
            self.nodes.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
        names.filter(|name| *name == from).for_each(|name| *name = to.to_string());
        self.held
            .iter_mut()
            .filter(|held| held.name == from)
            .for_each(|held| held.name = to.to_string());
        for name in self.reshaped.values_mut().filter(|name| *name == from) {
            *name = to.to_string();
        }
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Numbers of attribute types in ONNX's schema.
mod attribute_type {
    pub(super) const FLOAT: i32 = 1;
    pub(super) const INT: i32 = 2;
    pub(super) const STRING: i32 = 3;
    pub(super) const TENSOR: i32 = 4;
    pub(super) const INTS: i32 = 7;
}

fn attribute(name: &str, r#type: i32) -> AttributeProto {
    AttributeProto { name: name.to_string(), r#type, ..AttributeProto::default() }
}

pub(super) fn real(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, attribute_type::FLOAT) }
}

pub(super) fn integer(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, attribute_type::INT) }
}

pub(super) fn integers(name: &str, ints: impl IntoIterator<Item = usize>) -> AttributeProto {
    let ints = ints.into_iter().map(|value| value as i64).collect();
    AttributeProto { ints, ..attribute(name, attribute_type::INTS) }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.as_bytes().to_vec(), ..attribute(name, attribute_type::STRING) }
}

/// A single number as a tensor.
pub(super) fn scalar(name: &str, value: f32) -> AttributeProto {
    let tensor = TensorProto {
        data_type: data_type::FLOAT,
        raw_data: bytes(&[value]),
        ..TensorProto::default()
    };
    AttributeProto { t: Some(tensor), ..attribute(name, attribute_type::TENSOR) }
}
