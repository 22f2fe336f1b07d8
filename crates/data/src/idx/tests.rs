use super::*;
use proptest::prelude::*;
use std::io::{self, Write};

/// An IDX file as other programs write it.
pub(crate) fn idx_bytes(code: u8, dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, u8::try_from(dimensions.len()).unwrap()];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parse(bytes: impl Read) -> Result<Array> {
    super::parse("f".to_owned(), bytes)
}

fn data(bytes: &[u8]) -> Result<Dataset> {
    dataset("f".to_owned(), parse(bytes)?, None)
}

/// The same from plain and from compressed bytes, as a message.
fn refusal(bytes: &[u8]) -> String {
    let plain = data(bytes).unwrap_err().to_string();
    assert_eq!(data(&gzip(bytes)).unwrap_err().to_string(), plain);
    plain
}

/// The bytes of `N`-byte elements.
fn be<T: Copy, const N: usize>(values: &[T], encode: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| encode(value)).collect()
}

#[test]
fn every_element_type_is_read() {
    for (code, elements, expected) in [
        (0x08, vec![0, 51, 255], [0.0, 0.2, 1.0]),
        (0x09, be(&[-128, 0, 127], i8::to_be_bytes), [-128.0, 0.0, 127.0]),
        (0x0b, be(&[-32768, 258, 1], i16::to_be_bytes), [-32768.0, 258.0, 1.0]),
        (0x0c, be(&[i32::MIN, 65536, 7], i32::to_be_bytes), [-2147483648.0, 65536.0, 7.0]),
        (0x0d, be(&[-0.5, 3e38, 1e-40], f32::to_be_bytes), [-0.5, 3e38, 1e-40]),
        (0x0e, be(&[-0.5, 0.1, 3e38], f64::to_be_bytes), [-0.5, 0.1, 3e38]),
    ] {
        let data = data(&idx_bytes(code, &[1, 3], &elements)).unwrap();
        assert_eq!(data.row(0), expected, "type {code:#x}");
        assert_eq!(data.value_range(), (code == 0x08).then_some((0.0, 1.0)));
    }
}

