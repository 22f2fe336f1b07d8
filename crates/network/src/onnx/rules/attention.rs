//! Scaled dot-product attention.

use crate::ops::{OperatorConfig, SoftmaxConfig};

use super::super::array::Array;
use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Dimension, Features, Value};
use super::arithmetic::{Binary, combine};
use super::choice::chosen;
use super::linear::{last_two_swapped, of_features};

/// `Attention` without caches: `softmax(scale Q K' + mask) V` for each head.
pub(super) fn attention(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    if (4..6).any(|position| call.is_given(position)) {
        return Err("caches are not supported".to_string());
    }
    if call.node.output.iter().skip(1).any(|name| !name.is_empty()) {
        return Err("only its first output is supported".to_string());
    }
    if call.real("softcap", 0.0) != 0.0 {
        return Err("softcap is not supported".to_string());
    }
    let heads = |position: usize, attribute: &str| -> Result<usize, String> {
        let stated = call.integer(attribute, 0);
        let width = call.features(position)?.shape.last().copied().unwrap_or(0);
        let heads = usize::try_from(stated).ok().filter(|&heads| heads > 0);
        heads.filter(|&heads| width.is_multiple_of(heads)).ok_or_else(|| format!("{stated} heads"))
    };
    let apart = call.features(0)?.shape.len() == 3;
    let (q, k, v) = if apart {
        (call.features(0)?.clone(), call.features(1)?.clone(), call.features(2)?.clone())
    } else {
        let (queries, keys) = (heads(0, "q_num_heads")?, heads(1, "kv_num_heads")?);
        let mut split =
            |position: usize, heads: usize| split_heads(draft, call.features(position)?, heads);
        (split(0, queries)?, split(1, keys)?, split(2, keys)?)
    };
    let &[heads, rows, width] = q.shape.as_slice() else {
        return Err(format!("queries of {:?}", q.shape));
    };
    if k.shape.first() != Some(&heads) {
        return Err("queries and keys with different numbers of heads".to_string());
    }
    let scale = call.real("scale", 1.0 / (width as f32).sqrt());
    let keys = last_two_swapped(draft, &k)?;
    let scores = of_features(draft, &q, &keys)?;
    let scores = draft.scaled(&scores, scale, 0.0)?;
    let scores = masked(draft, call, scores)?;
    let block = scores.shape.last().copied().unwrap_or(1);
    let operator = OperatorConfig::Softmax(SoftmaxConfig { block });
    let weights = draft.push(operator, &[&scores], vec![], scores.shape.clone())?;
    let mut result = of_features(draft, &weights, &v)?;
    if !apart {
        let width = result.shape.last().copied().unwrap_or(0);
        result = draft.transposed(&result, &[0, 2, 1, 3])?;
        result = draft.reshaped(&result, vec![rows, heads * width])?;
    }
    Ok(vec![Value::Features(result)])
}

/// Scores of queries and keys with the mask added, minus infinity where a key is hidden.
fn masked(draft: &mut Draft, call: &Call<'_>, scores: Features) -> Result<Features, String> {
    let hidden = Value::numbers(Array::scalar(f32::NEG_INFINITY));
    let mut scores = Value::Features(scores);
    if call.integer("is_causal", 0) != 0 {
        let (queries, keys) = match &scores {
            Value::Features(Features { shape, .. }) => (shape[1], shape[2]),
            other => return Err(format!("its scores are {}", other.kind())),
        };
        let sees = |place: usize| f64::from(u8::from(place % keys <= place / keys));
        let seen = (0..queries * keys).map(sees).map(Dimension::fixed).collect();
        scores = chosen(draft, &Array::new(vec![queries, keys], seen)?, &scores, &hidden)?;
    }
    scores = match call.input(3) {
        Value::Absent => scores,
        // Truth values say which keys are seen.
        Value::Dimensions(seen) => chosen(draft, seen, &scores, &hidden)?,
        mask => combine(draft, Binary::Add, &scores, mask)?,
    };
    match scores {
        Value::Features(scores) => Ok(scores),
        other => Err(format!("its scores are {}", other.kind())),
    }
}

/// `[rows, heads * width]` as `[heads, rows, width]`.
fn split_heads(draft: &mut Draft, x: &Features, heads: usize) -> Result<Features, String> {
    let &[rows, width] = x.shape.as_slice() else {
        return Err(format!("an input of samples {:?}", x.shape));
    };
    let x = draft.reshaped(x, vec![rows, heads, width / heads])?;
    draft.transposed(&x, &[0, 2, 1, 3])
}
