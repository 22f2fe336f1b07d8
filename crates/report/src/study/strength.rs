//! What the strength of an objective does to encoders, margins and the ELBO (claim 3).

use vaegis_study::schema::ModelRow;

use crate::axis::Domain;
use crate::svg::Path;

use super::Drawing;
use super::sheet::{Frame, LegendKey, Row, Sheet};
use super::table::{Table, cell};
use super::view::{Column, Family, View, belongs, left_out, median};

/// A row of panels.
struct Quantity {
    name: &'static str,
    title: &'static str,
    of: fn(&ModelRow) -> Option<f64>,
    /// Whether it is positive: on a logarithmic axis that all panels of the row share.
    positive: bool,
}

const QUANTITIES: [Quantity; 5] = [
    Quantity {
        name: "sigma_mean",
        title: "mean σ of posteriors",
        of: |model| model.sigma_mean,
        positive: true,
    },
    Quantity {
        name: "jacobian_frobenius",
        title: "‖J‖ of the encoder mean (Frobenius)",
        of: |model| model.jacobian_frobenius,
        positive: true,
    },
    Quantity {
        name: "bound_paper",
        title: "margin, the paper's first-order estimate",
        of: |model| model.bound_paper,
        positive: true,
    },
    Quantity {
        name: "attacked",
        title: "attacked margin, an upper bound",
        of: |model| model.attacked,
        positive: true,
    },
    Quantity { name: "elbo", title: "ELBO (nats)", of: |model| Some(model.elbo), positive: false },
];

impl Quantity {
    /// The value of a model, if it has a place on the axis.
    fn value(&self, model: &ModelRow) -> Option<f64> {
        let fits = |value: &f64| if self.positive { *value >= 0.0 } else { value.is_finite() };
        (self.of)(model).filter(fits)
    }

    fn domain<'m>(&self, models: impl Iterator<Item = &'m ModelRow>) -> Option<Domain> {
        let values = models.filter_map(|model| self.value(model));
        if self.positive { Domain::of(values, 1.0) } else { Domain::around(values) }
    }
}

pub(super) fn draw(view: &View<'_>) -> Result<Drawing, String> {
    let models = || view.columns.iter().flat_map(|column| column.models.iter().copied());
    let strengths = models().filter_map(|model| model.strength).filter(|s| s.is_finite());
    let Some(x) = Domain::of(strengths, 1.0) else {
        return Err("No objective of the grid has a strength that is varied.".to_owned());
    };
    let mut sheet = Sheet::new();
    let families = || view.families.iter().filter(|family| !family.is_plain());
    let keys = families().map(|family| LegendKey {
        name: family.name_with_parameter(),
        ..LegendKey::family(family)
    });
    let plain = models()
        .any(|model| model.plain)
        .then(|| LegendKey::line("plain", "line dashed", "plain VAE"));
    sheet.legend(keys.chain(plain));
    let rows = QUANTITIES.map(|quantity| Row {
        title: quantity.title.to_owned(),
        height: if view.columns.len() == 1 { 110.0 } else { 74.0 },
        shared: quantity.positive,
    });
    let places = sheet.layout(&view.titles(), &rows);
    let mut table = Table::of_models(&["level", "quantity", "value"]);
    let values = QUANTITIES.iter().flat_map(|of| models().map(move |model| (of, model)));
    let unknown =
        values.filter(|(of, model)| (of.of)(model).is_some() && of.value(model).is_none()).count();
    for (quantity, places) in QUANTITIES.iter().zip(places) {
        let shared = quantity.domain(models());
        for (column, place) in view.columns.iter().zip(places) {
            let own = quantity.domain(column.models.iter().copied());
            let (Some(own), Some(shared)) = (own, shared) else {
                sheet.missing(place, "not known");
                continue;
            };
            let y = if quantity.positive { shared } else { own };
            let frame = sheet.frame(place, (x, "strength of the objective"), y);
            panel(&mut sheet, &frame, view, column, quantity, &mut table);
        }
    }
    Ok(Drawing {
        caption: "Medians over points of what robustness is made of, and the ELBO of test rows, \
                  against the strength of each objective. Marks: models, one for each seed; lines: \
                  medians over seeds. Dashed: the plain \
                  VAE, and objectives without a strength. Strengths of different objectives are not \
                  comparable. The margin estimate is first order, not a certificate. The paper says \
                  that σ and the margin rise and |J| falls."
            .to_owned()
            + &format!(" {}{}", view.radii(), left_out(unknown, "value")),
        svg: sheet.finish(),
        table,
    })
}

fn panel(
    sheet: &mut Sheet,
    frame: &Frame,
    view: &View<'_>,
    column: &Column<'_>,
    quantity: &Quantity,
    table: &mut Table,
) {
    for family in &view.families {
        let of_family = |model: &&&ModelRow| {
            if family.is_plain() { model.plain } else { belongs(family, model) }
        };
        let members: Vec<(&ModelRow, f64)> = column
            .models
            .iter()
            .filter(of_family)
            .filter_map(|&model| Some((model, quantity.value(model)?)))
            .collect();
        line(sheet, frame, family, quantity, &members, table);
        if family.is_plain() {
            continue;
        }
        let mut marks = Path::default();
        for (model, value) in &members {
            let Some(strength) = model.strength else { continue };
            let Some(at) = frame.place(strength, *value) else { continue };
            family.look.mark(&mut marks, at, 2.1);
            let name = quantity.name.to_owned();
            table.row_of(model, ["model".to_owned(), name, cell(Some(*value))]);
        }
        sheet.svg.path(&format!("mark {}", family.class()), &marks, "");
    }
}

/// The medians over seeds: a line along the strengths, or across where there are none.
fn line(
    sheet: &mut Sheet,
    frame: &Frame,
    family: &Family<'_>,
    quantity: &Quantity,
    members: &[(&ModelRow, f64)],
    table: &mut Table,
) {
    let mut strengths: Vec<Option<f64>> = members
        .iter()
        .map(|(model, _)| if family.is_plain() { None } else { model.strength })
        .collect();
    strengths.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    strengths.dedup();
    let mut places = Vec::new();
    for strength in strengths {
        let alike = |model: &ModelRow| family.is_plain() || model.strength == strength;
        let seeds = members.iter().filter(|(model, _)| alike(model)).map(|(_, value)| *value);
        let (Some(middle), Some((first, _))) =
            (median(seeds), members.iter().find(|(model, _)| alike(model)))
        else {
            continue;
        };
        let name = quantity.name.to_owned();
        table.row_of_seeds(first, ["median".to_owned(), name, cell(Some(middle))]);
        match (strength, frame.y.place(middle)) {
            (Some(strength), Some(_)) => places.extend(frame.place(strength, middle)),
            (None, Some(y)) => {
                let (left, right) = frame.x.ends;
                let class = format!("line dashed {}", family.class());
                sheet.svg.line(&class, (left, y), (right, y));
            }
            (_, None) => {}
        }
    }
    sheet.svg.path(&format!("line {}", family.class()), &Path::through(places), "");
}
