//! Mixtures whose divergences are known.

use super::*;
use crate::sample::tests::close;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Standard normal numbers, by Box and Muller.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut unit = || 1.0 - generator.random_range(0.0..1.0_f64);
    (0..count)
        .map(|_| ((-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos()) as f32)
        .collect()
}

fn aggregate(posteriors: &Posteriors, draws: usize) -> Aggregate {
    // Limits that a test of a hundred numbers may rely on.
    let eta = noise(draws * posteriors.latents.len(), 3);
    posteriors.aggregate(&eta, 1.0 - 1e-6).unwrap()
}

fn mean_rate(posteriors: &Posteriors) -> f64 {
    posteriors.rates().iter().sum::<f64>() / posteriors.rows as f64
}

/// Means and spreads like those of a VAE, the last latent collapsed.
fn arbitrary(rows: usize, latents: usize, seed: u64) -> Posteriors {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let (mut mu, mut sigma) = (vec![], vec![]);
    for _ in 0..rows {
        for latent in 0..latents {
            let off = latent + 1 == latents;
            mu.push(if off { 0.0 } else { generator.random_range(-2.0..2.0) });
            sigma.push(if off { 1.0 } else { generator.random_range(0.1..0.9) });
        }
    }
    Posteriors::new(&mu, &sigma, latents).unwrap()
}

#[test]
fn one_gaussian_many_times_is_that_gaussian() {
    let (mu, sigma) = ([0.5_f32, -2.0, 0.0], [0.3_f32, 1.5, 1.0]);
    let posteriors = Posteriors::new(&mu.repeat(50), &sigma.repeat(50), 3).unwrap();
    let kl: f64 = mu
        .iter()
        .zip(&sigma)
        .map(|(&mu, &sigma)| (f64::from(mu), f64::from(sigma)))
        .map(|(mu, sigma)| 0.5 * (mu * mu + sigma * sigma - 1.0 - (sigma * sigma).ln()))
        .sum();
    let found = aggregate(&posteriors, 130);
    for (interval, expected) in [
        (found.kl, kl),
        (found.marginal_kl, kl),
        (found.total_correlation, 0.0),
        (found.mutual_information, 0.0),
    ] {
        close(interval.estimate, expected, 1e-12);
        close(interval.high - interval.low, 0.0, 1e-12);
    }
    assert_eq!(posteriors.active_units(), 0);
}

#[test]
fn the_prior_is_no_information() {
    let collapsed = Posteriors::new(&[0.0; 40], &[1.0; 40], 4).unwrap();
    let found = aggregate(&collapsed, 20);
    for interval in [found.kl, found.marginal_kl, found.total_correlation, found.mutual_information]
    {
        assert_eq!((interval.estimate, interval.low, interval.high), (0.0, 0.0, 0.0));
    }
    assert_eq!((collapsed.active_units(), mean_rate(&collapsed)), (0, 0.0));
}

/// Posteriors that do not overlap along any latent: whoever sees z knows the row.
#[test]
fn what_is_far_apart_is_told_apart() {
    let rows = 30;
    for (distance, sigma) in [(10.0, 0.1), (1e6, 1e-6)] {
        let mu: Vec<f32> = (0..rows).flat_map(|i| [i as f32, -(i as f32)]).collect();
        let mu: Vec<f32> = mu.iter().map(|mu| mu * distance).collect();
        let posteriors = Posteriors::new(&mu, &vec![sigma; 2 * rows], 2).unwrap();
        let found = aggregate(&posteriors, 90);
        let (all, rate) = ((rows as f64).ln(), mean_rate(&posteriors));
        close(found.mutual_information.estimate, all, 1e-9);
        // Either latent alone tells the other.
        close(found.total_correlation.estimate, all, 1e-9);
        close(found.kl.estimate, rate - all, 1e-9 * rate);
        close(found.marginal_kl.estimate, rate - 2.0 * all, 1e-9 * rate);
        assert_eq!(posteriors.active_units(), 2);
    }
}

#[test]
fn grids_of_independent_latents_have_no_total_correlation() {
    let (first, second) = ([-1.5_f32, -0.2, 0.4, 2.0], [-1.0_f32, 0.1, 0.9]);
    let mu: Vec<f32> = first.iter().flat_map(|&a| second.map(|b| [a, b])).flatten().collect();
    let sigma = [0.3_f32, 0.7].repeat(12);
    let posteriors = Posteriors::new(&mu, &sigma, 2).unwrap();
    let found = aggregate(&posteriors, 240);
    close(found.total_correlation.estimate, 0.0, 1e-12);
    close(found.kl.estimate, found.marginal_kl.estimate, 1e-12);
    assert!(found.mutual_information.low > 0.5, "{found:?}");
}

