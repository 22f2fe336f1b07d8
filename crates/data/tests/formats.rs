//! Files as other programs write them, against what those programs read back.
//!
//! `fixtures/make.py` wrote both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use vaegis_data::{Dataset, OpenOptions, Result};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn expected() -> BTreeMap<String, Value> {
    let file = std::fs::File::open(fixture("expected.json.gz")).unwrap();
    serde_json::from_reader(GzDecoder::new(file)).unwrap()
}

fn open(name: &str, options: &OpenOptions) -> Result<Dataset> {
    Dataset::open_with(fixture(name).to_str().unwrap(), options)
}

#[track_caller]
fn refused(name: &str, options: &OpenOptions, parts: &[&str]) {
    let message = open(name, options).expect_err(name).to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
}

fn labels(labels: &str) -> OpenOptions {
    OpenOptions { labels: labels.into(), ..OpenOptions::default() }
}

fn array(array: &str) -> OpenOptions {
    OpenOptions { array: Some(array.into()), ..OpenOptions::default() }
}

/// What a fixture is opened with.
fn options(name: &str) -> OpenOptions {
    match name {
        "csv/words.csv" => labels("species"),
        "npz/several.npz" => OpenOptions { array: Some("latents_values".into()), ..labels("kind") },
        _ => OpenOptions::default(),
    }
}

/// Decoders of JPEG round differently; all other values are exact.
fn tolerance(name: &str) -> f64 {
    if name.contains("jpeg") { 2.5 / 255.0 } else { 0.0 }
}

#[test]
fn every_fixture_is_read_as_its_writer_reads_it() {
    let all = expected();
    assert!(all.len() > 60, "{} fixtures", all.len());
    for (name, expected) in all {
        let data = open(&name, &options(&name)).unwrap_or_else(|error| panic!("{error}"));
        let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
        assert_eq!([&[data.len()], data.shape()].concat(), shape, "{name}");
        let values: Vec<f64> = serde_json::from_value(expected["values"].clone()).unwrap();
        let found = data.rows(&(0..data.len()).collect::<Vec<_>>());
        for (place, (found, expected)) in found.iter().zip(&values).enumerate() {
            let error = (f64::from(*found) - expected).abs();
            assert!(error <= tolerance(&name), "{name} at {place}: {found}, not {expected}");
        }
        let labels: Option<Vec<i64>> = serde_json::from_value(expected["labels"].clone()).unwrap();
        let found: Option<Vec<i64>> = (0..data.len()).map(|row| data.label(row)).collect();
        assert_eq!(found, labels, "{name}");
        if let Some(border) = expected["test"].as_u64() {
            assert_eq!(data.test(), border as usize..data.len(), "{name}");
        }
        if let Some(columns) = expected["columns"].as_array() {
            assert_eq!(data.columns(), columns.as_slice(), "{name}");
        }
        for (label, class) in expected["names"].as_array().into_iter().flatten().enumerate() {
            assert_eq!(data.label_name(label as i64), class.as_str(), "{name}");
        }
        let pixels = name.contains("u1_") || name.contains("b1_") || data.shape().len() == 3;
        let pixels = pixels || name.contains("keras") || name.contains("nested");
        assert_eq!(data.value_range(), pixels.then_some((0.0, 1.0)), "{name}");
    }
}

#[test]
fn dtypes_that_hold_no_numbers_are_named() {
    let none = OpenOptions::default();
    for (name, parts) in [
        ("objects", "pickled Python objects (dtype `|O`)"),
        ("text", "text (dtype `<U1`)"),
        ("bytes", "text (dtype `|S1`)"),
        ("complex", "complex numbers (dtype `<c16`)"),
        ("records", "records (a structured dtype)"),
        ("dates", "dates or times (dtype `<M8[D]`)"),
    ] {
        let file = format!("npy/refused_{name}.npy");
        refused(&file, &none, &[&file, "holds", parts, "expected numbers"]);
    }
}

#[test]
fn labels_of_arrays_are_a_file() {
    let file = fixture("npy/labels.npy");
    let data = open("npy/u1_little_C.npy", &labels(file.to_str().unwrap())).unwrap();
    assert_eq!([0, 1, 2].map(|row| data.label(row)), [Some(4), Some(5), Some(6)]);
    let table = fixture("csv/comma.csv");
    let options = labels(table.to_str().unwrap());
    refused("npy/u1_little_C.npy", &options, &["comma.csv", "CSV", "expected labels as an npy"]);
    refused("npy/u1_little_C.npy", &labels("nothing.npy"), &["nothing.npy: no such file"]);
    refused("npy/version2.npy", &labels(file.to_str().unwrap()), &["3 labels for 2 rows"]);
    refused("npy/labels.npy", &array("x"), &["--array do not apply to data read as npy"]);
}

