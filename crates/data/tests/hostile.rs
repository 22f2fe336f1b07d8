//! Files that lie, break off or were damaged: an error, never a panic, and never more memory than
//! the bytes that arrive account for.

use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use vaegis_data::{OpenOptions, fuzzing};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// A parser on bytes, as an error message.
type Parser = fn(&[u8]) -> Result<(), String>;

fn outcome<T>(result: vaegis_data::Result<T>) -> Result<(), String> {
    result.map(|_| ()).map_err(|error| error.to_string())
}

fn idx(bytes: &[u8]) -> Result<(), String> {
    outcome(fuzzing::idx(bytes))
}

fn npy(bytes: &[u8]) -> Result<(), String> {
    outcome(fuzzing::npy(bytes))
}

fn npz(bytes: &[u8]) -> Result<(), String> {
    outcome(fuzzing::npz(bytes, &OpenOptions::default()))
}

fn csv(bytes: &[u8]) -> Result<(), String> {
    outcome(fuzzing::csv(bytes, &OpenOptions::default()))
}

fn image(bytes: &[u8]) -> Result<(), String> {
    outcome(fuzzing::image(bytes, &OpenOptions::default()))
}

fn parquet(bytes: &[u8]) -> Result<(), String> {
    outcome(fuzzing::parquet(file(bytes), &OpenOptions::default()))
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Whole files and what reads them.
const WHOLE: [(&str, Parser); 14] = [
    ("npy/f4_big_F.npy", npy),
    ("npy/version3.npy", npy),
    ("npz/one.npz", npz),
    ("npz/keras.npz", npz),
    ("csv/packed.csv.gz", csv),
    ("images/flat/a.png", image),
    ("images/flat/b.png", image),
    ("images/jpeg/0.jpg", image),
    ("images/jpeg/1.jpg", image),
    ("parquet/table_gzip.parquet", parquet),
    ("parquet/table_zstd.parquet", parquet),
    ("parquet/table_lz4.parquet", parquet),
    ("parquet/lists.parquet", parquet),
    ("parquet/hub/data/test-00000-of-00001.parquet", parquet),
];

#[test]
fn a_file_cut_short_is_refused_at_every_length() {
    for (name, parse) in WHOLE {
        let whole = bytes(name);
        parse(&whole).unwrap();
        // The last bytes of a PNG say only that it ends.
        let needed = if name.ends_with("png") { whole.len() - 12 } else { whole.len() };
        for length in 0..needed {
            assert!(parse(&whole[..length]).is_err(), "{name} at {length} of {}", whole.len());
        }
    }
}

#[test]
fn damage_anywhere_never_panics() {
    for (name, parse) in WHOLE {
        let whole = bytes(name);
        for place in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] ^= flip;
                let _ = parse(&damaged);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_in_many_places_never_panics(
        which in 0..WHOLE.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (name, parse) = WHOLE[which];
        let mut whole = bytes(name);
        for (place, byte) in damage {
            let place = place.index(whole.len());
            whole[place] = byte;
        }
        let _ = parse(&whole);
    }

    #[test]
    fn bytes_without_sense_never_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        for (magic, parse) in [
            (&b""[..], idx as Parser),
            (b"\x93NUMPY\x01\x00", npy),
            (b"PK\x03\x04", npz),
            (b"\x89PNG\r\n\x1a\n", image),
            (b"\xff\xd8\xff", image),
            (b"PAR1", parquet),
        ] {
            prop_assert!(parse(&[magic, &noise].concat()).is_err());
        }
        let _ = csv(&noise);
    }

    #[test]
    fn npy_headers_never_panic(text in "[{}()\\[\\]',: a-zTF0-9<>|L]{0,60}") {
        let _ = npy(&npy_header(&text));
        let _ = npy(&npy_header(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {text}}}")));
    }

    #[test]
    fn npy_round_trips(
        (shape, values) in prop::collection::vec(1_usize..5, 2..5).prop_flat_map(|shape| {
            let values = prop::collection::vec(-1e6_f32..1e6, shape.iter().product::<usize>());
            (Just(shape), values)
        }),
    ) {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        let mut file = npy_header(&format!(
            "{{'shape': ({}), 'fortran_order': False, 'descr': '<f4', }}", sizes.join(", ")
        ));
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let data = fuzzing::npy(&file).unwrap();
        prop_assert_eq!(data.shape(), &shape[1..]);
        prop_assert_eq!(data.rows(&(0..data.len()).collect::<Vec<_>>()), values);
    }
}

fn npy_header(text: &str) -> Vec<u8> {
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.bytes());
    header
}

fn npy_claim(shape: &str) -> Vec<u8> {
    let dictionary = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    npy_header(&dictionary)
}

