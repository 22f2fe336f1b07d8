//! The simplifications of imported graphs for networks that came about otherwise.

use super::super::draft::{Draft, DraftNode};
use super::super::value::Features;
use super::optimise;
use crate::{Error, Network, Weights};

/// Names of all parameters that operators have.
const PARAMETERS: [&str; 4] = ["weight", "bias", "scale", "shift"];

impl Network {
    /// A network of the same outputs in fewer operators: affine maps melt into the matrix
    /// products before them, as batch normalisation does. Parameters are copied.
    ///
    /// # Errors
    /// If a parameter is not finite.
    pub fn simplified(&self) -> Result<Self, Error> {
        let weights = Weights::of(self, "");
        let mut draft = Draft::new(self.input_shape().to_vec(), None);
        for (position, node) in self.nodes.iter().enumerate() {
            let parameters = PARAMETERS.iter().filter_map(|&name| {
                let (shape, values) = weights.get(&format!("{position}.{name}"))?;
                Some((name, shape.to_vec(), values.to_vec()))
            });
            draft.nodes.push(DraftNode {
                operator: node.operator.config(),
                from: node.inputs.clone(),
                parameters: parameters.collect(),
                shape: self.shapes[position + 1].clone(),
            });
        }
        let outputs: Vec<Features> = self
            .outputs
            .iter()
            .map(|&value| Features {
                value,
                shape: self.shapes[value].clone(),
                batch: 0,
                merged: 1,
                before: 1,
            })
            .collect();
        let outputs = optimise(&mut draft, &outputs);
        draft.finish(&outputs, &self.device(), "simplified".as_ref())
    }
}
