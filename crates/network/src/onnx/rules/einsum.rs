//! Einstein's sums, as products of matrices.

use crate::ops::{MatMulConfig, OperatorConfig};

use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Dimension, Features, Value};
use super::moves::{Transposition, moved, whole_shape, with_shape};
use super::reduction::reduced;

/// An operand with the letters of its axes.
struct Operand {
    value: Value,
    letters: Vec<char>,
}

impl Operand {
    fn sizes(&self) -> Result<Vec<Dimension>, String> {
        whole_shape(&self.value)
    }

    /// Axes in the order of these letters, which are all that the operand has.
    fn ordered(self, draft: &mut Draft, letters: &[char]) -> Result<Self, String> {
        if self.letters == letters {
            return Ok(self);
        }
        let place = |letter: &char| self.letters.iter().position(|own| own == letter);
        let order = letters.iter().map(place).collect::<Option<Vec<_>>>();
        let order = order.ok_or("an axis of the result that no operand has")?;
        let value = moved(draft, &self.value, &Transposition(order))?;
        Ok(Self { value, letters: letters.to_vec() })
    }

    /// The sum over the axes that are not among `kept`.
    fn summed(self, draft: &mut Draft, kept: &[char]) -> Result<Self, String> {
        let gone = (0..self.letters.len()).filter(|&axis| !kept.contains(&self.letters[axis]));
        let axes: Vec<i64> = gone.map(|axis| axis as i64).collect();
        if axes.is_empty() {
            return Ok(self);
        }
        let Value::Features(x) = &self.value else {
            return Err("a sum over an axis of a constant alone is not supported".to_string());
        };
        let value = Value::Features(reduced(draft, x, "ReduceSum", &axes, false)?);
        let letters = self.letters.into_iter().filter(|letter| kept.contains(letter)).collect();
        Ok(Self { value, letters })
    }
}

/// `Einsum` of one or two operands, without ellipses and repeated letters in an operand.
pub(super) fn einsum(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let equation: String = call.text("equation", "")?.split_whitespace().collect();
    let refused = |why: &str| format!("equation {equation:?}: {why}");
    let (left, right) = equation.split_once("->").ok_or_else(|| refused("it has no ->"))?;
    let result: Vec<char> = right.chars().collect();
    let terms: Vec<Vec<char>> = left.split(',').map(|term| term.chars().collect()).collect();
    let distinct = |term: &Vec<char>| {
        let mut sorted = term.clone();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.len() == term.len() && term.iter().all(char::is_ascii_alphabetic)
    };
    if !terms.iter().chain([&result]).all(distinct) {
        return Err(refused("ellipses and repeated letters are not supported"));
    }
    if terms.len() != call.inputs.len() {
        return Err(refused(&format!("{} operands", call.inputs.len())));
    }
    let mut operands = vec![];
    for (letters, value) in terms.into_iter().zip(&call.inputs) {
        if whole_shape(value)?.len() != letters.len() {
            return Err(refused(&format!("{} has other axes", value.kind())));
        }
        operands.push(Operand { value: value.clone(), letters });
    }
    // One pair after another, keeping what is still to be read.
    let mut operands = operands.into_iter();
    let mut product = operands.next().ok_or_else(|| refused("no operands"))?;
    while let Some(next) = operands.next() {
        let later = operands.as_slice().iter().flat_map(|operand| &operand.letters);
        let kept: Vec<char> = result.iter().chain(later).copied().collect();
        product = pair(draft, product, next, &kept).map_err(|why| refused(&why))?;
    }
    let product = product.summed(draft, &result).map_err(|why| refused(&why))?;
    Ok(vec![product.ordered(draft, &result).map_err(|why| refused(&why))?.value])
}

/// The product of two operands, summed over the axes that are not among `kept`.
fn pair(draft: &mut Draft, a: Operand, b: Operand, kept: &[char]) -> Result<Operand, String> {
    let in_a: Vec<char> = a.letters.iter().chain(kept).copied().collect();
    let in_b: Vec<char> = b.letters.iter().chain(kept).copied().collect();
    let (a, b) = (a.summed(draft, &in_b)?, b.summed(draft, &in_a)?);
    let shared: Vec<char> =
        a.letters.iter().filter(|letter| b.letters.contains(letter)).copied().collect();
    let (batch, inner): (Vec<char>, Vec<char>) =
        shared.iter().partition(|letter| kept.contains(letter));
    let own = |operand: &Operand| -> Vec<char> {
        operand.letters.iter().filter(|letter| !shared.contains(letter)).copied().collect()
    };
    let (rows, columns) = (own(&a), own(&b));
    match (&a.value, &b.value) {
        (Value::Features(_), Value::Features(_)) => {
            let letters = [batch.clone(), rows.clone(), columns.clone()].concat();
            let a = a.ordered(draft, &[batch.clone(), rows, inner.clone()].concat())?;
            let b = b.ordered(draft, &[batch.clone(), inner.clone(), columns].concat())?;
            let value = of_values(draft, &a, &b, batch.len(), inner.len())?;
            Ok(Operand { value, letters })
        }
        (Value::Features(_), _) => of_constant(draft, a, b, [&batch, &inner, &rows, &columns]),
        (_, Value::Features(_)) => of_constant(draft, b, a, [&batch, &inner, &columns, &rows]),
        _ => Err("a product of constants is not supported".to_string()),
    }
}

