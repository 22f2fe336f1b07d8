//! Functions of two values with broadcasting.

use crate::ops::{Function, MultiplyConfig, OperatorConfig};

use super::super::array::{Array, broadcast_shapes};
use super::super::call::{Call, displaced};
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::value::{Dimension, Features, Value};
use super::elementwise::{apply, evaluated};

/// Arithmetic and comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Minimum,
    Maximum,
    Modulo,
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

impl Binary {
    fn named(name: &str) -> Self {
        match name {
            "Add" => Self::Add,
            "Sub" => Self::Subtract,
            "Mul" => Self::Multiply,
            "Div" => Self::Divide,
            "Pow" => Self::Power,
            "Min" => Self::Minimum,
            "Max" => Self::Maximum,
            "Mod" => Self::Modulo,
            "Equal" => Self::Equal,
            "Less" => Self::Less,
            "LessOrEqual" => Self::LessOrEqual,
            "Greater" => Self::Greater,
            "GreaterOrEqual" => Self::GreaterOrEqual,
            "And" => Self::And,
            _ => Self::Or,
        }
    }

    /// The value for real numbers; truth is 1.
    fn of_numbers(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Power => a.powf(b),
            Self::Minimum => a.min(b),
            Self::Maximum => a.max(b),
            Self::Modulo => a.rem_euclid(b),
            Self::Equal => (a == b).into(),
            Self::Less => (a < b).into(),
            Self::LessOrEqual => (a <= b).into(),
            Self::Greater => (a > b).into(),
            Self::GreaterOrEqual => (a >= b).into(),
            Self::And => (a != 0.0 && b != 0.0).into(),
            Self::Or => (a != 0.0 || b != 0.0).into(),
        }
    }

    /// The value for integers that may depend on the number of rows.
    fn of_dimensions(self, a: Dimension, b: Dimension) -> Result<Dimension, String> {
        if a.is_fixed() && b.is_fixed() {
            let value = self.of_numbers(a.fixed, b.fixed);
            // Integers divide as integers.
            let whole = a.fixed.fract() == 0.0 && b.fixed.fract() == 0.0;
            let divided = self == Self::Divide && whole;
            return if value.is_finite() {
                Ok(Dimension::fixed(if divided { value.trunc() } else { value }))
            } else {
                Err(format!("{self:?} of {} and {}", a.fixed, b.fixed))
            };
        }
        let each =
            |f: &dyn Fn(f64) -> f64, x: Dimension| Dimension { rows: f(x.rows), fixed: f(x.fixed) };
        match self {
            Self::Add => Ok(Dimension { rows: a.rows + b.rows, fixed: a.fixed + b.fixed }),
            Self::Subtract => Ok(Dimension { rows: a.rows - b.rows, fixed: a.fixed - b.fixed }),
            Self::Multiply if b.is_fixed() => Ok(each(&|x| x * b.fixed, a)),
            Self::Multiply if a.is_fixed() => Ok(each(&|x| x * a.fixed, b)),
            Self::Divide if a == b => Ok(Dimension::fixed(1.0)),
            Self::Divide if b.is_fixed() && b.fixed != 0.0 => Ok(each(&|x| x / b.fixed, a)),
            // A number of rows is positive and no particular number: it is not -1, say.
            Self::Equal => Ok(Dimension::fixed((a == b).into())),
            Self::Maximum if a == b => Ok(a),
            _ => Err(format!("{self:?} of a number that depends on the number of rows")),
        }
    }
}

/// Two inputs (`Min` and `Max` may have more).
pub(super) fn binary(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let operator = Binary::named(&call.node.op_type);
    let mut value = call.input(0).clone();
    for other in call.inputs.iter().skip(1) {
        value = combine(draft, operator, &value, other)?;
    }
    Ok(vec![value])
}

/// `Sum` and `Mean` of any number of inputs.
pub(super) fn total(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let mut value = call.input(0).clone();
    for other in call.inputs.iter().skip(1) {
        value = combine(draft, Binary::Add, &value, other)?;
    }
    if call.node.op_type == "Mean" {
        let share = Value::numbers(Array::scalar(1.0 / call.inputs.len() as f32));
        value = combine(draft, Binary::Multiply, &value, &share)?;
    }
    Ok(vec![value])
}

/// `Where` among constants, and the softplus that exporters write by it: x where x is so
/// large that `ln(1 + e^x)` is x.
pub(super) fn choice(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    if let Value::Above(x, threshold) = call.input(0) {
        return match (call.input(1), call.input(2)) {
            (Value::Features(yes), Value::Features(no))
                if yes == x && *threshold >= 17.0 && draft.is_softplus(no, x) =>
            {
                Ok(vec![Value::Features(draft.activation(x, Function::Softplus)?)])
            }
            _ => Err("a choice that depends on a value of the network".to_string()),
        };
    }
    let condition = call.dimensions(0)?;
    let (yes, no) = (call.dimensions(1)?, call.dimensions(2)?);
    let shape = broadcast_shapes(&condition.shape, &broadcast_shapes(&yes.shape, &no.shape)?)?;
    let (condition, yes, no) =
        (condition.broadcast(&shape)?, yes.broadcast(&shape)?, no.broadcast(&shape)?);
    let choose = |((condition, yes), no): ((&Dimension, &Dimension), &Dimension)| {
        if *condition == Dimension::fixed(0.0) { *no } else { *yes }
    };
    let values =
        condition.values.iter().zip(&yes.values).zip(&no.values).map(choose).collect::<Vec<_>>();
    let chosen = Array { shape, values };
    let real = |position| matches!(call.input(position), Value::Numbers(_));
    Ok(vec![if real(1) && real(2) {
        Value::numbers(chosen.map(|value| value.fixed as f32))
    } else {
        Value::dimensions(chosen)
    }])
}

