//! Directions by their angle with an axis.
//!
//! What a shift costs depends on its direction, and moments of an event differ as much: in the worst
//! direction of all is too much for most others. So the unit vectors u are cut into sectors, all u
//! with `u'a` between two cosines, a being a unit vector; and of a vector y and a symmetric matrix H
//! it is told how large `u'y` and `u'Hu` can be in each.
//!
//! **`u'y`** is `a'y cos(t) + |y - a a'y| sin(t)` at most at the angle t, which is largest where y
//! itself points, and falls on both sides.
//!
//! **`u'Hu`**, with `u = c a + s w`, `g` and `B` the parts of `Ha` and H across the axis: for any l
//! above all eigenvalues of B
//!
//! ```text
//! u'Hu = c^2 a'Ha + 2 c s g'w + s^2 w'Bw  <=  c^2 (a'Ha + g'(l - B)^(-1) g) + s^2 l,
//! ```
//!
//! as the difference is a square. It is linear in `c^2`, so largest at an end of the sector; and the
//! best l reaches the truth (the dual of a quadratic form on a sphere with one more constraint).

use nalgebra::{DMatrix, DVector};

/// Sectors between the axis and its opposite.
const SECTORS: usize = 24;
/// Relative allowance for rounding in sums of moments and in eigenvalues.
const ROUNDING: f64 = 1e-9;
/// How near to an eigenvalue, relative to the matrix, its dual variable may be.
const NEAR: f64 = 1e-6;
/// Steps of the search for the best dual variable. Any would do.
const STEPS: usize = 40;

/// Sets of directions that together are all.
#[derive(Debug, Clone, PartialEq)]
pub struct Sectors {
    /// None where all directions are one sector.
    axis: Option<DVector<f64>>,
}

impl Sectors {
    /// All directions as one.
    pub fn whole() -> Self {
        Self { axis: None }
    }

