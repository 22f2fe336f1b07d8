//! From a graph to a [`Network`]: every node is evaluated once, in the order of the file, on
//! what is known of its inputs.

use std::collections::{HashMap, HashSet};

use burn::tensor::Device;

use super::call::{Call, displaced};
use super::constant::decode;
use super::draft::Draft;
use super::export::continuous_bernoulli_mean;
use super::limits::{MOST_ELEMENTS, MOST_NESTING, MOST_NODES};
use super::model::{OnnxModel, PortAxis, operator_name};
use super::optimise::optimise;
use super::proto::{GraphProto, NodeProto};
use super::rules::{elementwise, rule};
use super::value::Value;
use crate::ops::Function;
use crate::{Error, Network};

/// Elements that all constants and layouts of an import may have together.
const MOST_WORK: usize = 2 * MOST_ELEMENTS;

/// Which part of a graph to import.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The value that the network takes: an input of the model, or a value inside it.
    pub from: &'a str,
    /// Shape of a sample of that value, where the file leaves it open.
    pub sample_shape: Option<&'a [usize]>,
    /// The values that the network returns.
    pub to: &'a [&'a str],
}

impl OnnxModel {
    /// The part of the model from one value to others, as a network.
    ///
    /// # Errors
    /// Lists every node that cannot be understood, with its name and why.
    pub fn network(&self, part: &Part<'_>, device: &Device) -> Result<Network, Error> {
        let mut import = Import::new(self, part)?;
        let targets: Vec<&str> = part.to.to_vec();
        let needed = self.needed(&targets, part.from);
        for (position, node) in self.graph().node.iter().enumerate() {
            if needed.contains(&position) {
                import.node(node, None, 0);
            }
        }
        let mut outputs = vec![];
        for name in &targets {
            match import.scope.get(*name) {
                Some(Value::Features(features)) if features.is_plain() => {
                    outputs.push(features.clone());
                }
                Some(Value::Features(features)) => {
                    import.problems.push(format!("output {name:?}: {}", displaced(features)));
                }
                Some(Value::Failed) => {}
                Some(Value::Noise) => import.problems.push(format!(
                    "output {name:?} is drawn at random: export the mean and the spread that it \
                     is drawn with"
                )),
                Some(other) => import.problems.push(format!(
                    "output {name:?} does not depend on {:?}: it is {}",
                    part.from,
                    other.kind()
                )),
                None if import.problems.is_empty() => {
                    import.problems.push(format!("there is no value {name:?}"));
                }
                None => {}
            }
        }
        if !import.problems.is_empty() {
            return Err(self.error(import.problems));
        }
        let mut draft = import.draft;
        let values = optimise(&mut draft, &outputs);
        draft.finish(&values, device, self.origin())
    }

    /// Positions of the nodes that `targets` depend on, without going beyond `from`.
    fn needed(&self, targets: &[&str], from: &str) -> HashSet<usize> {
        let nodes = &self.graph().node;
        let writers: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .flat_map(|(position, node)| {
                node.output.iter().map(move |name| (name.as_str(), position))
            })
            .collect();
        let mut needed = HashSet::new();
        let mut open: Vec<&str> = targets.to_vec();
        while let Some(name) = open.pop() {
            let Some(&position) = writers.get(name) else { continue };
            if name != from && needed.insert(position) {
                open.extend(reads(&nodes[position]));
            }
        }
        needed
    }
}

/// All names that a node reads, those its subgraphs read from outside included.
pub(super) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node.input.iter().map(String::as_str).collect();
    let mut graphs: Vec<&GraphProto> =
        node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()).collect();
    while let Some(graph) = graphs.pop() {
        for inner in &graph.node {
            names.extend(inner.input.iter().map(String::as_str));
            graphs.extend(inner.attribute.iter().filter_map(|attribute| attribute.g.as_ref()));
        }
        names.extend(graph.output.iter().map(|output| output.name.as_str()));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// An import under way.
struct Import<'a> {
    model: &'a OnnxModel,
    draft: Draft,
    scope: HashMap<String, Value>,
    problems: Vec<String>,
    evaluated: usize,
    work: usize,
}

