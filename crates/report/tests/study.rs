//! Figures and pages of studies: what is drawn, what is said, and what odd data lead to.

#[path = "support/study.rs"]
mod study;
#[path = "support/mod.rs"]
mod support;
#[path = "support/wellformed.rs"]
mod wellformed;

use std::collections::BTreeSet;

use study::{Recipe, SMALL};
use support::noise;
use vaegis_report::{Error, StudyFigure, pdf, render_study, study_figures, write_study};
use vaegis_study::schema::{Effect, ModelRow, StudyData, Verdict};
use wellformed::check;

const ALL: [&str; 6] = [
    "verdicts",
    "bound-and-attack",
    "margin-and-degradation",
    "strength",
    "pathways",
    "disentanglement-and-margin",
];

/// Two models with two points each.
const TINY: Recipe = Recipe {
    data: &["mnist"],
    objectives: &[("beta-vae", "beta", &[1.0, 4.0])],
    seeds: 1,
    points: 2,
    ..SMALL
};

fn names(figures: &[StudyFigure]) -> Vec<&str> {
    figures.iter().map(|figure| figure.name.as_str()).collect()
}

fn find<'a>(figures: &'a [StudyFigure], name: &str) -> &'a StudyFigure {
    figures.iter().find(|figure| figure.name == name).expect("the figure is drawn")
}

/// A line for each element, without the style.
fn elements(svg: &str) -> String {
    let (start, rest) = svg.split_once("<style>").expect("a style");
    let (_, end) = rest.split_once("</style>").expect("a style that ends");
    format!("{start}{end}").replace("><", ">\n<")
}

/// A page whose figures are their captions alone.
fn without_drawings(page: &str) -> String {
    let mut parts = page.split("<svg ");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        rest.push_str(part.split_once("</svg>").expect("a drawing that ends").1);
    }
    rest
}

/// Draws and renders, and checks what holds of all studies; what the page says.
fn sound(study: &StudyData) -> String {
    for figure in study_figures(study) {
        let text = check(&figure.svg);
        assert!(figure.svg.contains(" width=\"504pt\" "), "seven inches: {}", figure.name);
        assert!(!figure.svg.contains("var("), "a variable: {}", figure.name);
        assert!(!text.is_empty() && !figure.caption.is_empty());
        let mut lines = csv::ReaderBuilder::new().from_reader(figure.csv.as_bytes());
        assert!(!lines.headers().expect("a header").is_empty());
        let rows = lines.records().collect::<Result<Vec<_>, _>>().expect("rows as the header");
        assert!(!rows.is_empty(), "nothing drawn: {}", figure.name);
        check_pdf(&figure);
    }
    let text = check(&render_study(study).expect("the page renders"));
    for sentence in text.split(['.', ';', '|']).filter(|s| s.contains("certificate")) {
        assert!(sentence.contains("not"), "an estimate called a certificate: {sentence}");
    }
    text
}

fn check_pdf(figure: &StudyFigure) {
    let pdf = pdf(&figure.svg).unwrap_or_else(|error| panic!("{}: {error}", figure.name));
    let has = |words: &str| pdf.windows(words.len()).any(|window| window == words.as_bytes());
    assert!(pdf.starts_with(b"%PDF-"));
    assert!(has("DejaVuSansCondensed") && has("/FontFile2"), "fonts are embedded");
    assert!(has("/ToUnicode"), "text can be searched and copied");
    assert!(has("/MediaBox [0 0 504 "), "seven inches wide");
}

#[test]
fn estimates_are_drawn_against_attacked_margins() {
    let figures = study_figures(&TINY.study());
    insta::assert_snapshot!(elements(&find(&figures, "bound-and-attack").svg));
}

#[test]
fn attacks_through_mean_and_variance_are_lines() {
    let figures = study_figures(&TINY.study());
    insta::assert_snapshot!(elements(&find(&figures, "pathways").svg));
}

#[test]
fn verdicts_have_words_colours_and_intervals() {
    let figures = study_figures(&TINY.study());
    let figure = find(&figures, "verdicts");
    insta::assert_snapshot!(elements(&figure.svg));
    insta::assert_snapshot!(figure.csv);
}

#[test]
fn the_page_goes_from_verdicts_to_the_grid() {
    let study = SMALL.study();
    sound(&study);
    let page = render_study(&study).expect("the page renders");
    let words = check(&without_drawings(&page));
    insta::assert_snapshot!(words.replace(". ", ".\n").replace(" | ", "\n| "));
    assert_eq!(names(&study_figures(&study)), ALL);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("study.html");
    write_study(&path, &study).expect("the page is written");
    let page = std::fs::read_to_string(&path).expect("the page");
    assert_eq!(page, render_study(&study).expect("the page renders"));
}