/// A mixture along a diagonal, against sums over a fine grid.
#[test]
fn correlated_mixtures_have_the_integrals_of_their_densities() {
    let (mu, sigma) = (
        [[-1.2_f64, -0.9], [0.1, 0.3], [1.0, 1.4]].concat(),
        [[0.5_f64, 0.4], [0.6, 0.7], [0.35, 0.5]].concat(),
    );
    let gauss = |z: f64, mu: f64, sigma: f64| {
        (-0.5 * ((z - mu) / sigma).powi(2)).exp() / (sigma * std::f64::consts::TAU.sqrt())
    };
    let component = |k: usize, j: usize, z: f64| gauss(z, mu[2 * k + j], sigma[2 * k + j]);
    let marginal = |j: usize, z: f64| (0..3).map(|k| component(k, j, z)).sum::<f64>() / 3.0;
    // The rule of rectangles errs as little as can be where functions vanish smoothly at the ends.
    let (step, ends) = (0.02, 350);
    let [mut kl, mut total_correlation, mut marginal_kl] = [0.0; 3];
    let place = |i: i32| f64::from(i) * step;
    for x in (-ends..=ends).map(place) {
        for y in (-ends..=ends).map(place) {
            let joint = (0..3).map(|k| component(k, 0, x) * component(k, 1, y)).sum::<f64>() / 3.0;
            let (product, prior) =
                (marginal(0, x) * marginal(1, y), gauss(x, 0.0, 1.0) * gauss(y, 0.0, 1.0));
            if joint > 1e-250 {
                kl += step * step * joint * (joint / prior).ln();
                total_correlation += step * step * joint * (joint / product).ln();
                marginal_kl += step * step * joint * (product / prior).ln();
            }
        }
    }
    let narrow = |numbers: &[f64]| numbers.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let posteriors = Posteriors::new(&narrow(&mu), &narrow(&sigma), 2).unwrap();
    let found = aggregate(&posteriors, 90_000);
    for (interval, expected) in [
        (found.kl, kl),
        (found.total_correlation, total_correlation),
        (found.marginal_kl, marginal_kl),
        (found.mutual_information, mean_rate(&posteriors) - kl),
    ] {
        let width = interval.high - interval.low;
        assert!(interval.low < expected && expected < interval.high, "{interval:?} {expected}");
        assert!(width < 0.05 && expected > 0.1, "{interval:?} {expected}");
    }
}

#[test]
fn the_parts_make_up_the_rate() {
    for (rows, draws, seed) in [(1, 2, 0), (7, 100, 1), (300, 40, 2), (60, 181, 3)] {
        let posteriors = arbitrary(rows, 5, seed);
        let found = aggregate(&posteriors, draws);
        let [information, correlation, marginal] =
            [found.mutual_information, found.total_correlation, found.marginal_kl]
                .map(|part| part.estimate);
        close(information + correlation + marginal, mean_rate(&posteriors), 1e-10);
        close(correlation + marginal, found.kl.estimate, 1e-10);
        assert!(information < (rows as f64).ln() + 1e-10);
        assert_eq!(posteriors.active_units(), if rows == 1 { 0 } else { 4 });
    }
}

#[test]
fn threads_make_no_difference() {
    let posteriors = arbitrary(200, 4, 5);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| aggregate(&posteriors, 150))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn limits_hold_the_truth_as_often_as_they_say() {
    let posteriors = arbitrary(40, 3, 8);
    let truth = aggregate(&posteriors, 400_000).total_correlation.estimate;
    let holds = (0..400).filter(|&seed| {
        let found = posteriors.aggregate(&noise(3 * 200, 100 + seed), 0.9).unwrap();
        found.total_correlation.low <= truth && truth <= found.total_correlation.high
    });
    // Binomial(400, 0.9) has a standard deviation of 6; rows in even shares only help.
    let holds = holds.count();
    assert!(holds >= 341, "{holds}");
}

#[test]
fn what_is_no_posterior_is_refused() {
    for (mu, sigma, latents, expected) in [
        (&[0.0, f32::NAN][..], &[1.0, 1.0][..], 2, &["mu of latent 1 of row 0 is NaN"][..]),
        (&[f32::INFINITY, 0.0], &[1.0, 0.0], 1, &["mu of latent 0 of row 0 is inf", "row 1 is 0"]),
        (&[0.0], &[f32::NAN], 1, &["sigma of latent 0 of row 0 is NaN, expected a positive"]),
        (&[0.0; 3], &[1.0; 3], 2, &["3 means and 3 standard deviations are not whole rows of 2"]),
        (&[0.0; 2], &[1.0; 4], 2, &["2 means and 4"]),
        (&[], &[], 2, &["at least one row"]),
        (&[], &[], 0, &["0 latents"]),
    ] {
        let message = Posteriors::new(mu, sigma, latents).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "{message}");
        }
    }
    let posteriors = arbitrary(3, 2, 0);
    for noise in [&[0.0; 2][..], &[0.0; 5], &[], &[0.0, f32::NAN, 0.0, 0.0]] {
        let message = posteriors.aggregate(noise, 0.95).unwrap_err().to_string();
        assert!(message.contains("at least 2 whole draws of 2"), "{message}");
    }
}