impl<'a> Import<'a> {
    fn new(model: &'a OnnxModel, part: &Part<'_>) -> Result<Self, Error> {
        let input = model.inputs().into_iter().find(|port| port.name == part.from);
        if input.as_ref().is_some_and(|port| !port.is_real) {
            let problem = format!("input {:?} does not hold real numbers", part.from);
            return Err(model.error(vec![problem]));
        }
        let declared = input.as_ref().and_then(|port| port.sample_shape());
        let shape = match (declared, part.sample_shape) {
            (Some(declared), Some(given))
                if declared.iter().product::<usize>() != given.iter().product::<usize>() =>
            {
                return Err(model.error(vec![format!(
                    "input {:?} takes samples of shape {declared:?}, not {given:?}",
                    part.from
                )]));
            }
            (Some(declared), _) => declared,
            (None, Some(given)) => open_axes(input.as_ref().and_then(|p| p.axes.as_deref()), given)
                .map_err(|problem| model.error(vec![problem]))?,
            (None, None) => {
                return Err(model.error(vec![format!(
                    "input {} leaves the shape of a sample open: state it (--input-shape)",
                    input.map_or_else(|| part.from.to_string(), |port| port.describe())
                )]));
            }
        };
        if shape.is_empty() || super::limits::product(&shape).is_ok_and(|count| count == 0) {
            return Err(
                model.error(vec![format!("input {:?} has no axes besides the batch", part.from)])
            );
        }
        super::limits::product(&shape).map_err(|problem| model.error(vec![problem]))?;
        let rows = input.and_then(|port| match port.axes?.first()? {
            PortAxis::Fixed(rows) => Some(*rows),
            PortAxis::Dynamic(_) => None,
        });
        let draft = Draft::new(shape, rows);
        // A decoder may read the number of rows off the model's own input.
        let outside = model.inputs().into_iter().filter(|port| port.name != part.from);
        let mut scope: HashMap<String, Value> = outside
            .filter_map(|port| Some((port.sample_shape()?, port.name)))
            .map(|(shape, name)| (name, Value::Outside(shape)))
            .collect();
        scope.insert(part.from.to_string(), Value::Features(draft.input()));
        Ok(Self { model, draft, scope, problems: vec![], evaluated: 0, work: 0 })
    }

    /// A value by its name.
    fn value(&mut self, name: &str) -> Result<Value, String> {
        if name.is_empty() {
            return Ok(Value::Absent);
        }
        if let Some(value) = self.scope.get(name) {
            return Ok(value.clone());
        }
        if let Some(tensor) = self.model.initialiser(name) {
            let value = decode(tensor, self.model.folder.as_deref())
                .map_err(|problem| format!("tensor {name:?}: {problem}"))?;
            self.scope.insert(name.to_string(), value.clone());
            return Ok(value);
        }
        let is_input = self.model.graph().input.iter().any(|input| input.name == name);
        Err(if is_input {
            format!("it depends on input {name:?}, which is no part of this network")
        } else {
            format!("it reads {name:?}, which no earlier node writes")
        })
    }