/// Combines two values, whatever they are.
pub(super) fn combine(
    draft: &mut Draft,
    operator: Binary,
    a: &Value,
    b: &Value,
) -> Result<Value, String> {
    match (a, b) {
        (Value::Noise, _) | (_, Value::Noise) => Ok(Value::Noise),
        (Value::Features(a), Value::Features(b)) => of_features(draft, operator, a, b),
        (Value::Features(a), b) => {
            let b = b.as_numbers().ok_or_else(|| format!("it combines with {}", b.kind()))?;
            with_constant(draft, operator, a, b, false)
        }
        (a, Value::Features(b)) => {
            let a = a.as_numbers().ok_or_else(|| format!("it combines with {}", a.kind()))?;
            with_constant(draft, operator, b, a, true)
        }
        (Value::Numbers(a), Value::Numbers(b)) => {
            let shape = broadcast_shapes(&a.shape, &b.shape)?;
            let (a, b) = (a.broadcast(&shape)?, b.broadcast(&shape)?);
            let of = |(a, b): (&f32, &f32)| operator.of_numbers((*a).into(), (*b).into());
            let values = a.values.iter().zip(&b.values).map(of);
            Ok(match operator {
                Binary::Equal
                | Binary::Less
                | Binary::LessOrEqual
                | Binary::Greater
                | Binary::GreaterOrEqual => {
                    let values = values.map(Dimension::fixed).collect();
                    Value::dimensions(Array { shape, values })
                }
                _ => Value::numbers(Array { shape, values: values.map(|v| v as f32).collect() }),
            })
        }
        (Value::Dimensions(a), Value::Dimensions(b)) => of_dimensions(operator, a, b),
        (Value::Dimensions(a), Value::Numbers(b)) => {
            of_dimensions(operator, a, &b.map(|&value| Dimension::fixed(value.into())))
        }
        (Value::Numbers(a), Value::Dimensions(b)) => {
            of_dimensions(operator, &a.map(|&value| Dimension::fixed(value.into())), b)
        }
        (a, b) => Err(format!("it combines {} and {}", a.kind(), b.kind())),
    }
}

fn of_dimensions(
    operator: Binary,
    a: &Array<Dimension>,
    b: &Array<Dimension>,
) -> Result<Value, String> {
    let shape = broadcast_shapes(&a.shape, &b.shape)?;
    let (a, b) = (a.broadcast(&shape)?, b.broadcast(&shape)?);
    let values = a.values.iter().zip(&b.values);
    let values = values.map(|(a, b)| operator.of_dimensions(*a, *b)).collect::<Result<_, _>>()?;
    Ok(Value::dimensions(Array { shape, values }))
}

fn with_rows(shape: &[usize]) -> Vec<usize> {
    std::iter::once(TRIAL_ROWS).chain(shape.iter().copied()).collect()
}

/// `x` stretched to a sample shape.
fn stretched(draft: &mut Draft, x: &Features, shape: &[usize]) -> Result<Features, String> {
    if x.shape == shape {
        return Ok(x.clone());
    }
    if !x.is_plain() {
        return Err(displaced(x));
    }
    draft.moved(x, |positions| positions.broadcast(&with_rows(shape)))
}

fn of_features(
    draft: &mut Draft,
    operator: Binary,
    a: &Features,
    b: &Features,
) -> Result<Value, String> {
    if (a.batch, a.merged) != (b.batch, b.merged) {
        return Err("inputs with the batch in different places".to_string());
    }
    if a.shape.len() != b.shape.len() {
        return Err(format!("samples of {:?} and {:?} do not broadcast", a.shape, b.shape));
    }
    let shape = broadcast_shapes(&a.shape, &b.shape)?;
    let (a, b) = (stretched(draft, a, &shape)?, stretched(draft, b, &shape)?);
    let product = |draft: &mut Draft, a: &Features, b: &Features| {
        if a == b {
            return draft.activation(a, Function::Square);
        }
        let operator = OperatorConfig::Multiply(MultiplyConfig {});
        Ok(draft.push(operator, &[a, b], vec![], shape.clone())?.placed_like(a))
    };
    // max(a, b) = a + relu(b - a) and min(a, b) = a - relu(a - b).
    let excess = |draft: &mut Draft, more: &Features, less: &Features| {
        let negated = draft.scaled(less, -1.0, 0.0)?;
        let difference = draft.sum(more, &negated)?;
        draft.activation(&difference, Function::Relu)
    };
    Ok(Value::Features(match operator {
        Binary::Add => draft.sum(&a, &b)?,
        Binary::Subtract => {
            let negated = draft.scaled(&b, -1.0, 0.0)?;
            draft.sum(&a, &negated)?
        }
        Binary::Multiply => product(draft, &a, &b)?,
        Binary::Divide => {
            let inverse = draft.activation(&b, Function::Reciprocal)?;
            product(draft, &a, &inverse)?
        }
        Binary::Maximum => {
            let excess = excess(draft, &b, &a)?;
            draft.sum(&a, &excess)?
        }
        Binary::Minimum => {
            let excess = excess(draft, &a, &b)?;
            let negated = draft.scaled(&excess, -1.0, 0.0)?;
            draft.sum(&a, &negated)?
        }
        other => return Err(format!("{other:?} of two values of the network is not supported")),
    }))
}

