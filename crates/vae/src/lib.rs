//! Variational autoencoders: architectures, likelihoods, objectives and the trainer.
//!
//! A [`Vae`] is an encoder `x -> (mu, log sigma^2)`, a decoder `z -> natural
//! parameters of p(x|z)`, and a [`Likelihood`] that says what those parameters
//! mean. The deterministic decoder `g(z)` of the theory is the mean of `p(x|z)`:
//! [`Vae::generator`] is that network, with its whole calculus.
//!
//! This crate trains and stores models; attacks and bounds live in
//! `vaegis-robustness`.

mod architecture;
mod box_muller;
mod error;
mod export;
pub mod import;
mod likelihood;
mod lipschitz;
mod model;
mod noise;
mod objective;
mod tensorboard;
mod train;

pub use architecture::{ACTIVATIONS, Architecture, VaeConfig};
pub use error::Error;
pub use likelihood::Likelihood;
pub use lipschitz::{LipschitzConfig, LipschitzConstants, LipschitzLayers, PosteriorSigma};
pub use model::{Posterior, Vae};
pub use noise::{Noise, Purpose};
pub use objective::{
    BetaTcVae, BetaVae, Capacity, DipVaeI, DipVaeII, FactorVae, Losses, Margin, Objective,
};
pub use tensorboard::EventFile;
pub use train::{Checkpoint, EpochReport, Progress, TrainConfig, Trained, check, train};
