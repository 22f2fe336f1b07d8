//! What is written is what is read.

use proptest::prelude::*;

use super::super::sample::{part, row};
use super::super::tables::Row;
use super::super::{AuditFolder, Part, Perturbation};
use super::{config, create, finish, gallery, names, summary};
use crate::schema::{CurveRow, PointRow, Status};

/// NaN is not equal to itself, but its text is.
fn text(values: &impl std::fmt::Debug) -> String {
    format!("{values:?}")
}

fn number() -> impl Strategy<Value = Option<f64>> {
    proptest::option::of(prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
    ])
}

prop_compose! {
    fn any_row()(
        index in 0..i64::MAX,
        label: Option<i64>,
        strings in proptest::array::uniform4(".*"),
        options in proptest::array::uniform3(proptest::option::of(".*")),
        numbers in proptest::collection::vec(number(), 26),
        draws: i64,
        seconds: f64,
        ok: bool,
    ) -> PointRow {
        let [model, radius, norm, r#box] = strings;
        let [attacked_by, certified_by, message] = options;
        let mut numbers = numbers.into_iter();
        let mut next = || numbers.next().unwrap();
        PointRow {
            model, index, label, radius, r: next(), norm, r#box,
            p: next(), p_low: next(), p_high: next(), p_lower_limit: next(), draws,
            p_linear: next(), p_markov: next(), sigma_min: next(), sigma_mean: next(),
            jacobian_frobenius: next(), jacobian_spectral: next(),
            whitened_jacobian_spectral: next(), jacobian_error: next(), bound_paper: next(),
            bound_sharp: next(),
            bound_paper_limit: next(), bound_sharp_limit: next(), certified: next(),
            certified_by, certified_confidence: next(), attacked: next(),
            attacked_p: next(), attacked_p_value: next(), attacked_crossing: next(),
            attacked_by, degradation: next(), transferred_p: next(),
            status: if ok { Status::Ok } else { Status::Failed }, message, seconds,
            seconds_attacked: next(),
        }
    }
}

proptest! {
    #[test]
    fn rows_survive_columns(rows in proptest::collection::vec(any_row(), 0..8)) {
        let batch = PointRow::encode(&rows).unwrap();
        prop_assert_eq!(text(&PointRow::decode(&batch).unwrap()), text(&rows));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn rows_survive_the_folder(mut rows in proptest::collection::vec(any_row(), 1..8)) {
        for (index, row) in (0..).zip(&mut rows) {
            (row.index, row.model) = (index, "m".to_owned());
        }
        let folder = tempfile::tempdir().unwrap();
        let writer = create(folder.path()).unwrap();
        let (early, late) = rows.split_at(rows.len() / 2);
        for rows in [late, early] {
            writer.append(&Part { rows: rows.to_vec(), ..Part::default() }).unwrap();
        }
        prop_assert_eq!(text(&writer.folder().rows().unwrap()), text(&rows));
        finish(&writer);
        let folder = AuditFolder::open(folder.path()).unwrap();
        prop_assert_eq!(text(&folder.rows().unwrap()), text(&rows));
    }
}

/// A whole audit, before and after it is finished.
#[test]
fn everything_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audits/beta4");
    let info = toml::toml! { version = "0.1.0" };
    let writer = AuditFolder::create(&path, &config(), &info, false).unwrap();
    assert!(!writer.resumed() && writer.done().unwrap().is_empty());
    let parts = [part(&[5, 4]), part(&[0, 2]), part(&[3])];
    parts.iter().for_each(|part| writer.append(part).unwrap());
    assert_eq!(text(&writer.done().unwrap()), "{0, 2, 3, 4, 5}");

    let sorted = part(&[0, 2, 3, 4, 5]);
    let check = |folder: &AuditFolder| {
        assert_eq!((folder.config(), folder.info()), (&config(), &info));
        assert_eq!(folder.rows().unwrap(), sorted.rows);
        assert_eq!(folder.curves().unwrap(), sorted.curves);
        for Perturbation { index, radius, values, shape } in &sorted.perturbations {
            let found = folder.perturbation(*index, radius).unwrap();
            assert_eq!(found, Some((shape.clone(), values.clone())));
        }
        for (index, radius) in [(1, "4"), (9, "4"), (2, "q0.9"), (-1, "4")] {
            assert_eq!(folder.perturbation(index, radius).unwrap(), None);
        }
        assert_eq!(folder.indices().unwrap(), [0, 2, 3, 4, 5].into());
    };
    let unfinished = AuditFolder::open(&path).unwrap();
    assert!(!unfinished.is_finished());
    assert_eq!(unfinished.summary().unwrap(), None);
    assert_eq!(unfinished.gallery().unwrap(), []);
    check(&unfinished);

    let expected = summary(&unfinished);
    finish(&writer);
    finish(&writer);
    assert!(writer.is_finished());
    let finished = AuditFolder::open(&path).unwrap();
    check(&finished);
    assert_eq!(finished.summary().unwrap(), Some(expected));
    assert_eq!(finished.gallery().unwrap(), gallery());
    assert_eq!(
        names(&path),
        [
            ".lock",
            "audit.toml",
            "curves.parquet",
            "gallery.json",
            "gallery.safetensors",
            "perturbations",
            "points.parquet",
            "summary.json"
        ]
    );
}

#[test]
fn an_audit_without_points_is_an_audit() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    writer.append(&Part::default()).unwrap();
    writer.finish(&summary(&writer.folder()), &[]).unwrap();
    let folder = AuditFolder::open(folder.path()).unwrap();
    assert_eq!(folder.rows().unwrap(), []);
    assert_eq!(folder.gallery().unwrap(), []);
    assert_eq!(folder.perturbation(0, "4").unwrap(), None);
    assert_eq!(folder.summary().unwrap().unwrap().points, 0);
}

