//! A test of a mean by betting, valid whenever it is stopped [Waudby-Smith & Ramdas 2024].
//!
//! Against the hypothesis that independent `x_1, x_2, ...` have no positive mean, a gambler
//! stakes a fraction of the wealth on each: it is multiplied by `1 + lambda x_i`, with
//! `lambda` chosen from the past. Under the hypothesis the wealth is a supermartingale that
//! starts at 1, so it ever reaches `1/alpha` with a probability of at most alpha (Ville 1939),
//! whatever the variables' distribution, as long as `1 + lambda x_i` stays positive.
//!
//! The best stake is about mean over variance (Kelly 1956), with which `2 ln(1/alpha)
//! variance / mean^2` variables decide: for a coin as many as an exact test needs, and fewer
//! for variables of smaller variance.

/// Shares that one variable may lose under the gamblers who do not learn.
const FIXED_STAKES: [f64; 4] = [0.9, 0.5, 0.2, 0.08];

/// Variables that what is expected counts for, against those seen.
const PRIOR_WEIGHT: f64 = 64.0;

/// A test of the hypothesis that variables have no positive mean.
#[derive(Debug, Clone)]
pub struct BettingTest {
    /// No variable is below minus this.
    most_loss: f64,
    /// Logarithm of the learning gambler's wealth.
    learning: f64,
    /// Logarithms of the others'.
    fixed: [f64; FIXED_STAKES.len()],
    /// Largest logarithm of the wealth of all together so far.
    best: f64,
    /// Sums of the variables and of their squares, with what was expected of them.
    count: f64,
    sum: f64,
    squares: f64,
}

impl BettingTest {
    /// The largest share of the wealth that one variable may lose.
    pub const MOST_AT_STAKE: f64 = 0.9;

    /// A test of variables that are at least `-most_loss`. What they are expected to be like
    /// decides how soon the test ends, never whether it is right.
    pub fn new(most_loss: f64, expected_mean: f64, expected_variance: f64) -> Self {
        Self {
            most_loss,
            learning: 0.0,
            fixed: [0.0; FIXED_STAKES.len()],
            best: 0.0,
            count: PRIOR_WEIGHT,
            sum: PRIOR_WEIGHT * expected_mean,
            squares: PRIOR_WEIGHT * (expected_variance + expected_mean * expected_mean),
        }
    }

    /// Bets on one more variable.
    pub fn observe(&mut self, x: f64) {
        debug_assert!(x >= -self.most_loss * (1.0 + 1e-12));
        let mean = self.sum / self.count;
        let share =
            (mean / (self.squares / self.count) * self.most_loss).clamp(0.0, Self::MOST_AT_STAKE);
        let gain = x / self.most_loss;
        self.learning += (share * gain).ln_1p();
        for (wealth, share) in self.fixed.iter_mut().zip(FIXED_STAKES) {
            *wealth += (share * gain).ln_1p();
        }
        self.count += 1.0;
        self.sum += x;
        self.squares += x * x;
        // Half of the wealth is with the learning gambler, the rest with the others.
        let others = self.fixed.iter().map(|wealth| wealth.exp()).sum::<f64>();
        let total = 0.5 * self.learning.exp() + 0.5 * others / FIXED_STAKES.len() as f64;
        self.best = self.best.max(total.ln());
    }

    /// The smallest error probability at which the hypothesis is rejected so far.
    pub fn p_value(&self) -> f64 {
        (-self.best).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn uniform(generator: &mut rand_chacha::ChaCha8Rng) -> f64 {
        (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn it_errs_as_rarely_as_it_claims_however_long_it_goes_on() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (runs, alpha) = (3_000, 0.05);
        // Mean 0 exactly: a coin, and a skewed variable.
        let skewed = [(0.9, 0.1), (-0.1, 0.9)];
        let coin = [(0.5, 0.5), (-0.5, 0.5)];
        for outcomes in [skewed, coin] {
            let mut rejected = 0;
            for _ in 0..runs {
                let mut test = BettingTest::new(0.5, 0.02, 0.1);
                for _ in 0..600 {
                    let [(a, p), (b, _)] = outcomes;
                    test.observe(if uniform(&mut generator) < p { a } else { b });
                }
                rejected += u32::from(test.p_value() <= alpha);
            }
            let most = alpha * f64::from(runs) + 3.0 * (f64::from(runs) * alpha).sqrt();
            assert!(f64::from(rejected) <= most, "{rejected} of {runs}");
            // Nor is it so cautious that it would never reject.
            assert!(rejected > 10, "{rejected}");
        }
    }

    #[test]
    fn it_ends_about_when_kelly_says() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let (mean, alpha) = (0.03, 1e-4f64);
        let kelly = 2.0 * (1.0 / alpha).ln() * 0.25 / (mean * mean);
        let mut total = 0.0;
        for _ in 0..50 {
            let mut test = BettingTest::new(0.5, mean, 0.25);
            let mut count = 0;
            while test.p_value() > alpha && count < 100_000 {
                let heads = uniform(&mut generator) < 0.5 + mean;
                test.observe(if heads { 0.5 } else { -0.5 });
                count += 1;
            }
            total += f64::from(count);
        }
        let ratio = total / 50.0 / kelly;
        assert!((0.5..1.6).contains(&ratio), "{ratio}");
    }

    #[test]
    fn certain_gains_end_it_at_once() {
        let mut test = BettingTest::new(0.5, 0.0, 0.25);
        for _ in 0..20 {
            test.observe(0.5);
        }
        assert!(test.p_value() < 1e-4, "{}", test.p_value());
    }
}
