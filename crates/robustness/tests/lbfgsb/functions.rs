//! Functions to minimise, the same as in `scipy_reference.py`.
//!
//! Least squares from More, Garbow and Hillstrom (ACM Trans. Math. Softw. 7, 1981), the first
//! driver of the original L-BFGS-B, elastic-plastic torsion (More and Toraldo, SIAM J. Optim. 1,
//! 1991), and convex functions of known conditioning.

use std::f64::consts::PI;

/// A function of value and gradient.
pub(crate) type Function = Box<dyn Fn(&[f64]) -> (f64, Vec<f64>)>;

/// A residual with its derivatives by variable.
type Residual = (f64, Vec<(usize, f64)>);

pub(crate) fn sum_of_squares(residuals: fn(&[f64]) -> Vec<Residual>) -> Function {
    Box::new(move |x| {
        let (mut value, mut gradient) = (0.0, vec![0.0; x.len()]);
        for (residual, derivatives) in residuals(x) {
            value += residual * residual;
            for (index, derivative) in derivatives {
                gradient[index] += 2.0 * residual * derivative;
            }
        }
        (value, gradient)
    })
}

pub(crate) fn rosenbrock(x: &[f64]) -> Vec<Residual> {
    (0..x.len() - 1)
        .flat_map(|i| {
            [
                (10.0 * (x[i + 1] - x[i] * x[i]), vec![(i, -20.0 * x[i]), (i + 1, 10.0)]),
                (1.0 - x[i], vec![(i, -1.0)]),
            ]
        })
        .collect()
}

pub(crate) fn driver(x: &[f64]) -> Vec<Residual> {
    let mut residuals = vec![(x[0] - 1.0, vec![(0, 1.0)])];
    for i in 1..x.len() {
        let derivatives = vec![(i, 2.0), (i - 1, -4.0 * x[i - 1])];
        residuals.push((2.0 * (x[i] - x[i - 1] * x[i - 1]), derivatives));
    }
    residuals
}

pub(crate) fn beale(x: &[f64]) -> Vec<Residual> {
    [(1, 1.5), (2, 2.25), (3, 2.625)]
        .map(|(power, y)| {
            let derivatives = vec![
                (0, x[1].powi(power) - 1.0),
                (1, f64::from(power) * x[0] * x[1].powi(power - 1)),
            ];
            (y - x[0] * (1.0 - x[1].powi(power)), derivatives)
        })
        .into()
}

pub(crate) fn powell_singular(x: &[f64]) -> Vec<Residual> {
    let (five, ten) = (5f64.sqrt(), 10f64.sqrt());
    (0..x.len())
        .step_by(4)
        .flat_map(|a| {
            let (b, c, d) = (a + 1, a + 2, a + 3);
            let (inner, outer) = (x[b] - 2.0 * x[c], x[a] - x[d]);
            [
                (x[a] + 10.0 * x[b], vec![(a, 1.0), (b, 10.0)]),
                (five * (x[c] - x[d]), vec![(c, five), (d, -five)]),
                (inner * inner, vec![(b, 2.0 * inner), (c, -4.0 * inner)]),
                (ten * outer * outer, vec![(a, 2.0 * ten * outer), (d, -2.0 * ten * outer)]),
            ]
        })
        .collect()
}

pub(crate) fn wood(x: &[f64]) -> Vec<Residual> {
    let (ninety, ten) = (90f64.sqrt(), 10f64.sqrt());
    vec![
        (10.0 * (x[1] - x[0] * x[0]), vec![(1, 10.0), (0, -20.0 * x[0])]),
        (1.0 - x[0], vec![(0, -1.0)]),
        (ninety * (x[3] - x[2] * x[2]), vec![(3, ninety), (2, -2.0 * ninety * x[2])]),
        (1.0 - x[2], vec![(2, -1.0)]),
        (ten * (x[1] + x[3] - 2.0), vec![(1, ten), (3, ten)]),
        ((x[1] - x[3]) / ten, vec![(1, 1.0 / ten), (3, -1.0 / ten)]),
    ]
}

pub(crate) fn brown_badly_scaled(x: &[f64]) -> Vec<Residual> {
    vec![
        (x[0] - 1e6, vec![(0, 1.0)]),
        (x[1] - 2e-6, vec![(1, 1.0)]),
        (x[0] * x[1] - 2.0, vec![(0, x[1]), (1, x[0])]),
    ]
}