fn count(sizes: &[Dimension]) -> usize {
    sizes.iter().map(|size| size.fixed as usize).product()
}

/// `[batch, rows, inner]` times `[batch, inner, columns]`, where the first axis is the batch of
/// samples.
fn of_values(
    draft: &mut Draft,
    a: &Operand,
    b: &Operand,
    batch: usize,
    inner: usize,
) -> Result<Value, String> {
    let (left, right) = (a.sizes()?, b.sizes()?);
    if left.first() != Some(&Dimension::ROWS) || batch == 0 {
        return Err("it would mix samples".to_string());
    }
    let columns = &right[batch + inner..];
    let rows = &left[batch..left.len() - inner];
    let (leading, middle) = (&left[1..batch], &left[left.len() - inner..]);
    if right[..batch] != left[..batch] || right[batch..batch + inner] != *middle {
        return Err("axes of one letter differ in size".to_string());
    }
    let config = MatMulConfig {
        batch: count(leading),
        rows: count(rows),
        inner: count(middle),
        columns: count(columns),
        shape: leading.iter().chain(rows).chain(columns).map(|size| size.fixed as usize).collect(),
    };
    let shape = config.shape.clone();
    let (Value::Features(a), Value::Features(b)) = (&a.value, &b.value) else {
        return Err("it would mix samples".to_string());
    };
    let product = draft.push(OperatorConfig::MatMul(config), &[a, b], vec![], shape)?;
    Ok(Value::Features(product))
}

/// The product of a value of the network and a constant, whose axes come in these groups.
fn of_constant(
    draft: &mut Draft,
    x: Operand,
    constant: Operand,
    [batch, inner, rows, columns]: [&[char]; 4],
) -> Result<Operand, String> {
    let numbers = constant.value.as_numbers().ok_or("it combines with integers")?;
    let constant = Operand { value: Value::numbers(numbers), letters: constant.letters };
    if batch.is_empty() {
        // A matrix for all samples and positions alike.
        let letters = [rows, columns].concat();
        let x = x.ordered(draft, &[rows, inner].concat())?;
        let matrix = constant.ordered(draft, &[inner, columns].concat())?;
        let (sizes, own) = (x.sizes()?, matrix.sizes()?);
        let (before, middle) = sizes.split_at(rows.len());
        let (first, columns) = own.split_at(inner.len());
        if middle != first {
            return Err("axes of one letter differ in size".to_string());
        }
        let mut flat = before.to_vec();
        flat.push(Dimension::fixed(count(middle) as f64));
        let Value::Features(lines) = with_shape(draft, &x.value, &flat)? else {
            return Err("it would mix samples".to_string());
        };
        let matrix = matrix.value.as_numbers().ok_or("it combines with integers")?;
        let matrix = matrix.reshaped(vec![count(middle), count(columns)])?;
        let product = Value::Features(draft.linear(&lines, matrix, None)?);
        let shape: Vec<Dimension> = before.iter().chain(columns).copied().collect();
        let value = with_shape(draft, &product, &shape)?;
        return Ok(Operand { value, letters });
    }
    // A matrix for each of some positions: the constant as a value that all samples share.
    let Value::Features(Features { batch: place, merged: 1, .. }) = x.value else {
        return Err("it would mix samples".to_string());
    };
    let sample = x.letters[place];
    if batch.contains(&sample) || inner.contains(&sample) {
        return Err("a constant that differs between samples".to_string());
    }
    let rows: Vec<char> = rows.iter().copied().filter(|&letter| letter != sample).collect();
    let x_order = [&[sample], batch, &rows, inner].concat();
    let own_order = [batch, inner, columns].concat();
    let numbers = constant.ordered(draft, &own_order)?.value.as_numbers();
    let shared = draft.constant(numbers.ok_or("it combines with integers")?)?;
    let x = x.ordered(draft, &x_order)?;
    let constant = Operand {
        value: Value::Features(shared),
        letters: [&[sample], own_order.as_slice()].concat(),
    };
    let value = of_values(draft, &x, &constant, batch.len() + 1, inner.len())?;
    Ok(Operand { value, letters: [&[sample], batch, &rows, columns].concat() })
}
