//! PNG and JPEG images as pixels.
//!
//! All images of a data set have one size and one number of channels. Images that differ are
//! refused, or resized and converted where that is asked for: to a size by a triangle filter that
//! widens as images shrink (what Pillow calls bilinear), to grey by the luminance of Rec. 709, to
//! colour by three equal channels. Refused, too, are images that are more than 8-bit grey or RGB:
//! 16 bits, transparent pixels, CMYK, and an EXIF note that the image is to be turned, which some
//! programs heed and others do not.
//!
//! What an image declares is checked before memory is taken: at most [`MAX_PIXELS`] and
//! [`MAX_EXPANSION`] times the bytes that are there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::options::{ImageChannels, ImageSize, OpenOptions};
use crate::source::MAX_BYTES;

/// Most pixels of one image: 8192 x 8192.
const MAX_PIXELS: u64 = 1 << 26;

/// Most bytes of pixels for one byte of the file. An empty sheet of paper as a PNG of one bit
/// a pixel has 8,000.
const MAX_EXPANSION: u64 = 1 << 14;

/// Images that are decoded before they are put with the others.
const BATCH: usize = 1024;

/// Most images that an error names.
const MOST_LISTED: usize = 20;

/// What an image says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Header {
    height: u32,
    width: u32,
    /// 1 or 3; transparency is not counted.
    channels: usize,
}

/// The format by the first bytes.
pub(crate) fn format(head: &[u8]) -> Option<ImageFormat> {
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(ImageFormat::Png)
    } else if head.starts_with(b"\xff\xd8\xff") {
        Some(ImageFormat::Jpeg)
    } else {
        None
    }
}

fn decoder(bytes: &[u8]) -> Result<(impl ImageDecoder + '_, Header), String> {
    let format = format(bytes).ok_or("is neither PNG nor JPEG")?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_PIXELS as u32);
    limits.max_image_height = Some(MAX_PIXELS as u32);
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    let damaged = |error: image::ImageError| format!("is damaged: {error}");
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(format!(
            "declares {height} x {width} pixels, more than the limit of {MAX_PIXELS}"
        ));
    }
    if decoder.total_bytes() > MAX_EXPANSION * bytes.len() as u64 {
        return Err(format!(
            "declares {height} x {width} pixels, which {} bytes cannot hold",
            bytes.len()
        ));
    }
    if format == ImageFormat::Jpeg {
        check_jpeg(bytes)?;
    }
    let channels = match decoder.color_type() {
        ColorType::L8 | ColorType::La8 => 1,
        ColorType::Rgb8 | ColorType::Rgba8 => 3,
        _ => return Err("has 16 bits a channel, expected 8 (an npy array can hold more)".into()),
    };
    let orientation = decoder.orientation().map_err(damaged)?;
    if orientation != Orientation::NoTransforms {
        return Err(
            "is to be turned before it is shown, says its EXIF data, which programs heed or \
                    not; save it upright"
                .into(),
        );
    }
    Ok((decoder, Header { height, width, channels }))
}

/// What the decoder of JPEG passes over without a word: it turns four colour components into RGB,
/// and fills up what is missing at the end.
///
/// Segments are a marker and a length; a frame header has its components in byte 9. After the
/// start of a scan, the marker of the end cannot occur but as one.
fn check_jpeg(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        match *rest {
            [0xff, 0xff, ..] => rest = &rest[1..],
            [0xff, 0xda, ..] if rest.windows(2).any(|pair| pair == [0xff, 0xd9]) => return Ok(()),
            [0xff, marker, high, low, ..] if marker != 0xda => {
                let frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
                if frame && rest.get(9) == Some(&4) {
                    return Err("is a CMYK image, expected grey or RGB".into());
                }
                let length = 2 + usize::from(u16::from_be_bytes([high, low]));
                rest = rest.get(length..).unwrap_or_default();
            }
            _ => return Err("is damaged: it breaks off before its end".into()),
        }
    }
}

/// What an image declares, if it can be used.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, String> {
    decoder(bytes).map(|(_, header)| header)
}

/// An 8-bit image, grey or RGB.
fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    let image = DynamicImage::from_decoder(decoder(bytes)?.0)
        .map_err(|error| format!("is damaged: {error}"))?;
    let transparent = match &image {
        DynamicImage::ImageLumaA8(image) => image.pixels().filter(|pixel| pixel[1] < 255).count(),
        DynamicImage::ImageRgba8(image) => image.pixels().filter(|pixel| pixel[3] < 255).count(),
        _ => 0,
    };
    if transparent > 0 {
        return Err(format!("has {transparent} pixels that are transparent, expected none"));
    }
    Ok(if image.color().has_color() {
        DynamicImage::ImageRgb8(image.into_rgb8())
    } else {
        DynamicImage::ImageLuma8(image.into_luma8())
    })
}

/// What all images of a data set become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    size: ImageSize,
    channels: usize,
    resized: bool,
    converted: bool,
}

