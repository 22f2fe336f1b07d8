//! Modularity: does a latent know of one factor only?

use crate::information::mutual_information;
use crate::sample::{Sample, mean};

/// Modularity (Ridgeway and Mozer, NeurIPS 2018): one minus the squared information of a latent about all
/// factors but its best, relative to that about its best for each of them, on average over latents.
/// From 0 to 1.
///
/// Latents that know nothing of any factor count as 0, as in the study of Locatello et al. (2019); but
/// the little that estimates find in noise is spread over all factors with many values, so the
/// modularity of a latent that is off means nothing. NaN if there is a single factor.
pub fn modularity(sample: &Sample) -> f64 {
    let others = sample.factors.len() as f64 - 1.0;
    if others == 0.0 {
        return f64::NAN;
    }
    mean(mutual_information(sample).iter().map(|known| {
        let squares = known.iter().map(|known| known * known);
        let (all, best) = squares.fold((0.0, 0.0_f64), |(all, best), x| (all + x, best.max(x)));
        if best > 0.0 { 1.0 - (all - best) / (best * others) } else { 0.0 }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Kind::Ordered;
    use crate::sample::tests::{close, grid};

    fn score(codes: fn(&[f64]) -> Vec<f64>) -> f64 {
        modularity(&grid(&[4, 4], 1, &[Ordered; 2], codes))
    }

    #[test]
    fn latents_of_one_factor_are_modular_however_many_there_are() {
        close(score(|v| v.to_vec()), 1.0, 1e-12);
        close(score(|v| vec![v[1], -v[0], v[1] * v[1]]), 1.0, 1e-12);
    }

    #[test]
    fn latents_that_know_as_much_of_two_factors_are_not() {
        close(score(|v| vec![v[0] + v[1], v[0] - v[1]]), 0.0, 1e-12);
    }

    #[test]
    fn the_second_factor_counts_by_the_square_of_what_is_known() {
        // Two bits of the first factor and one of the second.
        let mixed = |v: &[f64]| vec![2.0 * v[0] + (v[1] / 2.0).floor()];
        close(score(mixed), 1.0 - 0.25, 1e-12);
    }

    #[test]
    fn latents_that_never_change_count_as_nothing() {
        close(score(|v| vec![v[0], v[1], 0.0, 0.0]), 0.5, 1e-12);
        assert!(modularity(&grid(&[4], 1, &[Ordered], |v| v.to_vec())).is_nan());
    }
}