    /// Evaluates a node; what goes wrong is noted and its outputs count as failed.
    fn node(&mut self, node: &NodeProto, outer: Option<&Call<'_>>, depth: usize) {
        self.evaluated += 1;
        let outcome = if self.evaluated > MOST_NODES || self.work > MOST_WORK {
            // Once is enough to say it.
            if self.problems.last().is_some_and(|last| last.contains("too much work")) {
                Ok(vec![])
            } else {
                Err("the graph is too much work to understand".to_string())
            }
        } else {
            self.outputs(node, outer, depth)
        };
        let outputs = outcome.unwrap_or_else(|problem| {
            let mut name = operator_name(node);
            if !node.name.is_empty() {
                name = format!("{name} {:?}", node.name);
            } else if let Some(output) = node.output.first() {
                name = format!("{name} (which writes {output:?})");
            }
            self.problems.push(format!("{name}: {problem}"));
            vec![]
        });
        for value in &outputs {
            self.work += match value {
                Value::Numbers(array) => array.values.len(),
                Value::Dimensions(array) => array.values.len(),
                Value::Features(features) => features.count(),
                _ => 0,
            };
        }
        let mut outputs = outputs.into_iter();
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            self.scope.insert(name.clone(), outputs.next().unwrap_or(Value::Failed));
        }
    }

    fn outputs(
        &mut self,
        node: &NodeProto,
        outer: Option<&Call<'_>>,
        depth: usize,
    ) -> Result<Vec<Value>, String> {
        if depth > MOST_NESTING {
            return Err("subgraphs or functions are nested too deeply".to_string());
        }
        let standard = node.domain.is_empty() || node.domain == "ai.onnx";
        let function = self
            .model
            .proto
            .functions
            .iter()
            .find(|function| function.name == node.op_type && function.domain == node.domain);
        let rule = if standard { rule(&node.op_type) } else { None };
        if rule.is_none() && function.is_none() && !(standard && node.op_type == "If") {
            return Err("this operator is not supported".to_string());
        }
        let inputs =
            node.input.iter().map(|name| self.value(name)).collect::<Result<Vec<_>, _>>()?;
        if inputs.iter().any(|value| matches!(value, Value::Failed)) {
            return Ok(vec![]);
        }
        let defaults = function.map_or(&[][..], |function| &function.attribute_proto);
        let call = Call { node, outer, inputs, opset: self.model.opset, defaults };
        if function.is_some_and(|function| *function == continuous_bernoulli_mean()) {
            let mean = elementwise::apply(
                &mut self.draft,
                call.input(0),
                Function::ContinuousBernoulliMean,
            );
            return Ok(vec![mean?]);
        }
        if let Some(function) = function {
            // A function sees its own values only.
            let given = call.inputs.iter().cloned().chain(std::iter::repeat(Value::Absent));
            let arguments = function.input.iter().cloned().zip(given);
            let outside = std::mem::replace(&mut self.scope, arguments.collect());
            for inner in &function.node {
                self.node(inner, Some(&call), depth + 1);
            }
            let inside = std::mem::replace(&mut self.scope, outside);
            let output = |name| inside.get(name).cloned().unwrap_or(Value::Failed);
            return Ok(function.output.iter().map(output).collect());
        }
        let Some(rule) = rule else { return self.branch(&call, depth) };
        rule(&mut self.draft, &call)
    }

    /// `If` on a condition that is known now.
    fn branch(&mut self, call: &Call<'_>, depth: usize) -> Result<Vec<Value>, String> {
        let condition = call.integer_input(0)?;
        let &[condition] = condition.as_slice() else {
            return Err("a condition that is no single number".to_string());
        };
        let name = if condition != 0 { "then_branch" } else { "else_branch" };
        let graph = call.graph(name).ok_or_else(|| format!("it has no {name}"))?;
        for tensor in &graph.initializer {
            let value = decode(tensor, self.model.folder.as_deref())?;
            self.scope.insert(tensor.name.clone(), value);
        }
        for inner in &graph.node {
            self.node(inner, call.outer, depth + 1);
        }
        graph.output.iter().map(|output| self.value(&output.name)).collect()
    }
}

/// The sample shape `given`, as the open axes of an input allow it: fixed axes must agree.
fn open_axes(axes: Option<&[PortAxis]>, given: &[usize]) -> Result<Vec<usize>, String> {
    let Some([_, axes @ ..]) = axes else { return Ok(given.to_vec()) };
    let fits = axes.len() == given.len()
        && axes.iter().zip(given).all(|(axis, size)| match axis {
            PortAxis::Fixed(fixed) => fixed == size,
            PortAxis::Dynamic(_) => true,
        });
    if fits {
        Ok(given.to_vec())
    } else {
        Err(format!("an input of axes {axes:?} does not take samples of shape {given:?}"))
    }
}
