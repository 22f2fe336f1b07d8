//! [Networks](Network) as ONNX files: the way back of the import.
//!
//! Between operators, networks have matrices `[rows, features]`; a tensor of the graph has the
//! shape that the ONNX operator before it gave it, and is reshaped only where the next one needs
//! another. The batch is a free axis everywhere.

mod functions;
mod graph;
mod operators;

pub(super) use functions::continuous_bernoulli_mean;

use prost::Message;

use super::proto::{
    DimensionProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use crate::{Error, Network, Weights};
use graph::Graph;

/// The operator set that files are written in: the first with `Gelu`.
const OPSET: i64 = 20;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 9;
/// Most bytes of a protocol buffer.
const MOST_BYTES: usize = i32::MAX as usize;

/// Domain and version of what ONNX has no operator for.
pub(super) const DOMAIN: &str = "vaegis";
const DOMAIN_VERSION: i64 = 1;

/// What things are called in an exported file.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// The graph.
    pub name: &'a str,
    /// Its input.
    pub input: &'a str,
    /// Its outputs, one for each of the network's. Names of values inside the graph begin with
    /// their numbers.
    pub outputs: &'a [&'a str],
    /// Keys and remarks to leave in the file, which
    /// [`OnnxModel::metadata`](super::OnnxModel::metadata) finds there.
    pub metadata: &'a [(&'a str, String)],
}

impl Network {
    /// The network as an ONNX file. Input and outputs are `[batch, sample shape...]` with any
    /// number of rows.
    ///
    /// # Errors
    /// If the file would be larger than its format allows (2 GiB), or an output has no name of
    /// its own.
    pub fn to_onnx(&self, export: &Export<'_>) -> Result<Vec<u8>, Error> {
        let mut names = vec![export.input];
        names.extend(export.outputs);
        names.sort_unstable();
        names.dedup();
        if names.len() != 1 + self.output_count() {
            let problem = format!("{} outputs need names, not {names:?}", self.output_count());
            return Err(Error::Graph(problem));
        }
        let weights = Weights::of(self, "");
        let elements: usize = weights.iter().map(|(_, _, values)| values.len()).sum();
        // Before memory is taken for a copy of the weights.
        within_limit(elements.saturating_mul(size_of::<f32>()))?;
        let mut graph = Graph::new(export.input, self.input_shape(), &weights);
        for (position, node) in self.nodes.iter().enumerate() {
            let operator = node.operator.config();
            graph.begin(position, &operator);
            let from = &self.shapes[node.inputs[0]];
            let shape = &self.shapes[position + 1];
            operators::write(&mut graph, &operator, &node.inputs, from, shape);
        }
        for (output, name) in export.outputs.iter().enumerate() {
            graph.output(self.outputs[output], self.output_shape(output), name);
        }
        let port = |name: &str, shape: &[usize]| ValueInfoProto {
            name: name.to_string(),
            r#type: Some(tensor_type(shape)),
        };
        let outputs = export.outputs.iter().enumerate();
        let functions = graph.functions;
        let mut opset_import = vec![OperatorSetIdProto { domain: String::new(), version: OPSET }];
        if !functions.is_empty() {
            let own = OperatorSetIdProto { domain: DOMAIN.to_string(), version: DOMAIN_VERSION };
            opset_import.push(own);
        }
        let entry = |(key, value): &(&str, String)| StringStringEntryProto {
            key: key.to_string(),
            value: value.clone(),
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "vaegis".to_string(),
            producer_version: env!("CARGO_PKG_VERSION").to_string(),
            graph: Some(GraphProto {
                node: graph.nodes,
                name: export.name.to_string(),
                initializer: graph.initialisers,
                input: vec![port(export.input, self.input_shape())],
                output: outputs.map(|(at, name)| port(name, self.output_shape(at))).collect(),
            }),
            opset_import,
            metadata_props: export.metadata.iter().map(entry).collect(),
            functions,
        };
        within_limit(model.encoded_len())?;
        Ok(model.encode_to_vec())
    }
}

fn within_limit(bytes: usize) -> Result<(), Error> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let size = bytes as f64 / f64::from(1 << 30);
    Err(Error::Graph(format!("as ONNX it takes {size:.1} GiB; a file holds less than 2 GiB")))
}

/// Real numbers, `[batch, shape...]`.
fn tensor_type(shape: &[usize]) -> TypeProto {
    let batch = DimensionProto { dim_value: None, dim_param: Some("batch".to_string()) };
    let axis = |&size: &usize| DimensionProto { dim_value: Some(size as i64), dim_param: None };
    let dim = std::iter::once(batch).chain(shape.iter().map(axis)).collect();
    let shape = Some(TensorShapeProto { dim });
    TypeProto { tensor_type: Some(TensorTypeProto { elem_type: data_type::FLOAT, shape }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beyond_the_format_are_refused() {
        assert!(within_limit(MOST_BYTES).is_ok());
        let message = within_limit(5 << 30).unwrap_err().to_string();
        assert_eq!(message, "network: as ONNX it takes 5.0 GiB; a file holds less than 2 GiB");
    }
}