/// The schema is public: names and types of columns do not change by accident.
#[test]
fn columns_are_as_documented() {
    let columns = |schema: arrow::datatypes::Schema| -> Vec<String> {
        let column = |field: &arrow::datatypes::Field| {
            let optional = if field.is_nullable() { "?" } else { "" };
            format!("{} {}{optional}", field.name(), field.data_type())
        };
        schema.fields().iter().map(|field| column(field)).collect()
    };
    let points = "model Utf8, index Int64, label Int64?, radius Utf8, r Float64?, norm Utf8, \
        box Utf8, p Float64?, p_low Float64?, p_high Float64?, p_lower_limit Float64?, \
        draws Int64, p_linear Float64?, p_markov Float64?, sigma_min Float64?, \
        sigma_mean Float64?, jacobian_frobenius Float64?, jacobian_spectral Float64?, \
        whitened_jacobian_spectral Float64?, jacobian_error Float64?, bound_paper Float64?, bound_sharp Float64?, \
        bound_paper_limit Float64?, bound_sharp_limit Float64?, certified Float64?, \
        certified_by Utf8?, certified_confidence Float64?, attacked Float64?, \
        attacked_p Float64?, attacked_p_value Float64?, \
        attacked_crossing Float64?, attacked_by Utf8?, degradation Float64?, transferred_p Float64?, \
        status Utf8, \
        message Utf8?, seconds Float64, seconds_attacked Float64?";
    assert_eq!(columns(PointRow::schema()).join(", "), points);
    let curves = "model Utf8, index Int64, radius Utf8, r Float64, perturbation_norm Float64, \
        damage Float64, p Float64";
    assert_eq!(columns(CurveRow::schema()).join(", "), curves);
}

#[test]
fn many_threads_append_to_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for k in 0..4 {
                    writer.append(&part(&[4 * k + thread])).unwrap();
                }
            });
        }
    });
    let rows: Vec<PointRow> =
        (0..16).flat_map(|index| ["8", "4"].map(|radius| row(index, radius))).collect();
    assert_eq!(writer.folder().rows().unwrap(), rows);
}