#[test]
fn tables_hold_what_is_drawn() {
    let study = SMALL.study();
    let figures = study_figures(&study);
    let bounds = find(&figures, "bound-and-attack");
    let mut lines = csv::Reader::from_reader(bounds.csv.as_bytes());
    let rows = lines.records().collect::<Result<Vec<_>, _>>().expect("rows");
    let headers = lines.headers().expect("a header");
    let at = |name: &str| headers.iter().position(|header| header == name).expect("a column");
    let (level, index, estimate, value) =
        (at("level"), at("index"), at("estimate"), at("margin_estimate"));
    // Every point and every model by both estimates, with the numbers they came with.
    assert_eq!(rows.len(), 2 * (study.points.len() + study.models.len()));
    let point = &study.points[5];
    let found = rows.iter().find(|row| {
        row[at("model")] == *point.model
            && row[index] == point.index.to_string()
            && &row[estimate] == "sharp"
    });
    let found = found.expect("the point is in the table");
    assert_eq!(&found[level], "point");
    assert_eq!(found[value].parse(), Ok(point.bound_sharp));
    // The marks of the drawing are as many as the models in the table.
    let models = rows.iter().filter(|row| &row[level] == "model").count();
    let drawn = bounds.svg.matches("<path class=\"solid ").count();
    assert_eq!(drawn, models);
}

#[test]
fn what_is_drawn_of_many_points_is_told() {
    let study = Recipe { data: &["mnist"], points: 400, ..SMALL }.study();
    let figures = study_figures(&study);
    let bounds = find(&figures, "bound-and-attack");
    assert!(bounds.caption.contains("1500 points are drawn in a panel, of at most 2400"));
    assert_eq!(bounds.csv.lines().count(), 1 + 2 * (1500 + study.models.len()));
    assert!(!find(&study_figures(&SMALL.study()), "bound-and-attack").caption.contains("drawn"));
}

#[test]
fn what_is_left_out_is_told() {
    let mut study = SMALL.study();
    let told = |study: &StudyData, name: &str| find(&study_figures(study), name).caption.clone();
    for name in ALL {
        assert!(!told(&study, name).contains("not drawn"), "{name}");
    }
    study.points[0].attacked = f64::NAN;
    study.attacks[0].degradation = f64::NAN;
    study.attacks[1].damage = f64::NAN;
    study.attacks[4].damage = f64::NAN;
    study.models[0].elbo = f64::NAN;
    let other = ModelRow { radius: "8".to_owned(), ..study.models[1].clone() };
    study.models.push(other);
    for (name, what) in [
        ("bound-and-attack", "1 value is"),
        ("margin-and-degradation", "1 margin or degradation is"),
        ("strength", "1 value is"),
        ("pathways", "2 damages are"),
    ] {
        let caption = told(&study, name);
        assert!(caption.contains(&format!(" {what} not ")), "{caption}");
        let radii = caption.contains("r at the 0.9 quantile; the study's other radii");
        assert_eq!(radii, name != "pathways", "{caption}");
    }
    sound(&study);
}

#[test]
fn an_empty_study_says_what_is_missing() {
    let study = StudyData::default();
    assert!(study_figures(&study).is_empty());
    let text = sound(&study);
    assert_eq!(text.matches("No figure: ").count(), ALL.len(), "{text}");
    assert_eq!(text.matches("No effect over all models was measured.").count(), 5);
}

#[test]
fn parts_that_are_missing_are_told() {
    let mut study = SMALL.study();
    study.attacks.clear();
    study.models.iter_mut().for_each(|model| (model.mig, model.dci_disentanglement) = (None, None));
    assert_eq!(names(&study_figures(&study)), ["verdicts", "bound-and-attack", "strength"]);
    let text = sound(&study);
    assert!(text.contains("No figure: No attacks at given lengths were made."), "{text}");
    assert!(text.contains("for which the data's factors must be known"), "{text}");

    // One data set without attacks has its place, and says so.
    let mut study = SMALL.study();
    study.attacks.retain(|attack| attack.model.starts_with("mnist"));
    let figures = study_figures(&study);
    for name in ["margin-and-degradation", "pathways"] {
        assert!(check(&find(&figures, name).svg).contains("no attacks"), "{name}");
    }
    sound(&study);

    // Too few models for what is left of two regressors.
    let mut study = SMALL.study();
    study.models.retain(|model| model.data == "mnist" || model.seed == 0);
    let figures = study_figures(&study);
    assert!(check(&find(&figures, "disentanglement-and-margin").svg).contains("too few models"));
    sound(&study);
}

