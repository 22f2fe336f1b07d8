use super::*;
use crate::idx::tests::gzip;
use proptest::prelude::*;

fn open_with(text: &str, labels: Labels) -> Result<Dataset, String> {
    let options = OpenOptions { labels, ..OpenOptions::default() };
    let open = |bytes: &[u8]| {
        parse("f".into(), "f".into(), bytes, &options).map_err(|error| error.to_string())
    };
    let (plain, packed) = (open(text.as_bytes()), open(&gzip(text.as_bytes())));
    assert_eq!(plain.as_ref().err(), packed.as_ref().err());
    plain
}

fn open(text: &str) -> Result<Dataset, String> {
    open_with(text, Labels::Auto)
}

#[test]
fn the_separator_is_the_one_that_fits_every_line() {
    for (text, row) in [
        ("a,b\n1,2\n", vec![1.0, 2.0]),
        ("a;b\n1;2\n", vec![1.0, 2.0]),
        ("a\tb\r\n1\t2\r\n", vec![1.0, 2.0]),
        ("a\n1\n2\n", vec![1.0]),
        ("\"a,b\",c\n1e-3, -2.5 \n", vec![1e-3, -2.5]),
        ("\"a;1\",\"b;2\"\n1,2", vec![1.0, 2.0]),
    ] {
        assert_eq!(open(text).unwrap().row(0), row, "{text:?}");
    }
    let message = open("a,b;c\n1,5;2\n").unwrap_err();
    assert!(message.contains("separated by commas or by semicolons"), "{message}");
}

#[test]
fn what_makes_no_table_is_refused() {
    for (text, parts) in [
        ("1,2\n3,4\n", &["first line holds only numbers (1, 2)", "header"][..]),
        ("a,b\n", &["2 columns but no rows"]),
        ("", &["is empty"]),
        ("a,b\n1,2\n3\n", &["line 3 has 1 cells, the header has 2"]),
        ("a,a\n1,2\n", &["several columns are called a"]),
        ("a,\n1,2\n", &["column 2 has no name"]),
        (
            "a,b\n1,2\n3,x\n,inf\n",
            &[
                "`a` 1 missing (first line 4",
                "`b` 1 no number, 1 not a finite f32 (first line 3: `x`)",
            ],
        ),
        ("a;b\n1,5;2\n2,5;3\n", &["`a` 2 no number (first line 2: `1,5`)"]),
        ("a;b;c\n1,5;2;3\n", &["`a` 1 no number (first line 2: `1,5`)"]),
        ("label\n1\n", &["no column besides the labels"]),
        ("label,y,a\n1,2,3\n", &["label, y may all be labels", "--labels"]),
        ("label,a\n,3\nx,4\n", &["`label` 1 missing (first line 2"]),
        ("a,b\n1e39,2\n", &["`a` 1 not a finite f32"]),
    ] {
        let message = open(text).unwrap_err();
        for part in parts {
            assert!(message.starts_with("f: ") && message.contains(part), "{part:?} {message}");
        }
    }
    let latin = parse("f".into(), "f".into(), &b"a,b\n1,\xe4\n"[..], &OpenOptions::default());
    assert!(latin.unwrap_err().to_string().contains("line 2 is not UTF-8"));
}

#[test]
fn a_column_called_label_is_one_if_it_can_be() {
    let data = open("a,Class,b\n1,dog,2\n3,cat,4\n").unwrap();
    assert_eq!((data.row(1), data.label(1), data.label(0)), (vec![3.0, 4.0], Some(0), Some(1)));
    assert_eq!(data.label_name(0), Some("cat"));
    assert!(data.remarks()[0].starts_with("column `Class` holds the labels"));

    let data = open("a,y,b\n1,0.5,2\n3,1,4\n").unwrap();
    assert_eq!((data.row(0), data.label(0)), (vec![1.0, 0.5, 2.0], None));
    assert!(data.remarks()[0].starts_with("column `y` holds numbers that are not whole"));

    let data = open_with("a,y\n1,2\n", Labels::None).unwrap();
    assert_eq!((data.row(0), data.label(0)), (vec![1.0, 2.0], None));
    let data = open_with("a,y\n1,2\n", "a".into()).unwrap();
    assert_eq!((data.row(0), data.label(0)), (vec![2.0], Some(1)));
}

#[test]
fn a_million_columns_are_a_table() {
    let line = |cell: &dyn Fn(usize) -> String| {
        (0..1_000_000).map(cell).collect::<Vec<_>>().join(",") + "\n"
    };
    let text = line(&|i| format!("c{i}")) + &line(&|i| (i % 7).to_string());
    assert_eq!(open(&text).unwrap().shape(), [1_000_000]);
    let words = line(&|i| format!("c{i}")) + &line(&|_| "x".to_owned());
    let message = open(&words).unwrap_err();
    assert!(message.len() < 2000 && message.ends_with("and 999980 more"), "{}", message.len());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-c0-9,;\t\n\"' .-]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = open(&text);
        let _ = open(&format!("a,b\n{text}"));
        let _ = parse("f".into(), "f".into(), &bytes[..], &OpenOptions::default());
    }

    #[test]
    fn numbers_round_trip(values in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 1..30)) {
        let text: String = values.iter().map(|value| format!("{value:?};1\n")).collect();
        let data = open(&format!("a;b\n{text}")).unwrap();
        let expected: Vec<f32> = values.iter().flat_map(|&value| [value, 1.0]).collect();
        prop_assert_eq!(data.rows(&(0..values.len()).collect::<Vec<_>>()), expected);
    }
}
