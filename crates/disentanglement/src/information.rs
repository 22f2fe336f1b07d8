//! Mutual information between latents and factors, and its gap.

use crate::sample::{Sample, gap, mean};

/// Bins of a latent, of one width between its extremes (Locatello et al., ICML 2019).
const BINS: usize = 20;

/// MIG, the mutual information gap (Chen, Li, Grosse and Duvenaud, NeurIPS 2018): how much more the most
/// informative latent knows of a factor than the second, as a share of the factor's entropy, on
/// average over factors. From 0 to 1.
///
/// Mutual information is that of histograms with 20 bins, as in the study of Locatello et al.
/// (2019), so it needs many more rows than bins times values of a factor.
pub fn mutual_information_gap(sample: &Sample) -> f64 {
    let information = mutual_information(sample);
    mean(sample.factors.iter().enumerate().filter_map(|(k, factor)| {
        let entropy = entropy(&factor.classes, factor.count);
        (entropy > 0.0).then(|| gap(information.iter().map(|row| row[k])) / entropy)
    }))
}

/// Mutual information between each latent and each factor, in nats: latents x factors.
pub(crate) fn mutual_information(sample: &Sample) -> Vec<Vec<f64>> {
    let of_latent = |column: &Vec<f64>| {
        let bins = binned(column);
        let with = |factor: &crate::sample::Factor| joint(&bins, &factor.classes, factor.count);
        sample.factors.iter().map(with).collect()
    };
    sample.latents.iter().map(of_latent).collect()
}

/// The bin of each number; one bin if they are all the same.
fn binned(column: &[f64]) -> Vec<usize> {
    let low = column.iter().copied().fold(f64::INFINITY, f64::min);
    let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bin = |&x: &f64| ((x - low) / (high - low) * BINS as f64) as usize;
    // Not a number where all are the same, which is bin 0.
    column.iter().map(|x| bin(x).min(BINS - 1)).collect()
}

/// Mutual information of bins and classes.
fn joint(bins: &[usize], classes: &[usize], count: usize) -> f64 {
    let both: Vec<usize> =
        bins.iter().zip(classes).map(|(bin, class)| bin * count + class).collect();
    let information = entropy(bins, BINS) + entropy(classes, count) - entropy(&both, BINS * count);
    information.max(0.0)
}

/// The entropy of classes below `count`, in nats.
fn entropy(classes: &[usize], count: usize) -> f64 {
    let mut counts = vec![0_u32; count];
    classes.iter().for_each(|&class| counts[class] += 1);
    let share = |&count: &u32| f64::from(count) / classes.len() as f64;
    -counts.iter().map(share).filter(|&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Kind::Ordered;
    use crate::sample::tests::{close, drawn, grid};

    #[test]
    fn one_latent_for_each_factor_is_perfect_in_any_order_and_unit() {
        let score = |codes: fn(&[f64]) -> Vec<f64>| {
            mutual_information_gap(&grid(&[4, 6, 10], 1, &[Ordered; 3], codes))
        };
        close(score(|v| v.to_vec()), 1.0, 1e-12);
        close(score(|v| vec![v[2], -3.0 * v[0], 0.0, v[1] + 7.0]), 1.0, 1e-12);
    }

    #[test]
    fn what_a_second_latent_knows_counts_against() {
        // It knows one of two bits.
        let half = |v: &[f64]| vec![v[0], (v[0] / 2.0).floor(), 0.0];
        close(mutual_information_gap(&grid(&[4], 3, &[Ordered], half)), 0.5, 1e-12);
        let twice = |v: &[f64]| vec![v[0], v[1], -v[1], -v[0]];
        close(mutual_information_gap(&grid(&[4, 5], 1, &[Ordered; 2], twice)), 0.0, 1e-12);
    }

    #[test]
    fn a_rotation_by_45_degrees_leaves_no_gap() {
        let turned = |v: &[f64]| vec![v[0] + v[1], v[0] - v[1]];
        close(mutual_information_gap(&grid(&[8, 8], 1, &[Ordered; 2], turned)), 0.0, 1e-12);
    }

    #[test]
    fn noise_has_next_to_no_gap() {
        let sample = drawn(20_000, 1, &[4, 6], |_, noise| (0..5).map(|_| noise()).collect());
        assert!(mutual_information_gap(&sample) < 1e-3);
        assert!(mutual_information(&sample).iter().flatten().all(|&known| known < 5e-3));
    }

    #[test]
    fn information_is_that_of_a_noisy_channel() {
        // A bit that is turned over in a quarter of all rows.
        let channel = |v: &[f64]| vec![if v[1] == 0.0 { 1.0 - v[0] } else { v[0] }];
        let known = mutual_information(&grid(&[2, 4], 1, &[Ordered; 2], channel));
        let capacity = 2_f64.ln() + 0.25 * 0.25_f64.ln() + 0.75 * 0.75_f64.ln();
        close(known[0][0], capacity, 1e-12);
        close(known[0][1], 0.0, 1e-12);
    }
}