#[test]
fn odd_numbers_break_nothing() {
    let odd = [f64::INFINITY, f64::NEG_INFINITY, 0.0, f64::NAN, f64::MAX, f64::MIN_POSITIVE, -1.0];
    for value in odd {
        let mut study = SMALL.study();
        for point in &mut study.points {
            (point.bound_paper, point.bound_sharp, point.attacked) = (value, value, value);
        }
        for model in &mut study.models {
            let all = Some(value);
            (model.bound_paper, model.bound_sharp, model.attacked) = (all, all, all);
            (model.sigma_mean, model.jacobian_frobenius, model.elbo) = (all, all, value);
            (model.mig, model.dci_disentanglement, model.strength) = (all, all, all);
        }
        for attack in &mut study.attacks {
            (attack.damage, attack.damage_at_rest, attack.degradation) = (value, value, value);
            attack.size = value;
        }
        for effect in &mut study.effects {
            (effect.estimate, effect.low, effect.high) = (Some(value), Some(value), Some(value));
        }
        sound(&study);
    }
    // Among ordinary values, these have places of their own.
    let mut study = SMALL.study();
    for (i, point) in study.points.iter_mut().enumerate() {
        match i % 3 {
            0 => point.attacked = f64::INFINITY,
            1 => point.bound_paper = 0.0,
            _ => {}
        }
    }
    sound(&study);
    let svg = check(&find(&study_figures(&study), "bound-and-attack").svg);
    assert!(svg.contains('∞'), "{svg}");
}

#[test]
fn grids_of_any_shape_are_drawn() {
    let one = Recipe { objectives: &[("beta-vae", "beta", &[1.0])], ..TINY }.study();
    sound(&one);
    let none = StudyData { models: one.models.clone(), ..StudyData::default() };
    sound(&none);
    let many = Recipe {
        data: &["a", "b", "c", "d", "e"],
        architectures: &["mlp", "convolutional"],
        ..TINY
    };
    let figures = study_figures(&many.study());
    for data in many.data {
        for architecture in many.architectures {
            let title = format!(">{data}, {architecture}</text>");
            let drawn = find(&figures, "strength").svg.matches(&title).count();
            assert_eq!(drawn, 1, "{title}");
        }
    }
    sound(&many.study());
    // Objectives without a strength, and strengths of 0.
    let mut study = SMALL.study();
    for model in &mut study.models {
        match model.objective.as_str() {
            "factor-vae" => (model.parameter, model.strength) = (None, None),
            _ => model.strength = model.strength.map(|strength| strength - 1.0),
        }
    }
    sound(&study);
}

#[test]
fn nothing_from_outside_is_markup() {
    let hostile = "<script>&\"'x";
    let mut study = SMALL.study();
    study.name = hostile.to_owned();
    study.grid = hostile.to_owned();
    for model in &mut study.models {
        (model.data, model.objective, model.architecture) =
            (hostile.to_owned(), hostile.to_owned(), "a,\"b\"".to_owned());
        model.parameter = Some(hostile.to_owned());
    }
    for effect in &mut study.effects {
        (effect.statement, effect.over) = (hostile.to_owned(), hostile.to_owned());
        effect.remark = Some(hostile.to_owned());
    }
    let text = sound(&study);
    assert!(text.contains("&<script>") || text.contains("<script>&\"'x"), "{text}");
}

#[test]
fn verdicts_are_in_words_for_every_effect() {
    let study = SMALL.study();
    let text = sound(&study);
    let told = |verdict: &str| text.matches(&format!("| {verdict} |")).count();
    let have = |verdict: Option<Verdict>| {
        study.effects.iter().filter(|effect: &&Effect| effect.verdict == verdict).count()
    };
    assert_eq!(told("not reproduced"), have(Some(Verdict::NotReproduced)));
    assert_eq!(told("inconclusive"), have(Some(Verdict::Inconclusive)));
    assert_eq!(told("nothing claimed"), have(None));
    assert_eq!(told("reproduced"), have(Some(Verdict::Reproduced)));
}

#[test]
fn what_is_no_svg_is_an_error() {
    assert!(matches!(pdf("not a drawing"), Err(Error::Pdf(_))));
    assert!(matches!(pdf(""), Err(Error::Pdf(_))));
}

#[test]
fn objectives_have_the_same_colours_in_all_figures() {
    let figures = study_figures(&SMALL.study());
    let classes = |name: &str| -> BTreeSet<String> {
        let svg = &find(&figures, name).svg;
        (0..7).map(|i| format!("m{i}")).filter(|c| svg.contains(&format!("{c}\""))).collect()
    };
    assert_eq!(classes("bound-and-attack"), classes("margin-and-degradation"));
    assert_eq!(classes("bound-and-attack"), classes("disentanglement-and-margin"));
}
