//! Where an encoder takes all inputs near a point, soundly: bounds on the whitened shift of the
//! mean and on the ranges of the standard deviations.
//!
//! The shift `|Sigma^(-1/2) (mu(x') - mu(x))|` is the length of a difference
//! ([`vaegis_network::bounds::Differences`]), and so is half the change of the log-variances, the
//! logarithm of the scales. Encoders with operators that have no rule for differences, attention for
//! example, are bounded by linear functions (CROWN): with `h = Sigma^(-1/2) (mu(x + d) - mu(x))`
//! between `L d + l` and `U d + u`, and `K = (L + U) / 2`, it is
//!
//! ```text
//! |h|  <=  |K|_2 |d| + |e|,    e_i = max over d of | h_i - K_i d |  <=  max(|(U - L)_i| |d| / 2 + u_i, ...)
//! ```
//!
//! or the length of the intervals of all `h_i`, where the ball is no Euclidean one.

use burn::tensor::{DType, Device, Tensor, TensorData};
use vaegis_network::bounds::{self, Bounder, Differences, InputSet, Method, spectral_norm};
use vaegis_network::ops::{ElementwiseAffineConfig, Initialiser, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder, Weights};

use super::axis::Axis;
use super::drawn::{Drawn, length};
use super::{Ellipsoid, Logarithms, Reachable, Weighted, cover};
use crate::{Domain, Encoding, Norm};

/// Operations of bounds that are paid for each point, once: seconds.
const OPERATIONS: f64 = 4e10;
/// Operations of linear bounds, which are paid for each distance that is tried.
const LINEAR_OPERATIONS: f64 = 4e9;
/// What changes of log-variances count beside shifts, in units of what makes both as long where they
/// are longest.
const WEIGHTS: [f64; 2] = [0.5, 1.0];
/// More than the relative error of sums over as many features as `ENTRIES` allows, in f64.
const ROUNDING: f64 = 1e-8;
/// Numbers that Jacobians may have together: 128 MiB of them.
const ENTRIES: f64 = (1 << 24) as f64;

/// Bytes that bounding an encoder about a point takes: its Jacobians, and as much again on the way
/// to them. Nothing where it is too large to be bounded.
pub(super) fn bytes(encoder: &Bounder) -> usize {
    let entries = encoder.jacobian_entries();
    if entries <= ENTRIES { 16 * entries as usize } else { 0 }
}

/// An encoder about a point, in the units that perturbations are measured in.
#[derive(Debug)]
pub struct Neighbourhood<'a> {
    domain: &'a Domain,
    /// The encoder as a function of the perturbation in its units, if these are not 1.
    scaled: Option<Bounder>,
    encoder: &'a Bounder,
    /// The point, or the perturbation 0.
    centre: Vec<f64>,
    /// Ends of what may be fed, if there is a box.
    limits: Option<[Vec<f64>; 2]>,
}

impl<'a> Neighbourhood<'a> {
    /// All inputs about x in a domain, which x fits.
    ///
    /// # Errors
    /// If the encoder does not take x.
    pub fn new(
        encoder: &'a Bounder,
        domain: &'a Domain,
        x: &[f32],
    ) -> Result<Self, vaegis_network::Error> {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let (low, high) = domain.bounds.ends();
        let boxed = low.is_finite() && high.is_finite();
        let Some(units) = &domain.units else {
            let ends = [low, high].map(|end| vec![f64::from(end); x.len()]);
            let (centre, limits) = (wide(x), boxed.then_some(ends));
            return Ok(Self { domain, scaled: None, encoder, centre, limits });
        };
        let shift = NetworkBuilder::new(encoder.network().input_shape().to_vec());
        let scaled = perturbation(shift, x, units)?.then(encoder.network().clone())?;
        let limits = boxed.then(|| {
            // What does not change has no limits.
            let limit = |end: f32, sign: f64| -> Vec<f64> {
                let room = |(&x, &unit): (&f32, &f32)| {
                    let room = (f64::from(end) - f64::from(x)) / f64::from(unit);
                    if unit == 0.0 { 0.0 } else { room * (1.0 + 1e-12) + sign * 1e-200 }
                };
                x.iter().zip(units).map(room).collect()
            };
            [limit(low, -1.0), limit(high, 1.0)]
        });
        let (centre, scaled) = (vec![0.0; x.len()], Some(scaled.bounder()));
        Ok(Self { domain, scaled, encoder, centre, limits })
    }

    pub(super) fn bounder(&self) -> &Bounder {
        self.scaled.as_ref().unwrap_or(self.encoder)
    }

