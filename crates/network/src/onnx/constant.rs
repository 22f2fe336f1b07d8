//! Tensors stored in a model, inside the file or beside it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use super::array::Array;
use super::limits::product;
use super::proto::{EXTERNAL, TensorProto, data_type};
use super::value::{Dimension, Value};

/// The values of a stored tensor. `folder` is where external data may lie; without one
/// there may be none.
///
/// # Errors
/// If the values do not fit the shape, are of a type that no network computes with, or lie
/// outside the folder.
pub(crate) fn decode(tensor: &TensorProto, folder: Option<&Path>) -> Result<Value, String> {
    let shape = tensor
        .dims
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| format!("shape {:?}", tensor.dims)))
        .collect::<Result<Vec<usize>, _>>()?;
    let count = product(&shape)?;
    let external;
    let raw: &[u8] = if tensor.data_location == EXTERNAL {
        external = read_external(tensor, count, folder)?;
        &external
    } else {
        &tensor.raw_data
    };
    // Typed fields are used when there are no raw bytes.
    let typed = raw.is_empty();
    let int32 = || tensor.int32_data.iter();
    let reals: Option<Vec<f32>> = match tensor.data_type {
        data_type::FLOAT if typed => Some(tensor.float_data.clone()),
        data_type::FLOAT => Some(chunks(raw, f32::from_le_bytes)?),
        data_type::DOUBLE if typed => Some(tensor.double_data.iter().map(|&v| v as f32).collect()),
        data_type::DOUBLE => Some(chunks(raw, |bytes| f64::from_le_bytes(bytes) as f32)?),
        data_type::FLOAT16 if typed => Some(int32().map(|&bits| half(bits as u16)).collect()),
        data_type::FLOAT16 => Some(chunks(raw, |bytes| half(u16::from_le_bytes(bytes)))?),
        data_type::BFLOAT16 if typed => Some(int32().map(|&bits| brain(bits as u16)).collect()),
        data_type::BFLOAT16 => Some(chunks(raw, |bytes| brain(u16::from_le_bytes(bytes)))?),
        _ => None,
    };
    if let Some(values) = reals {
        if let Some(place) = values.iter().position(|value| value.is_nan()) {
            return Err(format!("element {place} is NaN"));
        }
        return Ok(Value::numbers(Array::new(shape, values)?));
    }
    let integers: Vec<f64> = match tensor.data_type {
        data_type::INT64 if typed => tensor.int64_data.iter().map(|&v| v as f64).collect(),
        data_type::INT64 => chunks(raw, |bytes| i64::from_le_bytes(bytes) as f64)?,
        data_type::UINT32 | data_type::UINT64 if typed => {
            tensor.uint64_data.iter().map(|&v| v as f64).collect()
        }
        data_type::UINT64 => chunks(raw, |bytes| u64::from_le_bytes(bytes) as f64)?,
        data_type::UINT32 => chunks(raw, |bytes| u32::from_le_bytes(bytes).into())?,
        data_type::INT32
        | data_type::INT16
        | data_type::INT8
        | data_type::UINT16
        | data_type::UINT8
        | data_type::BOOL
            if typed =>
        {
            int32().map(|&v| v.into()).collect()
        }
        data_type::INT32 => chunks(raw, |bytes| i32::from_le_bytes(bytes).into())?,
        data_type::INT16 => chunks(raw, |bytes| i16::from_le_bytes(bytes).into())?,
        data_type::UINT16 => chunks(raw, |bytes| u16::from_le_bytes(bytes).into())?,
        data_type::INT8 => chunks(raw, |bytes| i8::from_le_bytes(bytes).into())?,
        data_type::UINT8 | data_type::BOOL => chunks(raw, |[byte]| byte.into())?,
        other => return Err(format!("elements of type {other} are not supported")),
    };
    let array = Array::new(shape, integers)?;
    Ok(Value::dimensions(array.map(|&value| Dimension::fixed(value))))
}

fn chunks<const N: usize, T>(raw: &[u8], value: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (chunks, rest) = raw.as_chunks::<N>();
    if rest.is_empty() {
        Ok(chunks.iter().map(|&bytes| value(bytes)).collect())
    } else {
        Err(format!("{} bytes are no whole number of {N}-byte elements", raw.len()))
    }
}