#[test]
fn archives_that_leave_a_choice_list_their_arrays() {
    let listing = ["`imgs` [4, 2, 2] uint8", "`latents_values` [4, 2] float64", "`metadata` []"];
    let none = OpenOptions::default();
    refused(
        "npz/several.npz",
        &none,
        &["several.npz", "--array", listing[0], listing[1], listing[2]],
    );
    refused("npz/several.npz", &array("x"), &["no array `x`", listing[0]]);
    refused("npz/several.npz", &array("metadata"), &["array `metadata`", "pickled Python objects"]);
    refused("npz/several.npz", &array("kind"), &["array `kind`", "list of 4 numbers"]);
    let options = OpenOptions { labels: labels("latents_values").labels, ..array("imgs") };
    refused("npz/several.npz", &options, &["`latents_values`", "[4, 2]", "expected labels"]);
    let options = OpenOptions { labels: labels("nothing").labels, ..array("imgs") };
    refused("npz/several.npz", &options, &["no array `nothing`", "no such file"]);
    // Ones as bytes are nearly black: whoever means white has to know.
    let data = open("npz/several.npz", &array("imgs")).unwrap();
    assert!(data.remarks()[0].contains("none is larger than 1"), "{:?}", data.remarks());
    let data = open("npz/keras.npz", &labels("none")).unwrap();
    assert_eq!((data.label(0), data.test()), (None, 6..9));
    let data = open("npz/keras.npz", &none).unwrap();
    assert!(data.remarks()[0].contains("`x_train`, `y_train`, `x_test`, `y_test`"));
}

#[test]
fn tables_say_what_is_wrong_in_every_column() {
    let none = OpenOptions::default();
    refused(
        "csv/holes.csv",
        &none,
        &["`width` 1 missing (first line 3: ``)", "`city` 6 no number (first line 2: `x`)"],
    );
    refused("csv/with_index.csv", &none, &["column 1 has no name", "index=False"]);
    refused("csv/words.csv", &none, &["`species` 6 no number (first line 2: `dog`)", "--labels"]);
    refused("csv/words.csv", &labels("kind"), &["no column `kind`", "species"]);
    refused("csv/comma.csv", &labels("width"), &["column `width`", "not whole"]);
    let data = open("csv/comma.csv", &labels("none")).unwrap();
    assert_eq!((data.shape(), data.label(0)), (&[4][..], None));
    assert_eq!(data.columns()[3], "label");
}

#[test]
fn images_that_differ_are_refused_or_converted_when_asked() {
    let none = OpenOptions::default();
    refused(
        "images/mixed",
        &none,
        &[
            "2 sizes (2 of 8x8 such as colour.png, 1 of 8x12 such as wide.png)",
            "--image-size",
            "1 are grey such as grey.png, 2 are coloured such as colour.png",
            "--image-channels",
        ],
    );
    let options = OpenOptions {
        image_size: "8x8".parse().ok(),
        image_channels: "1".parse().ok(),
        ..OpenOptions::default()
    };
    let data = open("images/mixed", &options).unwrap();
    assert_eq!((data.shape(), data.len()), (&[1, 8, 8][..], 3));
    assert_eq!(
        data.remarks(),
        ["images were resized to 8x8 (triangle filter)", "images were converted to grey"]
    );
    refused(
        "images/refused",
        &none,
        &[
            "refused: 4 images cannot be used",
            "deep.png has 16 bits",
            "turned.jpg is to be turned",
            "cmyk.jpg is a CMYK image",
            "notes.txt is neither PNG nor JPEG",
        ],
    );
    refused("images/classes", &labels("x"), &["--labels do not apply"]);
    let data = open("images/classes", &labels("none")).unwrap();
    assert_eq!(data.label(0), None);
}

