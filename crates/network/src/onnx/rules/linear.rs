//! Matrix products.

use crate::ops::{MatMulConfig, OperatorConfig};

use super::super::array::{Array, broadcast_shapes};
use super::super::call::{Call, displaced};
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::value::{Features, Value};
use super::arithmetic::{Binary, combine};

/// `Gemm`: `alpha A B + beta C`, A the value of the network.
pub(super) fn gemm(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    if let Value::Numbers(_) = call.input(0) {
        return Err("its first input is a constant".to_string());
    }
    let x = call.placed_features(0)?.clone();
    if x.batch != 0 {
        return Err(displaced(&x));
    }
    if call.integer("transA", 0) != 0 {
        return Err("transA would mix samples".to_string());
    }
    let (alpha, beta) = (call.real("alpha", 1.0), call.real("beta", 1.0));
    let mut weight = call.numbers(1)?;
    if call.integer("transB", 0) != 0 {
        weight = weight.transposed(&[1, 0])?;
    }
    if alpha != 1.0 {
        weight = weight.map(|value| alpha * value);
    }
    if let (Value::Features(_), 1.0) = (call.input(2), beta) {
        let product = Value::Features(draft.linear(&x, weight, None)?);
        return Ok(vec![combine(draft, Binary::Add, &product, call.input(2))?]);
    }
    let bias = match call.optional_numbers(2)? {
        Some(bias) => {
            let outputs = weight.shape.get(1).copied().unwrap_or(0);
            let bias = bias.broadcast(&[1, outputs])?;
            Some(bias.values.into_iter().map(|value| beta * value).collect())
        }
        None => None,
    };
    Ok(vec![Value::Features(draft.linear(&x, weight, bias)?)])
}

/// `MatMul` of a value and a matrix, a matrix and a value, or two values.
pub(super) fn matmul(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let result = match (call.input(0), call.input(1)) {
        (Value::Features(_), Value::Features(_)) => {
            let (a, b) = (call.placed_features(0)?, call.placed_features(1)?);
            of_features(draft, a, b)?
        }
        (Value::Features(_), _) => {
            let x = call.placed_features(0)?;
            if x.batch == x.shape.len() {
                return Err(displaced(x));
            }
            let weight = call.numbers(1)?;
            if let [width] = *weight.shape.as_slice() {
                let column = weight.reshaped(vec![width, 1])?;
                let product = draft.linear(x, column, None)?;
                let shape = x.shape[..x.shape.len() - 1].to_vec();
                draft.reshaped(&product, shape)?.placed_like(x)
            } else if is_matrix(&weight.shape) {
                draft.linear(x, matrix(weight)?, None)?
            } else {
                let weight = shared(draft, weight, x)?;
                of_features(draft, x, &weight)?
            }
        }
        (_, Value::Features(_)) => {
            // W x = (x' W')' over the last two axes.
            let weight = call.numbers(0)?;
            let x = call.placed_features(1)?;
            if let [height] = *weight.shape.as_slice() {
                let x = last_two_swapped(draft, x)?;
                let product = draft.linear(&x, weight.reshaped(vec![height, 1])?, None)?;
                let shape = x.shape[..x.shape.len() - 1].to_vec();
                draft.reshaped(&product, shape)?.placed_like(&x)
            } else if is_matrix(&weight.shape) {
                let weight = matrix(weight)?.transposed(&[1, 0])?;
                let x = last_two_swapped(draft, x)?;
                let product = draft.linear(&x, weight, None)?;
                last_two_swapped(draft, &product)?
            } else {
                let weight = shared(draft, weight, x)?;
                of_features(draft, &weight, x)?
            }
        }
        _ => return Ok(vec![Value::numbers(of_constants(&call.numbers(0)?, &call.numbers(1)?)?)]),
    };
    Ok(vec![Value::Features(result)])
}

fn is_matrix(shape: &[usize]) -> bool {
    shape.len() >= 2 && shape[..shape.len() - 2].iter().all(|&size| size == 1)
}

/// Constant matrices, one for each of several positions in a sample, as a value that all
/// samples share.
fn shared(draft: &mut Draft, constant: Array<f32>, x: &Features) -> Result<Features, String> {
    let missing = (x.shape.len() + usize::from(x.merged == 1)).saturating_sub(constant.shape.len());
    let shape = std::iter::repeat_n(1, missing).chain(constant.shape.iter().copied()).collect();
    let lines = constant.reshaped(shape)?.with_axis_first(x.batch)?;
    if x.merged > 1 {
        let row = lines.shared_row(x.merged).ok_or("a matrix for each row of the batch")?;
        return Ok(draft.constant(row)?.placed_like(x));
    }
    let row = lines.shared_row(1).ok_or("a matrix for each row of the batch")?;
    let shape = row.shape[1..].to_vec();
    Ok(draft.constant(row.reshaped(shape)?)?.placed_like(x))
}

