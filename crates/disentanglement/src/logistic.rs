//! Multinomial logistic regression: a linear classifier.

/// Of half the squared weights, so that classes which a plane separates have a solution, too.
const PENALTY: f64 = 1e-4;

const STEPS: usize = 2000;

/// A classifier with a row of weights for each class, the last of which belongs to 1.
pub(crate) struct Logistic {
    /// Mean and standard deviation of each input, which it is brought to 0 and 1 by.
    scales: Vec<(f64, f64)>,
    weights: Vec<Vec<f64>>,
}

impl Logistic {
    /// Minimises the mean of minus log-likelihood, penalised, by accelerated gradients (Nesterov 1983).
    pub(crate) fn fit(examples: &[(Vec<f64>, usize)], classes: usize) -> Self {
        let count = examples.len() as f64;
        let scale = |j: usize| {
            let mean = examples.iter().map(|(x, _)| x[j]).sum::<f64>() / count;
            let variance = examples.iter().map(|(x, _)| (x[j] - mean).powi(2)).sum::<f64>() / count;
            // What never changes says nothing.
            (mean, if variance > 1e-20 * mean * mean { variance.sqrt() } else { f64::INFINITY })
        };
        let scales: Vec<_> = (0..examples[0].0.len()).map(scale).collect();
        let inputs: Vec<Vec<f64>> = examples.iter().map(|(x, _)| scaled(x, &scales)).collect();
        // The curvature of the loss is at most half the mean square of inputs.
        let squares = inputs.iter().flatten().map(|x| x * x).sum::<f64>() / count;
        let step = 1.0 / (squares / 2.0 + PENALTY);
        let mut weights = vec![vec![0.0; scales.len() + 1]; classes];
        let mut before = weights.clone();
        for k in 0..STEPS {
            let momentum = k as f64 / (k as f64 + 3.0);
            let ahead: Vec<Vec<f64>> = weights
                .iter()
                .zip(&before)
                .map(|(now, old)| {
                    now.iter().zip(old).map(|(w, o)| w + momentum * (w - o)).collect()
                })
                .collect();
            before = weights;
            weights = ahead.clone();
            for (x, (_, class)) in inputs.iter().zip(examples) {
                let probabilities = softmax(&ahead, x);
                for (c, (row, p)) in weights.iter_mut().zip(probabilities).enumerate() {
                    let slope = (p - f64::from(u8::from(c == *class))) / count;
                    row.iter_mut().zip(x).for_each(|(w, x)| *w -= step * slope * x);
                }
            }
            for (w, a) in weights.iter_mut().flatten().zip(ahead.iter().flatten()) {
                *w -= step * PENALTY * a;
            }
        }
        Self { scales, weights }
    }

    /// The most probable class.
    pub(crate) fn class(&self, x: &[f64]) -> usize {
        let probabilities = softmax(&self.weights, &scaled(x, &self.scales));
        let most = |a: &usize, b: &usize| probabilities[*a].total_cmp(&probabilities[*b]);
        (0..probabilities.len()).max_by(most).unwrap_or(0)
    }
}

/// Inputs of mean 0 and variance 1, and a 1.
fn scaled(x: &[f64], scales: &[(f64, f64)]) -> Vec<f64> {
    let scaled = x.iter().zip(scales).map(|(x, (mean, deviation))| (x - mean) / deviation);
    scaled.chain([1.0]).collect()
}

fn softmax(weights: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let logit = |row: &Vec<f64>| row.iter().zip(x).map(|(w, x)| w * x).sum();
    let logits: Vec<f64> = weights.iter().map(logit).collect();
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let likelihoods: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f64 = likelihoods.iter().sum();
    likelihoods.into_iter().map(|likelihood| likelihood / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tests::close;

    #[test]
    fn probabilities_of_a_saturated_model_are_shares() {
        // Two inputs and two classes: the likelihood is largest at the shares of classes.
        let example = |x: f64, class, times| vec![(vec![x], class); times];
        let examples =
            [example(0.0, 0, 30), example(0.0, 1, 10), example(5.0, 0, 8), example(5.0, 1, 32)]
                .concat();
        let fitted = Logistic::fit(&examples, 2);
        for (x, share) in [(0.0, 0.75), (5.0, 0.2)] {
            close(softmax(&fitted.weights, &scaled(&[x], &fitted.scales))[0], share, 1e-3);
        }
    }

    #[test]
    fn planes_separate_classes_of_any_scale() {
        let examples: Vec<_> = (0..90)
            .map(|k| {
                (
                    vec![1e-3 * (k % 3) as f64 + 1e-5 * (k % 7) as f64, 4.0, 1e3 * (k % 2) as f64],
                    k % 3,
                )
            })
            .collect();
        let fitted = Logistic::fit(&examples, 3);
        let right = examples.iter().filter(|(x, class)| fitted.class(x) == *class).count();
        assert_eq!(right, 90);
    }
}
