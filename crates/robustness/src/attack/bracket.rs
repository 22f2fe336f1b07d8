//! Norms on either side of the one that is looked for.

/// The last norms along a ray at which `P(|Delta| <= r)` was found to be above an aim, and below
/// it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bracket {
    /// Norm and probability.
    shorter: Option<(f64, f64)>,
    pub(super) longer: Option<(f64, f64)>,
}

impl Bracket {
    /// Takes a norm that is too short. If one that was too long is not longer, it is forgotten.
    pub(super) fn too_short(&mut self, norm: f64, p: f64) {
        self.shorter = Some((norm, p));
        self.longer = self.longer.filter(|(longer, _)| *longer > norm);
    }

    /// Takes a norm that is too long, likewise.
    pub(super) fn too_long(&mut self, norm: f64, p: f64) {
        self.longer = Some((norm, p));
        self.shorter = self.shorter.filter(|(shorter, _)| *shorter < norm);
    }

    /// Where the probability is about `aim` if norms on both sides are known: near rest it falls as
    /// the square of the norm.
    pub(super) fn norm_of(&self, aim: f64) -> Option<f64> {
        let ((a, above), (b, below)) = self.shorter.zip(self.longer)?;
        let share = ((above - aim) / (above - below).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        Some((a * a + share * (b * b - a * a)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_found_between_both_sides_only() {
        let mut bracket = Bracket::default();
        assert_eq!(bracket.norm_of(0.5), None);
        bracket.too_short(1.0, 0.9);
        assert_eq!(bracket.norm_of(0.5), None);
        bracket.too_long(2.0, 0.1);
        assert!((bracket.norm_of(0.5).unwrap() - 2.5f64.sqrt()).abs() < 1e-12);
        // What was longer and is not any more is no end.
        bracket.too_short(2.5, 0.6);
        assert_eq!(bracket.norm_of(0.5), None);
        bracket.too_long(3.0, 0.6);
        let norm = bracket.norm_of(0.5).unwrap();
        assert!((2.5..=3.0).contains(&norm), "{norm}");
    }
}
