//! Pixels as PNG data URIs.
//!
//! Brightness has one meaning in an entry of the gallery: all its pictures share a
//! scale, [0, 1] where the input lies in it and the input's own min..max where it does
//! not. Values beyond the scale are drawn at its end *and counted*, so that a page
//! never hides that a perturbation left the range of the data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Error;

/// Pictures are averaged down to at most this many pixels a side.
const SIDE: usize = 160;
/// Rounding of f32 arithmetic is not a violation of the range.
const TOLERANCE: f32 = 1e-6;

/// How values of a picture are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Layout {
    /// The layout of `[1, h, w]`, `[3, h, w]`, and of grey images without a channel or with it
    /// last, `[h, w]` and `[h, w, 1]`; other shapes are not pictures.
    pub(crate) fn of(shape: &[usize]) -> Option<Self> {
        match *shape {
            [channels @ (1 | 3), height, width] if height > 1 && width > 1 => {
                Some(Self { channels, height, width })
            }
            // Series of a few channels are no pictures.
            [height, width] | [height, width, 1] if height >= 8 && width >= 8 => {
                Some(Self { channels: 1, height, width })
            }
            _ => None,
        }
    }

    /// Averages blocks of pixels until the picture is small enough; also by how much.
    fn shrink(self, values: &[f32]) -> (Self, Vec<f32>, usize) {
        let factor = self.height.max(self.width).div_ceil(SIDE).max(1);
        if factor == 1 {
            return (self, values.to_vec(), 1);
        }
        let (height, width) = (self.height.div_ceil(factor), self.width.div_ceil(factor));
        let mut small = Vec::with_capacity(self.channels * height * width);
        for plane in values.chunks_exact(self.height * self.width) {
            for y in 0..height {
                for x in 0..width {
                    let (mut sum, mut count) = (0.0, 0.0);
                    for row in plane.chunks_exact(self.width).skip(y * factor).take(factor) {
                        for value in row.iter().skip(x * factor).take(factor) {
                            sum += value;
                            count += 1.0;
                        }
                    }
                    small.push(sum / count);
                }
            }
        }
        (Self { height, width, ..self }, small, factor)
    }
}

/// The values that are drawn black and white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f32,
    pub(crate) high: f32,
}

impl Scale {
    pub(crate) fn of(original: &[f32]) -> Self {
        let (low, high) = range(original);
        if low >= -TOLERANCE && high <= 1.0 + TOLERANCE {
            Self { low: 0.0, high: 1.0 }
        } else {
            Self { low, high }
        }
    }

    pub(crate) fn is_unit(self) -> bool {
        self == Self { low: 0.0, high: 1.0 }
    }

    /// How many values the scale cannot show.
    pub(crate) fn beyond(self, values: &[f32]) -> usize {
        let slack = TOLERANCE.max(TOLERANCE * (self.high - self.low));
        values.iter().filter(|&&v| !(v >= self.low - slack && v <= self.high + slack)).count()
    }

