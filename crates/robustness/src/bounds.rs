//! First-order lower bounds on the margin. *Estimates, not certificates*: they hold up
//! to terms of higher order in the perturbation, and attacks do break r-robustness
//! inside them.

use crate::statistics::normal_quantile;

/// The paper's bound [C21, Thm 2]: `min_i sigma_i PhiInv(p) / |J|_F`.
///
/// 0 when `p <= 1/2` (not r-robust even without perturbation), +inf when p is 1 or the
/// encoder mean does not move, NaN when p is.
pub fn paper(p: f64, sigma_min: f64, jacobian_frobenius: f64) -> f64 {
    ratio(p, jacobian_frobenius / sigma_min)
}

/// The sharp bound: `PhiInv(p) / |Sigma^(-1/2) J|_2`.
///
/// No first-order bound that knows the safe set only through p can be better
/// (Neyman-Pearson; half-spaces attain it), and it is never below [`paper`]'s.
/// Conventions as there.
pub fn sharp(p: f64, whitened_jacobian_spectral: f64) -> f64 {
    ratio(p, whitened_jacobian_spectral)
}

fn ratio(p: f64, slope: f64) -> f64 {
    if p <= 0.5 {
        return 0.0;
    }
    let reach = normal_quantile(p);
    if slope == 0.0 && reach > 0.0 { f64::INFINITY } else { reach / slope }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_match_their_formulas() {
        // PhiInv(0.975) = 1.959964
        assert!((paper(0.975, 0.5, 2.0) - 1.959_964 * 0.25).abs() < 1e-6);
        assert!((sharp(0.975, 4.0) - 1.959_964 / 4.0).abs() < 1e-6);
    }

    #[test]
    fn edges_are_honest() {
        assert_eq!(paper(0.5, 1.0, 1.0), 0.0);
        assert_eq!(sharp(0.2, 1.0), 0.0);
        assert_eq!(sharp(1.0, 1.0), f64::INFINITY);
        assert_eq!(sharp(0.9, 0.0), f64::INFINITY);
        assert!(sharp(f64::NAN, 1.0).is_nan());
        assert!(paper(0.9, f64::NAN, 1.0).is_nan());
    }
}