#[test]
fn images_that_turn_out_broken_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["glass.png", "cut.png"] {
        std::fs::copy(fixture("images/refused").join(name), folder.path().join(name)).unwrap();
    }
    let message = Dataset::open(folder.path().to_str().unwrap()).unwrap_err().to_string();
    for part in [
        "2 images cannot be used",
        "glass.png has 1 pixels that are transparent",
        "cut.png is damaged",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn parquet_columns_are_chosen_and_nulls_named() {
    let none = OpenOptions::default();
    refused("parquet/null.parquet", &none, &["null.parquet: column `a`, row 1 is null"]);
    refused(
        "parquet/ragged.parquet",
        &none,
        &["column `s`, row 1 has a list of 1 values, expected 2"],
    );
    refused(
        "parquet/hub",
        &array("label"),
        &["no column `label` of images or lists", "`image` images"],
    );
    refused("parquet/hub", &labels("image"), &["column `image` (--labels) holds images"]);
    refused("parquet/table_none.parquet", &labels("none"), &["`class` holds text"]);
    let data = open("parquet/lists.parquet", &none).unwrap();
    assert_eq!(data.remarks(), ["columns that are not used: `id`"]);
    let options = OpenOptions { image_channels: "3".parse().ok(), ..OpenOptions::default() };
    refused("parquet/lists.parquet", &options, &["--image-channels", "do not apply"]);
    assert_eq!(open("parquet/hub", &options).unwrap().shape(), [3, 10, 8]);
}

#[test]
fn files_of_other_programs_get_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let torch = {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
        let stored = zip::write::SimpleFileOptions::default();
        zip.start_file("archive/data.pkl", stored).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let mut tar = vec![0; 512];
    tar[..4].copy_from_slice(b"x.py");
    tar[257..262].copy_from_slice(b"ustar");
    for (name, bytes, hint) in [
        ("x.pt", &torch[..], "numpy.save(\"x.npy\", tensor.numpy())"),
        ("x.pkl", b"\x80\x04\x95", "numpy.save"),
        ("x.h5", b"\x89HDF\r\n\x1a\n", "h5py"),
        ("x.mat", b"MATLAB 5.0 MAT-file", "scipy.io.loadmat"),
        ("x.feather", b"ARROW1\0\0", "to_parquet"),
        ("x.png", b"\x89PNG\r\n\x1a\n", "give the folder"),
        ("x.tar", &tar, "unpack it"),
        ("x.csv", b"\xff\xfea\0", "UTF-8"),
        ("x.bin", b"\x7fELF\x01", "starts with 7f 45 4c 46 01"),
        ("x.empty", b"", "is empty"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let message = Dataset::open(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(hint), "{message}");
        assert!(message.contains("npy, npz, CSV"), "{message}");
    }
}

#[test]
fn folders_are_told_by_what_is_in_them() {
    let copy = |from: &str, to: &Path| {
        std::fs::copy(fixture(from), to).unwrap();
    };
    let refused = |folder: &Path, parts: &[&str]| {
        let message = Dataset::open(folder.to_str().unwrap()).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    };
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), &["is a directory without images", "nothing"]);
    std::fs::write(folder.path().join("model.json"), "{}").unwrap();
    refused(folder.path(), &["is a directory without images", "model.json"]);
    copy("cifar/data_batch_2.bin", &folder.path().join("data_batch_2.bin"));
    refused(folder.path(), &["has batches of CIFAR, but not data_batch_1.bin, data_batch_3.bin"]);

    let folder = tempfile::tempdir().unwrap();
    copy("images/flat/a.png", &folder.path().join("a.png"));
    std::fs::create_dir(folder.path().join("class")).unwrap();
    refused(folder.path(), &["has files (a.png) beside folders (class)"]);
    std::fs::remove_file(folder.path().join("a.png")).unwrap();
    refused(folder.path(), &["class `class` has no images"]);

    let folder = tempfile::tempdir().unwrap();
    let shard = "parquet/hub/data/train-00000-of-00002.parquet";
    copy(shard, &folder.path().join("train-00000-of-00002.parquet"));
    refused(folder.path(), &["has the shards 0 of 2"]);
    copy("parquet/lists.parquet", &folder.path().join("train-00001-of-00002.parquet"));
    refused(folder.path(), &["train-00001-of-00002.parquet: has other columns"]);
    copy("parquet/lists.parquet", &folder.path().join("lists.parquet"));
    refused(folder.path(), &["some of its files are called after a split"]);
}

#[test]
fn a_single_batch_of_cifar_needs_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture("cifar/data_batch_4.bin")).unwrap();
    for (name, known) in [("some.bin", true), ("some.dat", false)] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let data = Dataset::open(path.to_str().unwrap());
        assert_eq!(data.is_ok_and(|data| data.label(0) == Some(3)), known, "{name}");
    }
}
