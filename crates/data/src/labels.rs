//! Labels as words, and columns that are labels by their name.
//!
//! Words become class numbers: whole numbers stand for themselves, other words are numbered in
//! the order of their bytes, as scikit-learn's `LabelEncoder` and torchvision's `ImageFolder` do.

use std::collections::HashMap;

/// Columns of these names hold labels, in any case.
const NAMES: [&str; 4] = ["label", "class", "target", "y"];

/// Whether a column of this name is expected to hold labels.
pub(crate) fn is_label_name(name: &str) -> bool {
    NAMES.contains(&name.to_lowercase().as_str())
}

/// Words, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Words {
    numbers: HashMap<String, u32>,
    words: Vec<String>,
    /// The word of each row.
    rows: Vec<u32>,
}

/// Class numbers, and the names of the classes 0, 1, ... if they have any.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Classes {
    pub(crate) labels: Vec<i64>,
    pub(crate) names: Vec<String>,
}

impl Words {
    pub(crate) fn push(&mut self, word: &str) {
        let number = match self.numbers.get(word) {
            Some(&number) => number,
            None => {
                let number = self.words.len() as u32;
                self.numbers.insert(word.to_owned(), number);
                self.words.push(word.to_owned());
                number
            }
        };
        self.rows.push(number);
    }

    /// The words as numbers, if all are numbers.
    pub(crate) fn numbers(&self) -> Option<Vec<f32>> {
        let numbers: Vec<f32> =
            self.words.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some(self.rows.iter().map(|&row| numbers[row as usize]).collect())
    }

    pub(crate) fn are_whole(&self) -> bool {
        self.words.iter().all(|word| whole(word).is_some())
    }

    pub(crate) fn classes(self) -> Classes {
        let whole: Option<Vec<i64>> = self.words.iter().map(|word| whole(word)).collect();
        let (classes, names) = whole.map_or_else(
            || {
                let mut names = self.words.clone();
                names.sort_unstable();
                let place = |word| names.binary_search(word).expect("a word of its own list");
                (self.words.iter().map(|word| place(word) as i64).collect(), names.clone())
            },
            |whole| (whole, vec![]),
        );
        Classes { labels: self.rows.iter().map(|&row| classes[row as usize]).collect(), names }
    }
}

/// `7`, or `7.0` as pandas writes it, within what an `f64` holds exactly.
fn whole(word: &str) -> Option<i64> {
    let value: f64 = word.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= (1_u64 << 53) as f64).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(words: &[&str]) -> (Vec<i64>, Vec<String>) {
        let mut all = Words::default();
        words.iter().for_each(|word| all.push(word));
        let Classes { labels, names } = all.classes();
        (labels, names)
    }

    #[test]
    fn words_are_numbered_in_order_and_numbers_stand_for_themselves() {
        assert_eq!(
            classes(&["dog", "cat", "dog"]),
            (vec![1, 0, 1], vec!["cat".into(), "dog".into()])
        );
        assert_eq!(classes(&["10", "-2", "7.0"]), (vec![10, -2, 7], vec![]));
        assert_eq!(classes(&["1", "one"]).0, [0, 1]);
    }
}
