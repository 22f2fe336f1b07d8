//! Sprites: small pictures that differ in shape, scale, orientation and place, and nothing else.
//!
//! The factors are those of dSprites (Matthey, Higgins, Hassabis and Lerchner 2017), which is how
//! disentanglement is mostly measured; the pictures are drawn here, and `docs/sprites.md` says
//! exactly how. A sprite moves by whole pixels, so every picture is one of 720 masks at one of
//! 1,024 places. The masks are drawn once for each process, and a picture costs a copy.

use std::sync::LazyLock;

use crate::factors::Factors;

mod outline;
mod raster;
mod rows;

pub(crate) use rows::{Rows, named};

/// Pixels a side of a picture.
const PICTURE: usize = 64;

/// Places along each axis, one pixel apart. From the first to the last, masks fit in the picture.
const PLACES: usize = PICTURE - raster::SIDE + 1;

const SHAPES: [&str; 3] = ["square", "ellipse", "heart"];
const SCALES: usize = outline::SCALES.len();
const ORIENTATIONS: usize = 4 * outline::QUARTER;
const COLOURS: usize = 7;

const FACTORS: Factors = Factors::new(&[
    ("shape", SHAPES.len()),
    ("scale", SCALES),
    ("orientation", ORIENTATIONS),
    ("x", PLACES),
    ("y", PLACES),
]);

const COLOURED: Factors = Factors::new(&[
    ("colour", COLOURS),
    ("shape", SHAPES.len()),
    ("scale", SCALES),
    ("orientation", ORIENTATIONS),
    ("x", PLACES),
    ("y", PLACES),
]);

/// How sprites are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// White on black; a pixel is as bright as the share of it that is covered.
    AntiAliased,
    /// White on black; a pixel is white if its centre is covered.
    Binary,
    /// As [`AntiAliased`](Self::AntiAliased) in one of seven colours, a factor before the others.
    Colour,
}

impl Style {
    /// All styles.
    pub(crate) const ALL: [Self; 3] = [Self::AntiAliased, Self::Binary, Self::Colour];

    /// The name of the data set.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AntiAliased => "sprites",
            Self::Binary => "sprites-binary",
            Self::Colour => "sprites-colour",
        }
    }
}

/// The pictures of all combinations of factors, each drawn when it is asked for.
///
/// ```
/// use vaegis_data::{Sprites, Style};
///
/// let sprites = Sprites::new(Style::AntiAliased);
/// assert_eq!(sprites.factors().names(), ["shape", "scale", "orientation", "x", "y"]);
/// assert_eq!(sprites.factors().sizes(), [3, 6, 40, 32, 32]);
///
/// // A heart of the largest size, upright, at the top right.
/// let number = sprites.factors().number(&[2, 5, 0, 31, 0]);
/// let picture = sprites.picture(number);
/// assert_eq!(picture.len(), 64 * 64);
/// assert_eq!(picture[16 * 64 + 47], 255);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sprites {
    style: Style,
}

impl Sprites {
    /// All sprites of a style.
    pub fn new(style: Style) -> Self {
        Self { style }
    }

    /// The factors: (colour,) shape, scale, orientation, x and y.
    pub fn factors(&self) -> Factors {
        match self.style {
            Style::AntiAliased | Style::Binary => FACTORS,
            Style::Colour => COLOURED,
        }
    }

    /// The shape of a picture: `[1, 64, 64]`, or `[3, 64, 64]` in colour.
    pub fn shape(&self) -> [usize; 3] {
        match self.style {
            Style::AntiAliased | Style::Binary => [1, PICTURE, PICTURE],
            Style::Colour => [3, PICTURE, PICTURE],
        }
    }

    /// The pixels of the combination `number` of the factors: channels, rows, columns; k stands
    /// for k / 255.
    ///
    /// # Panics
    /// If there is no such combination.
    pub fn picture(&self, number: usize) -> Vec<u8> {
        let mut pixels = vec![0; self.features()];
        self.draw(number, &mut pixels, |pixel| pixel);
        pixels
    }

    /// The values of the combinations `numbers` of the factors, as data sets give them.
    ///
    /// # Shapes
    /// - output: `numbers.len()` x features, row-major
    ///
    /// # Panics
    /// If there is no such combination.
    pub fn rows(&self, numbers: &[usize]) -> Vec<f32> {
        let mut values = vec![0.0; numbers.len() * self.features()];
        for (&number, out) in numbers.iter().zip(values.chunks_exact_mut(self.features())) {
            self.copy(number, out);
        }
        values
    }

    /// The number of values in one picture.
    fn features(&self) -> usize {
        self.shape().iter().product()
    }

    /// Writes the values of the combination `number` to `out`.
    fn copy(&self, number: usize, out: &mut [f32]) {
        out.fill(0.0);
        self.draw(number, out, |pixel| f32::from(pixel) / 255.0);
    }

    /// Writes the pixels of the combination `number`, each as what `value` makes of it.
    ///
    /// `value` is called for pixels in or near the sprite; the others have to be black already.
    fn draw<T>(&self, number: usize, picture: &mut [T], value: impl Fn(u8) -> T) {
        let grid = self.factors().len();
        assert!(number < grid, "sprite {number} of {grid}");
        let (colour, number) = (number / FACTORS.len(), number % FACTORS.len());
        let (mask, place) = (number / (PLACES * PLACES), number % (PLACES * PLACES));
        let (left, top) = (place / PLACES, place % PLACES);
        let (mask, channels) = match self.style {
            Style::AntiAliased => (ANTI_ALIASED.mask(mask), 0b1),
            Style::Binary => (BINARY.mask(mask), 0b1),
            // Red, green and blue are the bits 0, 1 and 2.
            Style::Colour => (ANTI_ALIASED.mask(mask), colour + 1),
        };
        for (channel, plane) in picture.chunks_exact_mut(PICTURE * PICTURE).enumerate() {
            if channels >> channel & 1 == 1 {
                let rows = plane.chunks_exact_mut(PICTURE).skip(top);
                for (row, pixels) in rows.zip(mask.chunks_exact(raster::SIDE)) {
                    let row = &mut row[left..left + raster::SIDE];
                    row.iter_mut().zip(pixels).for_each(|(out, &pixel)| *out = value(pixel));
                }
            }
        }
    }
}

/// Pixels of all shapes, scales and orientations, in this order.
struct Masks(Vec<u8>);

static ANTI_ALIASED: LazyLock<Masks> = LazyLock::new(|| {
    Masks::new(|polygon| {
        raster::coverage(polygon).into_iter().map(|share| (255.0 * share).round() as u8).collect()
    })
});

static BINARY: LazyLock<Masks> = LazyLock::new(|| {
    Masks::new(|polygon| {
        raster::inside(polygon).into_iter().map(|in_it| 255 * u8::from(in_it)).collect()
    })
});

impl Masks {
    fn new(draw: impl Fn(&[outline::Point]) -> Vec<u8>) -> Self {
        let mut masks = vec![];
        for shape in 0..SHAPES.len() {
            for scale in 0..SCALES {
                for orientation in 0..ORIENTATIONS {
                    masks.extend(draw(&outline::outline(shape, scale, orientation)));
                }
            }
        }
        Self(masks)
    }

    fn mask(&self, number: usize) -> &[u8] {
        let size = raster::SIDE * raster::SIDE;
        &self.0[number * size..(number + 1) * size]
    }
}

#[cfg(test)]
mod tests;
