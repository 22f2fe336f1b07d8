//! Curves of how much a distortion of the input distorts the output, and the areas under them.
//!
//! The *distortion-distortion curve* is that of targeted attacks \[G18\], and its area the AUDDC.
//! \[G18\]: Gondim-Ribeiro, Tabacof, Valle, *Adversarial Attacks on Variational Autoencoders*,
//! arXiv:1806.04646, 2018, and the code released with it.

/// One attack: how long its perturbation is and what it comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distortion {
    /// Length of the perturbation, `|d|`.
    pub input: f64,
    /// Targeted: distance of the reconstruction of x + d from the target. Untargeted: the
    /// damage.
    pub output: f64,
}

/// The distances that normalise a distortion-distortion curve.
///
/// `g(z | x)` are reconstructions with z from the posterior of x. All distances between
/// reconstructions and the target, those of the attacks included, have to be of one kind: of
/// the mean reconstruction, or means over draws as in \[G18\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// `|x_t - x|`, in the norm of the perturbations: an attack this long may replace the input
    /// by the target.
    pub inputs: f64,
    /// `|g(z | x) - x_t|`: what there is without an attack.
    pub unperturbed: f64,
    /// `|g(z | x_t) - x_t|`: what replacing the input by the target comes to.
    pub target: f64,
}

/// The distortion-distortion curve of targeted attacks on one input: normalised input distortion
/// `|d| / |x_t - x|` from 0 to 1 against normalised output distortion
/// `(|g(z | x + d) - x_t| - |g(z | x_t) - x_t|) / (|g(z | x) - x_t| - |g(z | x_t) - x_t|)`,
/// 1 without an attack and 0 where the attack does as well as the target itself.
///
/// The curve is a lower envelope: an attack is allowed at all norms above its own, so at each
/// norm the strongest up to there counts. (\[G18\] takes attacks as they are.) It begins at
/// `(0, 1)`, the unperturbed input; is linear from one attack to the next, so that its area is
/// the trapezoidal rule of \[G18\]; and stays, as there, at its least value from the last attack
/// on to norm 1. Attacks longer than norm 1 are left out, as there: replacing the input is no
/// attack. So are attacks whose distances are not finite: they show nothing.
///
/// Being linear between attacks, the curve is neither attained nor a bound: an attack that fails
/// can raise it, where without that attack it went straight on to a stronger one.
#[derive(Debug, Clone, PartialEq)]
pub struct DistortionCurve {
    points: Vec<Distortion>,
}

impl DistortionCurve {
    /// The curve of `attacks`, in any order. `None` if the distances normalise nothing: if the
    /// target is the input, or is reconstructed no better from itself than from the input, or if
    /// a distance is not finite.
    pub fn new(attacks: &[Distortion], distances: &Distances) -> Option<Self> {
        let Distances { inputs, unperturbed, target } = *distances;
        let outputs = unperturbed - target;
        if !(inputs > 0.0 && outputs > 0.0 && inputs.is_finite() && outputs.is_finite()) {
            return None;
        }
        let normalised = attacks.iter().map(|attack| Distortion {
            input: attack.input / inputs,
            output: (attack.output - target) / outputs,
        });
        let unperturbed = Distortion { input: 0.0, output: 1.0 };
        Some(Self { points: lower_envelope(unperturbed, normalised, 1.0) })
    }

    /// The corners of the curve, normalised, with `input` from 0 to 1.
    pub fn points(&self) -> &[Distortion] {
        &self.points
    }

    /// The area under the curve (AUDDC): near 1 where no attack comes nearer to the target than
    /// the input itself does, near 0 where short perturbations suffice. It is negative if
    /// attacks come, on average, nearer to the target than its own reconstruction.
    pub fn area(&self) -> f64 {
        area(&self.points)
    }
}

/// The least output of all attacks up to each norm, with a corner at each attack and at `end`.
fn lower_envelope(
    unperturbed: Distortion,
    attacks: impl Iterator<Item = Distortion>,
    end: f64,
) -> Vec<Distortion> {
    let shown = |attack: &Distortion| attack.input <= end && attack.output.is_finite();
    let mut points: Vec<Distortion> = attacks.filter(shown).collect();
    points.push(unperturbed);
    points.sort_by(|a, b| a.input.total_cmp(&b.input).then(a.output.total_cmp(&b.output)));
    // Of attacks of one norm the first is the strongest.
    points.dedup_by_key(|point| point.input);
    let mut least = f64::INFINITY;
    for point in &mut points {
        least = least.min(point.output);
        point.output = least;
    }
    if points.last().is_some_and(|last| last.input < end) {
        points.push(Distortion { input: end, output: least });
    }
    points
}

