//! ONNX models as [networks](crate::Network): read at run time, with the full calculus, and
//! written.
//!
//! A graph is understood by evaluating it once, node by node, on what is known when it is
//! imported: constants are numbers, shapes are integers that may depend on the number of rows
//! of a batch, and whatever depends on the input is a value of the network under construction.
//! So the shape arithmetic that exporters write around dynamic batches disappears, and
//! parameters that are computed from others are folded.
//!
//! Files come from anywhere. Sizes are checked before memory is taken, references to other
//! files stay below the model's folder, and the work that a graph asks for is limited
//! (`limits.rs`): whatever the bytes, the outcome is a network or an error.
//!
//! [`Network::to_onnx`](crate::Network::to_onnx) is the way back (`export/`).

mod array;
mod call;
mod constant;
mod cut;
mod draft;
mod export;
mod import;
mod limits;
mod model;
mod optimise;
mod proto;
mod rules;
mod value;
mod wire;

pub(crate) use constant::{brain, half};
pub use export::Export;
pub use import::Part;
pub use model::{OnnxModel, Port, PortAxis};