#[test]
fn the_rank_decides_the_shape() {
    for (dimensions, shape) in [
        (&[2, 6][..], &[6][..]),
        (&[2, 2, 3], &[1, 2, 3]),
        (&[2, 3, 1, 2], &[3, 1, 2]),
        (&[2, 3, 1, 1, 2], &[3, 1, 1, 2]),
    ] {
        let data = data(&idx_bytes(0x09, dimensions, &(0..12).collect::<Vec<_>>())).unwrap();
        assert_eq!((data.len(), data.shape()), (2, shape));
        assert_eq!(data.row(1), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    }
}

#[test]
fn a_list_is_not_data() {
    let message = refusal(&idx_bytes(0x08, &[3], &[1, 2, 3]));
    assert!(message.starts_with("f: is a list of 3 numbers, which is how IDX stores labels"));
    assert!(message.contains("*-images-idx3-ubyte"));
}

#[test]
fn other_files_are_told_apart_by_their_first_bytes() {
    for (bytes, found) in [
        (&b""[..], "nothing"),
        (b"\x00\x00\x08", "00 00 08"),
        (b"\x89PNG\r\n", "89 50 4e 47"),
        (b"\x00\x00\x0a\x01\x00\x00\x00\x01x", "00 00 0a 01"),
        (b"\x00\x00\x08\x00", "00 00 08 00"),
        (b"\x00\x01\x08\x01\x00\x00\x00\x01x", "00 01 08 01"),
    ] {
        let message = refusal(bytes);
        assert!(
            message
                .starts_with(&format!("f: not an IDX file: starts with {found}, expected 00 00"))
        );
    }
}

#[test]
fn a_file_cut_short_is_refused_at_every_length() {
    let whole = idx_bytes(0x0b, &[2, 3], &[1; 12]);
    assert!(data(&whole).is_ok());
    for length in 4..whole.len() {
        let expected = if length < 12 { 12 } else { 24 };
        let message = format!("f: truncated: expected {expected} bytes, found {length}");
        assert_eq!(refusal(&whole[..length]), message);
    }
}

#[test]
fn a_gzip_stream_cut_short_or_damaged_is_refused() {
    // Incompressible, so that a cut in the stream is a cut in the content.
    let noise = be(&crate::shuffled(0..2000, 0, 0), usize::to_be_bytes);
    let whole = gzip(&idx_bytes(0x08, &[4, 4000], &noise[..16_000]));
    assert!(data(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(data(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
    let message = data(&whole[..whole.len() / 2]).unwrap_err().to_string();
    assert!(message.starts_with("f: truncated: expected 16012 bytes, found "), "{message}");

    // The checksum is the first four of the last eight bytes.
    let mut damaged = whole.clone();
    damaged[whole.len() - 8] ^= 1;
    let message = data(&damaged).unwrap_err().to_string();
    assert!(message.starts_with("f: cannot be read: "), "{message}");
}

#[test]
fn a_file_that_goes_on_is_refused() {
    let mut bytes = idx_bytes(0x08, &[1, 2], &[1, 2]);
    bytes.push(3);
    assert_eq!(refusal(&bytes), "f: goes on after the 14 bytes that its header declares");
}

/// Endless repetition of `unit`.
struct Endless {
    unit: Vec<u8>,
    place: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out.len().min(self.unit.len() - self.place);
        out[..count].copy_from_slice(&self.unit[self.place..][..count]);
        self.place = (self.place + count) % self.unit.len();
        Ok(count)
    }
}

#[test]
fn an_endless_file_is_read_to_its_declared_end_only() {
    let header = idx_bytes(0x08, &[1, 100_000], &[]);
    let zeros = Endless { unit: vec![0], place: 0 };
    let plain = parse(header.chain(zeros)).unwrap_err();
    assert!(matches!(plain, Error::Oversized { expected: 100_012, .. }), "{plain}");

    // Each kilobyte of it expands to a megabyte.
    let bomb = Endless { unit: gzip(&vec![0; 1 << 20]), place: 0 };
    let packed = parse(gzip(&header).chain(bomb)).unwrap_err();
    assert!(matches!(packed, Error::Oversized { expected: 100_012, .. }), "{packed}");
}

#[test]
fn sizes_beyond_the_limit_are_refused_before_reading() {
    for (code, dimensions) in [
        (0x08, &[1 << 17, 1 << 17, 2][..]),
        (0x0e, &[1 << 31, 2]),
        (0x08, &[u32::MAX; 3]),
        (0x08, &[u32::MAX; 255]),
    ] {
        let message = refusal(&idx_bytes(code, dimensions, &[0; 64]));
        assert!(message.contains("more than the limit of 17179869184 bytes"), "{message}");
    }
}

/// A header may claim anything up to the limit; memory must follow what arrives.
#[test]
#[cfg(target_os = "linux")]
fn a_claim_allocates_nothing() {
    let claim = idx_bytes(0x08, &[1 << 17, 1 << 17], &[7; 1000]);
    let message = refusal(&claim);
    assert_eq!(message, "f: truncated: expected 17179869196 bytes, found 1012");

    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 8 << 20, "address space of {kilobytes} kB");
}

#[test]
fn no_values_are_refused() {
    for dimensions in [&[0, 28, 28][..], &[3, 0], &[u32::MAX, u32::MAX, u32::MAX, 0]] {
        let message = refusal(&idx_bytes(0x08, dimensions, &[]));
        assert!(message.starts_with(&format!("f: the shape {dimensions:?} holds no values")));
    }
}

#[test]
fn values_that_are_not_finite_are_named() {
    let f32s =
        |value| idx_bytes(0x0d, &[2, 3], &be(&[0.0, 0.0, 0.0, 0.0, 0.0, value], f32::to_be_bytes));
    let f64s = |value| idx_bytes(0x0e, &[2, 2, 1], &be(&[0.0, 0.0, value, 0.0], f64::to_be_bytes));
    for (bytes, value, row, feature) in [
        (f32s(f32::NAN), "NaN", 1, 2),
        (f32s(f32::INFINITY), "inf", 1, 2),
        (f64s(f64::NEG_INFINITY), "-inf", 1, 0),
        // Finite, but not as an f32.
        (f64s(1e300), "1e300", 1, 0),
        (f64s(f64::from(f32::MAX) * 1.001), "3.4062", 1, 0),
    ] {
        let message = refusal(&bytes);
        assert!(message.starts_with(&format!("f: the value {value}")), "{message}");
        assert!(message.ends_with(&format!("at row {row}, feature {feature} is not a finite f32")));
    }
}

fn labels(bytes: &[u8], rows: usize) -> Result<Vec<i64>, String> {
    parse(bytes).and_then(|idx| idx.into_labels(rows)).map_err(|error| error.to_string())
}

#[test]
fn labels_of_every_type_are_whole_numbers() {
    assert_eq!(labels(&idx_bytes(0x08, &[2], &[0, 255]), 2), Ok(vec![0, 255]));
    assert_eq!(labels(&idx_bytes(0x09, &[2], &[0, 255]), 2), Ok(vec![0, -1]));
    assert_eq!(labels(&idx_bytes(0x0c, &[1], &i32::MIN.to_be_bytes()), 1), Ok(vec![-2147483648]));
    assert_eq!(labels(&idx_bytes(0x0d, &[1], &9_f32.to_be_bytes()), 1), Ok(vec![9]));
    let largest = 2_f64.powi(53);
    assert_eq!(labels(&idx_bytes(0x0e, &[1], &largest.to_be_bytes()), 1), Ok(vec![1 << 53]));

    for bad in [0.5, f64::NAN, f64::INFINITY, 1e300, largest + 2.0] {
        let message =
            labels(&idx_bytes(0x0e, &[2], &be(&[1.0, bad], f64::to_be_bytes)), 2).unwrap_err();
        assert_eq!(
            message,
            format!("f: the label {bad:?} of row 1 is not a whole number within +-2^53")
        );
    }
}

#[test]
fn labels_must_be_a_list_with_one_for_each_row() {
    let message = labels(&idx_bytes(0x08, &[1, 2], &[1, 2]), 1).unwrap_err();
    assert_eq!(message, "f: has the shape [1, 2], expected labels as a list, one for each row");
    let message = labels(&idx_bytes(0x08, &[2], &[1, 2]), 3).unwrap_err();
    assert_eq!(message, "f: 2 labels for 3 rows, expected one for each row");
}

/// A path for errors of the operating system.
#[test]
fn files_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(matches!(open(&missing), Err(Error::NotFound { file }) if file.ends_with("missing")));
    assert!(matches!(open(folder.path()), Err(Error::Directory { .. })));

    let below_a_file = tempfile::NamedTempFile::new_in(&folder).unwrap().into_temp_path();
    let outcome = open(&below_a_file.join("x"));
    assert!(matches!(outcome, Err(Error::Read { .. } | Error::NotFound { .. })), "{outcome:?}");
}

/// Bytes that often get past the first checks.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let header = (0_u8..16, prop::collection::vec(0_u32..5, 0..5));
    (header, prop::collection::vec(any::<u8>(), 0..80))
        .prop_map(|((code, dimensions), elements)| idx_bytes(code, &dimensions, &elements))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic_or_grow(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..100), likely_bytes()],
    ) {
        for packed in [bytes.clone(), gzip(&bytes), [&[0x1f, 0x8b], &bytes[..]].concat()] {
            if let Ok(idx) = parse(&packed[..]) {
                prop_assert!(idx.bytes.capacity() <= bytes.len());
                let rows = idx.shape[0];
                let _ = parse(&packed[..]).unwrap().into_labels(rows);
                if let Ok(data) = dataset("f".to_owned(), idx, None) {
                    prop_assert_eq!(data.len(), rows);
                    prop_assert!(data.row(rows - 1).iter().all(|value| value.is_finite()));
                }
            }
        }
    }

    #[test]
    fn valid_files_round_trip(
        (rows, features, values) in (1_usize..6, 1_usize..6).prop_flat_map(|(rows, features)| {
            let values = prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, rows * features);
            (Just(rows), Just(features), values)
        }),
    ) {
        let bytes = idx_bytes(0x0d, &[rows as u32, features as u32], &be(&values, f32::to_be_bytes));
        for packed in [bytes.clone(), gzip(&bytes)] {
            let data = data(&packed).unwrap();
            prop_assert_eq!(data.rows(&(0..rows).collect::<Vec<_>>()), values.clone());
            prop_assert_eq!(data.shape(), [features]);
        }
    }
}
