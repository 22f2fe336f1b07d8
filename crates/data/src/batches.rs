//! The order in which training sees the rows.
//!
//! The order of an epoch is a pure function of (seed, epoch), not the state of a generator that
//! was used before: training resumed at epoch 12 sees what an uninterrupted run would have
//! seen. A shuffle needs neither cryptography nor a dependency whose stream may change with its
//! next version, so this is splitmix64 (Steele, Lea and Flood 2014), in which draw `k` is
//! a hash of `key + k * GAMMA`, under a Fisher-Yates shuffle. The orders are part of what makes
//! runs reproducible and are pinned by a test.
//!
//! Batches are `shuffled(..).chunks(size)`.

/// What a stream of draws is for; streams of different purposes have nothing in common.
#[derive(Clone, Copy)]
enum Purpose {
    Epoch = 1,
    Validation = 2,
}

/// The rows `indices` in the random order of one epoch.
///
/// Every order is as likely as any other, up to a bias below `n / 2^64`.
///
/// ```
/// let order = vaegis_data::shuffled(0..10, 1, 0);
/// let batches: Vec<&[usize]> = order.chunks(4).collect();
/// assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [4, 4, 2]);
/// ```
pub fn shuffled(indices: impl IntoIterator<Item = usize>, seed: u64, epoch: u64) -> Vec<usize> {
    permute(indices, key(seed, epoch, Purpose::Epoch))
}

/// Sets aside a random `fraction` of `indices` for validation: (training, validation), both
/// ascending.
///
/// The number set aside is `fraction * n`, rounded to the nearest. A fraction below 0 or NaN sets
/// nothing aside, one above 1 everything.
pub fn split_validation(
    indices: impl IntoIterator<Item = usize>,
    fraction: f64,
    seed: u64,
) -> (Vec<usize>, Vec<usize>) {
    let mut train = permute(indices, key(seed, 0, Purpose::Validation));
    let count = (fraction * train.len() as f64).round() as usize;
    let mut validation = train.split_off(train.len().saturating_sub(count));
    train.sort_unstable();
    validation.sort_unstable();
    (train, validation)
}

/// Fisher-Yates, from the last place down: each place gets one of those not yet placed.
fn permute(indices: impl IntoIterator<Item = usize>, key: u64) -> Vec<usize> {
    let mut order: Vec<usize> = indices.into_iter().collect();
    for last in (1..order.len()).rev() {
        order.swap(last, below(last as u64 + 1, draw(key, last as u64)));
    }
    order
}

/// A 64-bit draw scaled to `0..n`.
fn below(n: u64, draw: u64) -> usize {
    ((u128::from(n) * u128::from(draw)) >> 64) as usize
}

fn key(seed: u64, epoch: u64, purpose: Purpose) -> u64 {
    mix(mix(mix(seed) ^ epoch) ^ purpose as u64)
}

/// Draw number `counter` of splitmix64 started at `key`.
fn draw(key: u64, counter: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    mix(key.wrapping_add(GAMMA.wrapping_mul(counter)))
}

/// The output function of splitmix64, a bijection in which every bit affects every other.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The published sequence for the seed 1234567.
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!([1, 2, 3].map(|counter| draw(1234567, counter)), expected);
    }

    #[test]
    fn orders_are_pinned() {
        assert_eq!(shuffled(0..8, 42, 0), [0, 1, 5, 6, 4, 7, 3, 2]);
        assert_eq!(shuffled(0..8, 42, 1), [7, 0, 3, 1, 5, 4, 2, 6]);
        assert_eq!(split_validation(0..8, 0.25, 42), (vec![0, 1, 2, 3, 4, 6], vec![5, 7]));
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..24_000 {
            *counts.entry(shuffled(0..4, 3, epoch)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Binomial(24000, 1/24): mean 1000, standard deviation 31.
        assert!(counts.values().all(|count| (1000_i32 - count).abs() < 160), "{counts:?}");
    }

    #[test]
    fn seeds_and_epochs_give_orders_of_their_own() {
        let orders: std::collections::BTreeSet<_> = (0..20)
            .flat_map(|seed| (0..20).map(move |epoch| shuffled(0..50, seed, epoch)))
            .collect();
        assert_eq!(orders.len(), 400);
    }

    #[test]
    fn odd_fractions_do_not_panic() {
        for (fraction, expected) in
            [(f64::NAN, 0), (-1.0, 0), (0.0, 0), (0.24, 2), (1.0, 10), (f64::INFINITY, 10)]
        {
            let (train, validation) = split_validation(0..10, fraction, 0);
            assert_eq!((train.len(), validation.len()), (10 - expected, expected), "{fraction}");
        }
        assert_eq!(split_validation(0..0, f64::INFINITY, 0), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_repeated(n in 0_usize..200, fraction in 0.0..1.0, seed: u64, epoch: u64) {
            let mut order = shuffled(0..n, seed, epoch);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());

            let (train, validation) = split_validation(0..n, fraction, seed);
            let mut both = [&train[..], &validation[..]].concat();
            both.sort_unstable();
            prop_assert_eq!(both, (0..n).collect::<Vec<_>>());
            prop_assert!(train.is_sorted() && validation.is_sorted());
        }
    }
}