#[track_caller]
fn refused(outcome: Result<(), String>, parts: &[&str]) {
    let message = outcome.unwrap_err();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn headers_of_npy_that_lie_are_refused() {
    refused(npy(&npy_claim("(1000000000000, 1000000)")), &["limit"]);
    refused(npy(&npy_claim("(18446744073709551615, 2)")), &["limit"]);
    refused(npy(&npy_claim("(18446744073709551616, 2)")), &["too large"]);
    refused(npy(&npy_claim("(100000000, 20)")), &["truncated: expected 16000000"]);
    refused(npy(&npy_claim("(0, 2)")), &["holds no values"]);
    refused(npy(&npy_claim("(-1, 2)")), &["damaged npy header", "expected the size of an axis"]);
    refused(npy(&npy_claim(&format!("({})", "1,".repeat(1000)))), &["more than 64 axes"]);
    refused(npy(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{"), &["header of 2147483647 bytes"]);
    refused(npy(b"\x93NUMPY\x01\x00\xff\xff{'descr'"), &["truncated: expected 65545 bytes"]);
    refused(npy(b"\x93NUMPY\x09\x00\x00\x00"), &["version 9 is unknown"]);
    let nested = format!("{{'descr': {}", "[".repeat(60_000));
    refused(npy(&npy_header(&nested)), &["a list without an end"]);
    let twice = "{'shape': (1,), 'shape': (2,), 'descr': '<f4', 'fortran_order': False}";
    refused(npy(&npy_header(twice)), &["`shape` is given twice"]);
    refused(npy(&npy_header("{'shape': (1,)}")), &["`descr` is missing"]);
    refused(npy(&npy_header("{'a': 1}")), &["unknown key `a`"]);
}

/// An archive of entries; deflated.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(vec![]));
    let deflated = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in entries {
        zip.start_file(*name, deflated).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn archives_that_lie_are_refused() {
    // 64 MiB of zeros after a header that declares eight bytes.
    let mut bomb = npy_claim("(1, 1)");
    bomb.resize(64 << 20, 0);
    let bomb = archive(&[("x.npy", &bomb)]);
    assert!(bomb.len() < 100_000);
    refused(npz(&bomb), &["array `x`", "goes on after"]);
    refused(npz(&archive(&[("x.npy", b"junk")])), &["array `x`: not an npy file"]);
    refused(npz(&archive(&[("a.txt", b"x")])), &["other files than npy arrays (a.txt)"]);
    refused(npz(&archive(&[])), &["without arrays"]);

    // Two entries of one name: the writer refuses, so a name is changed afterwards.
    let pair = archive(&[("x.npy", &npy_claim("(1, 1)")), ("z.npy", &npy_claim("(1, 1)"))]);
    let twins = replaced(&pair, b"z.npy", b"x.npy");
    refused(npz(&twins), &["entries of the same name"]);

    // The flag of encryption, in the local and in the central header.
    let mut locked = archive(&[("x.npy", &npy_claim("(1, 1)"))]);
    let central = locked.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    locked[6] |= 1;
    locked[central + 8] |= 1;
    refused(npz(&locked), &["encrypted"]);

    // A size in the headers that the content does not have.
    let honest = bytes("npz/one.npz");
    let central = honest.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    for (place, size) in [(central + 24, 10_u32), (central + 20, u32::MAX - 1)] {
        let mut lying = honest.clone();
        lying[place..place + 4].copy_from_slice(&size.to_le_bytes());
        if let Ok(()) = npz(&lying) {
            // Only the data themselves count: they are complete, and their checksum fits.
            assert_eq!(fuzzing::npz(&lying, &OpenOptions::default()).unwrap().len(), 5);
        }
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for place in 0..=bytes.len() - from.len() {
        if bytes[place..].starts_with(from) {
            bytes[place..place + from.len()].copy_from_slice(to);
        }
    }
    bytes
}

/// A PNG with another width and height in its header.
fn png_claim(width: u32, height: u32) -> Vec<u8> {
    let mut png = bytes("images/flat/a.png");
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    png
}

#[test]
fn images_that_declare_too_much_are_refused() {
    refused(image(&png_claim(60_000, 60_000)), &["declares 60000 x 60000 pixels", "limit"]);
    refused(image(&png_claim(u32::MAX, u32::MAX)), &["bytes"]);
    refused(image(&png_claim(8000, 8000)), &["declares 8000 x 8000 pixels", "cannot hold"]);
    refused(image(&png_claim(0, 16)), &["damaged"]);
    refused(image(&png_claim(100, 100)), &["damaged"]);
}

/// Writes a number as Parquet's headers have them: zigzag, seven bits a byte, padded to `width`.
fn varint(value: u64, width: usize) -> Vec<u8> {
    let mut rest = value << 1;
    (0..width)
        .map(|i| {
            let byte = (rest & 0x7f) as u8 | if i + 1 < width { 0x80 } else { 0 };
            rest >>= 7;
            byte
        })
        .collect()
}

/// Pages that declare other sizes than they have change no value.
#[test]
fn pages_of_parquet_that_lie_are_refused_or_harmless() {
    for name in ["snappy", "gzip", "zstd", "lz4", "none"] {
        let whole = bytes(&format!("parquet/table_{name}.parquet"));
        let open = |bytes: &[u8]| fuzzing::parquet(file(bytes), &OpenOptions::default());
        let honest = open(&whole).unwrap().fingerprint();
        // The first page: its type, its size before and after compression.
        assert_eq!((whole[4], whole[6], whole[9]), (0x15, 0x15, 0x15), "{name}");
        for place in [7, 10] {
            for claim in [0, 1, 50, 5000, 8000] {
                let mut lying = whole.clone();
                lying[place..place + 2].copy_from_slice(&varint(claim, 2));
                if let Ok(data) = open(&lying) {
                    assert_eq!(data.fingerprint(), honest, "{name}: {claim} at {place}");
                }
            }
        }
    }
}
