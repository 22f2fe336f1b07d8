//! What a manifest says of one layer, read key by key so that all that is wrong is found.

use toml::{Table, Value};

use super::state_dict::{StateDict, Stored};

/// The table of a layer while it is read, with the tensors it may ask for.
pub(super) struct Settings<'a, 'b> {
    table: Table,
    tensors: &'a mut StateDict<'b>,
    known: Vec<&'static str>,
    problems: Vec<String>,
}

impl<'a, 'b> Settings<'a, 'b> {
    pub(super) fn new(table: Table, tensors: &'a mut StateDict<'b>) -> Self {
        Self { table, tensors, known: vec![], problems: vec![] }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Notes that `key` is not what it must be.
    fn expected<T>(&mut self, key: &str, expected: &str, found: &Value) -> Option<T> {
        self.problems.push(format!("{key} must be {expected}, found {found}"));
        None
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => self.expected(key, "the name of a layer in quotes", &other),
        }
    }

    /// A number.
    pub(super) fn real(&mut self, key: &'static str, default: f64) -> f64 {
        let found = match self.take(key) {
            None => return default,
            Some(Value::Float(value)) if value.is_finite() => Some(value),
            Some(Value::Integer(value)) => Some(value as f64),
            Some(other) => self.expected(key, "a number", &other),
        };
        found.unwrap_or(default)
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self, key: &'static str) -> Option<usize> {
        let value = self.take(key)?;
        match size(&value) {
            Some(size) => Some(size),
            None => self.expected(key, "a whole number", &value),
        }
    }

    /// Two whole numbers for height and width, or one for both.
    pub(super) fn pair(&mut self, key: &'static str) -> Option<[usize; 2]> {
        let value = self.take(key)?;
        let pair = match &value {
            Value::Array(sizes) => match sizes.as_slice() {
                [height, width] => size(height).zip(size(width)).map(|(h, w)| [h, w]),
                _ => None,
            },
            both => size(both).map(|both| [both; 2]),
        };
        if pair.is_none() {
            return self.expected(key, "a whole number or two, as in [2, 1]", &value);
        }
        pair
    }

    /// Whole numbers.
    pub(super) fn sizes(&mut self, key: &'static str) -> Option<Vec<usize>> {
        let value = self.take(key)?;
        let sizes: Option<Vec<usize>> =
            value.as_array().and_then(|sizes| sizes.iter().map(size).collect());
        if sizes.is_none() {
            return self.expected(key, "a list of sizes, as in [64, 7, 7]", &value);
        }
        sizes
    }

    /// A list of layers.
    pub(super) fn layers(&mut self, key: &'static str) -> Option<Vec<Value>> {
        match self.take(key)? {
            Value::Array(layers) => Some(layers),
            other => self.expected(key, "a list of layers", &other),
        }
    }

    /// A tensor of the layer `name`.
    pub(super) fn tensor(&mut self, name: Option<&str>, part: &str) -> Option<Stored> {
        match self.tensors.take(&format!("{}.{part}", name?)) {
            Ok(tensor) => Some(tensor),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// A tensor of the layer `name` with so many axes, none of them empty.
    pub(super) fn tensor_of(
        &mut self,
        name: Option<&str>,
        part: &str,
        axes: usize,
    ) -> Option<Stored> {
        let tensor = self.tensor(name, part)?;
        if tensor.shape.len() == axes && !tensor.shape.contains(&0) {
            return Some(tensor);
        }
        let (name, shape) = (name?, tensor.shape);
        self.problem(format!("tensor \"{name}.{part}\" has shape {shape:?}, expected {axes} axes"));
        None
    }

    /// A vector of the layer `name`, or `length` times a number if there is none.
    pub(super) fn vector(
        &mut self,
        name: Option<&str>,
        part: &str,
        length: Option<usize>,
        otherwise: f32,
    ) -> Option<Vec<f32>> {
        let full = format!("{}.{part}", name?);
        if !self.tensors.has(&full) {
            return Some(vec![otherwise; length?]);
        }
        // It belongs to the layer even if something else is wrong with that.
        let (tensor, length) = (self.tensor(name, part)?, length?);
        if tensor.shape != [length] {
            let shape = tensor.shape;
            self.problems.push(format!("tensor {full:?} has shape {shape:?}, expected [{length}]"));
            return None;
        }
        Some(tensor.values)
    }

    /// Notes something that is wrong.
    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// All that is wrong; keys that nothing asked for among it.
    pub(super) fn finish(mut self) -> Result<(), Vec<String>> {
        for key in self.table.keys() {
            self.problems.push(format!("unknown key {key:?} (known: {})", self.known.join(", ")));
        }
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_integer().and_then(|value| usize::try_from(value).ok())
}
