//! DCI: disentanglement, completeness and informativeness, of linear predictions.

use crate::lasso::{Lasso, standardised};
use crate::sample::{Factor, Kind, Sample, mean};

/// Three scores from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dci {
    /// Whether each latent matters to one factor only: one minus the entropy of its importance over
    /// factors, on average over latents by how much they matter. NaN if there is one factor.
    pub disentanglement: f64,
    /// Whether one latent only matters to each factor: one minus the entropy of importance over
    /// latents, on average over factors. NaN if there is one latent.
    pub completeness: f64,
    /// How well factors are predicted: R^2 in rows held out, on average over factors.
    pub informativeness: f64,
}

/// DCI (Eastwood and Williams, ICLR 2018) with lasso regressions, one of the two predictors of the
/// paper.
///
/// Latents and factors are scaled to variance 1. An ordered factor is predicted as a number, a
/// categorical one by a regression for each of its values (1 there, 0 elsewhere), the weights of
/// which are summed. The importance of a latent is the size of its weight. Penalties are chosen
/// by cross-validation in five folds, which also gives R^2. As predictions are linear, a categorical
/// factor of three values or more along a single latent is not fully predicted; and where rows repeat, as in
/// resamples, R^2 is too high.
pub fn dci(sample: &Sample) -> Dci {
    let lasso =
        Lasso::new(sample.latents.iter().map(|x| standardised(x.iter().copied())).collect());
    let fits: Vec<(Vec<f64>, f64)> =
        sample.factors.iter().map(|factor| predicted(&lasso, factor)).collect();
    // Importance: factors x latents.
    let importance: Vec<&[f64]> = fits.iter().map(|fit| fit.0.as_slice()).collect();
    let latents = sample.latents.len();
    let of_latent = |j: usize| importance.iter().map(|row| row[j]).collect::<Vec<f64>>();
    let total: f64 = importance.iter().copied().flatten().sum();
    let disentanglement = if importance.len() == 1 {
        f64::NAN
    } else if total > 0.0 {
        let weighted = |column: Vec<f64>| concentration(&column) * column.iter().sum::<f64>();
        (0..latents).map(of_latent).map(weighted).sum::<f64>() / total
    } else {
        0.0
    };
    let completeness =
        if latents == 1 { f64::NAN } else { mean(importance.iter().map(|row| concentration(row))) };
    Dci { disentanglement, completeness, informativeness: mean(fits.iter().map(|fit| fit.1)) }
}

/// The importance of each latent to a factor, and R^2.
fn predicted(lasso: &Lasso, factor: &Factor) -> (Vec<f64>, f64) {
    let outputs: Vec<Vec<f64>> = match factor.kind {
        Kind::Ordered => vec![standardised(factor.values.iter().map(|&value| value as f64))],
        Kind::Categorical => (0..factor.count)
            .map(|class| {
                let is = |&other: &usize| f64::from(u8::from(other == class));
                standardised(factor.classes.iter().map(is))
            })
            .collect(),
    };
    let fits: Vec<_> = outputs.iter().map(|output| lasso.fit(output)).collect();
    let latents = fits[0].weights.len();
    let importance = |j: usize| fits.iter().map(|fit| fit.weights[j].abs()).sum();
    let determination = mean(fits.iter().map(|fit| fit.determination));
    ((0..latents).map(importance).collect(), determination)
}

/// One minus the entropy of shares of a whole, relative to the largest that it can be; 0 of nothing.
fn concentration(parts: &[f64]) -> f64 {
    let whole: f64 = parts.iter().sum();
    if whole <= 0.0 {
        return 0.0;
    }
    let shares = parts.iter().map(|part| part / whole).filter(|&share| share > 0.0);
    1.0 + shares.map(|share| share * share.ln()).sum::<f64>() / (parts.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Kind::{Categorical, Ordered};
    use crate::sample::tests::{close, drawn, grid};

    fn check(
        found: Dci,
        [disentanglement, completeness, informativeness]: [f64; 3],
        tolerance: f64,
    ) {
        close(found.disentanglement, disentanglement, tolerance);
        close(found.completeness, completeness, tolerance);
        close(found.informativeness, informativeness, tolerance);
    }

    #[test]
    fn one_latent_for_each_factor_is_perfect_in_any_order_and_unit() {
        for codes in [|v: &[f64]| v.to_vec(), |v: &[f64]| vec![0.0, -2.0 * v[1], v[2], 9.0 - v[0]]]
        {
            let sample = grid(&[5, 6, 2], 4, &[Ordered, Ordered, Categorical], codes);
            check(dci(&sample), [1.0; 3], 1e-2);
        }
    }

    #[test]
    fn rotations_have_the_entropy_of_their_weights() {
        for angle in [0.1_f64, 0.4, std::f64::consts::FRAC_PI_4] {
            let (sine, cosine) = angle.sin_cos();
            let turned = |v: &[f64]| vec![cosine * v[0] + sine * v[1], cosine * v[1] - sine * v[0]];
            let sample = grid(&[7, 7], 8, &[Ordered; 2], turned);
            let p = cosine / (cosine + sine);
            let entropy = -(p * p.log2() + (1.0 - p) * (1.0 - p).log2());
            check(dci(&sample), [1.0 - entropy, 1.0 - entropy, 1.0], 1e-2);
        }
    }

    #[test]
    fn two_halves_of_a_factor_are_disentangled_but_not_complete() {
        // Sums of independent parts: each predicts half of the variance.
        let sample = drawn(4000, 3, &[9, 9], |v, noise| {
            let part = 3.0 * noise();
            vec![v[0] / 2.0 + part, v[0] / 2.0 - part, v[1]]
        });
        let found = dci(&sample);
        close(found.disentanglement, 1.0, 5e-2);
        // log_3 2 for the first factor, nothing for the second.
        close(found.completeness, 1.0 - 2_f64.ln() / 3_f64.ln() / 2.0, 5e-2);
        close(found.informativeness, 1.0, 1e-2);
    }

    #[test]
    fn noise_informs_of_nothing() {
        let sample = drawn(5000, 4, &[4, 6], |_, noise| (0..5).map(|_| noise()).collect());
        assert!(dci(&sample).informativeness < 5e-3);
    }

    #[test]
    fn single_latents_and_factors_have_no_entropy() {
        let found = dci(&grid(&[5], 4, &[Ordered], |v| v.to_vec()));
        assert!(found.disentanglement.is_nan() && found.completeness.is_nan());
        close(found.informativeness, 1.0, 1e-3);
    }
}
