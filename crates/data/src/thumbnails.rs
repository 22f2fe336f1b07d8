//! A sheet of small pictures: some samples of each class, or the first ones.
//!
//! Pictures are enlarged by whole numbers, or shrunk by averaging blocks of pixels. Values in
//! [0, 1] are shown as they are, others from the smallest (black) to the largest (white).

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::dataset::Dataset;

/// Pictures in one line.
const COLUMNS: usize = 10;

/// Most lines of pictures.
const LINES: usize = 20;

/// Lines without labels.
const PLAIN_LINES: usize = 6;

/// Pictures are enlarged up to, and shrunk down to, this many pixels a side.
const SIDE: usize = 96;

/// Pixels between pictures, and their grey.
const GAP: usize = 4;
const BACKGROUND: Rgb<u8> = Rgb([128; 3]);

/// Least height and width of samples that are pictures.
const LEAST_SIDE: usize = 4;

/// A sheet of pictures.
#[derive(Debug, Clone)]
pub struct Thumbnails {
    /// The sheet as a PNG file.
    pub png: Vec<u8>,
    /// The label of each line of pictures; empty without labels.
    pub lines: Vec<i64>,
    /// Labels that there was no room for.
    pub omitted: usize,
    /// The values that are shown black and white.
    pub scale: (f32, f32),
    /// By how much pictures are enlarged, or shrunk if it is below 1.
    pub zoom: f64,
}

/// Rows that are shown beside each other, and their label.
type Line = (Option<i64>, Vec<usize>);

/// How the values of a sample make a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    height: usize,
    width: usize,
    channels: usize,
    channels_last: bool,
}

impl Layout {
    /// `[h, w]`, `[c, h, w]` or `[h, w, c]` with one or three channels.
    fn of(shape: &[usize]) -> Option<Self> {
        let (channels, height, width, channels_last) = match *shape {
            [height, width] => (1, height, width, false),
            [channels @ (1 | 3), height, width] => (channels, height, width, false),
            [height, width, channels @ (1 | 3)] => (channels, height, width, true),
            _ => return None,
        };
        (height.min(width) >= LEAST_SIDE && height.max(width) <= 64 * height.min(width))
            .then_some(Self { height, width, channels, channels_last })
    }

    fn place(self, y: usize, x: usize, channel: usize) -> usize {
        let channel = channel.min(self.channels - 1);
        if self.channels_last {
            (y * self.width + x) * self.channels + channel
        } else {
            (channel * self.height + y) * self.width + x
        }
    }
}

/// A PNG file with lines of pictures, each of the values of one sample, if samples of this shape
/// are pictures; `scale` is shown black and white.
///
/// # Panics
/// If a picture has not as many values as the shape says.
pub fn sheet(shape: &[usize], lines: &[Vec<Vec<f32>>], scale: (f32, f32)) -> Option<Vec<u8>> {
    Layout::of(shape)?.sheet(lines, scale).map(|(png, _)| png)
}

impl Layout {
    /// The sheet, and by how much pictures are enlarged.
    fn sheet(self, lines: &[Vec<Vec<f32>>], scale: (f32, f32)) -> Option<(Vec<u8>, f64)> {
        let longest = self.height.max(self.width);
        let (enlarge, shrink) = ((SIDE / longest).max(1), longest.div_ceil(2 * SIDE));
        let (height, width) = (self.height.div_ceil(shrink), self.width.div_ceil(shrink));
        let columns = lines.iter().map(Vec::len).max()?;
        let (cell_height, cell_width) = (height * enlarge + GAP, width * enlarge + GAP);
        let size = |cells: usize, cell: usize| (cells * cell + GAP) as u32;
        let mut sheet = RgbImage::from_pixel(
            size(columns, cell_width),
            size(lines.len(), cell_height),
            BACKGROUND,
        );
        for (line, samples) in lines.iter().enumerate() {
            for (column, sample) in samples.iter().enumerate() {
                let (top, left) = (GAP + line * cell_height, GAP + column * cell_width);
                for y in 0..height * enlarge {
                    for x in 0..width * enlarge {
                        let pixel = pixel(self, sample, scale, shrink, y / enlarge, x / enlarge);
                        sheet.put_pixel((left + x) as u32, (top + y) as u32, pixel);
                    }
                }
            }
        }
        let mut png = vec![];
        sheet.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).ok()?;
        Some((png, enlarge as f64 / shrink as f64))
    }
}

