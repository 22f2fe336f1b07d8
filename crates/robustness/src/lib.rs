//! r-robustness of variational autoencoders: how far an input can be pushed before
//! its reconstruction changes by more than r \[C21\].
//!
//! One file per concept, named as the mathematics names it:
//!
//! | module | what |
//! |---|---|
//! | [`criterion`] | radii, the verdict "r-robust" |
//! | [`probability`] | `p_r(x)` by Monte Carlo with exact limits |
//! | [`jacobian`] | norms and leading directions of Jacobians, the linearised decoder |
//! | [`bounds`] | the paper's and the sharp first-order estimates of the margin |
//! | [`certificate`] | margins that are proved, from bounds on the posterior or Lipschitz constants |
//! | [`domain`] | which perturbations are allowed, and how long they are |
//! | [`ball`] | the geometry that attacks move in |
//! | [`attack`] | maximum damage, the damage curve, the attacked margin |
//! | [`scores`] | what perturbations do to posteriors, likelihoods and pictures |
//! | [`trial`] | one point under attacks at given norms |
//! | [`assess()`] | all of it for one point |
//!
//! [`bounds`] are first order: *estimates*, not certificates. Only a
//! [`Certificate`](certificate::Certificate) is proved, for all perturbations within its margin. An
//! attacked margin is an upper bound on the true margin, as good as the attack.
//! Nothing here prints, reads files or starts threads.
//!
//! \[C21\]: Camuto, Willetts, Roberts, Holmes, Rainforth, *Towards a Theoretical
//! Understanding of the Robustness of Variational Autoencoders*, AISTATS 2021.

pub mod assess;
pub mod attack;
pub mod ball;
pub mod bounds;
pub mod certificate;
pub mod criterion;
pub mod domain;
mod error;
pub mod jacobian;
mod lanes;
mod model;
pub mod probability;
pub mod scores;
pub mod statistics;
mod surrogate;
mod target;
pub mod trial;

pub use assess::{
    Aim, Assessment, Certification, Point, RadiusAssessment, Settings, Transferred, assess,
};
pub use ball::Ball;
pub use criterion::Radius;
pub use domain::{Domain, InputBox, Norm};
pub use error::Error;
pub use model::{Encoding, Model};
pub use target::Target;
