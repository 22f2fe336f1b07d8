//! Splits that sources have by name: folders, shards and arrays called `train` or `test`.
//!
//! No row is dropped: rows come in the order training, validation, test, and the test split is
//! what is called so. Rows called validation belong to the training part, from which the trainer
//! sets its own share aside, unless nothing is called test.

/// What a part of the data is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Split {
    /// Not after a split.
    Unnamed,
    Train,
    Validation,
    Test,
}

impl Split {
    /// The split of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "validation" | "valid" | "val" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unnamed => "unnamed",
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The first test row of parts in order, if they say it, and what to tell people.
pub(crate) fn border(parts: &[(Split, usize)]) -> (Option<usize>, Option<String>) {
    let mut counts: Vec<(Split, usize)> = vec![];
    for &(split, rows) in parts {
        match counts.last_mut() {
            Some((last, count)) if *last == split => *count += rows,
            _ => counts.push((split, rows)),
        }
    }
    let described: Vec<String> =
        counts.iter().map(|(split, rows)| format!("{rows} {}", split.name())).collect();
    let before = |split| counts.iter().take_while(|part| part.0 < split).map(|part| part.1).sum();
    let has = |split| counts.iter().any(|part| part.0 == split);
    let rows = format!("rows by name: {}", described.join(", "));
    match (has(Split::Test), has(Split::Validation)) {
        (false, false) => (None, None),
        (true, false) => (Some(before(Split::Test)), Some(rows)),
        (true, true) => (
            Some(before(Split::Test)),
            Some(format!("{rows}; those for validation belong to the training split")),
        ),
        (false, true) => (
            Some(before(Split::Validation)),
            Some(format!("{rows}; those for validation are the test split")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_is_where_the_test_rows_begin() {
        use Split::{Test, Train, Unnamed, Validation};
        for (parts, expected) in [
            (&[(Unnamed, 5)][..], None),
            (&[(Train, 3), (Train, 2)], None),
            (&[(Train, 3), (Train, 2), (Test, 4)], Some(5)),
            (&[(Train, 3), (Validation, 2), (Test, 4)], Some(5)),
            (&[(Train, 3), (Validation, 2)], Some(3)),
            (&[(Test, 3)], Some(0)),
        ] {
            assert_eq!(border(parts).0, expected, "{parts:?}");
        }
        let remark = border(&[(Train, 3), (Validation, 2)]).1.unwrap();
        assert!(remark.starts_with("rows by name: 3 training, 2 validation;"), "{remark}");
    }
}
