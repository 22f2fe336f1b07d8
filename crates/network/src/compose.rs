//! Networks made of networks: one after another, extended, cut short. Parameters are shared,
//! never copied.

use burn::module::Module;

use crate::graph::Node;
use crate::ops::{Calculus, Function, Initialiser, Operator, OperatorConfig};
use crate::{Error, Network, Value};

/// One operator of a network, as people read it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSummary {
    /// Its name.
    pub operator: String,
    /// The values it reads.
    pub from: Vec<Value>,
    /// Sample shape of its output.
    pub shape: Vec<usize>,
    /// Number of its parameters.
    pub parameters: usize,
}

impl Network {
    /// The operators in the order of their evaluation.
    pub fn summary(&self) -> Vec<NodeSummary> {
        let nodes = self.nodes.iter().zip(&self.shapes[1..]);
        nodes
            .map(|(node, shape)| NodeSummary {
                operator: match node.operator.config() {
                    OperatorConfig::Activation(activation) => function_name(activation.function),
                    config => config.name().to_string(),
                },
                from: node.inputs.clone(),
                shape: shape.clone(),
                parameters: node.operator.num_params(),
            })
            .collect()
    }

    /// The values that the network returns.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// This network that returns other values of its graph.
    ///
    /// # Errors
    /// If one is not a value of the graph, or there is none.
    pub fn with_outputs(mut self, outputs: &[Value]) -> Result<Self, Error> {
        if outputs.is_empty() || outputs.iter().any(|&value| value >= self.shapes.len()) {
            return Err(Error::Graph(format!("outputs {outputs:?} are not values of the graph")));
        }
        self.outputs = outputs.to_vec();
        Ok(self)
    }

    /// This network with one more operator, and the value that it writes.
    ///
    /// # Errors
    /// If the operator does not fit the values it is to read.
    pub fn extended(
        mut self,
        operator: Operator,
        inputs: &[Value],
    ) -> Result<(Self, Value), Error> {
        let node = self.nodes.len();
        let fail = |reason| Error::Operator { node, operator: operator.name(), reason };
        let found: Option<Vec<&[usize]>> =
            inputs.iter().map(|&value| self.shapes.get(value).map(Vec::as_slice)).collect();
        let found = found.ok_or_else(|| fail(format!("reads values {inputs:?}")))?;
        let shape = operator.output_shape(&found).map_err(fail)?;
        self.nodes.push(Node { operator, inputs: inputs.to_vec() });
        self.shapes.push(shape);
        let value = self.nodes.len();
        Ok((self, value))
    }

    /// This network with other parameters: `change` is given every operator with its position, and
    /// returns it with parameters of the same shapes.
    pub fn map_operators(mut self, mut change: impl FnMut(usize, Operator) -> Operator) -> Self {
        let nodes = self.nodes.into_iter().enumerate();
        let changed = |(position, node): (usize, Node)| Node {
            operator: change(position, node.operator),
            inputs: node.inputs,
        };
        self.nodes = nodes.map(changed).collect();
        self
    }

    /// This network followed by a parameterless operator on its first output, which
    /// becomes the only output.
    ///
    /// # Errors
    /// If the operator does not fit the output.
    pub fn followed_by(self, operator: &OperatorConfig) -> Result<Self, Error> {
        let operator = operator.init(&mut Initialiser::new(0), &self.device());
        let from = self.outputs[0];
        let (network, value) = self.extended(operator, &[from])?;
        network.with_outputs(&[value])
    }

    /// This network's first output fed to `next`, whose outputs are returned.
    ///
    /// # Errors
    /// If an operator of `next` does not fit the shape of that output.
    pub fn then(self, next: Self) -> Result<Self, Error> {
        let start = self.outputs[0];
        let offset = self.nodes.len();
        let renamed = |value: Value| if value == 0 { start } else { value + offset };
        let outputs: Vec<Value> = next.outputs.iter().map(|&value| renamed(value)).collect();
        let mut network = self;
        for node in next.nodes {
            let inputs: Vec<Value> = node.inputs.iter().map(|&value| renamed(value)).collect();
            (network, _) = network.extended(node.operator, &inputs)?;
        }
        network.with_outputs(&outputs)
    }

    /// The operator that the only output comes out of; moves of features and changes of shape
    /// after it do not count.
    pub fn final_operator(&self) -> Option<OperatorConfig> {
        Some(self.nodes[self.final_node()?].operator.config())
    }

    /// The [final operator](Self::final_operator), if it is an element-wise function.
    pub fn final_function(&self) -> Option<Function> {
        match self.final_operator()? {
            OperatorConfig::Activation(activation) => Some(activation.function),
            _ => None,
        }
    }

    /// This network without its [final function](Self::final_function).
    ///
    /// # Errors
    /// If it has none.
    pub fn without_final_function(self) -> Result<Self, Error> {
        let last = self.final_node().filter(|_| self.final_function().is_some());
        let last = last.ok_or_else(|| Error::Graph("it ends in no function".to_string()))?;
        let Self { mut nodes, mut shapes, outputs } = self;
        let (gone, before) = (last + 1, nodes[last].inputs[0]);
        nodes.remove(last);
        shapes.remove(gone);
        let renamed = |value: Value| match value {
            value if value == gone => before,
            value if value > gone => value - 1,
            value => value,
        };
        for node in &mut nodes {
            node.inputs.iter_mut().for_each(|value| *value = renamed(*value));
        }
        let outputs = outputs.into_iter().map(renamed).collect();
        Ok(Self { nodes, shapes, outputs })
    }

    /// The last node before the only output that is more than a move of its features; nothing
    /// on the way has another reader.
    fn final_node(&self) -> Option<usize> {
        let &[mut value] = self.outputs.as_slice() else { return None };
        loop {
            let readers = self.nodes.iter().flat_map(|node| &node.inputs);
            let others = readers.filter(|&&read| read == value).count();
            let position = value.checked_sub(1)?;
            let moves = match self.nodes[position].operator.config() {
                OperatorConfig::Reshape(_) => true,
                // Zeros that it puts in would not go through the function.
                OperatorConfig::Gather(gather) => gather.indices.iter().all(|i| i.is_some()),
                _ => false,
            };
            let at_end = self.outputs[0] == value;
            if others != usize::from(!at_end) {
                return None;
            }
            if !moves {
                return Some(position);
            }
            value = self.nodes[position].inputs[0];
        }
    }
}

/// The name of a function as manifests spell it.
fn function_name(function: Function) -> String {
    let stored = serde_json::to_value(function).unwrap_or_default();
    stored["function"].as_str().unwrap_or("activation").to_string()
}