/// A value of the network and a constant, which comes first if `reversed`.
fn with_constant(
    draft: &mut Draft,
    operator: Binary,
    x: &Features,
    constant: Array<f32>,
    reversed: bool,
) -> Result<Value, String> {
    // The constant as it stands before a single row.
    let rank = x.shape.len() + usize::from(x.merged == 1);
    if constant.shape.len() > rank {
        return Err(format!("a constant of shape {:?} for {:?}", constant.shape, x.shape));
    }
    let mut whole: Vec<usize> = std::iter::repeat_n(1, rank - constant.shape.len())
        .chain(constant.shape.iter().copied())
        .collect();
    if whole[x.batch] != 1 {
        return Err("a constant that differs between the rows of a batch".to_string());
    }
    if x.merged == 1 {
        whole.remove(x.batch);
    }
    let row = Array::new(whole, constant.values)?;
    let shape = broadcast_shapes(&x.shape, &row.shape)?;
    let x = &stretched(draft, x, &shape)?;
    let affine = |draft: &mut Draft,
                  x: &Features,
                  scale: &dyn Fn(f32) -> f32,
                  shift: &dyn Fn(f32) -> f32| {
        let (inner, values) = compact(&row, &shape)?;
        let scales = values.iter().map(|&value| scale(value)).collect();
        draft.affine(x, inner, scales, values.iter().map(|&value| shift(value)).collect())
    };
    let one = |_: f32| 1.0;
    let zero = |_: f32| 0.0;
    let same = |value: f32| value;
    Ok(Value::Features(match (operator, reversed) {
        (Binary::Add, _) => affine(draft, x, &one, &same)?,
        (Binary::Multiply, _) => affine(draft, x, &same, &zero)?,
        (Binary::Subtract, false) => affine(draft, x, &one, &|value| -value)?,
        (Binary::Subtract, true) => affine(draft, x, &|_| -1.0, &same)?,
        (Binary::Divide, false) => affine(draft, x, &|value| 1.0 / value, &zero)?,
        (Binary::Divide, true) => {
            let inverse = draft.activation(x, Function::Reciprocal)?;
            affine(draft, &inverse, &same, &zero)?
        }
        (Binary::Power, false) => {
            let function = match *row.single()? {
                1.0 => return Ok(Value::Features(x.clone())),
                2.0 => Function::Square,
                0.5 => Function::Sqrt,
                -1.0 => Function::Reciprocal,
                exponent => Function::Power { exponent: exponent.into() },
            };
            draft.activation(x, function)?
        }
        (Binary::Greater, false) => return Ok(Value::Above(x.clone(), *row.single()?)),
        (Binary::Power, true) => {
            // c^x = e^(x ln c)
            let logarithms = evaluated(Function::Log, row.clone());
            let exponent = with_constant(draft, Binary::Multiply, x, logarithms, false)?;
            return apply(draft, &exponent, Function::Exp);
        }
        (Binary::Maximum | Binary::Minimum, _) => match row.values.as_slice() {
            &[limit] => {
                let limit = Some(f64::from(limit));
                let function = if operator == Binary::Maximum {
                    Function::Clip { low: limit, high: None }
                } else {
                    Function::Clip { low: None, high: limit }
                };
                draft.activation(x, function)?
            }
            _ => {
                let constant = draft.constant(row.broadcast(&shape)?)?;
                return of_features(draft, operator, x, &constant);
            }
        },
        (other, _) => return Err(format!("{other:?} of a value of the network")),
    }))
}

/// A constant broadcast to `shape` in the fewest numbers: each holds for `inner`
/// neighbouring features, and they repeat.
fn compact(row: &Array<f32>, shape: &[usize]) -> Result<(usize, Vec<f32>), String> {
    let added = shape.len() - row.shape.len();
    let varies = |axis: &usize| *axis >= added && row.shape[axis - added] != 1;
    let Some(first) = (0..shape.len()).find(varies) else {
        let whole = shape.iter().product();
        return Ok((whole, vec![*row.single()?]));
    };
    let last = (0..shape.len()).rev().find(varies).expect("there is a first");
    let inner = shape[last + 1..].iter().product();
    let values = row.clone().reshaped(row.shape[first - added..=last - added].to_vec())?;
    Ok((inner, values.broadcast(&shape[first..=last])?.values))
}
