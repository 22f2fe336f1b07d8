//! Which rows: what `--points` takes.
//!
//! | text | rows |
//! |---|---|
//! | `500` | the first 500 rows of the test split |
//! | `8000..8050`, `8000..=8049` | a range, as Rust writes them |
//! | `1,5,9` or `1,5,10..20` | a list of rows and ranges |
//! | `all`, `test`, `train` | the whole set or a split |
//!
//! A lone number is a count and a number in a list is a row: people ask for *some* points far
//! more often than for one, and one row is `7..8`. Nothing is clamped: a report that
//! says 500 points has 500 points, or there is no report.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::dataset::Dataset;
use crate::error::{Error, Result};

/// A choice of rows, before it is known of which data set.
///
/// ```
/// use vaegis_data::{Dataset, Selection};
///
/// let selection: Selection = "9000, 8000..8003".parse()?;
/// assert_eq!(selection.resolve(&Dataset::mnist())?, [8000, 8001, 8002, 9000]);
/// assert_eq!(selection.to_string(), "9000,8000..8003");
/// # Ok::<(), vaegis_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every row.
    All,
    /// The training split.
    Train,
    /// The test split.
    Test,
    /// The first rows of the test split, this many.
    Count(usize),
    /// The rows of these ranges.
    Rows(Vec<Range<usize>>),
}

impl Selection {
    /// The rows of `data` that are selected, ascending, each once.
    ///
    /// # Errors
    /// If the selection, or a range in it, is empty; if it goes beyond the last row; if a count
    /// is larger than the test split.
    pub fn resolve(&self, data: &Dataset) -> Result<Vec<usize>> {
        let (name, test) = (|| data.name().to_owned(), data.test());
        let rows: Vec<usize> = match self {
            Self::All => (0..data.len()).collect(),
            Self::Train => data.train().collect(),
            Self::Test => test.collect(),
            &Self::Count(count) if count > test.len() => {
                return Err(Error::SelectionTooMany { count, data: name(), rows: test.len() });
            }
            &Self::Count(count) => test.take(count).collect(),
            Self::Rows(ranges) => {
                let mut selected = vec![false; data.len()];
                for range in ranges {
                    if range.is_empty() {
                        return Err(Error::SelectionEmpty { selection: part(range), data: name() });
                    }
                    let Some(selected) = selected.get_mut(range.clone()) else {
                        let (selection, rows) = (part(range), data.len());
                        return Err(Error::SelectionOutOfRange { selection, data: name(), rows });
                    };
                    selected.fill(true);
                }
                (0..data.len()).filter(|&i| selected[i]).collect()
            }
        };
        if rows.is_empty() {
            return Err(Error::SelectionEmpty { selection: self.to_string(), data: name() });
        }
        Ok(rows)
    }
}

impl FromStr for Selection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let selection = match text.trim() {
            "all" => Some(Self::All),
            "train" => Some(Self::Train),
            "test" => Some(Self::Test),
            list if list.contains([',', '.']) => {
                list.split(',').map(range).collect::<Option<_>>().map(Self::Rows)
            }
            count => number(count).map(Self::Count),
        };
        selection.ok_or_else(|| Error::SelectionSyntax { text: text.to_owned() })
    }
}

/// `5`, `5..9` or `5..=8`.
fn range(text: &str) -> Option<Range<usize>> {
    let Some((start, end)) = text.split_once("..") else {
        let row = number(text)?;
        return Some(row..row.checked_add(1)?);
    };
    let end = match end.strip_prefix('=') {
        Some(last) => number(last)?.checked_add(1)?,
        None => number(end)?,
    };
    Some(number(start)?..end)
}

