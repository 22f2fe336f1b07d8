//! Where a graph can be cut in two: values through which everything passes.

use std::collections::{HashMap, HashSet};

use super::import::reads;
use super::model::OnnxModel;
use super::proto::NodeProto;

/// Operators that draw random numbers.
const RANDOM: [&str; 6] = [
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
];

/// Operators that return what they take.
const IDENTITIES: [&str; 3] = ["Identity", "Cast", "Dropout"];

impl OnnxModel {
    /// The values inside the graph through which all that `to` owes to `from`, and to random
    /// numbers drawn in the graph, passes; in the order of the graph. Cutting at any of them
    /// leaves two networks.
    ///
    /// Sizes do not count: a shape that is read off the input tells the number of rows.
    pub fn bottlenecks(&self, from: &str, to: &str) -> Vec<String> {
        let nodes = &self.graph().node;
        let writers: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .flat_map(|(position, node)| node.output.iter().map(move |n| (n.as_str(), position)))
            .collect();
        let flows = |position: usize| !matches!(nodes[position].op_type.as_str(), "Shape" | "Size");
        // Nodes that `to` depends on.
        let mut behind = HashSet::new();
        let mut open = vec![to];
        while let Some(name) = open.pop() {
            if name == from {
                continue;
            }
            if let Some(&position) = writers.get(name)
                && flows(position)
                && behind.insert(position)
            {
                open.extend(reads(&nodes[position]));
            }
        }
        // The last node that reads each value on the way.
        let mut last: HashMap<&str, usize> = HashMap::from([(to, nodes.len())]);
        for (position, node) in nodes.iter().enumerate().filter(|(k, _)| behind.contains(k)) {
            for name in reads(node) {
                let reader = last.entry(name).or_insert(position);
                *reader = (*reader).max(position);
            }
        }
        let sources: Vec<usize> = (0..nodes.len())
            .filter(|k| behind.contains(k) && RANDOM.contains(&nodes[*k].op_type.as_str()))
            .collect();
        // A sweep over the nodes: a value is a bottleneck if, right after it is written,
        // nothing else that depends on a source is still to be read.
        let mut live: HashSet<&str> = HashSet::from([from]);
        let mut found = vec![];
        for (position, node) in nodes.iter().enumerate().filter(|(k, _)| behind.contains(k)) {
            let random = sources.contains(&position);
            if !random && !reads(node).iter().any(|name| live.contains(name)) {
                continue;
            }
            for name in node.output.iter().filter(|name| last.contains_key(name.as_str())) {
                live.insert(name);
            }
            live.retain(|name| last.get(name).is_some_and(|&reader| reader > position));
            let later = sources.iter().any(|&source| source > position);
            if let (false, Some(only)) = (later, live.iter().next())
                && live.len() == 1
                && *only != to
                && found.last().is_none_or(|name: &String| name != only)
            {
                found.push((*only).to_string());
            }
        }
        found
    }

    /// Whether two values are the same, identities aside.
    pub fn is_same_value(&self, a: &str, b: &str) -> bool {
        self.behind(a, &IDENTITIES) == self.behind(b, &IDENTITIES)
    }

    /// Whether `value` is `other` in the same or another shape.
    pub fn is_reshaped(&self, value: &str, other: &str) -> bool {
        let plain = [&IDENTITIES[..], &["Reshape", "Flatten", "Squeeze", "Unsqueeze"]].concat();
        self.behind(value, &plain) == self.behind(other, &plain)
    }

    /// Whether `value` is `mean` plus something else, identities aside: the sum by which a
    /// VAE draws its latent variable.
    pub fn is_sum_with(&self, value: &str, mean: &str) -> bool {
        self.written_by(self.behind(value, &IDENTITIES)).is_some_and(|node| {
            matches!(node.op_type.as_str(), "Add" | "Sum")
                && node.input.iter().any(|input| self.is_same_value(input, mean))
        })
    }

    fn written_by(&self, name: &str) -> Option<&NodeProto> {
        let mut nodes = self.graph().node.iter();
        nodes.find(|node| node.output.iter().any(|output| output == name))
    }

    /// The value that `name` is when these operators are left out.
    fn behind<'a>(&'a self, mut name: &'a str, operators: &[&str]) -> &'a str {
        // No graph without cycles has longer chains.
        for _ in 0..self.graph().node.len() {
            match self.written_by(name) {
                Some(node) if operators.contains(&node.op_type.as_str()) => {
                    match node.input.first() {
                        Some(input) => name = input,
                        None => return name,
                    }
                }
                _ => return name,
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prost::Message;

    use super::*;
    use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};

    /// A model of nodes written as `operator a b -> c`.
    fn model(nodes: &[&str]) -> OnnxModel {
        let node = |text: &&str| {
            let (left, right) = text.split_once("->").unwrap();
            let mut words = left.split_whitespace().map(String::from);
            NodeProto {
                op_type: words.next().unwrap(),
                input: words.collect(),
                output: right.split_whitespace().map(String::from).collect(),
                ..NodeProto::default()
            }
        };
        let graph = GraphProto { node: nodes.iter().map(node).collect(), ..GraphProto::default() };
        let proto = ModelProto { ir_version: 8, graph: Some(graph), ..ModelProto::default() };
        OnnxModel::from_bytes(&proto.encode_to_vec(), Path::new("test.onnx")).unwrap()
    }

    #[test]
    fn a_mean_that_is_decoded_is_a_bottleneck() {
        let model = model(&[
            "Relu x -> h",
            "Tanh h -> mu",
            "Exp h -> logvar",
            "Relu mu -> g",
            "Tanh g -> out",
        ]);
        assert_eq!(model.bottlenecks("x", "out"), ["h", "mu", "g"]);
    }

    #[test]
    fn noise_moves_the_cut_behind_the_sum() {
        let model = model(&[
            "Relu x -> h",
            "Tanh h -> mu",
            "Exp h -> std",
            "RandomNormalLike std -> noise",
            "Mul noise std -> spread",
            "Add spread mu -> sum",
            "Identity sum -> z",
            "Tanh z -> out",
        ]);
        assert_eq!(model.bottlenecks("x", "out"), ["sum", "z"]);
        assert!(model.is_sum_with("z", "mu") && model.is_sum_with("sum", "mu"));
        assert!(!model.is_sum_with("z", "h") && !model.is_sum_with("spread", "mu"));
        assert!(model.is_same_value("z", "sum") && !model.is_same_value("z", "mu"));
    }

    #[test]
    fn copies_are_told_from_values_of_their_own() {
        let model = model(&[
            "Flatten x -> flat",
            "Identity flat -> out",
            "Cast out -> cast",
            "Relu x -> h",
            "Identity a -> b",
            "Identity b -> a",
        ]);
        assert!(model.is_reshaped("cast", "x") && !model.is_reshaped("h", "x"));
        assert!(model.is_same_value("cast", "flat") && !model.is_same_value("out", "x"));
        // A cycle ends somewhere.
        assert!(!model.is_same_value("a", "x"));
    }

    #[test]
    fn what_bypasses_a_value_leaves_no_cut() {
        let skip = model(&["Relu x -> h", "Tanh h -> mu", "Add mu h -> z", "Mul z x -> out"]);
        assert!(skip.bottlenecks("x", "out").is_empty());
        // The number of rows is no knowledge of the input.
        let shape =
            model(&["Tanh x -> mu", "Relu mu -> g", "Shape x -> rows", "Reshape g rows -> out"]);
        assert_eq!(shape.bottlenecks("x", "out"), ["mu", "g"]);
    }
}