/// IEEE half precision.
pub(crate) fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

/// The upper half of single precision.
pub(crate) fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Bytes of an element, for the types that models store beside the file.
fn element_bytes(data_type: i32) -> Option<usize> {
    match data_type {
        data_type::FLOAT | data_type::INT32 | data_type::UINT32 => Some(4),
        data_type::DOUBLE | data_type::INT64 | data_type::UINT64 => Some(8),
        data_type::FLOAT16 | data_type::BFLOAT16 | data_type::INT16 | data_type::UINT16 => Some(2),
        data_type::INT8 | data_type::UINT8 | data_type::BOOL => Some(1),
        _ => None,
    }
}

fn read_external(
    tensor: &TensorProto,
    count: usize,
    folder: Option<&Path>,
) -> Result<Vec<u8>, String> {
    let entry = |key: &str| {
        tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    };
    let location = entry("location").ok_or("external data without a location")?;
    let number = |key: &str| match entry(key) {
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("{key} {text:?}")),
        None => Ok(None),
    };
    let element = element_bytes(tensor.data_type)
        .ok_or_else(|| format!("elements of type {} are not supported", tensor.data_type))?;
    let expected = (count * element) as u64;
    let (start, length) = (number("offset")?.unwrap_or(0), number("length")?.unwrap_or(expected));
    if length != expected {
        return Err(format!("{length} bytes of external data for {count} elements"));
    }
    let folder = folder.ok_or_else(|| format!("external data {location:?} without a folder"))?;
    let relative = Path::new(location);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(plain) {
        return Err(format!("external data {location:?} is not below the model's folder"));
    }
    let io = |error: std::io::Error| format!("external data {location:?}: {error}");
    // A link may still lead out.
    let path = folder.join(relative).canonicalize().map_err(io)?;
    if !path.starts_with(folder.canonicalize().map_err(io)?) {
        return Err(format!("external data {location:?} is not below the model's folder"));
    }
    let mut file = File::open(&path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(format!("external data {location:?} is no regular file"));
    }
    if start.checked_add(length).is_none_or(|end| end > metadata.len()) {
        return Err(format!(
            "external data {location:?} has {} bytes, too few for {length} from {start}",
            metadata.len()
        ));
    }
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    let mut bytes = vec![0; count * element];
    file.read_exact(&mut bytes).map_err(io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x7c00, f32::INFINITY),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(brain(0x3f80), 1.0);
    }

    #[test]
    fn declared_shapes_are_held_against_the_bytes() {
        let tensor = |dims: &[i64], bytes: usize| TensorProto {
            dims: dims.to_vec(),
            data_type: data_type::FLOAT,
            raw_data: vec![0; bytes],
            ..TensorProto::default()
        };
        assert!(decode(&tensor(&[2, 3], 24), None).is_ok());
        for (dims, bytes) in [
            (&[2, 3][..], 20),
            (&[2, 3], 22),
            (&[-1], 4),
            (&[1 << 62], 4),
            (&[1 << 40, 1 << 40], 0),
        ] {
            assert!(decode(&tensor(dims, bytes), None).is_err(), "{dims:?}");
        }
    }

    #[test]
    fn external_data_stays_below_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("model");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(folder.path().join("secret"), [1u8; 8]).unwrap();
        std::fs::write(inner.join("weights"), [0u8; 8]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("secret"), inner.join("link")).unwrap();
        let entry = |key: &str, value: &str| super::super::proto::StringStringEntryProto {
            key: key.to_string(),
            value: value.to_string(),
        };
        let read = |location: &str, offset: &str| {
            let tensor = TensorProto {
                dims: vec![1],
                data_type: data_type::FLOAT,
                data_location: EXTERNAL,
                external_data: vec![entry("location", location), entry("offset", offset)],
                ..TensorProto::default()
            };
            decode(&tensor, Some(&inner))
        };
        assert!(read("weights", "4").is_ok());
        let absolute = folder.path().join("secret");
        for location in ["../secret", "link", absolute.to_str().unwrap(), "", ".", "none"] {
            assert!(read(location, "0").is_err(), "{location}");
        }
        for offset in ["5", "18446744073709551615", "-1", "x"] {
            assert!(read("weights", offset).is_err(), "{offset}");
        }
    }
}