/// Digits only: `usize::from_str` would take `+5` as well.
fn number(text: &str) -> Option<usize> {
    let digits = text.trim();
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// An entry of a list as one would type it.
fn part(range: &Range<usize>) -> String {
    if range.start.checked_add(1) == Some(range.end) {
        range.start.to_string()
    } else {
        format!("{}..{}", range.start, range.end)
    }
}

/// In the form that parses back to the same selection.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Train => f.write_str("train"),
            Self::Test => f.write_str("test"),
            Self::Count(count) => write!(f, "{count}"),
            // Alone, `7` would be a count.
            Self::Rows(ranges) if let [range] = &ranges[..] => {
                write!(f, "{}..{}", range.start, range.end)
            }
            Self::Rows(ranges) => {
                f.write_str(&ranges.iter().map(part).collect::<Vec<_>>().join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ten rows, of which 8 and 9 are the test split.
    fn ten() -> Dataset {
        Dataset::from_f32("ten", [1], vec![0.0; 10], None).unwrap()
    }

    fn resolve(text: &str) -> Result<Vec<usize>, String> {
        let selection = text.parse::<Selection>().map_err(|error| error.to_string())?;
        selection.resolve(&ten()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_selects_its_rows() {
        for (text, rows) in [
            ("1", vec![8]),
            (" 2 ", vec![8, 9]),
            ("3..6", vec![3, 4, 5]),
            ("3..=6", vec![3, 4, 5, 6]),
            ("7..8", vec![7]),
            ("9,1,5", vec![1, 5, 9]),
            ("5, 1 , 4 .. 7,5", vec![1, 4, 5, 6]),
            ("test", vec![8, 9]),
            ("train", (0..8).collect()),
            ("all", (0..10).collect()),
            ("0..10", (0..10).collect()),
        ] {
            assert_eq!(resolve(text), Ok(rows), "{text}");
        }
    }

    #[test]
    fn garbage_is_answered_with_the_accepted_forms() {
        for text in [
            "",
            " ",
            "x",
            "-1",
            "+1",
            "1.5",
            "5..",
            "..5",
            "..",
            "5..=",
            "1,",
            ",1",
            "1,,2",
            "1;2",
            "tests",
            "test,1",
            "1..2..3",
            "1...3",
            "1 2",
            "99999999999999999999999",
            "0..=18446744073709551615",
            "1,18446744073709551615",
            "٣",
        ] {
            let message = resolve(text).unwrap_err();
            assert!(message.starts_with(&format!("`{text}` does not select points")), "{message}");
            for form in ["`500`", "`8000..8050`", "`8000..=8049`", "`1,5,10..20`", "`all`"] {
                assert!(message.contains(form), "{message}");
            }
        }
    }

    #[test]
    fn an_empty_selection_is_an_error() {
        for (text, named) in [
            ("0", "0"),
            ("5..5", "5..5"),
            ("1,9..2", "9..2"),
            ("3..=2", "3..3"),
            ("99..99", "99..99"),
        ] {
            let message = resolve(text).unwrap_err();
            assert_eq!(message, format!("`{named}` selects no rows of ten, expected at least one"));
        }
        assert!(Selection::Rows(vec![]).resolve(&ten()).is_err());
        let one = Dataset::from_f32("one", [1], vec![0.0], None).unwrap();
        assert!(Selection::Train.resolve(&one).is_err());
        assert_eq!(Selection::Test.resolve(&one).unwrap(), [0]);
    }

    #[test]
    fn rows_that_do_not_exist_are_an_error_that_says_how_many_there_are() {
        for (text, named) in [
            ("0..11", "0..11"),
            ("1,10", "10"),
            ("10..=10", "10"),
            ("0..18446744073709551615", "0..18446744073709551615"),
        ] {
            let expected = format!("`{named}` goes beyond ten, which has 10 rows (0..10)");
            assert_eq!(resolve(text), Err(expected));
        }
    }

    #[test]
    fn a_count_beyond_the_test_split_is_not_clamped() {
        let message = resolve("3").unwrap_err();
        assert!(message.starts_with("3 points asked for, but the test split of ten has 2 rows"));
    }

    proptest! {
        #[test]
        fn display_parses_back(ranges in prop::collection::vec((0_usize..50, 0_usize..50), 1..5), count: usize) {
            let rows = Selection::Rows(ranges.into_iter().map(|(start, end)| start..end).collect());
            for selection in [rows, Selection::Count(count), Selection::All, Selection::Train, Selection::Test] {
                prop_assert_eq!(selection.to_string().parse::<Selection>().unwrap(), selection);
            }
        }

        #[test]
        fn no_text_panics(text in "[0-9.,= a-z]{0,12}") {
            if let Ok(rows) = resolve(&text) {
                prop_assert!(!rows.is_empty() && rows.is_sorted_by(|a, b| a < b) && rows[rows.len() - 1] < 10);
            }
        }
    }
}
