//! Arrays whose layout changes: every operator that only moves elements, written once.
//!
//! The same functions move the numbers of a constant, the dimensions of a shape, and the
//! *positions* of a network value's features; of the positions that come out the importer
//! makes a [gather](crate::ops::Gather).

use super::limits::{MOST_ELEMENTS, product};

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array<T> {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<T>,
}

impl<T: Clone> Array<T> {
    /// An array of these elements.
    ///
    /// # Errors
    /// If their number is not that of the shape.
    pub(crate) fn new(shape: Vec<usize>, values: Vec<T>) -> Result<Self, String> {
        if product(&shape)? == values.len() {
            Ok(Self { shape, values })
        } else {
            Err(format!("{} elements cannot have the shape {shape:?}", values.len()))
        }
    }

    pub(crate) fn scalar(value: T) -> Self {
        Self { shape: vec![], values: vec![value] }
    }

    pub(crate) fn vector(values: Vec<T>) -> Self {
        Self { shape: vec![values.len()], values }
    }

    /// An array of one value.
    pub(crate) fn full(shape: Vec<usize>, value: T) -> Result<Self, String> {
        let count = product(&shape)?;
        Ok(Self { shape, values: vec![value; count] })
    }

    pub(crate) fn map<U>(&self, function: impl FnMut(&T) -> U) -> Array<U> {
        Array { shape: self.shape.clone(), values: self.values.iter().map(function).collect() }
    }

    /// The only element.
    pub(crate) fn single(&self) -> Result<&T, String> {
        match self.values.as_slice() {
            [value] => Ok(value),
            values => Err(format!("expected one element, found {}", values.len())),
        }
    }

    /// The same elements in another shape.
    pub(crate) fn reshaped(self, shape: Vec<usize>) -> Result<Self, String> {
        if product(&shape)? == self.values.len() {
            Ok(Self { shape, values: self.values })
        } else {
            Err(format!("cannot reshape {:?} to {shape:?}", self.shape))
        }
    }

    /// An array of `shape` whose element at `index` is `source(index)`: a position here,
    /// or nothing for `fill`.
    fn build(
        &self,
        shape: Vec<usize>,
        fill: Option<&T>,
        mut source: impl FnMut(&[usize]) -> Option<usize>,
    ) -> Result<Self, String> {
        let count = product(&shape)?;
        let mut index = vec![0; shape.len()];
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let value = match source(&index) {
                Some(position) => &self.values[position],
                None => fill.expect("only padding leaves elements open"),
            };
            values.push(value.clone());
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Ok(Self { shape, values })
    }

    /// Distance between neighbours along each axis.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        strides
    }

    /// Axes in another order: axis k of the result is axis `order[k]`.
    pub(crate) fn transposed(&self, order: &[usize]) -> Result<Self, String> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.shape.len()) {
            return Err(format!("{order:?} is no order of {} axes", self.shape.len()));
        }
        let strides = self.strides();
        let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        let shape = order.iter().map(|&axis| self.shape[axis]).collect();
        self.build(shape, None, |index| Some(offset(index, &strides)))
    }

    /// The first axis moved to a place among the others.
    pub(crate) fn with_first_axis_at(self, place: usize) -> Result<Self, String> {
        if place == 0 {
            return Ok(self);
        }
        let order: Vec<usize> = (1..=place).chain([0]).chain(place + 1..self.shape.len()).collect();
        self.transposed(&order)
    }

    /// The first `size` elements along the first axis, if the others repeat them.
    pub(crate) fn shared_row(&self, size: usize) -> Option<Self>
    where
        T: PartialEq,
    {
        let (&all, rest) = self.shape.split_first()?;
        let length = size * rest.iter().product::<usize>();
        if size == 0 || length == 0 || !all.is_multiple_of(size) {
            return None;
        }
        let (first, others) = self.values.split_at(length);
        let shape = [&[size], rest].concat();
        let repeats = others.chunks_exact(length).all(|other| other == first);
        repeats.then(|| Self { shape, values: first.to_vec() })
    }

    /// One axis moved before all others.
    pub(crate) fn with_axis_first(&self, axis: usize) -> Result<Self, String> {
        if axis == 0 {
            return Ok(self.clone());
        }
        let others = (0..self.shape.len()).filter(|&other| other != axis);
        let order: Vec<usize> = [axis].into_iter().chain(others).collect();
        self.transposed(&order)
    }

    /// Along one axis, the elements at `picks`; `None` for `fill`.
    pub(crate) fn taken(
        &self,
        axis: usize,
        picks: &[Option<usize>],
        fill: Option<&T>,
    ) -> Result<Self, String> {
        let size = self.shape[axis];
        if let Some(pick) = picks.iter().flatten().find(|&&pick| pick >= size) {
            return Err(format!("index {pick} lies beyond axis {axis} of {:?}", self.shape));
        }
        let mut shape = self.shape.clone();
        shape[axis] = picks.len();
        product(&shape)?;
        let inner: usize = self.shape[axis + 1..].iter().product();
        let mut values = Vec::with_capacity(product(&shape)?);
        for block in self.values.chunks_exact((size * inner).max(1)) {
            for pick in picks {
                match pick {
                    Some(pick) => {
                        values.extend_from_slice(&block[pick * inner..(pick + 1) * inner]);
                    }
                    None => {
                        let fill = fill.expect("only padding leaves elements open");
                        values.extend(std::iter::repeat_n(fill.clone(), inner));
                    }
                }
            }
        }
        Self::new(shape, values)
    }

    /// Size-1 axes stretched, and axes added in front, as ONNX broadcasts.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Result<Self, String> {
        if self.shape == shape {
            return Ok(self.clone());
        }
        let fail = || format!("cannot broadcast {:?} to {shape:?}", self.shape);
        let added = shape.len().checked_sub(self.shape.len()).ok_or_else(fail)?;
        let mut strides = vec![0; added];
        for ((&size, &wanted), stride) in self.shape.iter().zip(&shape[added..]).zip(self.strides())
        {
            match (size, wanted) {
                _ if size == wanted => strides.push(stride),
                (1, _) => strides.push(0),
                _ => return Err(fail()),
            }
        }
        self.build(shape.to_vec(), None, |index| Some(offset(index, &strides)))
    }

    /// Arrays one after another along an axis.
    pub(crate) fn concatenated(parts: &[Self], axis: usize) -> Result<Self, String> {
        let first = parts.first().ok_or("nothing to concatenate")?;
        let mut shape = first.shape.clone();
        if axis >= shape.len() {
            return Err(format!("axis {axis} is not one of {shape:?}"));
        }
        shape[axis] = 0;
        for part in parts {
            let mut other = part.shape.clone();
            if other.len() != shape.len() {
                return Err(format!("cannot concatenate {:?} and {other:?}", first.shape));
            }
            let size = std::mem::take(&mut other[axis]);
            shape[axis] += size;
            other[axis] = shape[axis];
            if other != shape {
                return Err(format!(
                    "cannot concatenate {:?} and {:?} along axis {axis}",
                    first.shape, part.shape
                ));
            }
        }
        let outer: usize = shape[..axis].iter().product();
        let mut values = Vec::with_capacity(product(&shape)?);
        for block in 0..outer {
            for part in parts {
                let size: usize = part.shape[axis..].iter().product();
                values.extend_from_slice(&part.values[block * size..(block + 1) * size]);
            }
        }
        Self::new(shape, values)
    }
}

fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(index, stride)| index * stride).sum()
}

/// The shape that two shapes broadcast to.
pub(crate) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    let shape: Vec<usize> = (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("{a:?} and {b:?} do not broadcast")),
        })
        .collect::<Result<_, _>>()?;
    product(&shape)?;
    Ok(shape)
}

/// Numbers 0, 1, 2, ... in a shape.
pub(crate) fn positions(shape: Vec<usize>) -> Result<Array<Option<u32>>, String> {
    const { assert!(MOST_ELEMENTS < u32::MAX as usize) };
    let count = product(&shape)?;
    Ok(Array { shape, values: (0..count as u32).map(Some).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(shape: &[usize]) -> Array<usize> {
        Array::new(shape.to_vec(), (0..shape.iter().product()).collect()).unwrap()
    }

    #[test]
    fn elements_move_as_in_numpy() {
        let array = ramp(&[2, 3]);
        assert_eq!(array.transposed(&[1, 0]).unwrap().values, [0, 3, 1, 4, 2, 5]);
        assert!(array.transposed(&[1, 1]).is_err());
        let taken = array.taken(1, &[Some(2), None, Some(0)], Some(&9)).unwrap();
        assert_eq!((taken.shape, taken.values), (vec![2, 3], vec![2, 9, 0, 5, 9, 3]));
        assert!(array.taken(0, &[Some(2)], None).is_err());
        let wide = ramp(&[2, 1]).broadcast(&[3, 2, 2]).unwrap();
        assert_eq!(wide.values, [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
        assert!(array.broadcast(&[2, 2]).is_err());
        let joined = Array::concatenated(&[array.clone(), ramp(&[2, 1])], 1).unwrap();
        assert_eq!((joined.shape, joined.values), (vec![2, 4], vec![0, 1, 2, 0, 3, 4, 5, 1]));
        assert!(Array::concatenated(&[array, ramp(&[3, 1])], 1).is_err());
    }

    #[test]
    fn shapes_broadcast_from_the_right() {
        assert_eq!(broadcast_shapes(&[4, 1, 3], &[2, 1]).unwrap(), [4, 2, 3]);
        assert!(broadcast_shapes(&[2], &[3]).is_err());
    }

    #[test]
    fn sizes_are_limited_before_memory_is_taken() {
        assert!(Array::full(vec![1 << 40, 1 << 40], 0u8).is_err());
        assert!(Array::scalar(0u8).broadcast(&[1 << 40]).is_err());
        assert!(positions(vec![usize::MAX]).is_err());
        let picks = vec![Some(0); 1 << 16];
        assert!(ramp(&[1 << 16, 1]).taken(1, &picks, None).is_err());
    }
}
