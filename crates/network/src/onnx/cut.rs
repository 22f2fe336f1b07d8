//! Where a graph can be cut in two: values through which everything passes.

use std::collections::{HashMap, HashSet};

use super::import::reads;
use super::model::OnnxModel;

/// Operators that draw random numbers.
const RANDOM: [&str; 6] = [
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
];

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
            {
                if *only != to && found.last().is_none_or(|name: &String| name != only) {
                    found.push((*only).to_string());
                }
            }
        }
        found
    }

    /// Whether `value` is `mean` plus something else, identities aside: the sum by which a
    /// VAE draws its latent variable.
    pub fn is_sum_with(&self, value: &str, mean: &str) -> bool {
        let nodes = &self.graph().node;
        let written_by =
            |name: &str| nodes.iter().find(|node| node.output.iter().any(|output| output == name));
        let behind = |mut name: String| {
            while let Some(node) = written_by(&name)
                && matches!(node.op_type.as_str(), "Identity" | "Cast" | "Dropout")
            {
                name.clone_from(&node.input[0]);
            }
            name
        };
        let mean = behind(mean.to_string());
        written_by(&behind(value.to_string())).is_some_and(|node| {
            matches!(node.op_type.as_str(), "Add" | "Sum")
                && node.input.iter().any(|input| behind(input.clone()) == mean)
        })
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
