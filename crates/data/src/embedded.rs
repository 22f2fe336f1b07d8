//! The data sets that travel inside the program.
//!
//! A first run must work without a network, and results must be comparable between machines;
//! hosted copies of MNIST have moved or died more than once. Ten thousand rows of each are
//! 6 MB of binary. Origins and licences are in `assets/README.md`.

use crate::dataset::Dataset;
use crate::idx::{self, dataset};

impl Dataset {
    /// 10,000 handwritten digits of MNIST: shape `[1, 28, 28]`, labels 0 to 9.
    pub fn mnist() -> Self {
        embedded(
            "mnist",
            include_bytes!("../assets/mnist-10k-images-idx3-ubyte.gz"),
            include_bytes!("../assets/mnist-10k-labels-idx1-ubyte.gz"),
        )
    }

    /// 10,000 articles of clothing of Fashion-MNIST: shape `[1, 28, 28]`, labels 0 to 9.
    pub fn fashion_mnist() -> Self {
        embedded(
            "fashion-mnist",
            include_bytes!("../assets/fashion-10k-images-idx3-ubyte.gz"),
            include_bytes!("../assets/fashion-10k-labels-idx1-ubyte.gz"),
        )
    }
}

fn embedded(name: &str, images: &[u8], labels: &[u8]) -> Dataset {
    let array = |bytes| idx::parse(name.to_owned(), bytes);
    array(images)
        .and_then(|images| dataset(name.to_owned(), images, Some(array(labels)?)))
        .expect("the embedded bytes are fixed when the program is built, and tested")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum of the pixels of row `i`, as bytes.
    fn ink(data: &Dataset, i: usize) -> u32 {
        data.row(i).iter().map(|value| (value * 255.0).round() as u32).sum()
    }

    fn check(data: &Dataset, ink_of: [(usize, u32); 3], first_labels: [i64; 8]) {
        assert_eq!((data.len(), data.shape()), (10_000, &[1, 28, 28][..]));
        assert_eq!((data.train(), data.test()), (0..8000, 8000..10_000));
        assert_eq!(data.value_range(), Some((0.0, 1.0)));
        for split in [data.train(), data.test()] {
            let mut counts = [0; 10];
            split.for_each(|i| counts[data.label(i).unwrap() as usize] += 1);
            assert!(counts.iter().all(|&count| count >= 150), "{counts:?}");
        }
        for (i, expected) in ink_of {
            assert_eq!(ink(data, i), expected, "row {i}");
        }
        assert_eq!(std::array::from_fn(|i| data.label(i).unwrap()), first_labels);
    }

    #[test]
    fn mnist_is_what_it_was() {
        let data = Dataset::mnist();
        check(&data, [(0, 31_951), (8000, 18_174), (9999, 28_468)], [0, 9, 1, 1, 2, 5, 8, 9]);
        assert_eq!(
            data.fingerprint(),
            "90e7bad9dd7f02ffb9f2c4535501ce41b9e7bd831220e71371eed24acd2c86f7"
        );
    }

    #[test]
    fn fashion_mnist_is_what_it_was() {
        let data = Dataset::fashion_mnist();
        check(&data, [(0, 83_942), (8000, 75_318), (9999, 56_834)], [0, 1, 3, 0, 8, 9, 7, 4]);
        assert_eq!(
            data.fingerprint(),
            "6823fa3ba8af5ec28b1c00099696fd07cdf2c808aed65221f5f3b7cb7f66f98d"
        );
    }
}
