//! What a file may ask for, checked before memory is taken.

/// Most elements of one tensor: that of the largest feature maps of latent-diffusion
/// decoders (256 x 512 x 512), and few enough for 32-bit positions.
pub(crate) const MOST_ELEMENTS: usize = 1 << 26;

/// Most axes of a tensor.
const MOST_AXES: usize = 16;

/// Most nodes of a graph, its subgraphs and called functions included.
pub(crate) const MOST_NODES: usize = 1 << 16;

/// Deepest nesting of subgraphs and function calls.
pub(crate) const MOST_NESTING: usize = 16;

/// Number of elements of a shape.
pub(crate) fn product(shape: &[usize]) -> Result<usize, String> {
    let large = || format!("the shape {shape:?} is too large (at most {MOST_ELEMENTS} elements)");
    if shape.len() > MOST_AXES {
        return Err(format!("{} axes are too many (at most {MOST_AXES})", shape.len()));
    }
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    product.filter(|&product| product <= MOST_ELEMENTS).ok_or_else(large)
}