impl Dataset {
    /// A sheet of samples, if samples are pictures: labelled rows by class, ten of each, else the
    /// first sixty.
    pub fn thumbnails(&self) -> Option<Thumbnails> {
        let layout = Layout::of(self.shape())?;
        let (lines, omitted) = self.lines();
        let rows: Vec<usize> = lines.iter().flat_map(|(_, rows)| rows).copied().collect();
        let values = self.rows(&rows);
        let (low, high) = values
            .iter()
            .fold((0.0_f32, 1.0_f32), |(low, high), &value| (low.min(value), high.max(value)));
        let scale = if (low, high) == (0.0, 1.0) { (low, high) } else { extent(&values) };
        let pictures: Vec<Vec<Vec<f32>>> = lines
            .iter()
            .map(|(_, rows)| rows.iter().map(|&row| self.row(row).to_vec()).collect())
            .collect();
        let (png, zoom) = layout.sheet(&pictures, scale)?;
        let lines = lines.into_iter().filter_map(|(label, _)| label).collect();
        Some(Thumbnails { png, lines, omitted, scale, zoom })
    }

    /// The rows of each line with its label, and how many labels are left out.
    fn lines(&self) -> (Vec<Line>, usize) {
        let mut classes = std::collections::BTreeMap::<i64, Vec<usize>>::new();
        for row in 0..self.len() {
            if let Some(label) = self.label(row) {
                let rows = classes.entry(label).or_default();
                if rows.len() < COLUMNS {
                    rows.push(row);
                }
            }
        }
        if classes.is_empty() {
            let rows: Vec<usize> = (0..self.len().min(COLUMNS * PLAIN_LINES)).collect();
            return (rows.chunks(COLUMNS).map(|line| (None, line.to_vec())).collect(), 0);
        }
        let omitted = classes.len().saturating_sub(LINES);
        let lines = classes.into_iter().take(LINES).map(|(label, rows)| (Some(label), rows));
        (lines.collect(), omitted)
    }
}

fn extent(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
        (low.min(value), high.max(value))
    })
}

/// One pixel of a picture that is shrunk by averaging blocks.
fn pixel(
    layout: Layout,
    sample: &[f32],
    (low, high): (f32, f32),
    block: usize,
    y: usize,
    x: usize,
) -> Rgb<u8> {
    Rgb(std::array::from_fn(|channel| {
        let rows = y * block..((y + 1) * block).min(layout.height);
        let columns = x * block..((x + 1) * block).min(layout.width);
        let count = (rows.len() * columns.len()) as f32;
        let sum: f32 = rows
            .flat_map(|y| columns.clone().map(move |x| (y, x)))
            .map(|(y, x)| sample[layout.place(y, x, channel)])
            .sum();
        let share = if high > low { (sum / count - low) / (high - low) } else { 0.5 };
        (share * 255.0).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(data: &Dataset) -> (RgbImage, Thumbnails) {
        let thumbnails = data.thumbnails().unwrap();
        (image::load_from_memory(&thumbnails.png).unwrap().into_rgb8(), thumbnails)
    }

    #[test]
    fn layouts_are_pictures_or_not() {
        let last = Layout { height: 8, width: 6, channels: 3, channels_last: true };
        assert_eq!(Layout::of(&[8, 6, 3]), Some(last));
        assert_eq!((last.place(1, 2, 0), last.place(0, 0, 2)), (24, 2));
        assert!(Layout::of(&[3, 8, 6]).is_some_and(|layout| !layout.channels_last));
        assert!(Layout::of(&[8, 6]).is_some());
        for shape in [&[12][..], &[2, 64], &[4, 8, 8], &[1, 1, 8, 8], &[5, 1000]] {
            assert_eq!(Layout::of(shape), None, "{shape:?}");
        }
    }

    #[test]
    fn a_line_is_a_class() {
        // Sample k is a flat picture of brightness k / 8.
        let values = (0..8).flat_map(|k| vec![k as f32 / 8.0; 16]).collect();
        let labels = Some(vec![5, 2, 5, 2, 5, 5, 5, 5]);
        let data = Dataset::from_f32("d", [4, 4], values, labels).unwrap();
        let (sheet, thumbnails) = sheet(&data);
        assert_eq!((thumbnails.lines, thumbnails.omitted), (vec![2, 5], 0));
        assert_eq!((thumbnails.scale, thumbnails.zoom), ((0.0, 1.0), 24.0));
        assert_eq!(sheet.dimensions(), (6 * 100 + 4, 2 * 100 + 4));
        let at = |line: u32, column: u32| sheet.get_pixel(column * 100 + 50, line * 100 + 50)[0];
        assert_eq!([at(0, 0), at(0, 1), at(0, 2)], [32, 96, 128]);
        assert_eq!([at(1, 0), at(1, 1), at(1, 5)], [0, 64, 223]);
    }

    #[test]
    fn large_pictures_are_averaged_and_reals_stretched() {
        let values = (0..3 * 600 * 400).map(|k| (k % 400) as f32 - 200.0).collect();
        let data = Dataset::from_f32("d", [600, 400, 3], values, None).unwrap();
        let (sheet, thumbnails) = sheet(&data);
        assert_eq!((thumbnails.scale, thumbnails.zoom), ((-200.0, 199.0), 0.25));
        assert_eq!(sheet.dimensions(), (100 + 2 * 4, 150 + 2 * 4));
        assert!(thumbnails.lines.is_empty());
    }
}
