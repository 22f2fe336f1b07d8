//! Models as PyTorch's exporters write them, against the outputs and derivatives that PyTorch
//! itself gave (`zoo/`).

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use vaegis_network::{Weights, load_weights};
use vaegis_vae::Vae;
use vaegis_vae::import::{
    ImportOptions, Imported, Reconstruction, Spread, import_file, import_pair,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo/fixtures")
}

/// Every fixture: its folder and description.
fn all() -> Vec<(PathBuf, Value)> {
    let mut found = vec![];
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let folder = entry.unwrap().path();
        if let Ok(text) = std::fs::read_to_string(folder.join("model.json")) {
            found.push((folder, serde_json::from_str(&text).unwrap()));
        }
    }
    found.sort_by_key(|(folder, _)| folder.clone());
    assert!(found.len() >= 12, "the zoo has {} models", found.len());
    found
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

/// What a user who knows the model would state.
fn stated(model: &Value) -> ImportOptions {
    let convention = model["encoder"]["convention"].as_str().unwrap();
    let spread = match convention {
        "mu_log_variance" | "halves" => Spread::LogVariance,
        "mu_sigma" => Spread::Sigma,
        "mu_softplus" => Spread::SoftplusSigma,
        "mu_only" => Spread::Fixed(model["encoder"]["constant_sigma"].as_f64().unwrap()),
        other => panic!("convention {other}"),
    };
    let returns = match model["decoder"]["output"].as_str().unwrap() {
        "means" => Reconstruction::Means,
        "logits" => Reconstruction::Logits,
        other => panic!("output {other}"),
    };
    // One-file models name their outputs well.
    let one_file = !model["one_file"].is_null();
    ImportOptions {
        data_shape: Some(sizes(&model["input"]["shape"])),
        spread: (!one_file).then_some(spread),
        returns: Some(returns),
        ..ImportOptions::default()
    }
}

fn import(folder: &Path, variant: &Value, options: &ImportOptions) -> Result<Imported, String> {
    let file = |part: &str| variant["files"][part].as_str().map(|name| folder.join(name));
    let device = Device::flex();
    match file("model") {
        Some(model) => import_file(&model, options, &device),
        None => {
            let (encoder, decoder) = (file("encoder").unwrap(), file("decoder").unwrap());
            import_pair(&encoder, &decoder, options, &device)
        }
    }
    .map_err(|error| error.to_string())
}

fn tensor<const D: usize>(reference: &Weights, name: &str, shape: [usize; D]) -> Tensor<D> {
    let (_, values) = reference.get(name).unwrap();
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

/// Largest error relative to the largest value.
fn error<const D: usize>(found: Tensor<D>, expected: &[f32]) -> f32 {
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let worst = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs())
        .fold(0f32, |worst, error| if error.is_nan() { error } else { worst.max(error) });
    worst / largest
}

