use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ops::{Calculus, Evaluation, Initialiser, Operator, OperatorConfig};

/// A value of a network: 0 is the input, `k + 1` the output of node `k`.
pub type Value = usize;

/// One node as a manifest stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// The values the operator takes; each must come before this node.
    pub from: Vec<Value>,
    /// The operator.
    #[serde(flatten)]
    pub operator: OperatorConfig,
}

/// Everything about a network but its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Sample shape of the input.
    pub input_shape: Vec<usize>,
    /// The nodes in an order in which they can be evaluated.
    pub nodes: Vec<NodeConfig>,
    /// The values the network returns.
    pub outputs: Vec<Value>,
}

impl NetworkConfig {
    /// Builds the network with freshly initialised parameters.
    ///
    /// # Errors
    /// Names the first node whose operator does not fit the values it is fed.
    pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> Result<Network, Error> {
        let mut builder = NetworkBuilder::new(self.input_shape.clone());
        for node in &self.nodes {
            builder.push(node.operator.clone(), &node.from);
        }
        builder.finish(&self.outputs, initialiser, device)
    }
}

/// Collects nodes, then checks them all and initialises their parameters.
#[derive(Debug, Clone)]
pub struct NetworkBuilder {
    config: NetworkConfig,
}

impl NetworkBuilder {
    /// A builder for inputs of the given sample shape.
    pub fn new(input_shape: Vec<usize>) -> Self {
        Self { config: NetworkConfig { input_shape, nodes: vec![], outputs: vec![] } }
    }

    /// Adds a node and returns its output value.
    pub fn push(&mut self, operator: OperatorConfig, inputs: &[Value]) -> Value {
        self.config.nodes.push(NodeConfig { from: inputs.to_vec(), operator });
        self.config.nodes.len()
    }

    /// Checks the graph and initialises its parameters.
    ///
    /// # Errors
    /// Names the node and operator that does not fit the values it is fed.
    pub fn finish(
        self,
        outputs: &[Value],
        initialiser: &mut Initialiser,
        device: &Device,
    ) -> Result<Network, Error> {
        let NetworkConfig { input_shape, nodes: node_configs, .. } = self.config;
        if input_shape.is_empty() || input_shape.contains(&0) {
            return Err(Error::Graph(format!("input shape {input_shape:?} has no features")));
        }
        let mut shapes = vec![input_shape];
        let mut nodes = Vec::with_capacity(node_configs.len());
        for (position, NodeConfig { from: inputs, operator: config }) in
            node_configs.into_iter().enumerate()
        {
            let operator = config.init(initialiser, device);
            let fail =
                |reason| Error::Operator { node: position, operator: operator.name(), reason };
            if let Some(later) = inputs.iter().find(|&&value| value > position) {
                return Err(fail(format!("reads value {later}, which comes later")));
            }
            let found: Vec<&[usize]> =
                inputs.iter().map(|&value| shapes[value].as_slice()).collect();
            let shape = operator.output_shape(&found).map_err(fail)?;
            shapes.push(shape);
            nodes.push(Node { operator, inputs });
        }
        if outputs.is_empty() || outputs.iter().any(|&value| value >= shapes.len()) {
            return Err(Error::Graph(format!("outputs {outputs:?} are not values of the graph")));
        }
        Ok(Network { nodes, shapes, outputs: outputs.to_vec() })
    }
}

/// An operator and where its inputs come from.
#[derive(Module, Debug)]
pub(crate) struct Node {
    pub(crate) operator: Operator,
    #[module(skip)]
    pub(crate) inputs: Vec<Value>,
}

/// A graph of operators with parameters; see the [crate documentation](crate).
#[derive(Module, Debug)]
pub struct Network {
    pub(crate) nodes: Vec<Node>,
    /// Sample shape of every value.
    #[module(skip)]
    pub(crate) shapes: Vec<Vec<usize>>,
    #[module(skip)]
    pub(crate) outputs: Vec<Value>,
}