    pub(super) fn set(&self, radius: f64) -> Result<InputSet, vaegis_network::Error> {
        let norm = match self.domain.norm {
            Norm::L1 => bounds::Norm::L1,
            Norm::L2 => bounds::Norm::L2,
            Norm::LInf => bounds::Norm::LInf,
        };
        let centre = tensor(self.centre.clone(), [1, self.centre.len()]);
        let ball = InputSet::ball(norm, centre, &[radius])?;
        match &self.limits {
            Some([low, high]) => ball.within(low, high),
            None => Ok(ball),
        }
    }
}

/// `u -> x + units u`.
fn perturbation(
    mut builder: NetworkBuilder,
    x: &[f32],
    units: &[f32],
) -> Result<Network, vaegis_network::Error> {
    let config = ElementwiseAffineConfig { size: x.len(), inner: 1 };
    let output = builder.push(OperatorConfig::ElementwiseAffine(config), &[0]);
    let network = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex())?;
    let mut weights = Weights::default();
    weights.insert("0.scale", vec![x.len()], units.to_vec());
    weights.insert("0.shift", vec![x.len()], x.to_vec());
    weights.apply(network, "", "the units".as_ref())
}

/// Bounds on the posteriors of all inputs near a point, as seen from the one that is drawn from
/// (`drawn`).
#[derive(Debug)]
pub struct Posteriors<'a> {
    neighbourhood: &'a Neighbourhood<'a>,
    /// `Sigma^(-1/2) mu`, and half the log-variance; with a weight both below each other, the latter
    /// times the weight; and, with an axis, the part of the former along it, the rest, and both in
    /// units of the axes.
    weightings: Vec<Vec<Option<Tensor<2>>>>,
    /// Ends of what the first two are at the point, `[latent]` each.
    centres: [Vec<[f64; 2]>; 2],
    /// None where an operator has no rule for differences.
    differences: Option<Differences<'a>>,
    /// What the part of shifts across the axis and changes of log-variances count, in several bounds of
    /// both.
    counts: Vec<[f64; 2]>,
    axis: Option<Axis>,
    /// Lipschitz constants of mean and standard deviation, per unit of a perturbation.
    lipschitz: Option<[f64; 2]>,
    drawn: Drawn,
    /// What the true means are off those that are drawn from, in standard deviations.
    offsets: Vec<f64>,
}

