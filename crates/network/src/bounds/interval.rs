/// Ends between which every feature of a value lies, for every row.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    rows: usize,
    /// Lower ends, row after row.
    pub(crate) low: Vec<f64>,
    /// Upper ends, row after row.
    pub(crate) high: Vec<f64>,
}

/// Numbers beyond this are treated as infinite, so that what underflows is surely less than
/// [`UNDERFLOW`].
pub(crate) const LARGEST: f64 = 1e100;

/// More than all underflows of a step together: products of numbers up to [`LARGEST`] with
/// errors of 2^-1074.
pub(crate) const UNDERFLOW: f64 = 1e-200;

impl Interval {
    /// # Shapes
    /// Both ends `[rows, features]`, flattened.
    ///
    /// # Errors
    /// If an end is NaN or too large, or a lower end is above an upper end.
    pub(crate) fn new(rows: usize, low: Vec<f64>, high: Vec<f64>) -> Result<Self, String> {
        let sound = |(low, high): (&f64, &f64)| -LARGEST <= *low && low <= high && *high <= LARGEST;
        match low.iter().zip(&high).position(|ends| !sound(ends)) {
            None => Ok(Self { rows, low, high }),
            Some(position) => {
                let features = low.len() / rows.max(1);
                Err(format!(
                    "bounds of row {}, feature {} are {:e} and {:e}",
                    position / features,
                    position % features,
                    low[position],
                    high[position]
                ))
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.low.len() / self.rows.max(1)
    }

    /// Lower ends, `[rows, features]` flattened.
    pub fn low(&self) -> &[f64] {
        &self.low
    }

    /// Upper ends, `[rows, features]` flattened.
    pub fn high(&self) -> &[f64] {
        &self.high
    }

    /// Upper and lower end of every feature of every row.
    pub(crate) fn ends(&self) -> impl Iterator<Item = [f64; 2]> {
        self.low.iter().zip(&self.high).map(|(&low, &high)| [low, high])
    }

    /// The largest absolute value of every feature of every row.
    pub(crate) fn magnitudes(&self) -> Vec<f64> {
        self.ends().map(|[low, high]| high.max(-low)).collect()
    }

    /// What both intervals have in common, of two that hold for the same value.
    pub(crate) fn intersect(&self, low: Vec<f64>, high: Vec<f64>) -> Result<Self, String> {
        let low = self.low.iter().zip(low).map(|(&a, b)| if b > a || b.is_nan() { b } else { a });
        let high =
            self.high.iter().zip(high).map(|(&a, b)| if b < a || b.is_nan() { b } else { a });
        Self::new(self.rows, low.collect(), high.collect())
    }
}
