//! Sound bounds of networks over balls.
//!
//! [`Bounder::bounds`] finds, for every value of a network, an [`Interval`] that contains it for
//! all inputs of an [`InputSet`], and [`Bounds::relaxation`] linear functions of the input that
//! bound chosen linear functions of the outputs from below and above. Both go backward through
//! the graph (CROWN, Zhang et al. 2018; for general graphs Xu et al. 2020, auto_LiRPA): linear
//! functions of a value are replaced by linear functions of what it is computed from, exactly
//! for affine operators, soundly by a [`Relaxation`] for others, until they are functions of the
//! input, whose minimum over a ball within a box is known. The rule of an operator stands in the
//! operator's file; one without a rule makes the bounds unavailable, with its name.
//!
//! # Rounding
//!
//! Bounds hold for the function of real numbers that the stored parameters define, not only up
//! to rounding. All is computed in f64, in which the parameters are exact, and what rounding can
//! change is charged in one place. Pulling coefficients `a` of a value `v` back through an
//! operator makes sums of products; in any order these err by at most `gamma` times the sums of
//! their absolute values (Higham 2002, section 3.1). Times the largest absolute inputs and summed, that
//! is at most `gamma sum_i |a_i| reach_i`, where [`reach_i`](Relaxation::reach) is a sum of
//! absolute values that costs one evaluation of the operator for all functions together: for
//! `W x + b` it is `|W| |x| + |b|`. It exceeds `|v_i|`, so that it also pays for the sums of
//! coefficients of several readers of v. Underflow is paid for by 1e-200, in squares under a root by
//! 1e-160, and what is larger than 1e100 or no number is an error, never a bound. Element-wise
//! functions are trusted to 1e-12 of their values, polynomials to that of their terms.

mod backward;
mod bilinear;
mod bounder;
mod differences;
mod elementwise;
mod envelope;
mod interval;
mod reach;
pub(crate) mod real;
mod relaxation;
mod secants;
mod set;
mod spectral;
mod unit;

pub(crate) use bilinear::{bilinear_interval, bilinear_relaxation};
pub use bounder::{Bounder, Bounds, LinearBounds, Method};
pub use differences::{Differences, Lengths, Span};
pub(crate) use elementwise::{Elementwise, Planes};
pub(crate) use envelope::{Envelope, Line};
pub use interval::Interval;
pub(crate) use interval::{LARGEST, UNDERFLOW};
pub use relaxation::{Pulled, Relaxation};
pub(crate) use relaxation::{affine_interval, affine_relaxation};
pub(crate) use secants::is_line;
pub use set::{InputSet, Norm};
pub use spectral::spectral_norm;