/// All values of one evaluation, kept for [`Network::jvp`] and [`Network::vjp`].
#[derive(Debug, Clone)]
pub struct Trace {
    values: Vec<Tensor<2>>,
}

impl Network {
    /// Sample shape of the input.
    pub fn input_shape(&self) -> &[usize] {
        &self.shapes[0]
    }

    /// Features of an input row.
    pub fn input_features(&self) -> usize {
        self.shapes[0].iter().product()
    }

    /// Number of outputs.
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// Sample shape of an output.
    pub fn output_shape(&self, output: usize) -> &[usize] {
        &self.shapes[self.outputs[output]]
    }

    /// Features of a row of an output.
    pub fn output_features(&self, output: usize) -> usize {
        self.output_shape(output).iter().product()
    }

    /// Features of all values of one row together: what a trace of that row holds.
    pub fn trace_features(&self) -> usize {
        self.shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Multiply-adds of one forward pass of one row in its matrix products, times 2.
    pub fn flops_per_row(&self) -> usize {
        (0..self.nodes.len()).map(|node| self.flops_of(node)).sum()
    }

    /// Those of one node.
    pub(crate) fn flops_of(&self, node: usize) -> usize {
        let (node, shape) = (&self.nodes[node], &self.shapes[node + 1]);
        match node.operator.config() {
            OperatorConfig::Linear(config) => 2 * config.inputs * shape.iter().product::<usize>(),
            OperatorConfig::Conv2d(config) => {
                let channels = config.input[0] / config.groups;
                let taps = channels * config.kernel.iter().product::<usize>();
                2 * taps * shape.iter().product::<usize>()
            }
            OperatorConfig::ConvTranspose2d(config) => {
                let channels = config.channels / config.groups;
                let taps = channels * config.kernel.iter().product::<usize>();
                2 * taps * config.input.iter().product::<usize>()
            }
            OperatorConfig::MatMul(config) => {
                2 * config.batch * config.rows * config.inner * config.columns
            }
            _ => 0,
        }
    }

    /// The device that holds the parameters (the default device if there are none).
    pub fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_default()
    }

    /// Everything but the weights.
    pub fn config(&self) -> NetworkConfig {
        let node = |node: &Node| NodeConfig {
            from: node.inputs.clone(),
            operator: node.operator.config(),
        };
        NetworkConfig {
            input_shape: self.shapes[0].clone(),
            nodes: self.nodes.iter().map(node).collect(),
            outputs: self.outputs.clone(),
        }
    }