impl<'a> Posteriors<'a> {
    /// Of an encoder `x -> (mu, log sigma^2)`, of which `encoding` was evaluated, and whose mean and standard deviation may have Lipschitz
    /// constants, per unit of a perturbation.
    ///
    /// # Errors
    /// If an operator has no rule for bounds, or bounds at the point itself are not finite.
    pub fn new(
        neighbourhood: &'a Neighbourhood<'a>,
        encoding: &Encoding,
        lipschitz: Option<[f64; 2]>,
    ) -> Result<Self, vaegis_network::Error> {
        let bounder = neighbourhood.bounder();
        let too_large = |found: f64, most: f64, what: &str| {
            vaegis_network::Error::Bounds(format!(
                "the encoder is too large to be bounded: {found:.1e} {what}, at most {most:.1e}"
            ))
        };
        let (operations, entries) = (bounder.operations(), bounder.jacobian_entries());
        if operations > OPERATIONS {
            return Err(too_large(operations, OPERATIONS, "operations for each point"));
        }
        if entries > ENTRIES {
            return Err(too_large(entries, ENTRIES, "numbers in Jacobians"));
        }
        let drawn = Drawn::new(neighbourhood, encoding)?;
        let latent = drawn.mu.len();
        let diagonal = |entry: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let entries = (0..latent * latent).map(|at| (at / latent, at % latent));
            entries.map(|(i, j)| if i == j { entry(i) } else { 0.0 }).collect()
        };
        let square = |entries: Vec<f64>| Some(tensor(entries, [latent, latent]));
        let inverse: Vec<f64> = drawn.sigma.iter().map(|sigma| sigma.recip()).collect();
        let mut weightings = vec![
            vec![square(diagonal(&|i| inverse[i])), None],
            vec![None, square(diagonal(&|_| 0.5))],
        ];
        let whitened = drawn.means.iter().zip(&inverse);
        let whitened = whitened.map(|([low, high], inverse)| [low * inverse, high * inverse]);
        let centres = [whitened.collect(), drawn.logarithms.clone()];
        let differences = match bounder.differences(&neighbourhood.centre) {
            Ok(differences) => Some(differences),
            // Whether the operator has a rule for linear bounds the point itself tells.
            Err(vaegis_network::Error::Unbounded { .. }) => {
                if operations > LINEAR_OPERATIONS {
                    return Err(too_large(operations, LINEAR_OPERATIONS, "operations"));
                }
                bounder.bounds(&neighbourhood.set(0.0)?, Method::Crown)?;
                None
            }
            Err(error) => return Err(error),
        };
        let (mut axis, mut counts) = (None, vec![]);
        if let Some(differences) = &differences {
            let jacobian = |i: usize| differences.jacobian(weightings[i].clone());
            let (of_mean, of_scales) = (jacobian(0)?, jacobian(1)?);
            axis = Axis::new(&of_mean, latent);
            let [shift, scale] =
                [&of_mean, &of_scales].map(|all| spectral_norm(all, all.len() / latent));
            // Both of the same size where they are largest.
            let weight = shift / scale;
            if weight.is_finite() && weight > 0.0 {
                let across = axis.as_ref().map(Axis::across).filter(|across| *across > 1.0);
                for across in std::iter::once(1.0).chain(across) {
                    counts.extend(WEIGHTS.map(|times| [across, times * weight]));
                }
            }
        }
        for &[across, weight] in &counts {
            // Below each other.
            let mut top = match &axis {
                Some(axis) => axis.counted(&inverse, across),
                None => diagonal(&|i| inverse[i]),
            };
            let mut below = vec![0.0; top.len()];
            below.extend(diagonal(&|_| 0.5 * weight));
            top.resize(below.len(), 0.0);
            let both = [top, below].map(|part| {
                let rows = part.len() / latent;
                Some(tensor(part, [rows, latent]))
            });
            weightings.push(both.to_vec());
        }
        if let Some(axis) = &axis {
            weightings.extend(axis.weightings(&inverse).map(|matrix| vec![Some(matrix), None]));
        }
        let offsets = drawn.offsets();
        Ok(Self {
            neighbourhood,
            weightings,
            centres,
            differences,
            counts,
            axis,
            lipschitz,
            drawn,
            offsets,
        })
    }

    /// The unit vector, `[latent]`, along which whitened shifts are longest; none where only their
    /// lengths are known.
    pub fn axis(&self) -> Option<&[f64]> {
        self.axis.as_ref().map(|axis| axis.direction.as_slice())
    }

    /// Bounds on the posteriors of all inputs within a distance, if there are any.
    pub fn within(&self, radius: f64) -> Option<Reachable> {
        let found = self.by_bounds(radius);
        match self.lipschitz {
            Some(constants) => self.tightened(found, constants, radius),
            None => found,
        }
    }

    fn by_bounds(&self, radius: f64) -> Option<Reachable> {
        let set = self.neighbourhood.set(radius).ok()?;
        let found: Vec<(f64, Vec<f64>)> = match &self.differences {
            Some(differences) => {
                let span = differences.within(&set).ok()?;
                let lengths = span.lengths(&self.weightings).ok()?;
                lengths.into_iter().map(|length| (length.norm, length.rows)).collect()
            }
            None => self.by_linear_functions(&set)?,
        };
        let [(shift, shifts), (all_changes, changes), parts @ ..] = found.as_slice() else {
            return None;
        };
        // From the true posterior at the point to the one that is drawn from.
        let offset = length(self.offsets.iter().copied());
        let shifts = shifts.iter().zip(&self.offsets).map(|(shift, offset)| shift + offset);
        let scales = changes.iter().zip(self.drawn.ratios()).map(|(change, [low, high])| {
            // The exponentials are rounded outward.
            let change = change * (1.0 + 1e-12);
            [low * (-change).exp() * (1.0 - 1e-12), high * change.exp() * (1.0 + 1e-12)]
        });
        let reachable = Reachable::new(shift + offset, scales.collect()).ok()?;
        let reachable = reachable.with_shifts(shifts.collect()).ok()?;
        let ratio = |[low, high]: [f64; 2]| high.ln().abs().max(low.ln().abs());
        let ratios = length(self.drawn.ratios().into_iter().map(ratio));
        let (both, parts) = parts.split_at_checked(self.counts.len())?;
        let weighted = both.iter().zip(&self.counts).map(|((both, _), &[across, weight])| {
            let joint = (both + (across * offset).hypot(weight * ratios)) * (1.0 + 1e-12);
            Weighted { across, weight, joint }
        });
        let length = (all_changes + ratios) * (1.0 + 1e-12);
        let weighted = weighted.collect();
        let reachable = reachable.with_logarithms(Logarithms { length, weighted }).ok()?;
        let (Some(axis), [along, across, joint]) = (&self.axis, parts) else {
            return Some(reachable);
        };
        let ellipsoid = Ellipsoid {
            along: along.0 + offset,
            across: across.0 + offset,
            axes: axis.lengths,
            joint: joint.0 + offset / axis.lengths[1].min(axis.lengths[0]),
            misplaced: self.drawn.misplaced(cover::FARTHEST),
        };
        reachable.with_ellipsoid(ellipsoid).ok()
    }

    /// What is known besides, with what Lipschitz constants say.
    fn tightened(
        &self,
        known: Option<Reachable>,
        [mean, sigma]: [f64; 2],
        radius: f64,
    ) -> Option<Reachable> {
        let least = self.drawn.sigma.iter().copied().fold(f64::INFINITY, f64::min);
        let offset = length(self.offsets.iter().copied());
        let shift = (mean * radius / least + offset) * (1.0 + 1e-12);
        let change = sigma * radius * (1.0 + 1e-12);
        let ratios = self.drawn.ratios().into_iter().zip(&self.drawn.sigma);
        let mut ranges: Vec<[f64; 2]> =
            ratios.map(|([low, high], s)| [low - change / s, high + change / s]).collect();
        let known_shift = known.as_ref().map_or(f64::INFINITY, Reachable::shift);
        if let Some(known) = &known {
            for (range, known) in ranges.iter_mut().zip(known.scales()) {
                *range = [range[0].max(known[0]), range[1].min(known[1])];
            }
        }
        let mut tightened = Reachable::new(shift.min(known_shift), ranges).ok();
        if let Some(known) = &known {
            tightened =
                tightened.and_then(|all| all.with_logarithms(known.logarithms().clone()).ok());
        }
        let kept = known.as_ref().and_then(Reachable::ellipsoid).copied();
        match (tightened, kept) {
            (Some(tightened), Some(ellipsoid)) => tightened.with_ellipsoid(ellipsoid).ok(),
            (tightened, _) => tightened.or(known),
        }
    }

    fn by_linear_functions(&self, set: &InputSet) -> Option<Vec<(f64, Vec<f64>)>> {
        let bounds = self.neighbourhood.bounder().bounds(set, Method::Crown).ok()?;
        let mut found = vec![];
        for (weighting, centre) in self.weightings.iter().zip(&self.centres) {
            let specification: Vec<Option<Tensor<3>>> =
                weighting.iter().map(|part| part.clone().map(|part| part.unsqueeze())).collect();
            let linear = bounds.relaxation(&specification).ok()?;
            let ends = linear.interval.low().iter().zip(linear.interval.high()).zip(centre);
            let farthest = |((low, high), at): ((&f64, &f64), &[f64; 2])| {
                ((high - at[0]).max(at[1] - low) + ROUNDING * (at[0].abs() + at[1].abs())).max(0.0)
            };
            let rows: Vec<f64> = ends.map(farthest).collect();
            let by_rows = length(rows.iter().copied());
            let (lower, upper) = (numbers(linear.lower), numbers(linear.upper));
            let point = &self.neighbourhood.centre;
            let middle: Vec<f64> = lower.iter().zip(&upper).map(|(l, u)| 0.5 * (l + u)).collect();
            let longest = set.longest(0);
            let mut rest = 0.0;
            for (row, at) in centre.iter().enumerate() {
                let span = row * point.len()..(row + 1) * point.len();
                let (lower, upper) = (&lower[span.clone()], &upper[span]);
                let gap = length(lower.iter().zip(upper).map(|(l, u)| u - l));
                let [below, above] = [
                    (lower, linear.lower_constants[row], at[1]),
                    (upper, linear.upper_constants[row], at[0]),
                ]
                .map(|(a, constant, at)| {
                    let terms = || a.iter().zip(point).map(|(a, x)| a * x);
                    let size = terms().map(f64::abs).sum::<f64>() + constant.abs() + at.abs();
                    (terms().sum::<f64>() + constant - at, ROUNDING * size)
                });
                let error = (above.0 + above.1).max(below.1 - below.0).max(0.0);
                rest += (0.5 * gap * longest + error).powi(2);
            }
            let norm = spectral_norm(&middle, point.len()) * longest + rest.sqrt();
            found.push((by_rows.min(norm * (1.0 + 1e-12)), rows));
        }
        Some(found)
    }
}

pub(super) fn tensor<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert_dtype(DType::F64);
    data.try_into_vec().expect("converted to f64 just above")
}
