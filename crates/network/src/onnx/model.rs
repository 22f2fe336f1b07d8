//! A model file: read, checked, not yet understood.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message;

use super::limits::MOST_NODES;
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use super::wire;
use crate::Error;

/// An ONNX model.
#[derive(Debug)]
pub struct OnnxModel {
    origin: PathBuf,
    /// Where external data may lie.
    pub(super) folder: Option<PathBuf>,
    pub(super) proto: ModelProto,
    pub(super) opset: i64,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its axes, the batch first; `None` if the file does not say.
    pub axes: Option<Vec<PortAxis>>,
    /// Whether its elements are real numbers.
    pub is_real: bool,
}

/// One axis of a [`Port`].
#[derive(Debug, Clone, PartialEq)]
pub enum PortAxis {
    /// Of this size.
    Fixed(usize),
    /// Of a size that is known only when the model runs.
    Dynamic(String),
}

impl Port {
    /// Shape of a sample, if every axis but the batch is fixed.
    pub fn sample_shape(&self) -> Option<Vec<usize>> {
        let size = |axis: &PortAxis| match axis {
            PortAxis::Fixed(size) => Some(*size),
            PortAxis::Dynamic(_) => None,
        };
        self.axes.as_ref()?.get(1..)?.iter().map(size).collect()
    }

    /// `x [batch, 1, 28, 28]`.
    pub fn describe(&self) -> String {
        let Some(axes) = &self.axes else { return self.name.clone() };
        let axes: Vec<String> = axes
            .iter()
            .map(|axis| match axis {
                PortAxis::Fixed(size) => size.to_string(),
                PortAxis::Dynamic(name) if name.is_empty() => "?".to_string(),
                PortAxis::Dynamic(name) => name.clone(),
            })
            .collect();
        format!("{} [{}]", self.name, axes.join(", "))
    }
}

impl OnnxModel {
    /// Reads a model. Weights may lie in other files, below the folder of this one.
    ///
    /// # Errors
    /// If the file cannot be read or is no ONNX model.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes =
            std::fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
        let mut model = Self::from_bytes(&bytes, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        model.folder = Some(parent.unwrap_or(Path::new(".")).to_path_buf());
        Ok(model)
    }

    /// Reads a model from memory; it may not refer to other files. `origin` is the file to
    /// blame for errors.
    ///
    /// # Errors
    /// If it is no ONNX model.
    pub fn from_bytes(bytes: &[u8], origin: &Path) -> Result<Self, Error> {
        let fail =
            |problem: String| Error::Onnx { path: origin.to_path_buf(), problems: vec![problem] };
        wire::check(bytes).map_err(&fail)?;
        let proto = ModelProto::decode(bytes)
            .map_err(|error| fail(format!("not an ONNX model ({error})")))?;
        // Any bytes can look like a protocol buffer; a graph with nodes is no accident.
        let Some(graph) = &proto.graph else {
            return Err(fail("not an ONNX model (it has no graph)".to_string()));
        };
        if proto.ir_version < 1 {
            return Err(fail("not an ONNX model (it has no version)".to_string()));
        }
        let nodes: usize = graph.node.len()
            + proto.functions.iter().map(|function| function.node.len()).sum::<usize>();
        if nodes > MOST_NODES {
            return Err(fail(format!("{nodes} nodes are too many (at most {MOST_NODES})")));
        }
        let own = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        let opset = proto.opset_import.iter().find(|set| own(&set.domain));
        let opset = opset.map_or(1, |set| set.version);
        let model = Self { origin: origin.to_path_buf(), folder: None, proto, opset };
        let twice = model.written_twice();
        if twice.is_empty() {
            Ok(model)
        } else {
            let problems = twice.iter().map(|name| format!("{name:?} is written twice")).collect();
            Err(model.error(problems))
        }
    }

    fn written_twice(&self) -> Vec<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let graph = self.graph();
        let nodes = graph.node.iter().flat_map(|node| &node.output);
        let initialisers = graph.initializer.iter().map(|tensor| &tensor.name);
        for name in nodes.chain(initialisers).filter(|name| !name.is_empty()) {
            *counts.entry(name).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name.into()).collect()
    }

    /// The file the model came from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    pub(super) fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("checked when it was read")
    }

    pub(super) fn error(&self, problems: Vec<String>) -> Error {
        Error::Onnx { path: self.origin.clone(), problems }
    }

    /// The program that wrote the file, with its version.
    pub fn producer(&self) -> String {
        format!("{} {}", self.proto.producer_name, self.proto.producer_version).trim().to_string()
    }

    /// Version of the operator set.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// A remark that the exporter or an editor left in the file.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let mut entries = self.proto.metadata_props.iter();
        entries.find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// What the model takes; initialisers, which old files list too, are left out.
    pub fn inputs(&self) -> Vec<Port> {
        let given = |info: &&ValueInfoProto| self.initialiser(&info.name).is_none();
        self.graph().input.iter().filter(given).map(port).collect()
    }

    /// What the model returns.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph().output.iter().map(port).collect()
    }

    pub(super) fn initialiser(&self, name: &str) -> Option<&TensorProto> {
        self.graph().initializer.iter().find(|tensor| tensor.name == name)
    }

    /// How often each operator occurs in the file.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for node in &self.graph().node {
            *counts.entry(operator_name(node)).or_default() += 1;
        }
        counts
    }
}

/// `Gemm`, or `com.microsoft.FusedGemm` for operators of another domain.
pub(super) fn operator_name(node: &NodeProto) -> String {
    if node.domain.is_empty() || node.domain == "ai.onnx" {
        node.op_type.clone()
    } else {
        format!("{}.{}", node.domain, node.op_type)
    }
}

fn port(info: &ValueInfoProto) -> Port {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let axes = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        let axis = |size: Option<i64>, name: &Option<String>| match size {
            Some(size) if size > 0 => PortAxis::Fixed(size as usize),
            _ => PortAxis::Dynamic(name.clone().unwrap_or_default()),
        };
        shape.dim.iter().map(|dim| axis(dim.dim_value, &dim.dim_param)).collect()
    });
    let real = [data_type::FLOAT, data_type::DOUBLE, data_type::FLOAT16, data_type::BFLOAT16];
    // Type 0 is left open.
    let is_real = tensor.is_none_or(|t| t.elem_type == 0 || real.contains(&t.elem_type));
    Port { name: info.name.clone(), axes, is_real }
}
