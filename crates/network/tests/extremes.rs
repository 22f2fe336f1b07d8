//! Bounds where f64 loses digits: cancellation, underflow and long sums.

#[allow(dead_code)] // Not all of it is needed here.
mod support;

use burn::tensor::Device;
use support::balls::double;
use vaegis_network::bounds::{InputSet, Interval, Method, Norm};
use vaegis_network::ops::{
    ActivationConfig, Function, Initialiser, LinearConfig, OperatorConfig, SoftmaxConfig,
    StandardiseConfig,
};
use vaegis_network::{Network, NetworkBuilder, Weights};

const METHODS: [Method; 2] = [Method::Interval, Method::Crown];

/// One operator after another.
fn chain(features: usize, operators: Vec<OperatorConfig>) -> Network {
    let mut builder = NetworkBuilder::new(vec![features]);
    let output = operators.into_iter().fold(0, |last, operator| builder.push(operator, &[last]));
    builder.finish(&[output], &mut Initialiser::new(0), &Device::flex()).unwrap()
}

/// A point, or a ball of radius 1 about it within a box.
fn bounds(
    network: &Network,
    point: Vec<f64>,
    within: Option<[f64; 2]>,
    method: Method,
) -> Interval {
    let features = point.len();
    let radius = if within.is_some() { 1.0 } else { 0.0 };
    let set = InputSet::ball(Norm::L2, double(point, [1, features]), &[radius]).unwrap();
    let set = match within {
        Some([low, high]) => set.within(&vec![low; features], &vec![high; features]).unwrap(),
        None => set,
    };
    network.bounder().bounds(&set, method).unwrap().output(0).clone()
}

/// Just above -3, `x (x + 3) / 6` is computed by terms that cancel; as a product it is not.
#[test]
fn ends_near_roots_contain_the_true_values() {
    let activation = |function| OperatorConfig::Activation(ActivationConfig { function });
    let swish = chain(1, vec![activation(Function::HardSwish)]);
    let sigmoid = Function::HardSigmoid { slope: 0.2, offset: 0.5 };
    let sigmoid = chain(1, vec![activation(sigmoid)]);
    for step in 1..400u32 {
        let low = f64::from(f32::from_bits((-3.0f32).to_bits() - step));
        let exact = low * (low + 3.0) / 6.0;
        for method in METHODS {
            let high = bounds(&swish, vec![-2.75], Some([low, -2.5]), method).high()[0];
            assert!(high >= exact, "{method:?} {low}: {high} below {exact}");
            assert!(high <= exact + 1e-10, "{method:?} {low}: {high}, and {exact}");
        }
        let low = f64::from(f32::from_bits((-2.5f32).to_bits() - step));
        let exact = 0.2f64.mul_add(low, 0.5);
        for method in METHODS {
            let found = bounds(&sigmoid, vec![-2.25], Some([low, -2.0]), method).low()[0];
            assert!(found <= exact, "{method:?} {low}: {found} above {exact}");
            assert!(found >= exact - 1e-10, "{method:?} {low}: {found}, and {exact}");
        }
    }
}

/// The squares of such inputs have lost their digits, and the outputs are -1 and 1.
#[test]
fn variances_that_underflow_have_no_bounds() {
    let config = StandardiseConfig { block: 2, epsilon: 0.0 };
    let network = chain(2, vec![OperatorConfig::Standardise(config)]);
    let point = |size: f64| double(vec![0.0, size], [1, 2]);
    for method in METHODS {
        let set = InputSet::ball(Norm::L2, point(2e-161), &[0.0]).unwrap();
        let error = network.bounder().bounds(&set, method).unwrap_err().to_string();
        assert!(
            error.contains("the variance of a block and epsilon may be 0 or nearly"),
            "{error}"
        );
        let found = bounds(&network, vec![0.0, 2e-90], None, method);
        assert!(found.low()[0] <= -1.0 && found.high()[1] >= 1.0, "{found:?}");
    }
}

/// Sums over large blocks lose digits that differ from those of the output itself.
#[test]
fn shares_of_large_blocks_contain_the_true_ones() {
    let block = 50_000;
    let network = chain(block, vec![OperatorConfig::Softmax(SoftmaxConfig { block })]);
    for distance in [0.149_999_999_999_999_9, 0.15, 0.7, 3.3] {
        let mut point = vec![distance; block];
        point[0] = 0.0;
        let exact = 1.0 / (1.0 + (block - 1) as f64 * f64::exp(distance));
        let found = bounds(&network, point, None, Method::Interval);
        let (low, high) = (found.low()[0], found.high()[0]);
        assert!(low <= exact && exact <= high, "{distance}: {exact} not in {low} and {high}");
        assert!(high - low <= 1e-9 * exact, "{distance}: {low} and {high}");
    }
    // The share is less than f64 tells from 0, and not 0.
    let network = chain(2, vec![OperatorConfig::Softmax(SoftmaxConfig { block: 2 })]);
    assert!(bounds(&network, vec![0.0, 800.0], None, Method::Interval).high()[0] > 0.0);
}

/// The square of 1e-164 is 0 in f64.
#[test]
fn coefficients_whose_squares_underflow_count() {
    let linear = LinearConfig { inputs: 1, outputs: 1 };
    let network = chain(1, vec![OperatorConfig::Linear(linear); 4]);
    let mut weights = Weights::default();
    for node in 0..4 {
        weights.insert(format!("{node}.weight"), vec![1, 1], vec![1e-41]);
        weights.insert(format!("{node}.bias"), vec![1], vec![0.0]);
    }
    let network = weights.apply(network, "", "test".as_ref()).unwrap();
    let exact = f64::from(1e-41f32).powi(4);
    let set = InputSet::ball(Norm::L2, double(vec![0.0], [1, 1]), &[1.0]).unwrap();
    for method in METHODS {
        let found = network.bounder().bounds(&set, method).unwrap().output(0).clone();
        assert!(found.low()[0] <= -exact && exact <= found.high()[0], "{found:?}, {exact}");
    }
    let tiny = InputSet::ball(Norm::L2, double(vec![0.0], [1, 1]), &[1e-170]).unwrap();
    assert!(tiny.longest(0) >= 1e-170);
}