/// By the trapezoidal rule.
fn area(points: &[Distortion]) -> f64 {
    points
        .windows(2)
        .map(|pair| 0.5 * (pair[0].output + pair[1].output) * (pair[1].input - pair[0].input))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Distances that change nothing.
    const UNIT: Distances = Distances { inputs: 1.0, unperturbed: 1.0, target: 0.0 };

    fn attacks(points: &[(f64, f64)]) -> Vec<Distortion> {
        points.iter().map(|&(input, output)| Distortion { input, output }).collect()
    }

    fn auddc(points: &[(f64, f64)]) -> f64 {
        DistortionCurve::new(&attacks(points), &UNIT).unwrap().area()
    }

    fn close(computed: f64, expected: f64) {
        assert!((computed - expected).abs() < 1e-14, "{computed} is not {expected}");
    }

    #[test]
    fn areas_by_hand() {
        close(auddc(&[]), 1.0);
        close(auddc(&[(1.0, 0.0)]), 0.5);
        // A triangle, and nothing from its end on.
        close(auddc(&[(0.2, 0.0)]), 0.1);
        // The least value is kept up to norm 1: 0.5 * 0.75 + 0.5 * 0.5.
        close(auddc(&[(0.5, 0.5)]), 0.625);
        // Nothing was gained up to 0.5: no straight line from (0, 1).
        close(auddc(&[(0.5, 1.0), (0.75, 0.0)]), 0.625);
        // Nearer than the target's own reconstruction.
        close(auddc(&[(0.0, -1.0)]), -1.0);
    }

    #[test]
    fn parabola() {
        let points: Vec<_> =
            (0..=1000).map(|k| f64::from(k) / 1000.0).map(|x| (x, (1.0 - x).powi(2))).collect();
        assert!((auddc(&points) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn weaker_attacks_at_larger_norms_do_not_raise_the_curve() {
        let curve = attacks(&[(0.8, 0.9), (0.4, 0.2), (0.6, 1.5), (0.4, 0.7)]);
        let curve = DistortionCurve::new(&curve, &UNIT).unwrap();
        let expected = attacks(&[(0.0, 1.0), (0.4, 0.2), (0.6, 0.2), (0.8, 0.2), (1.0, 0.2)]);
        assert_eq!(curve.points(), expected);
        close(curve.area(), 0.4 * 0.6 + 0.6 * 0.2);
    }

    #[test]
    fn what_shows_nothing_is_left_out() {
        close(auddc(&[(1.5, 0.0), (0.5, f64::NAN), (f64::NAN, 0.0), (0.5, f64::INFINITY)]), 1.0);
    }

    #[test]
    fn normalisation() {
        let distances = Distances { inputs: 4.0, unperturbed: 7.0, target: 2.0 };
        let curve = DistortionCurve::new(&attacks(&[(2.0, 3.0), (5.0, 2.0)]), &distances).unwrap();
        assert_eq!(curve.points(), attacks(&[(0.0, 1.0), (0.5, 0.2), (1.0, 0.2)]));
        for undefined in [
            Distances { inputs: 0.0, ..distances },
            Distances { unperturbed: 2.0, ..distances },
            Distances { unperturbed: 1.0, ..distances },
            Distances { inputs: f64::INFINITY, ..distances },
            Distances { target: f64::NAN, ..distances },
        ] {
            assert_eq!(DistortionCurve::new(&[], &undefined), None, "{undefined:?}");
        }
    }

    fn points() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((0.0..1.5_f64, -0.5..1.5_f64), 0..12)
    }

    proptest! {
        #[test]
        fn curves_fall_whatever_the_order(points in points().prop_shuffle()) {
            let curve = DistortionCurve::new(&attacks(&points), &UNIT).unwrap();
            let ends = (curve.points()[0].input, curve.points().last().unwrap().input);
            prop_assert_eq!(ends, (0.0, 1.0));
            for pair in curve.points().windows(2) {
                prop_assert!(pair[0].input < pair[1].input && pair[0].output >= pair[1].output);
            }
            let reversed: Vec<_> = points.into_iter().rev().collect();
            prop_assert_eq!(auddc(&reversed), curve.area());
        }

        #[test]
        fn an_attack_that_lowers_the_curve_lowers_the_area(
            points in points(), input in 0.0..1.0_f64,
        ) {
            let mut more = points.clone();
            more.push((input, -1.0));
            prop_assert!(auddc(&more) < auddc(&points));
        }
    }
}