    /// By the angle with a unit vector.
    pub fn about(axis: &[f64]) -> Self {
        Self { axis: Some(DVector::from_column_slice(axis)) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        if self.axis.is_some() { SECTORS } else { 1 }
    }

    /// How many differ by more than the sign of their directions.
    pub(super) fn pairs(&self) -> usize {
        self.count().div_ceil(2)
    }

    /// The cosines of the angles with the axis, from the least to the largest, of neighbouring
    /// sectors together.
    pub fn cosines(&self, sectors: std::ops::Range<usize>) -> [f64; 2] {
        // Exact at both ends.
        let cosine = |edge: usize| match edge {
            0 => 1.0,
            edge if edge == self.count() => -1.0,
            edge => (std::f64::consts::PI * edge as f64 / self.count() as f64).cos(),
        };
        [cosine(sectors.end), cosine(sectors.start)]
    }

    /// The largest `u'y` of each sector, or more.
    pub(crate) fn largest(&self, y: &DVector<f64>) -> Vec<f64> {
        let length = y.norm();
        let rounding = ROUNDING * length;
        let Some(axis) = &self.axis else { return vec![length + rounding] };
        let along = axis.dot(y);
        let across = (y - axis * along).norm();
        self.largest_of(along, across).into_iter().map(|largest| largest + rounding).collect()
    }

    /// Of a vector with these parts along the axis and across it.
    fn largest_of(&self, along: f64, across: f64) -> Vec<f64> {
        let length = along.hypot(across);
        let largest = |sector: usize| {
            let [low, high] = self.cosines(sector..sector + 1);
            let at =
                |cosine: f64| along * cosine + across * (1.0 - cosine * cosine).max(0.0).sqrt();
            let inside = low * length <= along && along <= high * length;
            if inside { length } else { at(low).max(at(high)) }
        };
        (0..self.count()).map(largest).collect()
    }

    /// The largest `u'Hu` of each sector, or more, of a symmetric matrix of which the lower triangle
    /// is given. Across an axis at least 0.
    pub(crate) fn largest_forms(&self, matrix: &DMatrix<f64>) -> Vec<f64> {
        let rounding = ROUNDING * (1.0 + matrix.norm());
        let Some(axis) = &self.axis else {
            let eigenvalues = matrix.clone().symmetric_eigenvalues();
            return vec![eigenvalues.iter().copied().fold(-1.0, f64::max) + rounding];
        };
        let mut whole = matrix.clone();
        whole.fill_upper_triangle_with_lower_triangle();
        let image = &whole * axis;
        let along = axis.dot(&image);
        let g = &image - axis * along;
        // B = H - a g' - g a' - (a'Ha) a a', in which the axis itself has the eigenvalue 0.
        let mixed = axis * g.transpose();
        let across = whole - &mixed - mixed.transpose() - axis * axis.transpose() * along;
        let eigen = across.symmetric_eigen();
        let parts = eigen.eigenvectors.tr_mul(&g);
        let top = eigen.eigenvalues.iter().copied().fold(0.0, f64::max);
        let scale = 1.0 + matrix.norm();
        let dual = |l: f64| {
            let each = parts.iter().zip(eigen.eigenvalues.iter());
            along + each.map(|(part, value)| part * part / (l - value)).sum::<f64>()
        };
        let largest = |sector: usize| {
            let squares = self.cosines(sector..sector + 1).map(|cosine| cosine * cosine);
            // No sector has both signs inside.
            let bound = |x: f64| {
                let l = top + scale * x.exp();
                let dual = dual(l);
                let at = |square: f64| square * dual + (1.0 - square) * l;
                at(squares[0]).max(at(squares[1]))
            };
            golden(bound, NEAR.ln(), 1.0, STEPS) + rounding
        };
        let half: Vec<f64> = (0..self.pairs()).map(largest).collect();
        let opposite = half.iter().rev().skip(self.count() % 2).copied();
        half.iter().copied().chain(opposite).collect()
    }

    /// What [`largest`](Self::largest) may be near to of the vector that y estimates, if each entry of
    /// y has this variance: without what that adds to lengths. No bound.
    pub(super) fn guess(&self, y: &DVector<f64>, variance: f64) -> Vec<f64> {
        let without =
            |square: f64, entries: usize| (square - entries as f64 * variance).max(0.0).sqrt();
        let entries = y.len();
        let Some(axis) = &self.axis else { return vec![without(y.norm_squared(), entries)] };
        let along = axis.dot(y);
        let across = without((y - axis * along).norm_squared(), entries - 1);
        self.largest_of(along, across)
    }
}

/// The least value that a golden-section search sees.
pub(super) fn golden(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64, steps: usize) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_894_8;
    let (mut a, mut b) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    let mut best = at_a.min(at_b);
    for _ in 0..steps {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - RATIO * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + RATIO * (high - low);
            at_b = f(b);
        }
        best = best.min(at_a).min(at_b);
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// No direction exceeds what its sector says; and some reach it.
        #[test]
        fn sectors_bound_their_directions(
            entries in prop::array::uniform32(-1.0..1.0_f64), axis in prop::array::uniform4(-1.0..1.0_f64),
            seeds in prop::collection::vec(prop::array::uniform4(-1.0..1.0_f64), 4_000),
        ) {
            let axis = DVector::from_column_slice(&axis);
            prop_assume!(axis.norm() > 0.1);
            let axis = axis.normalize();
            let y = DVector::from_column_slice(&entries[..4]);
            let matrix = DMatrix::from_fn(4, 4, |i, j| entries[4 + 4 * i.max(j) + i.min(j)]);
            let sectors = Sectors::about(axis.as_slice());
            let (means, forms) = (sectors.largest(&y), sectors.largest_forms(&matrix));
            prop_assert_eq!([means.len(), forms.len()], [SECTORS; 2]);
            let mut reached = [vec![f64::NEG_INFINITY; SECTORS], vec![f64::NEG_INFINITY; SECTORS]];
            for (count, seed) in seeds.iter().enumerate() {
                let w = DVector::from_column_slice(seed);
                let w = &w - &axis * axis.dot(&w);
                prop_assume!(w.norm() > 1e-3);
                let angle = std::f64::consts::PI * (count as f64 + 0.5) / seeds.len() as f64;
                let u = &axis * angle.cos() + w.normalize() * angle.sin();
                let sector = (0..SECTORS)
                    .find(|&k| {
                        let [low, high] = sectors.cosines(k..k + 1);
                        low <= angle.cos() && angle.cos() <= high
                    })
                    .expect("in one of them");
                let (mean, form) = (u.dot(&y), u.dot(&(&matrix * &u)));
                prop_assert!(mean <= means[sector] && form <= forms[sector]);
                reached[0][sector] = reached[0][sector].max(mean);
                reached[1][sector] = reached[1][sector].max(form);
            }
            for sector in 0..SECTORS {
                prop_assert!(reached[0][sector] > means[sector] - 0.3);
                prop_assert!(forms[sector] < 1e-3 || reached[1][sector] > forms[sector] - 0.6);
            }
            let whole = Sectors::whole();
            let most = |all: &[f64]| all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((most(&means) - whole.largest(&y)[0]).abs() < 1e-6);
            let top = whole.largest_forms(&matrix)[0];
            prop_assert!(top < 0.0 || (most(&forms) - top).abs() < 1e-4, "{} {top}", most(&forms));
        }
    }

    /// Where the form is known by heart: along the axis, across it, and in between.
    #[test]
    fn forms_of_a_plane_are_exact() {
        let sectors = Sectors::about(&[1.0, 0.0]);
        for (along, across, mixed) in [(2.0, 1.0, 0.0), (0.3, 0.9, 0.4), (1.0, 0.5, -0.7)] {
            let matrix = DMatrix::from_row_slice(2, 2, &[along, mixed, mixed, across]);
            let found = sectors.largest_forms(&matrix);
            for (sector, found) in found.into_iter().enumerate() {
                let [low, high] = sectors.cosines(sector..sector + 1).map(f64::acos);
                let form = |angle: f64| {
                    let (s, c) = angle.sin_cos();
                    c * c * along + s * s * across + (2.0 * s * c * mixed).abs()
                };
                let at = |step: usize| form(high + (low - high) * step as f64 / 1_000.0);
                let exact = (0..=1_000).map(at).fold(0.0, f64::max);
                assert!(found >= exact && found < exact + 1e-4, "{sector}: {found}, truly {exact}");
            }
        }
    }

    #[test]
    fn sectors_are_all_directions() {
        let sectors = Sectors::about(&[0.6, 0.8]);
        assert_eq!(sectors.cosines(0..sectors.count()), [-1.0, 1.0]);
        for sector in 1..sectors.count() {
            let [before, after] = [sector - 1, sector].map(|k| sectors.cosines(k..k + 1));
            assert_eq!(before[0], after[1]);
        }
        assert_eq!(Sectors::whole().cosines(0..1), [-1.0, 1.0]);
    }

    /// What noise adds to the length of a mean is taken off a guess, in the same directions.
    #[test]
    fn guesses_are_near_without_noise() {
        let sectors = Sectors::about(&[1.0, 0.0, 0.0]);
        let y = DVector::from_column_slice(&[0.1, 0.3, 0.0]);
        let [exact, less] = [0.0, 0.02].map(|variance| sectors.guess(&y, variance));
        let pairs = exact.iter().zip(sectors.largest(&y));
        assert!(pairs.clone().all(|(guess, largest)| (guess - largest).abs() < 1e-8));
        assert!(less.iter().zip(&exact).all(|(less, exact)| less <= exact) && less != exact);
        assert!((Sectors::whole().guess(&y, 0.02)[0] - 0.04_f64.sqrt()).abs() < 1e-12);
    }
}