/// Errors by what they are of.
type Errors = Vec<(&'static str, f32)>;

/// Errors of outputs and of derivatives.
fn errors(vae: &Vae, reference: &Weights) -> (Errors, Errors) {
    let (features, latent) = (vae.encoder().input_features(), vae.latent());
    let expected = |name: &str| reference.get(name).unwrap();
    let rows = expected("x").0[0];
    let x: Tensor<2> = tensor(reference, "x", [rows, features]);
    let posterior = vae.encode(x.clone());
    let generator = vae.generator();
    let x_hat = generator.forward(posterior.mu.clone()).remove(0);
    let outputs = vec![
        ("mu", error(posterior.mu.clone(), expected("mu").1)),
        ("sigma", error(posterior.sigma(), expected("sigma").1)),
        ("x_hat", error(x_hat, expected("x_hat").1)),
    ];

    // The same probes for each of the first rows.
    let &[points, probes, _] = expected("encoder_jvp").0 else { panic!("rank 3") };
    let repeated = |name: &str, width: usize| {
        tensor(reference, name, [1, probes, width]).expand([points, probes, width])
    };
    let encoder = vae.encoder().trace(x.narrow(0, 0, points));
    let mu: Tensor<2> = tensor(reference, "mu", [rows, latent]);
    let decoder = generator.trace(mu.narrow(0, 0, points));
    let (inputs, latents) = (repeated("probe_input", features), repeated("probe_latent", latent));
    let mut derivatives = vec![
        ("encoder jvp", {
            let pushed = vae.encoder().jvp(&encoder, inputs.clone()).remove(0);
            error(pushed, expected("encoder_jvp").1)
        }),
        ("encoder vjp", {
            let pulled = vae.encoder().vjp(&encoder, vec![Some(latents.clone()), None]);
            error(pulled, expected("encoder_vjp").1)
        }),
        ("decoder jvp", {
            let pushed = generator.jvp(&decoder, latents).remove(0);
            error(pushed, expected("decoder_jvp").1)
        }),
        ("decoder vjp", {
            let pulled = generator.vjp(&decoder, vec![Some(inputs)]);
            error(pulled, expected("decoder_vjp").1)
        }),
    ];
    if let Some((shape, expected)) = reference.get("jacobian_mu") {
        let x: Tensor<2> = tensor(reference, "x", [rows, features]);
        let trace = vae.encoder().trace(x.narrow(0, 0, shape[0]));
        derivatives.push(("encoder Jacobian", error(vae.encoder().jacobian(&trace, 0), expected)));
    }
    (outputs, derivatives)
}

#[test]
fn every_model_agrees_with_its_framework() {
    let mut problems = vec![];
    let mut variants = 0;
    for (folder, model) in all() {
        let reference = load_weights(&folder.join("reference.safetensors")).unwrap();
        for variant in model["variants"].as_array().unwrap() {
            variants += 1;
            let name = format!("{} {}", model["name"], variant["name"]);
            let imported = match import(&folder, variant, &stated(&model)) {
                Ok(imported) => imported,
                Err(error) => {
                    problems.push(format!("{name}: {error}"));
                    continue;
                }
            };
            let (outputs, derivatives) = errors(&imported.vae, &reference);
            for (what, limit, found) in outputs
                .into_iter()
                .map(|(what, found)| (what, 1e-5, found))
                .chain(derivatives.into_iter().map(|(what, found)| (what, 1e-4, found)))
            {
                println!("{name}: {what} {found:.1e}");
                // Not `found > limit`: NaN must count.
                if found.is_nan() || found > limit {
                    problems.push(format!("{name}: {what} is off by {found}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(variants >= 24, "{variants} variants");
}

/// Names of the operators of a network, in order, without changes of shape.
fn operators(network: &vaegis_network::Network) -> Vec<String> {
    let names = network.summary().into_iter().map(|node| node.operator);
    names.filter(|name| name != "reshape").collect()
}

#[test]
fn imported_networks_are_what_one_would_build_by_hand() {
    for (name, encoder, decoder) in [
        ("mlp", "linear relu linear relu linear linear", "linear relu linear relu linear"),
        (
            "conv_batchnorm",
            "conv2d leaky_relu conv2d leaky_relu conv2d leaky_relu linear gather gather",
            // Normalised after the activation: nothing that it could melt into.
            "linear conv_transpose2d leaky_relu elementwise_affine conv_transpose2d leaky_relu \
             elementwise_affine conv_transpose2d tanh",
        ),
        // Old operator sets have neither layer normalisation nor GELU.
        (
            "series",
            "conv2d gelu conv2d gelu conv2d gelu gather standardise elementwise_affine gather \
             linear gather gather",
            "linear gelu conv_transpose2d gelu conv2d gelu conv_transpose2d",
        ),
        (
            "keras_mlp",
            "linear leaky_relu linear gelu_tanh linear linear",
            "linear silu linear elu linear",
        ),
    ] {
        let (folder, model) =
            all().into_iter().find(|(_, model)| model["name"] == name).expect("a model of the zoo");
        for variant in model["variants"].as_array().unwrap() {
            let imported = import(&folder, variant, &stated(&model)).unwrap();
            let found = operators(imported.vae.encoder()).join(" ");
            assert_eq!(found, encoder, "{name} {}", variant["name"]);
            assert_eq!(operators(imported.vae.decoder()).join(" "), decoder, "{name}");
        }
    }
}