pub(crate) fn trigonometric(x: &[f64]) -> Vec<Residual> {
    let cosines: f64 = x.iter().map(|x| x.cos()).sum();
    let sines: Vec<(usize, f64)> = x.iter().map(|x| x.sin()).enumerate().collect();
    (0..x.len())
        .map(|i| {
            let weight = i as f64 + 1.0;
            let mut derivatives = sines.clone();
            derivatives[i].1 += weight * x[i].sin() - x[i].cos();
            let own = weight * (1.0 - x[i].cos()) - x[i].sin();
            (x.len() as f64 - cosines + own, derivatives)
        })
        .collect()
}

pub(crate) fn variably_dimensioned(x: &[f64]) -> Vec<Residual> {
    let weighted = |factor: f64| (0..x.len()).map(|j| (j, factor * (j as f64 + 1.0))).collect();
    let total: f64 = x.iter().enumerate().map(|(j, x)| (j as f64 + 1.0) * (x - 1.0)).sum();
    let mut residuals: Vec<Residual> =
        x.iter().enumerate().map(|(i, x)| (x - 1.0, vec![(i, 1.0)])).collect();
    residuals.push((total, weighted(1.0)));
    residuals.push((total * total, weighted(2.0 * total)));
    residuals
}

pub(crate) fn penalty(x: &[f64]) -> Vec<Residual> {
    let weight = 1e-5f64.sqrt();
    let mut residuals: Vec<Residual> =
        x.iter().enumerate().map(|(i, x)| (weight * (x - 1.0), vec![(i, weight)])).collect();
    let square: f64 = x.iter().map(|x| x * x).sum();
    residuals.push((square - 0.25, x.iter().map(|x| 2.0 * x).enumerate().collect()));
    residuals
}

pub(crate) fn broyden_tridiagonal(x: &[f64]) -> Vec<Residual> {
    (0..x.len())
        .map(|i| {
            let mut residual = (3.0 - 2.0 * x[i]) * x[i] + 1.0;
            let mut derivatives = vec![(i, 3.0 - 4.0 * x[i])];
            if i > 0 {
                residual -= x[i - 1];
                derivatives.push((i - 1, -1.0));
            }
            if i + 1 < x.len() {
                residual -= 2.0 * x[i + 1];
                derivatives.push((i + 1, -2.0));
            }
            (residual, derivatives)
        })
        .collect()
}

pub(crate) fn discrete_boundary_value(x: &[f64]) -> Vec<Residual> {
    let h = 1.0 / (x.len() as f64 + 1.0);
    (0..x.len())
        .map(|i| {
            let inner = x[i] + (i as f64 + 1.0) * h + 1.0;
            let mut residual = 2.0 * x[i] + h * h * inner.powi(3) / 2.0;
            let mut derivatives = vec![(i, 2.0 + 1.5 * h * h * inner * inner)];
            for j in [i.wrapping_sub(1), i + 1] {
                if j < x.len() {
                    residual -= x[j];
                    derivatives.push((j, -1.0));
                }
            }
            (residual, derivatives)
        })
        .collect()
}

pub(crate) fn box_three(x: &[f64]) -> Vec<Residual> {
    (1..=10)
        .map(|i| {
            let t = 0.1 * f64::from(i);
            let decay = (-t).exp() - (-10.0 * t).exp();
            let (first, second) = ((-t * x[0]).exp(), (-t * x[1]).exp());
            (first - second - x[2] * decay, vec![(0, -t * first), (1, t * second), (2, -decay)])
        })
        .collect()
}

pub(crate) fn helical_valley(x: &[f64]) -> Vec<Residual> {
    let angle = (x[1] / x[0]).atan() / (2.0 * PI) + if x[0] < 0.0 { 0.5 } else { 0.0 };
    let square = x[0] * x[0] + x[1] * x[1];
    let (turn, radius) = (100.0 / (2.0 * PI * square), square.sqrt());
    vec![
        (10.0 * (x[2] - 10.0 * angle), vec![(0, turn * x[1]), (1, -turn * x[0]), (2, 10.0)]),
        (10.0 * (radius - 1.0), vec![(0, 10.0 * x[0] / radius), (1, 10.0 * x[1] / radius)]),
        (x[2], vec![(2, 1.0)]),
    ]
}

pub(crate) fn freudenstein_roth(x: &[f64]) -> Vec<Residual> {
    let y = x[1];
    vec![
        (
            x[0] - 13.0 + ((5.0 - y) * y - 2.0) * y,
            vec![(0, 1.0), (1, 10.0 * y - 3.0 * y * y - 2.0)],
        ),
        (
            x[0] - 29.0 + ((y + 1.0) * y - 14.0) * y,
            vec![(0, 1.0), (1, 3.0 * y * y + 2.0 * y - 14.0)],
        ),
    ]
}

