//! Figures as PDF, for papers.
//!
//! The letters are those of DejaVu Sans Condensed, which is part of the program and becomes part of
//! each file: figures look the same where a system has other fonts, or none.

use std::sync::Arc;

use svg2pdf::usvg::{self, fontdb};
use svg2pdf::{ConversionError, ConversionOptions, PageOptions};

use crate::Error;

/// User units of the converter to the inch, as in CSS.
const DPI: f32 = 96.0;

/// A drawing as a PDF of one page of its size, with its fonts. Letters that the embedded font does
/// not have, such as names of data may have, are those of the system's fonts.
///
/// # Errors
/// [`Error::Pdf`] if `svg` is not an SVG document, cannot be converted, or has letters that no font
/// has.
pub fn pdf(svg: &str) -> Result<Vec<u8>, Error> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans_condensed::regular().to_vec());
    let converted = match convert(svg, fonts.clone())? {
        Err(ConversionError::MissingGlyphs) => {
            fonts.load_system_fonts();
            convert(svg, fonts)?
        }
        converted => converted,
    };
    converted.map_err(|error| match error {
        ConversionError::MissingGlyphs => Error::Pdf(
            "no font, neither vaegis's nor the system's, has all of its letters".to_owned(),
        ),
        error => Error::Pdf(error.to_string()),
    })
}

fn convert(svg: &str, fonts: fontdb::Database) -> Result<Result<Vec<u8>, ConversionError>, Error> {
    let options = usvg::Options {
        dpi: DPI,
        font_family: "DejaVu Sans Condensed".to_owned(),
        fontdb: Arc::new(fonts),
        ..usvg::Options::default()
    };
    let tree =
        usvg::Tree::from_str(svg, &options).map_err(|error| Error::Pdf(error.to_string()))?;
    // What this says of PDF/A is that letters without a glyph are errors, not boxes.
    let strict = ConversionOptions { pdfa: true, ..ConversionOptions::default() };
    Ok(svg2pdf::to_pdf(&tree, strict, PageOptions { dpi: DPI }))
}
