//! What each [function](Function) becomes.

use super::super::proto::{AttributeProto, FunctionProto, NodeProto, OperatorSetIdProto};
use super::graph::{Graph, real, scalar, text};
use super::{DOMAIN, OPSET};
use crate::ops::{CONTINUOUS_BERNOULLI_MEAN, CONTINUOUS_BERNOULLI_NEAR, Function};

/// Writes a function of the tensor `x` and returns the name of the result.
pub(super) fn write(graph: &mut Graph<'_>, function: Function, x: &str) -> String {
    let mut node = |operator: &str, attributes: &[(&str, f64)]| {
        let attributes = attributes.iter().map(|&(name, value)| real(name, value as f32));
        graph.node(operator, &[x], attributes.collect())
    };
    match function {
        Function::Relu => node("Relu", &[]),
        Function::LeakyRelu { slope } => node("LeakyRelu", &[("alpha", slope)]),
        Function::Elu { alpha } => node("Elu", &[("alpha", alpha)]),
        Function::Selu => node("Selu", &[]),
        Function::Celu { alpha } => node("Celu", &[("alpha", alpha)]),
        Function::Gelu => node("Gelu", &[]),
        Function::GeluTanh => graph.node("Gelu", &[x], vec![text("approximate", "tanh")]),
        Function::Silu => {
            let gate = node("Sigmoid", &[]);
            graph.node("Mul", &[x, &gate], vec![])
        }
        Function::Mish => node("Mish", &[]),
        Function::Softplus => node("Softplus", &[]),
        Function::Softsign => node("Softsign", &[]),
        Function::Sigmoid => node("Sigmoid", &[]),
        Function::Tanh => node("Tanh", &[]),
        Function::HardSigmoid { slope, offset } => {
            node("HardSigmoid", &[("alpha", slope), ("beta", offset)])
        }
        Function::HardSwish => node("HardSwish", &[]),
        Function::Clip { low, high } => {
            let mut limit = |what: &str, limit: Option<f64>| {
                limit.map_or_else(String::new, |limit| graph.numbers(what, &[], &[limit as f32]))
            };
            let (low, high) = (limit("low", low), limit("high", high));
            graph.node("Clip", &[x, &low, &high], vec![])
        }
        Function::Exp => node("Exp", &[]),
        Function::Log => node("Log", &[]),
        Function::Sqrt => node("Sqrt", &[]),
        Function::Square => graph.node("Mul", &[x, x], vec![]),
        Function::Power { exponent } => {
            let exponent = graph.numbers("exponent", &[], &[exponent as f32]);
            graph.node("Pow", &[x, &exponent], vec![])
        }
        Function::Reciprocal => node("Reciprocal", &[]),
        Function::Abs => node("Abs", &[]),
        Function::Erf => node("Erf", &[]),
        Function::Sin => node("Sin", &[]),
        Function::Cos => node("Cos", &[]),
        Function::ContinuousBernoulliMean => {
            let function = continuous_bernoulli_mean();
            let name = graph.node(&function.name, &[x], vec![]);
            graph.nodes.last_mut().expect("written just now").domain = DOMAIN.to_string();
            if !graph.functions.contains(&function) {
                graph.functions.push(function);
            }
            name
        }
    }
}

/// The mean of a continuous Bernoulli distribution as a function in the file: ONNX has no
/// operator for it. The import knows it by its name and by all of its body.
pub(in super::super) fn continuous_bernoulli_mean() -> FunctionProto {
    let mut body = Body { nodes: vec![] };
    let half = body.constant(0.5);
    // Far from 0, coth(x / 2) / 2 - 1 / x + 1 / 2.
    let halved = body.node("Mul", &["x", &half]);
    let tanh = body.node("Tanh", &[&halved]);
    let coth = body.node("Div", &[&half, &tanh]);
    let inverse = body.node("Reciprocal", &["x"]);
    let difference = body.node("Sub", &[&coth, &inverse]);
    let far = body.node("Add", &[&difference, &half]);
    // Near 0, where that cancels, 1 / 2 and x times a polynomial of x^2.
    let square = body.node("Mul", &["x", "x"]);
    let [highest, lower @ ..] = CONTINUOUS_BERNOULLI_MEAN;
    let mut polynomial = body.constant(highest);
    for coefficient in lower {
        let product = body.node("Mul", &[&polynomial, &square]);
        let coefficient = body.constant(coefficient);
        polynomial = body.node("Add", &[&product, &coefficient]);
    }
    let odd = body.node("Mul", &[&polynomial, "x"]);
    let near = body.node("Add", &[&odd, &half]);
    let magnitude = body.node("Abs", &["x"]);
    let limit = body.constant(CONTINUOUS_BERNOULLI_NEAR);
    let is_near = body.node("Less", &[&magnitude, &limit]);
    let mean = body.node("Where", &[&is_near, &near, &far]);
    FunctionProto {
        name: "ContinuousBernoulliMean".to_string(),
        input: vec!["x".to_string()],
        output: vec![mean],
        node: body.nodes,
        domain: DOMAIN.to_string(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        attribute_proto: vec![],
    }
}

/// Nodes of a function.
struct Body {
    nodes: Vec<NodeProto>,
}

impl Body {
    fn constant(&mut self, value: f32) -> String {
        self.push("Constant", &[], vec![scalar("value", value)])
    }

    fn node(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.push(operator, inputs, vec![])
    }

    fn push(&mut self, operator: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let name = format!("{operator}.{}", self.nodes.len());
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_string()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: operator.to_string(),
            attribute,
            domain: String::new(),
        });
        name
    }
}
