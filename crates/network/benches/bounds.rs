//! Bounds of an encoder of 784 features with two hidden layers of 400, against the matrix product
//! that they cannot do without: the second hidden layer pulled back to the input, from below and
//! from above.

use burn::tensor::{DType, Device, Tensor, TensorData};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use vaegis_network::bounds::{InputSet, Method, Norm};
use vaegis_network::ops::{ActivationConfig, Function, Initialiser, LinearConfig, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder};

const FEATURES: usize = 784;
const HIDDEN: usize = 400;

fn encoder() -> Network {
    let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
    let relu = OperatorConfig::Activation(ActivationConfig { function: Function::Relu });
    let mut builder = NetworkBuilder::new(vec![FEATURES]);
    let value = builder.push(linear(FEATURES, HIDDEN), &[0]);
    let value = builder.push(relu.clone(), &[value]);
    let value = builder.push(linear(HIDDEN, HIDDEN), &[value]);
    let value = builder.push(relu, &[value]);
    let mean = builder.push(linear(HIDDEN, 10), &[value]);
    builder.finish(&[mean], &mut Initialiser::new(7), &Device::flex()).unwrap()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let count = shape.iter().product();
    let numbers: Vec<f64> = (0..count).map(|_| generator.random_range(0.0..1.0)).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

fn bounds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encoder");
    group.sample_size(10);
    let (left, right) = (random([2 * HIDDEN, HIDDEN]), random([HIDDEN, FEATURES]));
    group.bench_function("matrix product", |bencher| {
        let factors = || (left.clone(), right.clone());
        bencher.iter_batched(factors, |(left, right)| left.matmul(right), BatchSize::LargeInput);
    });
    let bounder = encoder().bounder();
    for rows in [1, 32] {
        let limits = [vec![0.0; FEATURES], vec![1.0; FEATURES]];
        let ball = InputSet::ball(Norm::L2, random([rows, FEATURES]), &vec![0.3; rows]).unwrap();
        let set = ball.clone().within(&limits[0], &limits[1]).unwrap();
        for (name, method) in [("interval", Method::Interval), ("crown", Method::Crown)] {
            group.bench_function(format!("{name}, {rows} points"), |bencher| {
                bencher.iter(|| bounder.bounds(&set, method).unwrap());
            });
        }
        group.bench_function(format!("crown, {rows} points, no box"), |bencher| {
            bencher.iter(|| bounder.bounds(&ball, Method::Crown).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, bounds);
criterion_main!(benches);
