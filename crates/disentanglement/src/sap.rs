//! SAP: how well does a single latent predict a factor?

use crate::sample::{Factor, Kind, Sample, gap, mean};

/// SAP, the separated attribute predictability (Kumar, Sattigeri and Balakrishnan, ICLR 2018): how much
/// better the best latent predicts a factor than the second, on average over factors. From 0 to 1.
///
/// An ordered factor is predicted by a line, scored by R^2. A categorical one is predicted by thresholds
/// between its values, in the order of their means, that make balanced accuracy (the mean over values
/// of the share that is recognised) as large as can be. As the worst balanced accuracy of
/// n values is 1/n, their gap is at most 1 - 1/n.
pub fn separated_attribute_predictability(sample: &Sample) -> f64 {
    let of_factor = |factor: &Factor| {
        gap(sample.latents.iter().map(|latent| match factor.kind {
            Kind::Ordered => determination(latent, &factor.values),
            Kind::Categorical => balanced_accuracy(latent, factor),
        }))
    };
    mean(sample.factors.iter().map(of_factor))
}

/// R^2 of the line through values over a latent: their squared correlation, 0 if either is
/// constant.
fn determination(latent: &[f64], values: &[usize]) -> f64 {
    let values: Vec<f64> = values.iter().map(|&value| value as f64).collect();
    let centred = |numbers: &[f64]| -> Vec<f64> {
        let mean = mean(numbers.iter().copied());
        numbers.iter().map(|number| number - mean).collect()
    };
    let (x, y) = (centred(latent), centred(&values));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let variances = dot(&x, &x) * dot(&y, &y);
    if variances > 0.0 { dot(&x, &y).powi(2) / variances } else { 0.0 }
}

/// The largest balanced accuracy of thresholds on a latent.
fn balanced_accuracy(latent: &[f64], factor: &Factor) -> f64 {
    let mut counts = vec![0.0; factor.count];
    let mut means = vec![0.0; factor.count];
    for (code, &class) in latent.iter().zip(&factor.classes) {
        counts[class] += 1.0;
        means[class] += code;
    }
    let mut classes: Vec<usize> = (0..factor.count).filter(|&class| counts[class] > 0.0).collect();
    classes.sort_by(|&a, &b| (means[a] / counts[a]).total_cmp(&(means[b] / counts[b])));
    let mut order: Vec<usize> = (0..latent.len()).collect();
    order.sort_by(|&a, &b| latent[a].total_cmp(&latent[b]));
    // best[c]: of all rows so far, with the last of them predicted as class c or one before it. Rows
    // of the same code get the same prediction.
    let mut best = vec![0.0_f64; classes.len()];
    for ties in order.chunk_by(|&a, &b| latent[a] == latent[b]) {
        for (reached, &class) in best.iter_mut().zip(&classes) {
            let right = ties.iter().filter(|&&row| factor.classes[row] == class).count();
            *reached += right as f64 / (counts[class] * classes.len() as f64);
        }
        (1..best.len()).for_each(|c| best[c] = best[c].max(best[c - 1]));
    }
    best.last().copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Kind::{Categorical, Ordered};
    use crate::sample::tests::{close, drawn, grid};

    #[test]
    fn one_latent_for_each_factor_has_the_largest_gap() {
        let kinds = [Ordered, Categorical];
        let score = |codes: fn(&[f64]) -> Vec<f64>| {
            separated_attribute_predictability(&grid(&[5, 3], 2, &kinds, codes))
        };
        let largest = (1.0 + 2.0 / 3.0) / 2.0;
        close(score(|v| v.to_vec()), largest, 1e-12);
        // Classes are recognised in whatever order.
        close(score(|v| vec![(v[1] - 1.0).abs() * (v[1] - 0.5), 2.0 - v[0], 0.0]), largest, 1e-12);
    }

    #[test]
    fn copies_and_rotations_leave_no_gap() {
        for codes in [
            |v: &[f64]| vec![v[0] + v[1], v[0] - v[1]],
            |v: &[f64]| vec![v[0], -v[0], v[1], 2.0 * v[1]],
        ] {
            let sample = grid(&[6, 6], 1, &[Ordered, Categorical], codes);
            close(separated_attribute_predictability(&sample), 0.0, 1e-12);
        }
    }

    #[test]
    fn lines_and_thresholds_are_scored_by_closed_forms() {
        // The variance of 0..n is (n^2 - 1) / 12.
        let sum = grid(&[3, 9], 1, &[Ordered, Ordered], |v| vec![v[0] + v[1]]);
        let expected = (8.0 / 88.0 + 80.0 / 88.0) / 2.0;
        close(separated_attribute_predictability(&sum), expected, 1e-12);
        // Of six classes, a latent that knows halves recognises one in each half.
        let half = |v: &[f64]| vec![(v[0] / 3.0).floor(), 0.0];
        let halves = grid(&[6], 4, &[Categorical], half);
        close(separated_attribute_predictability(&halves), 2.0 / 6.0 - 1.0 / 6.0, 1e-12);
    }

    #[test]
    fn noise_has_next_to_no_gap() {
        let sample = drawn(20_000, 2, &[4, 6], |_, noise| (0..5).map(|_| noise()).collect());
        assert!(separated_attribute_predictability(&sample) < 1e-3);
    }
}