/// A matrix, maybe with axes of size 1 before it.
fn matrix(array: Array<f32>) -> Result<Array<f32>, String> {
    match array.shape.as_slice() {
        [before @ .., rows, columns] if before.iter().all(|&size| size == 1) => {
            let shape = vec![*rows, *columns];
            array.reshaped(shape)
        }
        shape => Err(format!("a product with constants of shape {shape:?} is not supported")),
    }
}

pub(super) fn last_two_swapped(draft: &mut Draft, x: &Features) -> Result<Features, String> {
    let rank = x.shape.len() + usize::from(x.merged == 1);
    if rank < 3 || x.batch + 2 > rank - 1 {
        return Err("it would mix samples".to_string());
    }
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 1, rank - 2);
    draft.transposed(x, &order)
}

fn of_constants(a: &Array<f32>, b: &Array<f32>) -> Result<Array<f32>, String> {
    // Vectors are rows on the left and columns on the right; matrices may be repeated.
    if let [width] = *a.shape.as_slice() {
        let row = a.clone().reshaped(vec![1, width])?;
        let mut product = of_constants(&row, b)?;
        let place = product.shape.len() - if b.shape.len() == 1 { 1 } else { 2 };
        product.shape.remove(place);
        return Ok(product);
    }
    if let [height] = *b.shape.as_slice() {
        let column = b.clone().reshaped(vec![height, 1])?;
        let mut product = of_constants(a, &column)?;
        product.shape.pop();
        return Ok(product);
    }
    if let (&[ref before @ .., rows, inner], true) = (a.shape.as_slice(), is_matrix(&b.shape))
        && !before.is_empty()
    {
        let lines = before.iter().product::<usize>() * rows;
        let flat = a.clone().reshaped(vec![lines, inner])?;
        let product = of_constants(&flat, &matrix(b.clone())?)?;
        let columns = product.shape[1];
        return product.reshaped(before.iter().copied().chain([rows, columns]).collect());
    }
    let (&[rows, inner], &[other, columns]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err(format!("a product of constants of {:?} and {:?}", a.shape, b.shape));
    };
    if inner != other {
        return Err(format!("a product of constants of {:?} and {:?}", a.shape, b.shape));
    }
    let mut product = Array::full(vec![rows, columns], 0.0f32)?;
    for (row, out) in
        a.values.chunks_exact(inner.max(1)).zip(product.values.chunks_mut(columns.max(1)))
    {
        for (factor, line) in row.iter().zip(b.values.chunks_exact(columns.max(1))) {
            for (out, value) in out.iter_mut().zip(line) {
                *out += factor * value;
            }
        }
    }
    Ok(product)
}

/// Batched product of two values of the network.
pub(super) fn of_features(
    draft: &mut Draft,
    a: &Features,
    b: &Features,
) -> Result<Features, String> {
    let (&[ref before_a @ .., rows, inner], &[ref before_b @ .., other, columns]) =
        (a.shape.as_slice(), b.shape.as_slice())
    else {
        return Err("it would mix samples".to_string());
    };
    // Where heads share the batch's axis, they are the first axis of a sample.
    if !a.is_placed_like(b) || a.batch + 2 > a.shape.len() + usize::from(a.merged == 1) {
        return Err("inputs with the batch in different places".to_string());
    }
    if inner != other || a.shape.len() != b.shape.len() {
        return Err(format!("a product of samples of {:?} and {:?}", a.shape, b.shape));
    }
    let before = broadcast_shapes(before_a, before_b)?;
    let stretched =
        |draft: &mut Draft, x: &Features, own: [usize; 2]| -> Result<Features, String> {
            let shape = [TRIAL_ROWS].into_iter().chain(before.iter().copied()).chain(own);
            let shape: Vec<usize> = shape.collect();
            if shape[1..] == x.shape {
                return Ok(x.clone());
            }
            Ok(draft.moved(&x.plain(), |places| places.broadcast(&shape))?.placed_like(x))
        };
    let (left, right) =
        (stretched(draft, a, [rows, inner])?, stretched(draft, b, [inner, columns])?);
    let shape: Vec<usize> = before.iter().copied().chain([rows, columns]).collect();
    let config =
        MatMulConfig { batch: before.iter().product(), rows, inner, columns, shape: shape.clone() };
    Ok(draft.push(OperatorConfig::MatMul(config), &[&left, &right], vec![], shape)?.placed_like(a))
}