impl Plan {
    /// From what each image is; every problem at once.
    fn new(
        origin: &str,
        images: &[(Cow<'_, str>, Result<Header, String>)],
        options: &OpenOptions,
    ) -> Result<Self> {
        let broken: Vec<String> = images
            .iter()
            .filter_map(|(name, header)| Some(format!("{name} {}", header.as_ref().err()?)))
            .collect();
        let mut problems = vec![];
        if !broken.is_empty() {
            problems.push(unusable(&broken));
        }
        let mut sizes: BTreeMap<(u32, u32), (usize, &str)> = BTreeMap::new();
        let mut colours: BTreeMap<usize, (usize, &str)> = BTreeMap::new();
        for (name, header) in images {
            if let Ok(header) = header {
                sizes.entry((header.height, header.width)).or_insert((0, name)).0 += 1;
                colours.entry(header.channels).or_insert((0, name)).0 += 1;
            }
        }
        if sizes.len() > 1 && options.image_size.is_none() {
            let mut found: Vec<_> = sizes.iter().collect();
            found.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
            let found: Vec<String> = found
                .iter()
                .map(|((height, width), (count, name))| {
                    format!("{count} of {height}x{width} such as {name}")
                })
                .collect();
            problems.push(format!(
                "its images have {} sizes ({}); --image-size HEIGHTxWIDTH resizes them",
                sizes.len(),
                crate::error::listed(&found, 8)
            ));
        }
        if colours.len() > 1 && options.image_channels.is_none() {
            let found: Vec<String> = colours
                .iter()
                .map(|(channels, (count, name))| {
                    let kind = if *channels == 1 { "grey" } else { "coloured" };
                    format!("{count} are {kind} such as {name}")
                })
                .collect();
            problems.push(format!(
                "its images have different channels ({}); --image-channels 1 or 3 converts them",
                found.join(", ")
            ));
        }
        if !problems.is_empty() {
            return Err(Error::Malformed { file: origin.to_owned(), problems });
        }
        let (&(height, width), _) = sizes.first_key_value().expect("at least one image");
        let size = options.image_size.unwrap_or(ImageSize { height, width });
        let (&found, _) = colours.first_key_value().expect("at least one image");
        let channels = options.image_channels.map_or(found, ImageChannels::count);
        let plan = Self {
            size,
            channels,
            resized: sizes.keys().any(|&found| found != (size.height, size.width)),
            converted: colours.keys().any(|&found| found != channels),
        };
        let bytes = plan.features() as u64 * images.len() as u64;
        if bytes > MAX_BYTES {
            let problem = format!("has {bytes} bytes of pixels, the limit is {MAX_BYTES}");
            return Err(Error::malformed(origin, problem));
        }
        Ok(plan)
    }

    fn features(self) -> usize {
        self.shape().iter().product()
    }

    /// `[channels, height, width]`.
    pub(crate) fn shape(self) -> Vec<usize> {
        vec![self.channels, self.size.height as usize, self.size.width as usize]
    }

    /// What was done to the images.
    pub(crate) fn remarks(self) -> Vec<String> {
        let ImageSize { height, width } = self.size;
        let mut remarks = vec![];
        if self.resized {
            remarks.push(format!("images were resized to {height}x{width} (triangle filter)"));
        }
        if self.converted {
            let to = if self.channels == 1 { "grey" } else { "three channels" };
            remarks.push(format!("images were converted to {to}"));
        }
        remarks
    }

    /// An image as `[channels, height, width]`.
    fn pixels(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut image = decode(bytes)?;
        let ImageSize { height, width } = self.size;
        if (image.height(), image.width()) != (height, width) {
            image = image.resize_exact(width, height, image::imageops::FilterType::Triangle);
        }
        if self.channels == 1 {
            return Ok(image.into_luma8().into_raw());
        }
        let interleaved = image.into_rgb8().into_raw();
        Ok((0..3).flat_map(|c| interleaved[c..].iter().step_by(3).copied()).collect())
    }
}

fn unusable(images: &[String]) -> String {
    let of = if images.len() == 1 { "one image" } else { "images" };
    format!("{} {of} cannot be used: {}", images.len(), crate::error::listed(images, MOST_LISTED))
        .replacen("1 one", "one", 1)
}

/// Decodes images in order: what all of them are, and their pixels one after the other.
///
/// `bytes` gives the content of an image, and is asked twice: first for headers only, so that
/// images that do not fit together are noticed before the work.
pub(crate) fn decode_all<T: Sync>(
    origin: &str,
    images: &[T],
    name: impl Fn(&T) -> Cow<'_, str> + Sync,
    bytes: impl Fn(&T) -> Result<Cow<'_, [u8]>, String> + Sync,
    options: &OpenOptions,
) -> Result<(Plan, Vec<u8>)> {
    let headers: Vec<(Cow<'_, str>, Result<Header, String>)> = images
        .par_iter()
        .map(|image| (name(image), bytes(image).and_then(|bytes| header(&bytes))))
        .collect();
    let plan = Plan::new(origin, &headers, options)?;
    drop(headers);
    let (mut pixels, mut broken) = (vec![], vec![]);
    for batch in images.chunks(BATCH) {
        let decoded: Vec<Result<Vec<u8>, String>> = batch
            .par_iter()
            .map(|image| bytes(image).and_then(|bytes| plan.pixels(&bytes)))
            .collect();
        for (image, decoded) in batch.iter().zip(decoded) {
            match decoded {
                Ok(decoded) => pixels.extend(decoded),
                Err(problem) => broken.push(format!("{} {problem}", name(image))),
            }
        }
    }
    if broken.is_empty() {
        Ok((plan, pixels))
    } else {
        Err(Error::malformed(origin, unusable(&broken)))
    }
}
