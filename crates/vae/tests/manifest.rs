//! Weights of PyTorch models with manifests, against the outputs and Jacobians that PyTorch gave
//! (`zoo/state_dicts/`), and what is said of manifests that are wrong.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use vaegis_network::{Weights, load_weights};
use vaegis_vae::import::{Imported, Preprocessing, import_manifest};
use vaegis_vae::{Likelihood, Vae};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo/state_dicts")
}

fn import(path: &Path) -> Result<Imported, String> {
    import_manifest(path, None, &Preprocessing::default(), &Device::flex())
        .map_err(|error| error.to_string())
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

/// Largest error relative to the largest value.
fn error<const D: usize>(found: Tensor<D>, expected: &[f32]) -> f32 {
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let worst = found.iter().zip(expected).fold(0f32, |worst, (found, expected)| {
        let error = (found - expected).abs();
        if error.is_nan() { error } else { worst.max(error) }
    });
    worst / largest
}

/// Errors of outputs and of Jacobians.
fn errors(vae: &Vae, reference: &Weights) -> [(&'static str, f32, f32); 5] {
    let get = |name: &str| reference.get(name).unwrap();
    let rows = get("x").0[0];
    let x = tensor(get("x").1, [rows, vae.encoder().input_features()]);
    let posterior = vae.encode(x.clone());
    let generator = vae.generator();
    let mu = tensor(get("mu").1, [rows, vae.latent()]);
    let x_hat = generator.forward(mu.clone()).remove(0);
    let of_mu = vae.encoder().jacobian(&vae.encoder().trace(x), 0);
    let of_x_hat = generator.jacobian(&generator.trace(mu), 0);
    [
        ("mu", 1e-5, error(posterior.mu.clone(), get("mu").1)),
        ("sigma", 1e-5, error(posterior.sigma(), get("sigma").1)),
        ("x_hat", 1e-5, error(x_hat, get("x_hat").1)),
        ("Jacobian of mu", 1e-4, error(of_mu, get("jacobian_mu").1)),
        ("Jacobian of x_hat", 1e-4, error(of_x_hat, get("jacobian_decoder").1)),
    ]
}

#[test]
fn every_model_agrees_with_pytorch() {
    for (name, likelihood) in [
        ("mlp", Likelihood::Bernoulli),
        ("conv_batchnorm", Likelihood::Gaussian { sigma: 0.1 }),
        ("groupnorm_residual", Likelihood::Bernoulli),
    ] {
        let folder = models().join(name);
        let Imported { vae, remarks } = import(&folder.join("vae.toml")).unwrap();
        assert_eq!(vae.likelihood(), likelihood, "{name}: {remarks:?}");
        let reference = load_weights(&folder.join("reference.safetensors")).unwrap();
        for (what, limit, found) in errors(&vae, &reference) {
            println!("{name}: {what} {found:.1e}");
            assert!(found <= limit, "{name}: {what} is off by {found}");
        }
    }
}

#[test]
fn batch_normalisation_melts_into_the_convolution_before_it() {
    let vae = import(&models().join("conv_batchnorm/vae.toml")).unwrap().vae;
    let operators: Vec<String> =
        vae.encoder().summary().into_iter().map(|node| node.operator).collect();
    assert_eq!(operators[..3], ["conv2d", "leaky_relu", "conv2d"]);
}

/// A manifest beside a copy of the weights of `mlp`, changed.
fn changed(changes: &[(&str, &str)]) -> Result<Imported, String> {
    let folder = tempfile::tempdir().unwrap();
    let source = models().join("mlp");
    std::fs::copy(source.join("vae.safetensors"), folder.path().join("vae.safetensors")).unwrap();
    let mut text = std::fs::read_to_string(source.join("vae.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = folder.path().join("vae.toml");
    std::fs::write(&path, text).unwrap();
    import(&path)
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    changed(&[]).unwrap();
    let message = changed(&[
        (r#"{ linear = "fc1" }"#, r#"{ linear = "fc_1", stride = 2 }"#),
        (r#""relu", { linear = "fc4" }"#, r#""relo", { linear = "fc4" }"#),
        ("weights =", "ignore = [\"fc5.weight\"]\nweights ="),
    ])
    .unwrap_err();
    for part in [
        "vae.toml: encoder.layers[1] (linear): there is no tensor \"fc_1.weight\" (there are \"fc1.weight\"",
        "unknown key \"stride\" (known: linear)",
        "decoder.layers[1] (relo): a layer is one of the texts relu",
        "no layer uses fc1.bias, fc1.weight of",
        "`ignore` names \"fc5.weight\", which is no tensor (there are \"fc1.weight\"",
    ] {
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (changes, part) in [
        (
            ("\"flatten\", ", ""),
            "it takes 36 features, found samples of shape [1, 6, 6] (\"flatten\"",
        ),
        (("input = [1, 6, 6]", "input = [1, 6, 7]"), "it takes 36 features, found samples"),
        (("input = [1, 6, 6]", "input = [9999999999, 9999999999]"), "too large"),
        (("input = [1, 6, 6]", "input = []"), "at least one axis"),
        (("reshape = [1, 6, 6]", "reshape = [1, 6, 5]"), "cannot become [1, 6, 5]"),
        (("reshape = [1, 6, 6]", "reshape = [1, -6, -6]"), "reshape must be a list of sizes"),
        (("reshape = [1, 6, 6]", "upsample = 2"), "it takes [channels, height, width]"),
        (("{ linear = \"fc3\" }", "{ linear = 3 }"), "linear must be the name of a layer"),
        (("{ linear = \"fc3\" }", "{ linear = \"fc3\", relu = 1 }"), "unknown key \"relu\""),
        (("{ linear = \"fc3\" }", "{ linear = \"fc3\", elu = 1 }"), "a layer is one of"),
        (("{ linear = \"fc3\" }", "{ conv2d = \"fc3\" }"), "has shape [20, 4], expected 4 axes"),
        (("{ linear = \"fc3\" }", "3"), "a layer is one of"),
        (("log_variance", "log_varience"), "log_varience"),
        (
            ("log_variance = { linear = \"fc_logvar\" }", "sigma = 0"),
            "encoder.sigma must be positive, found 0",
        ),
        (("log_variance =", "sigma = 1\nlog_variance ="), "it needs mu and one of"),
        (("mu = {", "halves = \"sigma\"\nmu = {"), "it needs mu and one of"),
        (
            ("{ linear = \"fc_mu\" }", "[{ linear = \"fc_mu\" }, { linear = \"fc3\" }]"),
            "found samples of shape [20]",
        ),
        (("\"bernoulli\"", "{ gaussian = -1 }"), "sigma must be positive, found -1"),
        (("\"bernoulli\"", "\"poisson\""), "poisson"),
        (("\"sigmoid\"", "\"tanh\""), "needs a decoder that returns logits or ends in a sigmoid"),
        (("vae.safetensors", "vae.toml"), "not a safetensors file"),
        (("vae.safetensors", "nothing"), "nothing"),
        (("[decoder]", "[decoder"), "vae.toml"),
    ] {
        let message = changed(&[changes]).expect_err(changes.1);
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
}

#[test]
fn other_forms_of_the_same_model_are_the_same() {
    let whole = changed(&[]).unwrap().vae;
    for changes in [
        [("\"sigmoid\", ", ""), ("[decoder]", "[decoder]\nreturns = \"logits\"")],
        [("\"sigmoid\", ", ""), ("mu = { linear = \"fc_mu\" }", "mu = [{ linear = \"fc_mu\" }]")],
        [("\"relu\"]", "\"relu\", \"dropout\", \"identity\"]"), ("input", "ignore = []\ninput")],
    ] {
        let other = changed(&changes).unwrap();
        assert_eq!(other.vae.weights(), whole.weights());
        assert_eq!(other.vae.likelihood(), whole.likelihood());
    }
    let fixed = changed(&[
        ("log_variance = { linear = \"fc_logvar\" }", "sigma = 0.5"),
        ("weights", "ignore = [\"fc_logvar.weight\", \"fc_logvar.bias\"]\nweights"),
    ]);
    let sigma = fixed.unwrap().vae.encode(tensor(&[0.3; 36], [1, 36])).sigma();
    assert!(error(sigma, &[0.5; 4]) < 1e-6);
}

#[test]
fn tensors_of_other_precision_become_single_and_other_types_are_refused() {
    let save = |dtype: Dtype, encode: &dyn Fn(f32) -> Vec<u8>| {
        let folder = tempfile::tempdir().unwrap();
        let source = models().join("mlp");
        let weights = load_weights(&source.join("vae.safetensors")).unwrap();
        let bytes: Vec<(&str, &[usize], Vec<u8>)> = weights
            .iter()
            .map(|(name, shape, values)| {
                (name, shape, values.iter().flat_map(|&v| encode(v)).collect())
            })
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            (*name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
        });
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(folder.path().join("vae.safetensors"), file).unwrap();
        std::fs::copy(source.join("vae.toml"), folder.path().join("vae.toml")).unwrap();
        import(&folder.path().join("vae.toml"))
    };
    let reference = load_weights(&models().join("mlp/reference.safetensors")).unwrap();
    let worst = |imported: Imported| {
        let errors = errors(&imported.vae, &reference);
        errors.iter().fold(0f32, |worst, (_, _, error)| worst.max(*error))
    };
    let double = save(Dtype::F64, &|v| f64::from(v).to_le_bytes().to_vec()).unwrap();
    assert!(worst(double) < 1e-5);
    // The upper half of single precision: 8 bits.
    let brain = save(Dtype::BF16, &|v| v.to_le_bytes()[2..].to_vec()).unwrap();
    let brain = worst(brain);
    assert!(brain < 3e-2 && brain > 1e-4, "{brain}");
    let half = save(Dtype::F16, &|v| half(v).to_le_bytes().to_vec()).unwrap();
    let half = worst(half);
    assert!(half < 5e-3 && half > 1e-5, "{half}");
    let message = save(Dtype::I32, &|v| (v as i32).to_le_bytes().to_vec()).unwrap_err();
    assert!(message.contains("tensor \"fc1.weight\" has type I32"), "{message}");
    let message = save(Dtype::F32, &|_| f32::NAN.to_le_bytes().to_vec()).unwrap_err();
    assert!(message.contains("tensor \"fc_mu.bias\" is NaN at element 0"), "{message}");
    assert!(!message.contains("no layer uses"), "{message}");
}

/// Half precision of a number of moderate size, rounded towards 0.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let exponent = (bits >> 23 & 0xff) as i32 - 112;
    // Smaller ones hardly matter.
    if exponent <= 0 { sign } else { sign | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 }
}
