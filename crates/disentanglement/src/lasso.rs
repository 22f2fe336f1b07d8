//! Lasso regression by coordinate descent, its penalty chosen by cross-validation.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Parts of the rows, each of which is predicted from the others.
const FOLDS: usize = 5;

/// Penalties that are tried, each as many times smaller than the one before; the first is the least
/// that makes all weights 0.
const PENALTIES: usize = 30;
const STEP: f64 = 0.7;

/// Weights have converged when none changes by more than this.
const TOLERANCE: f64 = 1e-9;
const MOST_SWEEPS: usize = 10_000;

/// A column with mean 0 and variance 1; of zeros if it is constant.
pub(crate) fn standardised(column: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut column: Vec<f64> = column.into_iter().collect();
    let rows = column.len() as f64;
    let mean = column.iter().sum::<f64>() / rows;
    column.iter_mut().for_each(|x| *x -= mean);
    let deviation = (column.iter().map(|x| x * x).sum::<f64>() / rows).sqrt();
    // What rounding leaves of a constant.
    let constant = deviation <= 1e-12 * mean.abs();
    column.iter_mut().for_each(|x| *x = if constant { 0.0 } else { *x / deviation });
    column
}

/// Inputs of several regressions, standardised, with their second moments in each fold.
pub(crate) struct Lasso {
    inputs: Vec<Vec<f64>>,
    /// The fold of each row.
    folds: Vec<usize>,
    moments: Vec<Vec<Vec<f64>>>,
}

/// What a regression finds.
pub(crate) struct Fit {
    /// Of each input.
    pub(crate) weights: Vec<f64>,
    /// The share of the output's variance that is predicted in rows held out, at least 0.
    pub(crate) determination: f64,
}

/// Sums of squares and products, divided by the number of rows: `|inputs w - output|^2` is a
/// quadratic function of w.
struct Problem {
    inputs: Vec<Vec<f64>>,
    products: Vec<f64>,
    output: f64,
}

impl Lasso {
    pub(crate) fn new(inputs: Vec<Vec<f64>>) -> Self {
        let rows = inputs.first().map_or(0, Vec::len);
        let mut generator = ChaCha8Rng::seed_from_u64(0);
        let folds: Vec<usize> = (0..rows).map(|_| generator.random_range(0..FOLDS)).collect();
        let product = |a: &[f64], b: &[f64], fold| dot(a, b, &folds, fold);
        let moments = (0..FOLDS)
            .map(|fold| {
                let row = |a: &Vec<f64>| inputs.iter().map(|b| product(a, b, fold)).collect();
                inputs.iter().map(row).collect()
            })
            .collect();
        Self { inputs, folds, moments }
    }

    /// Predicts a standardised output.
    pub(crate) fn fit(&self, output: &[f64]) -> Fit {
        let problems: Vec<Problem> = (0..FOLDS)
            .map(|fold| Problem {
                inputs: self.moments[fold].clone(),
                products: self.inputs.iter().map(|x| dot(x, output, &self.folds, fold)).collect(),
                output: dot(output, output, &self.folds, fold),
            })
            .collect();
        let all = Problem::sum(&problems, None);
        let first = all.products.iter().fold(0.0_f64, |most, product| most.max(product.abs()));
        let penalties: Vec<f64> = (0..PENALTIES).map(|k| first * STEP.powi(k as i32)).collect();
        let mut errors = vec![0.0; PENALTIES];
        for held_out in 0..FOLDS {
            let path = Problem::sum(&problems, Some(held_out)).path(&penalties);
            for (error, weights) in errors.iter_mut().zip(path) {
                *error += problems[held_out].error(&weights);
            }
        }
        // The largest penalty of the least error.
        let best =
            (0..PENALTIES).fold(0, |best, k| if errors[k] < errors[best] { k } else { best });
        let weights = all.path(&penalties[..=best]).pop().unwrap_or_default();
        let determination =
            if all.output > 0.0 { (1.0 - errors[best] / all.output).max(0.0) } else { 0.0 };
        Fit { weights, determination }
    }
}

impl Problem {
    /// All folds together but one.
    fn sum(folds: &[Self], without: Option<usize>) -> Self {
        let size = folds[0].products.len();
        let mut sum =
            Self { inputs: vec![vec![0.0; size]; size], products: vec![0.0; size], output: 0.0 };
        for (_, fold) in folds.iter().enumerate().filter(|(number, _)| Some(*number) != without) {
            for (row, more) in sum.inputs.iter_mut().zip(&fold.inputs) {
                row.iter_mut().zip(more).for_each(|(value, more)| *value += more);
            }
            sum.products.iter_mut().zip(&fold.products).for_each(|(value, more)| *value += more);
            sum.output += fold.output;
        }
        sum
    }

