//! Arrays of numbers as files hold them: an element type, a shape and bytes.
//!
//! Unsigned bytes are pixels, `k / 255`, and booleans are black and white pixels; every other
//! element type is read as the nearest `f32`.

use crate::dataset::Values;
use crate::error::{Error, Result};

/// Whole numbers up to this one are exact in an `f64`.
const MAX_LABEL: i128 = 1 << 53;

/// An array in memory: as many elements as its shape says, row-major, not yet interpreted.
#[derive(Debug)]
pub(crate) struct Array {
    /// What errors call it.
    pub(crate) file: String,
    pub(crate) element: Element,
    pub(crate) order: ByteOrder,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl Element {
    /// Size in bytes.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// As NumPy calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// The element type, and what becomes of its values.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Bool => "bool, pixels 0 and 1".to_owned(),
            Self::U8 => "uint8, pixels k/255".to_owned(),
            Self::F32 => "float32".to_owned(),
            other => format!("{}, read as float32", other.name()),
        }
    }
}

/// One element, exactly.
enum Number {
    Whole(i128),
    Real(f64),
}

impl Array {
    /// Every element through `each`.
    fn convert<T>(&self, each: impl Fn(usize, Number) -> Result<T>) -> Result<Vec<T>> {
        fn elements<T, const N: usize>(
            array: &Array,
            decode: impl Fn([u8; N]) -> Number,
            each: impl Fn(usize, Number) -> Result<T>,
        ) -> Result<Vec<T>> {
            let elements = array.bytes.as_chunks().0.iter().enumerate();
            let swap = array.order == ByteOrder::Big;
            let ordered = elements.map(|(i, &bytes)| {
                let mut bytes: [u8; N] = bytes;
                if swap {
                    bytes.reverse();
                }
                each(i, decode(bytes))
            });
            ordered.collect()
        }
        use Number::{Real, Whole};
        match self.element {
            Element::Bool => elements(self, |[byte]| Whole(i128::from(byte != 0)), each),
            Element::U8 => elements(self, |[byte]| Whole(byte.into()), each),
            Element::I8 => elements(self, |b| Whole(i8::from_le_bytes(b).into()), each),
            Element::U16 => elements(self, |b| Whole(u16::from_le_bytes(b).into()), each),
            Element::I16 => elements(self, |b| Whole(i16::from_le_bytes(b).into()), each),
            Element::U32 => elements(self, |b| Whole(u32::from_le_bytes(b).into()), each),
            Element::I32 => elements(self, |b| Whole(i32::from_le_bytes(b).into()), each),
            Element::U64 => elements(self, |b| Whole(u64::from_le_bytes(b).into()), each),
            Element::I64 => elements(self, |b| Whole(i64::from_le_bytes(b).into()), each),
            Element::F16 => elements(self, |b| Real(half_to_f64(u16::from_le_bytes(b))), each),
            Element::F32 => elements(self, |b| Real(f32::from_le_bytes(b).into()), each),
            Element::F64 => elements(self, |b| Real(f64::from_le_bytes(b)), each),
        }
    }

    /// The elements as values of samples of `features` values; reals must be finite.
    pub(crate) fn into_values(mut self, features: usize) -> Result<Values> {
        match self.element {
            Element::U8 => return Ok(Values::Pixels(self.bytes)),
            Element::Bool => {
                self.bytes.iter_mut().for_each(|byte| *byte = if *byte == 0 { 0 } else { 255 });
                return Ok(Values::Pixels(self.bytes));
            }
            _ => {}
        }
        let reals = self.convert(|i, number| {
            let (real, value) = match number {
                Number::Whole(whole) => (whole as f32, whole as f64),
                Number::Real(value) => (value as f32, value),
            };
            if real.is_finite() {
                return Ok(real);
            }
            let (origin, row, feature) = (self.file.clone(), i / features, i % features);
            Err(Error::NotFinite { origin, row, feature, value })
        })?;
        Ok(Values::Reals(reals))
    }

    /// The elements as labels of `rows` rows: a list, or a column such as `[rows, 1]`.
    pub(crate) fn into_labels(self, rows: usize) -> Result<Vec<i64>> {
        let (labels, rest) = self.shape.split_first().unwrap_or((&0, &[0]));
        if rest.iter().any(|&size| size != 1) {
            return Err(Error::LabelShape { file: self.file, shape: self.shape });
        }
        if *labels != rows {
            return Err(Error::LabelCount { origin: self.file, labels: *labels, rows });
        }
        self.convert(|row, number| {
            let (whole, value) = match number {
                Number::Whole(whole) => (Some(whole), whole as f64),
                Number::Real(value) if value.fract() == 0.0 => (Some(value as i128), value),
                Number::Real(value) => (None, value),
            };
            match whole {
                Some(whole) if whole.abs() <= MAX_LABEL => Ok(whole as i64),
                _ => Err(Error::Label { file: self.file.clone(), row, value }),
            }
        })
    }
}

/// IEEE 754 half precision: a sign, 5 bits of exponent, 10 of fraction.
fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(element: Element, order: ByteOrder, shape: &[usize], bytes: &[u8]) -> Array {
        Array { file: "f".into(), element, order, shape: shape.to_vec(), bytes: bytes.to_vec() }
    }

    #[test]
    fn half_precision_is_read_exactly() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103515625e-5),
            (0x0001, 5.960464477539063e-8),
            (0x3555, 0.333251953125),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(half_to_f64(bits), value, "{bits:#x}");
        }
        assert!(half_to_f64(0x7e00).is_nan());
    }

    #[test]
    fn whole_numbers_become_the_nearest_f32() {
        let bytes = (u64::MAX - 1).to_be_bytes();
        let values = array(Element::U64, ByteOrder::Big, &[1, 1], &bytes).into_values(1).unwrap();
        assert!(matches!(values, Values::Reals(reals) if reals == [18446744073709551615.0]));
        // Through an f64 this would be rounded twice, to 2^60 + 2^37.
        let near = (1_i64 << 60) + (1 << 36) - 1;
        let bytes = near.to_le_bytes();
        let values =
            array(Element::I64, ByteOrder::Little, &[1, 1], &bytes).into_values(1).unwrap();
        assert!(matches!(values, Values::Reals(reals) if reals == [near as f32]));
    }

    #[test]
    fn booleans_are_black_and_white() {
        let values = array(Element::Bool, ByteOrder::Little, &[1, 3], &[0, 1, 7]).into_values(3);
        assert!(matches!(values, Ok(Values::Pixels(pixels)) if pixels == [0, 255, 255]));
    }

    #[test]
    fn labels_may_be_a_column() {
        let column = array(Element::I16, ByteOrder::Big, &[2, 1], &[0, 1, 255, 255]);
        assert_eq!(column.into_labels(2).unwrap(), [1, -1]);
        let grid = array(Element::U8, ByteOrder::Big, &[1, 2], &[0, 1]);
        assert!(matches!(grid.into_labels(1), Err(Error::LabelShape { .. })));
        let large = array(Element::U64, ByteOrder::Big, &[1], &u64::MAX.to_be_bytes());
        assert!(matches!(large.into_labels(1), Err(Error::Label { .. })));
    }
}
