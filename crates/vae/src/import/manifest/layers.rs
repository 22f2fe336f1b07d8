//! The layers that a manifest can name, each as PyTorch's module of that name.

use toml::{Table, Value};
use vaegis_network::ops::{
    AddConfig, Function, GatherConfig, Indices, MaxPool2dConfig, OperatorConfig, ReshapeConfig,
};

use super::settings::Settings;
use super::stack::{self, Held, Stack};
use super::state_dict::StateDict;
use super::{normalisations, products};

/// Layers without parameters that are named by a text.
const NAMED: &str = "relu, leaky_relu, elu, selu, celu, gelu, gelu_tanh, silu, mish, softplus, \
                     softsign, sigmoid, tanh, hard_sigmoid, hard_swish, exp, flatten, \
                     instance_norm, identity, dropout";

/// What a layer makes of a value: nothing is known of it if nothing is known of what it reads.
pub(super) type Made = Result<Option<Held>, Vec<String>>;

type Rule = fn(&mut Stack, Settings<'_, '_>, Option<&Held>) -> Made;

/// Layers with settings, by the key of their table that names them.
const RULES: [(&str, Rule); 15] = [
    ("linear", products::linear),
    ("conv2d", products::conv2d),
    ("conv_transpose2d", products::conv_transpose2d),
    ("batch_norm", normalisations::batch_norm),
    ("instance_norm", normalisations::instance_norm),
    ("group_norm", normalisations::group_norm),
    ("layer_norm", normalisations::layer_norm),
    ("prelu", prelu),
    ("leaky_relu", leaky_relu),
    ("elu", elu),
    ("celu", celu),
    ("reshape", reshape),
    ("upsample", upsample),
    ("max_pool2d", max_pool2d),
    ("avg_pool2d", products::avg_pool2d),
];

/// Adds layers one after another. What is wrong goes to `problems`, and the shapes after it are
/// unknown: then only names and tensors are checked.
pub(super) fn push_all(
    stack: &mut Stack,
    place: &str,
    layers: &[Value],
    x: Option<Held>,
    tensors: &mut StateDict<'_>,
    problems: &mut Vec<String>,
) -> Option<Held> {
    layers.iter().enumerate().fold(x, |x, (at, layer)| {
        push(stack, &format!("{place}[{at}]"), layer, x, tensors, problems)
    })
}

/// Adds one layer.
pub(super) fn push(
    stack: &mut Stack,
    place: &str,
    layer: &Value,
    x: Option<Held>,
    tensors: &mut StateDict<'_>,
    problems: &mut Vec<String>,
) -> Option<Held> {
    let (name, made) = match layer {
        Value::String(name) => (name.clone(), named(stack, name, x.as_ref())),
        Value::Table(table) if table.contains_key("residual") => {
            return residual(stack, place, table.clone(), x, tensors, problems);
        }
        Value::Table(table) => {
            let rules: Vec<&(&str, Rule)> =
                RULES.iter().filter(|(name, _)| table.contains_key(*name)).collect();
            match rules.as_slice() {
                [(name, rule)] => {
                    let settings = Settings::new(table.clone(), tensors);
                    (name.to_string(), rule(stack, settings, x.as_ref()))
                }
                _ => (layer.to_string(), Err(vec![kinds()])),
            }
        }
        other => (other.to_string(), Err(vec![kinds()])),
    };
    made.unwrap_or_else(|found| {
        problems.extend(found.iter().map(|problem| format!("{place} ({name}): {problem}")));
        None
    })
}

fn kinds() -> String {
    let tables: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
    format!(
        "a layer is one of the texts {NAMED}, or a table with one of the keys {}, residual",
        tables.join(", ")
    )
}

/// A layer without parameters.
fn named(stack: &mut Stack, name: &str, x: Option<&Held>) -> Made {
    let function = match name {
        "relu" => Function::Relu,
        "leaky_relu" => Function::LeakyRelu { slope: 0.01 },
        "elu" => Function::Elu { alpha: 1.0 },
        "selu" => Function::Selu,
        "celu" => Function::Celu { alpha: 1.0 },
        "gelu" => Function::Gelu,
        "gelu_tanh" => Function::GeluTanh,
        "silu" => Function::Silu,
        "mish" => Function::Mish,
        "softplus" => Function::Softplus,
        "softsign" => Function::Softsign,
        "sigmoid" => Function::Sigmoid,
        "tanh" => Function::Tanh,
        "hard_sigmoid" => Function::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 },
        "hard_swish" => Function::HardSwish,
        "exp" => Function::Exp,
        // Dropout does nothing after training.
        "identity" | "dropout" => return Ok(x.cloned()),
        "flatten" => {
            return fed(x, |x| {
                let shape = vec![x.features()];
                let operator = OperatorConfig::Reshape(ReshapeConfig { shape: shape.clone() });
                stack.push(operator, &[x], vec![], shape)
            });
        }
        "instance_norm" => return fed(x, |x| normalisations::plain_instance_norm(stack, x)),
        _ => return Err(vec![kinds()]),
    };
    fed(x, |x| stack.function(x, function))
}