    fn byte(self, value: f32) -> u8 {
        let span = self.high - self.low;
        let share = if span > 0.0 { (value - self.low) / span } else { 0.5 };
        // NaN becomes 0 here; `beyond` counts it.
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

/// Least and largest finite value; (0, 0) without any.
pub(crate) fn range(values: &[f32]) -> (f32, f32) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// A picture in grey or colour, and by how much it was shrunk.
pub(crate) fn picture(
    layout: Layout,
    values: &[f32],
    scale: Scale,
) -> Result<(String, usize), Error> {
    let (layout, values, factor) = layout.shrink(values);
    let plane = layout.height * layout.width;
    let mut bytes = Vec::with_capacity(values.len());
    for pixel in 0..plane {
        for channel in 0..layout.channels {
            bytes.push(scale.byte(values[channel * plane + pixel]));
        }
    }
    let colour = if layout.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale };
    Ok((encode(layout, colour, &bytes)?, factor))
}

/// A signed difference: blue where negative, white at 0, vermillion where positive,
/// full strength at `limit`. Of three channels the one that changed most is shown.
pub(crate) fn difference(
    layout: Layout,
    values: &[f32],
    limit: f32,
) -> Result<(String, usize), Error> {
    let (layout, values, factor) = layout.shrink(values);
    let plane = layout.height * layout.width;
    let mut bytes = Vec::with_capacity(3 * plane);
    for pixel in 0..plane {
        let strongest = (0..layout.channels)
            .map(|channel| values[channel * plane + pixel])
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(0.0);
        let share = if limit > 0.0 { (strongest / limit).clamp(-1.0, 1.0) } else { 0.0 };
        let end = if share < 0.0 { [0.0, 90.0, 156.0] } else { [200.0, 70.0, 0.0] };
        bytes.extend(end.map(|c: f32| (255.0 + (c - 255.0) * share.abs()).round() as u8));
    }
    Ok((encode(layout, png::ColorType::Rgb, &bytes)?, factor))
}

fn encode(layout: Layout, colour: png::ColorType, bytes: &[u8]) -> Result<String, Error> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, layout.width as u32, layout.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(Error::Picture)?;
    writer.write_image_data(bytes).map_err(Error::Picture)?;
    writer.finish().map_err(Error::Picture)?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(uri: &str) -> (png::OutputInfo, Vec<u8>) {
        let base64 = uri.strip_prefix("data:image/png;base64,").expect("a PNG data URI");
        let file = STANDARD.decode(base64).expect("base64");
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG header");
        let mut bytes = vec![0; reader.output_buffer_size().expect("a small picture")];
        let info = reader.next_frame(&mut bytes).expect("a frame");
        (info, bytes)
    }

    #[test]
    fn grey_survives_the_round_trip() {
        let layout = Layout::of(&[1, 2, 3]).expect("a picture");
        let values = [0.0, 1.0, 0.5, -2.0, 3.0, f32::NAN];
        let scale = Scale { low: 0.0, high: 1.0 };
        let (info, bytes) = decode(&picture(layout, &values, scale).expect("encodes").0);
        assert_eq!((info.width, info.height, info.color_type), (3, 2, png::ColorType::Grayscale));
        assert_eq!(bytes, [0, 255, 128, 0, 255, 0]);
        assert_eq!(scale.beyond(&values), 3);
    }

    #[test]
    fn planes_become_interleaved_colour() {
        let layout = Layout::of(&[3, 2, 2]).expect("a picture");
        let values: Vec<f32> = (0..12).map(|i| i as f32 / 255.0).collect();
        let (info, bytes) = decode(&picture(layout, &values, Scale::of(&values)).expect("ok").0);
        assert_eq!(info.color_type, png::ColorType::Rgb);
        assert_eq!(bytes, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
    }

    #[test]
    fn differences_diverge_from_white() {
        let layout = Layout::of(&[1, 2, 2]).expect("a picture");
        let (_, bytes) = decode(&difference(layout, &[0.0, 2.0, -2.0, 9.0], 2.0).expect("ok").0);
        assert_eq!(bytes, [255, 255, 255, 200, 70, 0, 0, 90, 156, 200, 70, 0]);
    }

    #[test]
    fn scales_follow_the_original_only_outside_the_unit_range() {
        assert!(Scale::of(&[0.2, 1.0 + 1e-7]).is_unit());
        assert_eq!(Scale::of(&[-3.0, 5.0, f32::NAN]), Scale { low: -3.0, high: 5.0 });
    }

    #[test]
    fn large_pictures_shrink_by_averaging() {
        let layout = Layout::of(&[1, 2, 400]).expect("a picture");
        let values: Vec<f32> = (0..800).map(|i| (i % 2) as f32).collect();
        let (small, values, factor) = layout.shrink(&values);
        assert_eq!((small.height, small.width, factor), (1, 134, 3));
        assert_eq!(values.len(), 134);
        assert!((values[0] - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn other_shapes_are_not_pictures() {
        let grey = Layout::of(&[1, 9, 8]);
        assert!(grey.is_some() && Layout::of(&[9, 8]) == grey && Layout::of(&[9, 8, 1]) == grey);
        for shape in [&[5][..], &[2, 4, 4], &[4, 4], &[1, 1, 9]] {
            assert_eq!(Layout::of(shape), None);
        }
    }
}