/// A number in [0, 1) for each integer, the same in every language.
fn uniform(k: usize) -> f64 {
    (k as u64 * 2_654_435_761 % (1 << 32)) as f64 / (1u64 << 32) as f64
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `(x - t)' H D H (x - t) / 2` with a reflection H and the eigenvalues 1 to `condition`, evenly
/// in their logarithm.
pub(crate) fn quadratic(size: usize, condition: f64) -> Function {
    let normal: Vec<f64> = (0..size).map(|i| uniform(3 * i + 1) - 0.5).collect();
    let target: Vec<f64> = (0..size).map(|i| 2.0 * uniform(5 * i + 2) - 0.5).collect();
    let reflect = move |x: &[f64]| -> Vec<f64> {
        let along = 2.0 * dot(&normal, x) / dot(&normal, &normal);
        x.iter().zip(&normal).map(|(x, n)| x - along * n).collect()
    };
    Box::new(move |x| {
        let away: Vec<f64> = x.iter().zip(&target).map(|(x, t)| x - t).collect();
        let mut gradient = reflect(&away);
        for (i, entry) in gradient.iter_mut().enumerate() {
            *entry *= condition.powf(i as f64 / (size as f64 - 1.0));
        }
        gradient = reflect(&gradient);
        (0.5 * dot(&away, &gradient), gradient)
    })
}

/// Stress of a bar under torsion on a grid, at most the distance from its boundary.
pub(crate) fn torsion(side: usize) -> Function {
    Box::new(move |x| {
        let load = 5.0 / (side as f64 + 1.0).powi(2);
        let (mut value, mut gradient) = (-load * x.iter().sum::<f64>(), vec![-load; x.len()]);
        // From each point to the next one on the right and below; beyond the edge is zero.
        let at = |row: usize, column: usize| {
            let inside = (1..=side).contains(&row) && (1..=side).contains(&column);
            inside.then(|| (row - 1) * side + column - 1)
        };
        for row in 0..=side {
            for column in 0..=side {
                for (below, right) in [(1, 0), (0, 1)] {
                    let (from, to) = (at(row, column), at(row + below, column + right));
                    let read = |index: Option<usize>| index.map_or(0.0, |index| x[index]);
                    let rise = read(to) - read(from);
                    value += 0.5 * rise * rise;
                    to.into_iter().for_each(|index| gradient[index] += rise);
                    from.into_iter().for_each(|index| gradient[index] -= rise);
                }
            }
        }
        (value, gradient)
    })
}

pub(crate) fn torsion_bound(side: usize) -> impl Fn(usize) -> f64 {
    move |i| {
        let (row, column) = (i / side, i % side);
        let distance = (row + 1).min(column + 1).min(side - row).min(side - column);
        distance as f64 / (side as f64 + 1.0)
    }
}

fn random_rows(rows: usize, size: usize, factor: usize) -> Vec<Vec<f64>> {
    let entry = |k: usize, i: usize| 4.0 * uniform(factor * (k * size + i)) - 2.0;
    (0..rows).map(|k| (0..size).map(|i| entry(k, i)).collect()).collect()
}

pub(crate) fn log_sum_exp(size: usize) -> Function {
    let matrix = random_rows(2 * size, size, 7);
    Box::new(move |x| {
        let exponents: Vec<f64> =
            matrix.iter().enumerate().map(|(k, row)| dot(row, x) + uniform(11 * k + 5)).collect();
        let most = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = exponents.iter().map(|exponent| (exponent - most).exp()).sum();
        let mut gradient: Vec<f64> = x.iter().map(|x| 0.01 * x).collect();
        for (row, exponent) in matrix.iter().zip(&exponents) {
            let weight = (exponent - most).exp() / total;
            gradient.iter_mut().zip(row).for_each(|(entry, row)| *entry += weight * row);
        }
        (most + total.ln() + 0.005 * dot(x, x), gradient)
    })
}

pub(crate) fn logistic_regression(size: usize) -> Function {
    let matrix = random_rows(5 * size, size, 13);
    Box::new(move |x| {
        let (mut value, mut gradient) = (0.5 * dot(x, x), x.to_vec());
        for (k, row) in matrix.iter().enumerate() {
            let label = if uniform(17 * k + 3) < 0.7 { 1.0 } else { -1.0 };
            let margin = label * dot(row, x);
            value += (-margin).exp().ln_1p();
            let pull = label / (1.0 + margin.exp());
            gradient.iter_mut().zip(row).for_each(|(entry, row)| *entry -= pull * row);
        }
        (value, gradient)
    })
}