/// What `make` makes of a value whose shape is known.
pub(super) fn fed(x: Option<&Held>, make: impl FnOnce(&Held) -> Result<Held, String>) -> Made {
    x.map(make).transpose().map_err(|problem| vec![problem])
}

fn prelu(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let name = settings.text("prelu");
    let slopes = settings.tensor(name.as_deref(), "weight").map(|weight| weight.values);
    settings.finish()?;
    let Some(slopes) = slopes else { return Ok(None) };
    fed(x, |x| {
        if let &[slope] = slopes.as_slice() {
            return stack.function(x, Function::LeakyRelu { slope: slope.into() });
        }
        // relu(x) - slope relu(-x)
        let inner = normalisations::of_channels(x, slopes.len())?;
        let zeros = || vec![0.0; slopes.len()];
        let positive = stack.function(x, Function::Relu)?;
        let negated = stack.affine(x, inner, vec![-1.0; slopes.len()], zeros())?;
        let negative = stack.function(&negated, Function::Relu)?;
        let scale = slopes.iter().map(|slope| -slope).collect();
        let negative = stack.affine(&negative, inner, scale, zeros())?;
        sum(stack, &positive, &negative)
    })
}

fn sum(stack: &mut Stack, a: &Held, b: &Held) -> Result<Held, String> {
    if a.shape != b.shape {
        return Err(format!("it adds samples of shapes {:?} and {:?}", a.shape, b.shape));
    }
    stack.push(OperatorConfig::Add(AddConfig {}), &[a, b], vec![], a.shape.clone())
}

fn leaky_relu(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let slope = settings.real("leaky_relu", 0.01);
    settings.finish()?;
    fed(x, |x| stack.function(x, Function::LeakyRelu { slope }))
}

fn elu(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let alpha = settings.real("elu", 1.0);
    settings.finish()?;
    fed(x, |x| stack.function(x, Function::Elu { alpha }))
}

fn celu(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let alpha = settings.real("celu", 1.0);
    if alpha <= 0.0 {
        settings.problem(format!("celu must be positive, found {alpha}"));
    }
    settings.finish()?;
    fed(x, |x| stack.function(x, Function::Celu { alpha }))
}

fn reshape(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let shape = settings.sizes("reshape");
    settings.finish()?;
    let Some(shape) = shape else { return Ok(None) };
    fed(x, |x| {
        let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if product != Some(x.features()) {
            return Err(format!("samples of shape {:?} cannot become {shape:?}", x.shape));
        }
        let operator = OperatorConfig::Reshape(ReshapeConfig { shape: shape.clone() });
        stack.push(operator, &[x], vec![], shape)
    })
}

/// To the nearest neighbour.
fn upsample(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let factors = settings.pair("upsample");
    settings.finish()?;
    let Some([tall, wide]) = factors else { return Ok(None) };
    fed(x, |x| {
        let [channels, height, width] = x.image()?;
        let times = |size: usize, factor| {
            size.checked_mul(factor).ok_or_else(|| format!("a factor of {factor} is too large"))
        };
        let shape = vec![channels, times(height, tall)?, times(width, wide)?];
        stack::check(&shape)?;
        let places = (0..channels).flat_map(|channel| {
            (0..height * tall).flat_map(move |row| {
                let start = (channel * height + row / tall) * width;
                (0..width * wide).map(move |column| Some((start + column / wide) as u32))
            })
        });
        let indices = Indices::from(places.collect::<Vec<_>>());
        let operator = OperatorConfig::Gather(GatherConfig { shape: shape.clone(), indices });
        stack.push(operator, &[x], vec![], shape)
    })
}

fn max_pool2d(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let kernel = settings.pair("max_pool2d");
    let stride = settings.pair("stride");
    let padding = settings.pair("padding").unwrap_or([0, 0]);
    let dilation = settings.pair("dilation").unwrap_or([1, 1]);
    settings.finish()?;
    let Some(kernel) = kernel else { return Ok(None) };
    fed(x, |x| {
        let config = MaxPool2dConfig {
            input: x.image()?,
            kernel,
            stride: stride.unwrap_or(kernel),
            padding: padding.map(|padding| [padding; 2]),
            dilation,
        };
        let shape = config.output()?.to_vec();
        stack.push(OperatorConfig::MaxPool2d(config), &[x], vec![], shape)
    })
}

/// Layers around which there is a shortcut, or layers of its own.
fn residual(
    stack: &mut Stack,
    place: &str,
    table: Table,
    x: Option<Held>,
    tensors: &mut StateDict<'_>,
    problems: &mut Vec<String>,
) -> Option<Held> {
    let mut settings = Settings::new(table, tensors);
    let layers = settings.layers("residual").unwrap_or_default();
    let shortcut = settings.layers("shortcut").unwrap_or_default();
    if let Err(found) = settings.finish() {
        problems.extend(found.iter().map(|problem| format!("{place} (residual): {problem}")));
    }
    let inside = format!("{place}.residual");
    let main = push_all(stack, &inside, &layers, x.clone(), tensors, problems);
    let inside = format!("{place}.shortcut");
    let beside = push_all(stack, &inside, &shortcut, x, tensors, problems);
    let summed = sum(stack, &main?, &beside?);
    summed.map_err(|problem| problems.push(format!("{place} (residual): {problem}"))).ok()
}
