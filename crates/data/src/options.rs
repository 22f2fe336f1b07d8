//! What a user may have to say about files that do not say it themselves.

use std::str::FromStr;

use crate::error::{Error, Result};

/// How to read data where the files leave it open. The default asks for nothing.
///
/// An option that does not apply to the format that is found is an error: it is never ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Which array of an npz archive, or which image or list column of a Parquet file.
    pub array: Option<String>,
    /// Where the labels are.
    pub labels: Labels,
    /// Resize all images to this height and width.
    pub image_size: Option<ImageSize>,
    /// Turn all images into grey (1) or colour (3).
    pub image_channels: Option<ImageChannels>,
}

/// Where labels come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Labels {
    /// From where the format has them, if they are there.
    #[default]
    Auto,
    /// From nowhere; a column that would have been taken as labels is a feature.
    None,
    /// From a file, an array or a column of this name.
    From(String),
}

impl From<&str> for Labels {
    /// `none` or a name.
    fn from(text: &str) -> Self {
        if text == "none" { Self::None } else { Self::From(text.to_owned()) }
    }
}

/// Height and width in pixels, each at least 1 and at most 8192.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    pub(crate) height: u32,
    pub(crate) width: u32,
}

impl FromStr for ImageSize {
    type Err = String;

    /// `32x48` is a height of 32 and a width of 48.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match text.trim().parse() {
            Ok(size @ 1..=8192) => Some(size),
            _ => None,
        };
        let size = text.split_once(['x', 'X']).and_then(|(height, width)| {
            Some(Self { height: number(height)?, width: number(width)? })
        });
        size.ok_or_else(|| {
            format!("`{text}` is no size: expected HEIGHTxWIDTH such as 32x32, up to 8192")
        })
    }
}

/// Grey or colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageChannels {
    /// One channel.
    Grey,
    /// Red, green and blue.
    Colour,
}

impl ImageChannels {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
        }
    }
}

impl FromStr for ImageChannels {
    type Err = String;

    /// `1` or `3`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "1" => Ok(Self::Grey),
            "3" => Ok(Self::Colour),
            _ => Err(format!("`{text}` is no number of channels: expected 1 (grey) or 3 (colour)")),
        }
    }
}

/// Which options a format has a use for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Applicable {
    pub(crate) array: bool,
    /// Labels by name; `none` always applies.
    pub(crate) labels: bool,
    pub(crate) images: bool,
}

impl OpenOptions {
    /// Refuses options that do not apply to `format`.
    pub(crate) fn check(&self, file: &str, format: &str, applicable: Applicable) -> Result<()> {
        let given = [
            ("--array", self.array.is_some() && !applicable.array),
            ("--labels", matches!(self.labels, Labels::From(_)) && !applicable.labels),
            ("--image-size", self.image_size.is_some() && !applicable.images),
            ("--image-channels", self.image_channels.is_some() && !applicable.images),
        ];
        let options: Vec<&str> =
            given.iter().filter(|(_, wrong)| *wrong).map(|(option, _)| *option).collect();
        if options.is_empty() {
            return Ok(());
        }
        let (file, format, options) = (file.to_owned(), format.to_owned(), options.join(", "));
        Err(Error::Inapplicable { file, format, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_channels_parse() {
        assert_eq!("32x48".parse(), Ok(ImageSize { height: 32, width: 48 }));
        for text in ["", "32", "x", "0x4", "4x-1", "9000x1", "1x2x3"] {
            let message = text.parse::<ImageSize>().unwrap_err();
            assert!(message.contains("HEIGHTxWIDTH"), "{message}");
        }
        assert_eq!("3".parse::<ImageChannels>().map(ImageChannels::count), Ok(3));
        assert!("2".parse::<ImageChannels>().is_err());
        assert_eq!(Labels::from("none"), Labels::None);
    }

    #[test]
    fn options_without_a_use_are_all_named() {
        let options = OpenOptions {
            array: Some("x".into()),
            labels: Labels::None,
            image_size: "2x2".parse().ok(),
            image_channels: None,
        };
        let message = options.check("f", "IDX", Applicable::default()).unwrap_err().to_string();
        assert_eq!(message, "f: --array, --image-size do not apply to data read as IDX");
        let all = Applicable { array: true, labels: true, images: true };
        assert!(options.check("f", "npz", all).is_ok());
    }
}