    /// `|inputs w - output|^2`.
    fn error(&self, weights: &[f64]) -> f64 {
        let curvature = self.inputs.iter().zip(weights).map(|(row, w)| w * inner(row, weights));
        curvature.sum::<f64>() - 2.0 * inner(&self.products, weights) + self.output
    }

    /// The minima of `|inputs w - output|^2 / 2 + penalty |w|_1` for falling penalties, each from the
    /// one before (Friedman, Hastie and Tibshirani 2010).
    fn path(&self, penalties: &[f64]) -> Vec<Vec<f64>> {
        let mut weights = vec![0.0; self.products.len()];
        let solve = |&penalty: &f64| {
            for _ in 0..MOST_SWEEPS {
                let mut change = 0.0_f64;
                for (j, row) in self.inputs.iter().enumerate() {
                    let old: f64 = weights[j];
                    let pull = self.products[j] - inner(row, &weights) + row[j] * old;
                    let shrunk = pull.signum() * (pull.abs() - penalty).max(0.0);
                    weights[j] = if row[j] > 0.0 { shrunk / row[j] } else { 0.0 };
                    change = change.max((weights[j] - old).abs());
                }
                if change <= TOLERANCE {
                    break;
                }
            }
            weights.clone()
        };
        penalties.iter().map(solve).collect()
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The sum of products over the rows of a fold, divided by the number of all rows.
fn dot(a: &[f64], b: &[f64], folds: &[usize], fold: usize) -> f64 {
    let rows = a.iter().zip(b).zip(folds).filter(|(_, of)| **of == fold);
    rows.map(|((a, b), _)| a * b).sum::<f64>() / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tests::close;

    fn noise(rows: usize, seed: u64) -> Vec<f64> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        (0..rows).map(|_| generator.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn minima_satisfy_the_conditions_of_optimality() {
        let inputs: Vec<_> = (0..4).map(|k| standardised(noise(300, k))).collect();
        let mixed = (0..300).map(|i| inputs[0][i] - 0.4 * inputs[2][i] + 0.1 * noise(300, 9)[i]);
        let output = standardised(mixed);
        let lasso = Lasso::new(inputs);
        let problem = Problem::sum(
            &(0..FOLDS)
                .map(|fold| Problem {
                    inputs: lasso.moments[fold].clone(),
                    products: lasso
                        .inputs
                        .iter()
                        .map(|x| dot(x, &output, &lasso.folds, fold))
                        .collect(),
                    output: dot(&output, &output, &lasso.folds, fold),
                })
                .collect::<Vec<_>>(),
            None,
        );
        for penalty in [0.5, 0.1, 0.01] {
            let weights = problem.path(&[penalty]).remove(0);
            for (j, row) in problem.inputs.iter().enumerate() {
                // The gradient is the penalty with the sign of the weight, and within it at 0.
                let pull = problem.products[j] - inner(row, &weights);
                if weights[j] == 0.0 {
                    assert!(pull.abs() <= penalty + 1e-7, "{pull} {penalty}");
                } else {
                    close(pull, penalty * weights[j].signum(), 1e-7);
                }
            }
        }
    }

    #[test]
    fn one_input_is_shrunk_by_the_penalty() {
        let x = standardised(noise(200, 3));
        let problem = Problem { inputs: vec![vec![1.0]], products: vec![0.8], output: 1.0 };
        for (penalty, expected) in [(0.0, 0.8), (0.3, 0.5), (0.9, 0.0)] {
            close(problem.path(&[penalty])[0][0], expected, 1e-12);
            close(problem.error(&[expected]), 1.0 + expected * expected - 1.6 * expected, 1e-12);
        }
        let fit = Lasso::new(vec![x.clone(), vec![0.0; 200]]).fit(&x);
        close(fit.weights[0], 1.0, 1e-3);
        assert_eq!(fit.weights[1], 0.0);
        close(fit.determination, 1.0, 1e-6);
    }

    #[test]
    fn constants_are_zeros() {
        assert_eq!(standardised([0.1; 7]), [0.0; 7]);
        assert_eq!(standardised([0.0, 2.0]), [-1.0, 1.0]);
    }
}
