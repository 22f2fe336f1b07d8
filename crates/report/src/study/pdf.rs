//! Figures as PDF, for papers.
//!
//! The letters are those of DejaVu Sans Condensed, which is part of the program and becomes part of
//! each file: figures look the same where a system has other fonts, or none.

use std::sync::Arc;

use svg2pdf::usvg::{self, fontdb};
use svg2pdf::{ConversionOptions, PageOptions};

use crate::Error;

/// User units of the converter to the inch, as in CSS.
const DPI: f32 = 96.0;

/// A drawing as a PDF of one page of its size, with its fonts.
///
/// # Errors
/// [`Error::Pdf`] if `svg` is not an SVG document, or cannot be converted.
pub fn pdf(svg: &str) -> Result<Vec<u8>, Error> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans_condensed::regular().to_vec());
    let options = usvg::Options {
        dpi: DPI,
        font_family: "DejaVu Sans Condensed".to_owned(),
        fontdb: Arc::new(fonts),
        ..usvg::Options::default()
    };
    let tree =
        usvg::Tree::from_str(svg, &options).map_err(|error| Error::Pdf(error.to_string()))?;
    svg2pdf::to_pdf(&tree, ConversionOptions::default(), PageOptions { dpi: DPI })
        .map_err(|error| Error::Pdf(error.to_string()))
}