    /// Evaluates the outputs, dropping every value as soon as its last reader ran.
    ///
    /// # Shapes
    /// `x`: `[rows, input features]`; result one `[rows, output features]` per output.
    pub fn forward(&self, x: Tensor<2>) -> Vec<Tensor<2>> {
        let mut readers = vec![0usize; self.shapes.len()];
        for &value in self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs) {
            readers[value] += 1;
        }
        let mut values: Vec<Option<Tensor<2>>> = Vec::with_capacity(self.shapes.len());
        values.push(Some(x));
        for node in &self.nodes {
            // Values whose last reader this is are moved out, so that element-wise
            // operators can work in place.
            let taken: Vec<Tensor<2>> = node
                .inputs
                .iter()
                .map(|&value| {
                    readers[value] -= 1;
                    let slot = &mut values[value];
                    let taken = if readers[value] == 0 { slot.take() } else { slot.clone() };
                    taken.expect("a value lives until its last reader")
                })
                .collect();
            let output = node.operator.forward_owned(taken);
            values.push(Some(output));
        }
        let outputs = self.outputs.iter();
        outputs
            .map(|&value| values[value].clone().expect("outputs are readers of their values"))
            .collect()
    }

    /// Evaluates and keeps all values.
    ///
    /// # Shapes
    /// `x`: `[rows, input features]`.
    pub fn trace(&self, x: Tensor<2>) -> Trace {
        let mut values = vec![x];
        for node in &self.nodes {
            let inputs: Vec<&Tensor<2>> = node.inputs.iter().map(|&value| &values[value]).collect();
            let output = node.operator.forward(&inputs);
            values.push(output);
        }
        Trace { values }
    }

    /// An output of a traced evaluation, `[rows, output features]`.
    pub fn output(&self, trace: &Trace, output: usize) -> Tensor<2> {
        trace.values[self.outputs[output]].clone()
    }

    /// Pushes `k` tangents per row through the network, one result per output.
    ///
    /// # Shapes
    /// `tangent`: `[rows, k, input features]`; results `[rows, k, output features]`.
    pub fn jvp(&self, trace: &Trace, tangent: Tensor<3>) -> Vec<Tensor<3>> {
        let mut tangents = vec![tangent];
        for (position, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<&Tensor<2>> =
                node.inputs.iter().map(|&value| &trace.values[value]).collect();
            let at = Evaluation { inputs: &inputs, output: &trace.values[position + 1] };
            let fed: Vec<Tensor<3>> =
                node.inputs.iter().map(|&value| tangents[value].clone()).collect();
            tangents.push(node.operator.jvp(at, &fed));
        }
        self.outputs.iter().map(|&value| tangents[value].clone()).collect()
    }

    /// Pulls `k` cotangents per row back to the input; outputs given `None` count as zero.
    ///
    /// # Shapes
    /// Each cotangent `[rows, k, output features]`, one per output; result
    /// `[rows, k, input features]`.
    ///
    /// # Panics
    /// If every cotangent is `None`.
    pub fn vjp(&self, trace: &Trace, cotangents: Vec<Option<Tensor<3>>>) -> Tensor<3> {
        let mut pulled: Vec<Option<Tensor<3>>> = vec![None; trace.values.len()];
        let accumulate = |slot: &mut Option<Tensor<3>>, cotangent: Tensor<3>| {
            *slot = Some(match slot.take() {
                Some(sum) => sum + cotangent,
                None => cotangent,
            });
        };
        let [rows, count] = {
            let given = cotangents.iter().flatten().next().expect("at least one cotangent");
            [given.dims()[0], given.dims()[1]]
        };
        for (&value, cotangent) in self.outputs.iter().zip(cotangents) {
            if let Some(cotangent) = cotangent {
                accumulate(&mut pulled[value], cotangent);
            }
        }
        for (position, node) in self.nodes.iter().enumerate().rev() {
            let Some(cotangent) = pulled[position + 1].take() else { continue };
            let inputs: Vec<&Tensor<2>> =
                node.inputs.iter().map(|&value| &trace.values[value]).collect();
            let at = Evaluation { inputs: &inputs, output: &trace.values[position + 1] };
            for (&value, part) in node.inputs.iter().zip(node.operator.vjp(at, cotangent)) {
                accumulate(&mut pulled[value], part);
            }
        }
        // An output that does not depend on the input pulls back to zero.
        let input = &trace.values[0];
        pulled[0]
            .take()
            .unwrap_or_else(|| Tensor::zeros([rows, count, self.input_features()], &input.device()))
    }

    /// The Jacobian of one output, exactly, in one reverse pass.
    ///
    /// # Shapes
    /// `[rows, output features, input features]`.
    pub fn jacobian(&self, trace: &Trace, output: usize) -> Tensor<3> {
        let features = self.output_features(output);
        let input = &trace.values[0];
        let rows = input.dims()[0];
        let identity = Tensor::<2>::eye(features, &input.device());
        let mut cotangents = vec![None; self.outputs.len()];
        cotangents[output] = Some(identity.unsqueeze::<3>().expand([rows, features, features]));
        self.vjp(trace, cotangents)
    }

    /// Replaces the parameters by `weights` of the names [`crate::Weights::of`] gives.
    pub(crate) fn with_parameters(
        self,
        weights: &mut dyn FnMut(&str, &[usize]) -> TensorData,
    ) -> Self {
        crate::store::replace_parameters(self, weights)
    }
}
