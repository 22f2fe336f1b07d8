//! The figures and the page of a study.
//!
//! A figure is drawn once, with classes for colours: as a file it carries its own style, on white
//! and with literal colours, which also PDF readers know; on the page it takes the page's colours,
//! light or dark.

mod bounds;
mod claims;
mod degradation;
mod disentanglement;
mod page;
mod pathways;
mod pdf;
mod scatter;
mod sheet;
mod strength;
mod table;
mod verdicts;
mod view;
mod words;

use vaegis_study::schema::StudyData;

use crate::page::STYLE as PAGE_STYLE;
use crate::svg::Svg;

pub(crate) use page::render;
pub use pdf::pdf;
use table::Table;
use view::View;

const STYLE: &str = include_str!("../../templates/study.css");

/// A figure as a file of its own, with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyFigure {
    /// Stem of its files' names: `bound-and-attack`.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// How to read it, and what is not drawn.
    pub caption: String,
    /// The drawing, 7 inches wide; needs nothing else.
    pub svg: String,
    /// What is drawn, as a CSV table.
    pub csv: String,
}

/// What a figure is made of.
struct Drawing {
    svg: Svg,
    caption: String,
    table: Table,
}

/// A figure that every study has, if its data allow.
struct Kind {
    /// Number of its claim; none for that of all claims.
    claim: Option<usize>,
    name: &'static str,
    title: &'static str,
    /// The drawing, or why there is none.
    draw: fn(&View<'_>) -> Result<Drawing, String>,
}

const KINDS: [Kind; 6] = [
    Kind { claim: None, name: "verdicts", title: "What reproduces", draw: verdicts::draw },
    Kind {
        claim: Some(1),
        name: "bound-and-attack",
        title: "First-order estimates and attacked margins",
        draw: bounds::draw,
    },
    Kind {
        claim: Some(2),
        name: "margin-and-degradation",
        title: "Margins and the likelihood lost under attack",
        draw: degradation::draw,
    },
    Kind {
        claim: Some(3),
        name: "strength",
        title: "Strength of objectives",
        draw: strength::draw,
    },
    Kind {
        claim: Some(4),
        name: "pathways",
        title: "Attacks through the mean and the variance",
        draw: pathways::draw,
    },
    Kind {
        claim: Some(5),
        name: "disentanglement-and-margin",
        title: "Scores of disentanglement and margins",
        draw: disentanglement::draw,
    },
];

/// The figures of a study, for all of which it has data: `verdicts`, and one for each claim.
pub fn study_figures(data: &StudyData) -> Vec<StudyFigure> {
    let view = View::new(data);
    let style = literal(STYLE);
    let figure = |kind: &Kind| {
        let Drawing { svg, caption, table } = (kind.draw)(&view).ok()?;
        Some(StudyFigure {
            name: kind.name.to_owned(),
            title: kind.title.to_owned(),
            svg: svg.finish_alone(kind.title, &caption, &style, "pt"),
            caption,
            csv: table.finish(),
        })
    };
    KINDS.iter().filter_map(figure).collect()
}

/// A style sheet with the page's light colours in place of variables, which not all programs that
/// read SVG know.
fn literal(style: &str) -> String {
    let mut literal = style.replace("var(--paper)", "#ffffff");
    // The light colours come first.
    let root = PAGE_STYLE.split('}').next().unwrap_or_default();
    for declaration in root.split([';', '{', '\n']) {
        if let Some((name, colour)) = declaration.trim().split_once(": ") {
            literal = literal.replace(&format!("var({name})"), colour);
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_of_files_have_no_variables() {
        let style = literal(STYLE);
        assert!(!style.contains("var("), "{style}");
        assert!(style.contains("#0072b2") && !style.contains("#3d9fe0"));
    }
}
