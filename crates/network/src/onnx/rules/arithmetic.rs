//! Functions of two values with broadcasting.

use std::rc::Rc;

use crate::ops::{Function, MultiplyConfig, OperatorConfig};

use super::super::array::{Array, broadcast_shapes};
use super::super::call::Call;
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::value::{Dimension, Features, Value};
use super::choice::{chosen, compared, joined};
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
    Remainder,
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

    /// Whether it tells which of two numbers is larger.
    fn is_comparison(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
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
            // With the sign of the divisor; the attribute `fmod` is handled by the rule.
            Self::Modulo => a - b * (a / b).floor(),
            Self::Remainder => a % b,
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
    fn of_dimensions(self, a: Dimension, b: Dimension, real: bool) -> Result<Dimension, String> {
        if a.is_fixed() && b.is_fixed() {
            let value = self.of_numbers(a.fixed, b.fixed);
            // Integers divide as integers.
            let whole = a.fixed.fract() == 0.0 && b.fixed.fract() == 0.0;
            let divided = self == Self::Divide && whole && !real;
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
            Self::Divide if a.fixed == 0.0 && b.fixed == 0.0 => {
                Ok(Dimension::fixed(a.rows / b.rows))
            }
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
    let operator = match Binary::named(&call.node.op_type) {
        Binary::Modulo if call.integer("fmod", 0) != 0 => Binary::Remainder,
        operator => operator,
    };
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

pub(super) fn placed_alike(a: &Features, b: &Features) -> bool {
    a.is_placed_like(b) && a.shape.len() == b.shape.len()
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
        (Value::Places(_), Value::Dimensions(_)) | (Value::Dimensions(_), Value::Places(_)) => {
            of_places(operator, a, b)
        }
        (Value::Above(a), Value::Above(b)) if matches!(operator, Binary::And | Binary::Or) => {
            joined(draft, operator, a, b)
        }
        (Value::Features(_), _) | (_, Value::Features(_)) if operator.is_comparison() => {
            compared(draft, operator, a, b)
        }
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
        (Value::Dimensions(a), Value::Dimensions(b)) => of_dimensions(operator, a, b, false),
        // Both are of one type in the graph: sizes beside real numbers were cast to such.
        (Value::Dimensions(a), Value::Numbers(b)) => {
            of_dimensions(operator, a, &b.map(|&value| Dimension::fixed(value.into())), true)
        }
        (Value::Numbers(a), Value::Dimensions(b)) => {
            of_dimensions(operator, &a.map(|&value| Dimension::fixed(value.into())), b, true)
        }
        (a, b) => Err(format!("it combines {} and {}", a.kind(), b.kind())),
    }
}

/// Numbers of rows plus or times integers.
fn of_places(operator: Binary, a: &Value, b: &Value) -> Result<Value, String> {
    if !matches!(operator, Binary::Add | Binary::Subtract | Binary::Multiply) {
        return Err(format!("{operator:?} of the numbers of rows"));
    }
    let numbers = |value: &Value| match value {
        Value::Places(places) => Ok(places.as_ref().clone()),
        Value::Dimensions(array) if array.values.iter().all(|size| size.is_fixed()) => {
            Ok(array.map(|size| size.fixed))
        }
        other => Err(format!("it combines numbers of rows with {}", other.kind())),
    };
    let (a, b) = (numbers(a)?, numbers(b)?);
    let shape = broadcast_shapes(&a.shape, &b.shape)?;
    if shape.first() != Some(&TRIAL_ROWS) {
        return Err("numbers of rows along another axis than the first".to_string());
    }
    let (a, b) = (a.broadcast(&shape)?, b.broadcast(&shape)?);
    let values = a.values.iter().zip(&b.values).map(|(&a, &b)| operator.of_numbers(a, b));
    Ok(Value::Places(Rc::new(Array { values: values.collect(), shape })))
}

fn of_dimensions(
    operator: Binary,
    a: &Array<Dimension>,
    b: &Array<Dimension>,
    real: bool,
) -> Result<Value, String> {
    let shape = broadcast_shapes(&a.shape, &b.shape)?;
    let (a, b) = (a.broadcast(&shape)?, b.broadcast(&shape)?);
    let values = a.values.iter().zip(&b.values);
    let values =
        values.map(|(a, b)| operator.of_dimensions(*a, *b, real)).collect::<Result<_, _>>()?;
    Ok(Value::dimensions(Array { shape, values }))
}

fn with_rows(shape: &[usize]) -> Vec<usize> {
    std::iter::once(TRIAL_ROWS).chain(shape.iter().copied()).collect()
}

/// `x` stretched to a sample shape.
pub(super) fn stretched(
    draft: &mut Draft,
    x: &Features,
    shape: &[usize],
) -> Result<Features, String> {
    if x.shape == shape {
        return Ok(x.clone());
    }
    let stretched = draft.moved(&x.plain(), |places| places.broadcast(&with_rows(shape)))?;
    Ok(stretched.placed_like(x))
}

fn of_features(
    draft: &mut Draft,
    operator: Binary,
    a: &Features,
    b: &Features,
) -> Result<Value, String> {
    if !a.is_placed_like(b) {
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

/// A constant as it stands beside a single row of `x`.
pub(super) fn row_of(constant: Array<f32>, x: &Features) -> Result<Array<f32>, String> {
    let rank = x.shape.len() + usize::from(x.merged == 1);
    if constant.shape.len() > rank {
        return Err(format!("a constant of shape {:?} for {:?}", constant.shape, x.shape));
    }
    let whole: Vec<usize> = std::iter::repeat_n(1, rank - constant.shape.len())
        .chain(constant.shape.iter().copied())
        .collect();
    let lines = constant.reshaped(whole)?.with_axis_first(x.batch)?;
    let own = if lines.shape[0].is_multiple_of(x.merged) { x.merged } else { 1 };
    let row = lines.shared_row(own).ok_or("a constant that differs between the rows of a batch")?;
    if x.merged == 1 {
        let shape = row.shape[1..].to_vec();
        return row.reshaped(shape);
    }
    if own > 1 && own < lines.shape[0] && x.before > 1 {
        return Err("a constant with the batch within an axis".to_string());
    }
    Ok(row)
}

/// A value of the network and a constant, which comes first if `reversed`.
fn with_constant(
    draft: &mut Draft,
    operator: Binary,
    x: &Features,
    constant: Array<f32>,
    reversed: bool,
) -> Result<Value, String> {
    let row = row_of(constant, x)?;
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
            let first = row.values.first().copied().unwrap_or(1.0);
            if row.values.iter().any(|&exponent| exponent != first) {
                return powers(draft, x, &row.broadcast(&shape)?);
            }
            let row = Array::scalar(first);
            let function = match *row.single()? {
                1.0 => return Ok(Value::Features(x.clone())),
                2.0 => Function::Square,
                0.5 => Function::Sqrt,
                -1.0 => Function::Reciprocal,
                exponent => Function::Power { exponent: exponent.into() },
            };
            draft.activation(x, function)?
        }
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

/// Each feature to a power of its own.
fn powers(draft: &mut Draft, x: &Features, exponents: &Array<f32>) -> Result<Value, String> {
    let mut distinct = exponents.values.clone();
    distinct.sort_by(f32::total_cmp);
    distinct.dedup();
    let mut sum: Option<Value> = None;
    for exponent in distinct {
        let power = with_constant(draft, Binary::Power, x, Array::scalar(exponent), false)?;
        let mask = exponents.map(|&own| Dimension::fixed(f64::from(u8::from(own == exponent))));
        let part = chosen(draft, &mask, &power, &Value::numbers(Array::scalar(0.0)))?;
        sum = Some(match sum {
            Some(sum) => combine(draft, Binary::Add, &sum, &part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| "no exponents".to_string())
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
