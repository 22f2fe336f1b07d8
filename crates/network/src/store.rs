//! Weights in safetensors, under names that follow the graph: `3.weight` is the
//! weight of node 3. A file may hold several networks, told apart by a prefix
//! (`encoder.3.weight`).

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::onnx::{brain, half};
use crate::{Error, Network};

/// Named f32 tensors: shape and values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Weights {
    /// The weights of `network`, each name preceded by `prefix`.
    pub fn of(network: &Network, prefix: &str) -> Self {
        let mut collector = Collector { path: vec![], tensors: BTreeMap::new() };
        network.visit(&mut collector);
        let tensors = collector.tensors.into_iter();
        Self {
            tensors: tensors.map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect(),
        }
    }

    /// Adds all of `other`.
    pub fn merge(mut self, other: Self) -> Self {
        self.tensors.extend(other.tensors);
        self
    }

    /// Adds one tensor.
    pub fn insert(&mut self, name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name.into(), (shape, values));
    }

    /// One tensor: its shape and values.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.tensors.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()))
    }

    /// All tensors in the order of their names: name, shape, values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.tensors
            .iter()
            .map(|(name, (shape, values))| (name.as_str(), shape.as_slice(), values.as_slice()))
    }

    /// `network` with these weights, for the names that start with `prefix`.
    ///
    /// # Errors
    /// Lists every tensor that is missing, has another shape, or is not finite;
    /// `origin` is the file to blame.
    pub fn apply(&self, network: Network, prefix: &str, origin: &Path) -> Result<Network, Error> {
        let mut problems = vec![];
        let network = network.with_parameters(&mut |name, shape| {
            let name = format!("{prefix}{name}");
            let fallback = || TensorData::new(vec![0f32; shape.iter().product()], shape.to_vec());
            let Some((found, values)) = self.tensors.get(&name) else {
                problems.push(format!("tensor {name} is missing"));
                return fallback();
            };
            if found != shape {
                problems.push(format!("tensor {name} has shape {found:?}, expected {shape:?}"));
                return fallback();
            }
            if let Some(position) = values.iter().position(|value| !value.is_finite()) {
                problems
                    .push(format!("tensor {name} is {} at element {position}", values[position]));
                return fallback();
            }
            TensorData::new(values.clone(), shape.to_vec())
        });
        if problems.is_empty() {
            Ok(network)
        } else {
            Err(Error::Weights { path: origin.to_path_buf(), problems })
        }
    }
}

/// Writes weights as safetensors.
///
/// # Errors
/// Names the file that could not be written.
pub fn save_weights(weights: &Weights, path: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .tensors
        .iter()
        .map(|(name, (shape, values))| {
            (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>();
    let serialised = views.and_then(|views| safetensors::serialize(views, None));
    let serialised = serialised.map_err(|error| io(std::io::Error::other(error.to_string())))?;
    std::fs::write(path, serialised).map_err(io)
}

/// Reads weights from safetensors; all tensors must hold real numbers, of which those of other
/// precision (F64, F16, BF16) become F32.
///
/// # Errors
/// Names the file, and the tensors of other types.
pub fn load_weights(path: &Path) -> Result<Weights, Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let buffer = std::fs::read(path).map_err(io)?;
    let fail = |problems| Error::Weights { path: path.to_path_buf(), problems };
    let parsed = SafeTensors::deserialize(&buffer)
        .map_err(|error| fail(vec![format!("not a safetensors file: {error}")]))?;
    let mut weights = Weights::default();
    let mut problems = vec![];
    for (name, view) in parsed.tensors() {
        match real_numbers(&view) {
            Some(values) => weights.insert(name, view.shape().to_vec(), values),
            None => problems.push(format!(
                "tensor {name} has type {:?}, expected F32, F64, F16 or BF16",
                view.dtype()
            )),
        }
    }
    if problems.is_empty() { Ok(weights) } else { Err(fail(problems)) }
}

/// The numbers of a tensor in single precision, if they are real.
pub fn real_numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => numbers(data, f32::from_le_bytes),
        Dtype::F64 => numbers(data, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F16 => numbers(data, |bytes| half(u16::from_le_bytes(bytes))),
        Dtype::BF16 => numbers(data, |bytes| brain(u16::from_le_bytes(bytes))),
        _ => return None,
    })
}

fn numbers<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

/// Turns Burn's module path (`nodes.3.operator.Linear.weight`) into `3.weight`.
fn name(path: &[String]) -> String {
    let node = path.iter().find(|part| part.parse::<usize>().is_ok());
    let parameter = path.last();
    match (node, parameter) {
        (Some(node), Some(parameter)) => format!("{node}.{parameter}"),
        _ => path.join("."),
    }
}

struct Collector {
    path: Vec<String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data().convert_dtype(DType::F32);
        let shape = data.shape().to_vec();
        let values = data.try_to_vec::<f32>().expect("converted to f32 just above");
        self.tensors.insert(name(&self.path), (shape, values));
    }
}

struct Replacer<'a> {
    path: Vec<String>,
    source: &'a mut dyn FnMut(&str, &[usize]) -> TensorData,
}

impl ModuleMapper for Replacer<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let source = &mut self.source;
        let name = name(&self.path);
        param.map(|tensor| {
            let data = source(&name, &tensor.dims());
            Tensor::from_data(data, &tensor.device())
        })
    }
}

pub(crate) fn replace_parameters(
    network: Network,
    source: &mut dyn FnMut(&str, &[usize]) -> TensorData,
) -> Network {
    network.map(&mut Replacer { path: vec![], source })
}
