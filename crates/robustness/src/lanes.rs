//! Sums over the entries of rows, in lanes that a processor adds at once.

const LANES: usize = 16;

/// The sum of what `term` makes of the entries of two rows of the same length.
#[inline]
pub(crate) fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, rest), (b, other)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest = rest.iter().zip(other).map(|(&a, &b)| term(a, b)).sum::<f32>();
    rest + sums.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_are_summed() {
        for length in [0, 1, 15, 16, 17, 100] {
            let a: Vec<f32> = (0..length).map(|k| (k % 7) as f32 - 2.0).collect();
            let b: Vec<f32> = (0..length).map(|k| (k % 5) as f32 * 0.5).collect();
            let exact: f32 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
            let found = sum(&a, &b, |a, b| (a - b) * (a - b));
            assert!((found - exact).abs() <= 1e-6 * exact, "{length}: {found} {exact}");
        }
    }
}
