//! Functions of one value, element by element.

use burn::tensor::{Device, Tensor, TensorData};

use crate::ops::{ActivationConfig, Calculus, Function, Initialiser};

use super::super::array::Array;
use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Dimension, Threshold, Value};
use super::arithmetic::{Binary, combine};

/// ONNX's defaults of `Selu`.
const SELU_ALPHA: f32 = 1.673_263_2;
const SELU_GAMMA: f32 = 1.050_701;

/// An element-wise function of one input.
pub(super) fn function(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let alpha = |default: f32| f64::from(call.real("alpha", default));
    let mut gain = 1.0;
    let function = match call.node.op_type.as_str() {
        "Relu" => Function::Relu,
        "LeakyRelu" => Function::LeakyRelu { slope: alpha(0.01) },
        "Elu" => Function::Elu { alpha: alpha(1.0) },
        "Celu" => Function::Celu { alpha: alpha(1.0) },
        "Selu" => {
            let (alpha, gamma) = (call.real("alpha", SELU_ALPHA), call.real("gamma", SELU_GAMMA));
            if (alpha, gamma) == (SELU_ALPHA, SELU_GAMMA) {
                Function::Selu
            } else {
                gain = gamma;
                Function::Elu { alpha: alpha.into() }
            }
        }
        "Gelu" => match call.text("approximate", "none")? {
            "none" => Function::Gelu,
            "tanh" => Function::GeluTanh,
            other => return Err(format!("approximate {other:?}")),
        },
        "Sigmoid" => Function::Sigmoid,
        "Tanh" => Function::Tanh,
        "Softplus" => Function::Softplus,
        "Softsign" => Function::Softsign,
        "HardSigmoid" => {
            Function::HardSigmoid { slope: alpha(0.2), offset: f64::from(call.real("beta", 0.5)) }
        }
        "HardSwish" => Function::HardSwish,
        "Mish" => Function::Mish,
        "Swish" if alpha(1.0) == 1.0 => Function::Silu,
        "Exp" => Function::Exp,
        "Log" => Function::Log,
        "Sqrt" => Function::Sqrt,
        "Reciprocal" => Function::Reciprocal,
        "Abs" => Function::Abs,
        "Erf" => Function::Erf,
        "Sin" => Function::Sin,
        "Cos" => Function::Cos,
        other => return Err(format!("{other} with these attributes is not supported")),
    };
    let value = apply(draft, call.input(0), function)?;
    if gain == 1.0 {
        return Ok(vec![value]);
    }
    let gain = Value::numbers(Array::scalar(gain));
    Ok(vec![combine(draft, Binary::Multiply, &value, &gain)?])
}

/// A function of a constant or of a value of the network.
pub(crate) fn apply(draft: &mut Draft, x: &Value, function: Function) -> Result<Value, String> {
    match x {
        Value::Features(x) => Ok(Value::Features(draft.activation(x, function)?)),
        other => match other.as_numbers() {
            Some(array) => Ok(Value::numbers(evaluated(function, array))),
            None => Err(format!("the input is {}", other.kind())),
        },
    }
}

/// A function of constants, by the operator that networks use.
pub(super) fn evaluated(function: Function, array: Array<f32>) -> Array<f32> {
    if array.values.is_empty() {
        return array;
    }
    let device = Device::flex();
    let operator = ActivationConfig { function }.init(&mut Initialiser::new(0), &device);
    let count = array.values.len();
    let x = Tensor::<2>::from_data(TensorData::new(array.values, [1, count]), &device);
    let values = operator.forward(&[&x]).into_data().try_to_vec::<f32>();
    Array { shape: array.shape, values: values.expect("constants are single precision") }
}

/// Sign, rounding and negation.
pub(super) fn simple(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let operator = call.node.op_type.as_str();
    if let ("Not", Value::Above(condition)) = (operator, call.input(0)) {
        let opposite = Threshold { negated: !condition.negated, ..condition.clone() };
        return Ok(vec![Value::Above(opposite)]);
    }
    if operator == "Neg"
        && let Value::Features(x) = call.input(0)
    {
        return Ok(vec![Value::Features(draft.scaled(x, -1.0, 0.0)?)]);
    }
    let of_dimension = |value: &Dimension| {
        let rounded = |round: fn(f64) -> f64| {
            if value.is_fixed() || (value.rows.fract() == 0.0 && value.fixed.fract() == 0.0) {
                Ok(Dimension { rows: value.rows, fixed: round(value.fixed) })
            } else {
                Err("rounding a fraction of the number of rows".to_string())
            }
        };
        match operator {
            "Neg" => Ok(Dimension { rows: -value.rows, fixed: -value.fixed }),
            "Not" => Ok(Dimension::fixed(f64::from(*value == Dimension::fixed(0.0)))),
            "Floor" => rounded(f64::floor),
            "Ceil" => rounded(f64::ceil),
            _ => rounded(f64::round_ties_even),
        }
    };
    let of_number = |value: &f32| match operator {
        "Neg" => -value,
        "Floor" => value.floor(),
        "Ceil" => value.ceil(),
        _ => value.round_ties_even(),
    };
    Ok(vec![match call.input(0) {
        Value::Numbers(array) => Value::numbers(array.map(of_number)),
        Value::Dimensions(array) => {
            let values = array.values.iter().map(of_dimension).collect::<Result<_, _>>()?;
            Value::dimensions(Array { shape: array.shape.clone(), values })
        }
        other => return Err(format!("the input is {}", other.kind())),
    }])
}

/// `Clip`: the limits are attributes in old operator sets, inputs in newer ones.
pub(super) fn clip(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let limit = |position: usize, name: &str| -> Result<Option<f64>, String> {
        if call.is_given(position) {
            return Ok(Some(f64::from(*call.numbers(position)?.single()?)));
        }
        Ok(call.has(name).then(|| f64::from(call.real(name, 0.0))))
    };
    // Exporters write "no limit" as the largest number.
    let finite = |limit: Option<f64>| limit.filter(|limit| limit.abs() < f64::from(f32::MAX));
    let (low, high) = (finite(limit(1, "min")?), finite(limit(2, "max")?));
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        return Err(format!("its limits {low} and {high} are reversed"));
    }
    Ok(vec![apply(draft, call.input(0), Function::Clip { low, high })?])
}

/// `PRelu`: one learned slope, or one for each channel.
pub(super) fn prelu(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let slope = call.numbers(1)?;
    if let [slope] = slope.values.as_slice() {
        let function = Function::LeakyRelu { slope: f64::from(*slope) };
        return Ok(vec![Value::Features(draft.activation(&x, function)?)]);
    }
    // relu(x) - slope relu(-x)
    let positive = draft.activation(&x, Function::Relu)?;
    let negated = draft.scaled(&x, -1.0, 0.0)?;
    let negative = Value::Features(draft.activation(&negated, Function::Relu)?);
    let slope = Value::numbers(slope.map(|slope| -slope));
    let negative = combine(draft, Binary::Multiply, &negative, &slope)?;
    Ok(vec![combine(draft, Binary::Add, &Value::Features(positive), &negative)?])
}
