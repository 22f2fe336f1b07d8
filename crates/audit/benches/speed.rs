//! How fast the hot loops are: the Monte Carlo decode loop against the matrix products
//! it consists of, and everything an audit does for one point.
//!
//! `cargo xtask bench`. Compare the two decode benches with each other, in one run: their
//! ratio is the fraction of the matrix-product rate that the loop reaches.

use std::hint::black_box;
use std::ops::ControlFlow;

use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vaegis_data::Dataset;
use vaegis_network::ops::Function;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::{
    Ball, Certification, Domain, InputBox, Model, Point, Radius, Settings, Target, assess,
    probability,
};
use vaegis_vae::import::{ImportOptions, Reconstruction, import_pair};
use vaegis_vae::{
    Architecture, Likelihood, Noise, Objective, Purpose, TrainConfig, Vae, VaeConfig, train,
};

const DRAWS: u64 = 10_000;
const BATCH: usize = 256;

/// The demo's architecture, trained long enough to be a VAE.
fn trained(data: &Dataset) -> Vae {
    let config = VaeConfig {
        input_shape: data.shape().to_vec(),
        latent: 10,
        architecture: Architecture::Mlp { hidden: vec![400, 400], activation: Function::Relu },
        likelihood: Likelihood::Bernoulli,
    };
    let training = TrainConfig {
        objective: Objective::ELBO,
        epochs: 8,
        batch_size: 256,
        learning_rate: 1e-3,
        validation: 0.1,
        patience: 0,
        seed: 0,
        lipschitz: None,
    };
    let vae = config.init(0, &Device::flex()).expect("a valid configuration");
    let go_on = &mut |_| ControlFlow::Continue(());
    train(vae, data, &training, None, go_on).expect("training converges").vae
}

fn benches(criterion: &mut Criterion) {
    let data = Dataset::mnist();
    let vae = trained(&data);
    let model = Model::new(&vae);
    let noise = Noise::new(0);
    let x = data.row(8_000);
    let encoding = model.encoding(&x).expect("a finite posterior");
    let reference = model.reconstruct(&encoding.mu).expect("a finite reconstruction");
    let domain = Domain::l2(InputBox::Interval { low: 0.0, high: 1.0 });
    let ball = Ball::new(&domain, &x);
    let target = Target {
        model: &model,
        x: &x,
        reference: &reference,
        noise: &noise,
        index: 8_000,
        ball: &ball,
    };
    // One point has one thread, so benches have one.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");

    let mut group = criterion.benchmark_group("decode 10000 draws");
    group.throughput(Throughput::Elements(DRAWS)).sample_size(20);
    group.bench_function("monte carlo loop", |bencher| {
        pool.install(|| {
            bencher.iter(|| {
                probability::within(target, Purpose::Estimation, &encoding, &[4.0], 0..DRAWS)
                    .expect("finite damages")
            });
        });
    });
    let device = Device::flex();
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, &device);
    let layers: Vec<(Tensor<2>, Tensor<2>)> = [[10, 400], [400, 400], [400, 784]]
        .map(|[inputs, outputs]| (random([BATCH, inputs]), random([inputs, outputs])))
        .to_vec();
    group.bench_function("matrix products alone", |bencher| {
        pool.install(|| {
            bencher.iter(|| {
                for _ in 0..DRAWS as usize / BATCH {
                    for (rows, weight) in &layers {
                        black_box(rows.clone().matmul(weight.clone()));
                    }
                }
            });
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("one point, 10000 draws, 2 radii, 1 thread");
    group.sample_size(10);
    for (name, attacks) in
        [("certificates", vec![]), ("certificates and attack", vec![Attack::default()])]
    {
        let radii = vec![Radius::Absolute(3.0), Radius::Absolute(5.0)];
        let settings = Settings {
            radii,
            draws: DRAWS,
            alpha: 0.001,
            domain: domain.clone(),
            attacks,
            certify: Some(Certification { alpha: 0.001, tightness: Certification::TIGHTNESS }),
            aim: None,
        };
        group.bench_function(name, |bencher| {
            pool.install(|| {
                bencher.iter(|| {
                    assess(&model, &noise, Point::new(8_000, &x), &settings)
                        .expect("a finite point")
                });
            });
        });
    }
    group.finish();
}

/// A network that went out as ONNX and came back, against itself as it was built: forward, and
/// the Jacobian of the encoder at one point.
fn imported(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let device = Device::flex();
    let activation = Function::Relu;
    for (name, architecture) in [
        ("mlp", Architecture::Mlp { hidden: vec![400, 400], activation }),
        ("conv", Architecture::Conv { channels: vec![16, 32], hidden: 128, activation }),
    ] {
        let config = VaeConfig {
            input_shape: vec![1, 28, 28],
            latent: 10,
            architecture,
            likelihood: Likelihood::Bernoulli,
        };
        let native = config.init(0, &device).expect("a valid configuration");
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let [encoder, decoder] =
            native.export(folder.path(), Reconstruction::Means, false).expect("a VAE exports");
        let imported = import_pair(&encoder, &decoder, &ImportOptions::default(), &device)
            .expect("what was exported is understood")
            .vae;
        let mut group = criterion.benchmark_group(format!("{name}, 256 rows, 1 thread"));
        for (origin, vae) in [("native", &native), ("imported", &imported)] {
            let generator = vae.generator();
            let x = Tensor::<2>::random([BATCH, 784], Distribution::Default, &device);
            let z = Tensor::<2>::random([BATCH, 10], Distribution::Default, &device);
            group.bench_function(format!("encode, {origin}"), |bencher| {
                pool.install(|| bencher.iter(|| vae.encoder().forward(x.clone())));
            });
            group.bench_function(format!("decode, {origin}"), |bencher| {
                pool.install(|| bencher.iter(|| generator.forward(z.clone())));
            });
            let trace = vae.encoder().trace(x.clone().narrow(0, 0, 1));
            group.bench_function(format!("jacobian, {origin}"), |bencher| {
                pool.install(|| bencher.iter(|| vae.encoder().jacobian(&trace, 0)));
            });
        }
        group.finish();
    }
}

criterion_group!(all, benches, imported);
criterion_main!(all);
