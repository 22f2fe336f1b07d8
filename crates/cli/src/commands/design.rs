use std::process::ExitCode;

use anyhow::bail;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use vaegis_robustness::certificate::{Design, Lipschitz};

use crate::arguments::{DesignOptions, ReferenceName};
use crate::output;

/// Where no constant does.
const NONE: &str = "none";

/// What is looked at where nothing is settled.
const DECODERS: [f64; 5] = [1.0, 1.5, 2.0, 3.0, 4.0];
const SIGMAS: [f64; 5] = [0.05, 0.1, 0.2, 0.5, 1.0];

/// Constants that guarantee the wanted margin; none where no encoder does.
#[derive(Debug, Serialize)]
struct Found {
    decoder: f64,
    encoder_mean: Option<f64>,
    sigma: Option<f64>,
    /// What they guarantee.
    margin: Option<f64>,
}

/// `vaegis design`.
pub(crate) fn run(options: &DesignOptions) -> anyhow::Result<ExitCode> {
    check(options)?;
    let found = match (options.lipschitz.as_slice(), options.sigma) {
        (&[decoder, encoder_mean], Some(sigma)) => {
            vec![guaranteed(options, design(options, decoder, encoder_mean, sigma))]
        }
        (&[decoder, encoder_mean], None) => {
            let design = design(options, decoder, encoder_mean, 1.0);
            let sigma = down(design.largest_sigma(options.r, options.margin));
            vec![guaranteed(options, Design { sigma, ..design })]
        }
        (decoders, sigma) => {
            let decoders = if decoders.is_empty() { &DECODERS[..] } else { decoders };
            let sigmas = sigma.map_or(SIGMAS.to_vec(), |sigma| vec![sigma]);
            let each = sigmas.iter().flat_map(|&sigma| decoders.iter().map(move |&a| (a, sigma)));
            each.map(|(decoder, sigma)| {
                let design = design(options, decoder, 1.0, sigma);
                let encoder_mean = down(design.largest_encoder_mean(options.r, options.margin));
                guaranteed(options, Design { encoder_mean, ..design })
            })
            .collect()
        }
    };
    if options.json {
        let report = serde_json::json!({
            "r": options.r,
            "margin": options.margin,
            "latent": options.latent,
            "reference": reference(options),
            "designs": found,
        });
        output::print(&serde_json::to_string_pretty(&report)?)?;
    } else {
        output::print(&text(options, &found))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what makes no sense, all at once.
fn check(options: &DesignOptions) -> anyhow::Result<()> {
    let mut problems = vec![];
    let mut positive = |what: &str, value: f64| {
        if !(value > 0.0 && value.is_finite()) {
            problems.push(format!("{what} must be positive, found {value}"));
        }
    };
    positive("--r", options.r);
    positive("--margin", options.margin);
    for (&value, name) in options.lipschitz.iter().zip(["A", "B"]) {
        positive(&format!("{name} of --lipschitz"), value);
    }
    if let Some(sigma) = options.sigma {
        positive("--sigma", sigma);
    }
    if !(1..=MOST_LATENTS).contains(&options.latent) {
        problems.push(format!(
            "--latent must lie between 1 and {MOST_LATENTS}, found {}",
            options.latent
        ));
    }
    if options.lipschitz.len() > 2 {
        problems.push(format!("--lipschitz takes A or A,B, found {:?}", options.lipschitz));
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
}

/// The distribution of a sum of as many squares is computed term by term.
const MOST_LATENTS: usize = 100_000;

fn reference(options: &DesignOptions) -> &'static str {
    match options.reference {
        ReferenceName::Mean => "mean",
        ReferenceName::Sampled => "sampled",
    }
}

fn design(options: &DesignOptions, decoder: f64, encoder_mean: f64, sigma: f64) -> Design {
    Design {
        decoder,
        encoder_mean,
        sigma,
        latents: options.latent,
        reference: options.reference.into(),
    }
}

/// What a design guarantees, if it is the wanted margin or more.
fn guaranteed(options: &DesignOptions, design: Design) -> Found {
    let Design { decoder, encoder_mean, sigma, latents, reference } = design;
    let constants = [decoder, encoder_mean, 0.0];
    let vae = Lipschitz::new(constants, vec![sigma; latents], reference);
    let margin = vae.map_or(0.0, |vae| vae.chi_square(options.r));
    let settled = |value: f64| Some(value).filter(|&value| value > 0.0);
    Found {
        decoder,
        encoder_mean: settled(encoder_mean),
        sigma: settled(sigma),
        margin: settled(margin),
    }
}

/// Three significant digits, never more than the number: what is shown is guaranteed as well.
fn down(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = 10f64.powf((value.log10()).floor() - 2.0);
    let cut = (value / unit).floor() * unit;
    // Shown in decimals, which f64 reads back as the nearest number.
    format!("{cut:.12}").parse().unwrap_or(0.0)
}

fn text(options: &DesignOptions, found: &[Found]) -> String {
    let DesignOptions { r, margin, latent, .. } = options;
    let compared = match options.reference {
        ReferenceName::Mean => "the mean reconstruction",
        ReferenceName::Sampled => "another sampled reconstruction",
    };
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    let verdict = match found {
        [only] => one(&mut table, only, options),
        many => grid(&mut table, many),
    };
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "r-robustness of every input to every perturbation up to {margin}, for r = {r} and {latent} \
         latents,\ncompared with {compared}\n{}\n{verdict}",
        table.trim_fmt()
    )
}

fn one(table: &mut Table, only: &Found, options: &DesignOptions) -> String {
    table.set_header(["decoder a", "encoder mean b", "sigma", "guaranteed margin"]);
    let cell = |value: Option<f64>| value.map_or(NONE.to_string(), |value| value.to_string());
    let margin = only.margin.map(down).map_or(NONE.to_string(), output::number);
    table.add_row([only.decoder.to_string(), cell(only.encoder_mean), cell(only.sigma), margin]);
    match *only {
        Found { decoder, encoder_mean: Some(mean), sigma: Some(sigma), margin: Some(reached) }
            if reached >= options.margin =>
        {
            format!(
                "guaranteed by: vaegis train --lipschitz {decoder},{mean} --sigma {sigma} --latent {}",
                options.latent
            )
        }
        _ => format!("a margin of {} is not guaranteed", options.margin),
    }
}

/// The largest constant of the encoder's mean for each sigma and decoder.
fn grid(table: &mut Table, many: &[Found]) -> String {
    let columns = many.iter().position(|found| found.sigma != many[0].sigma);
    let columns = columns.unwrap_or(many.len());
    let mut header = vec!["largest encoder mean b".to_string()];
    header.extend(many[..columns].iter().map(|found| format!("decoder a {}", found.decoder)));
    table.set_header(header);
    for row in many.chunks(columns) {
        let mut cells: Vec<String> =
            row[0].sigma.iter().map(|sigma| format!("sigma {sigma}")).collect();
        cells
            .extend(row.iter().map(|found| found.encoder_mean.map_or(NONE.into(), output::number)));
        table.add_row(cells);
    }
    let hint = "train with: vaegis train --lipschitz A,B --sigma SIGMA";
    if many.iter().all(|found| found.encoder_mean.is_some()) {
        hint.to_string()
    } else {
        format!("{NONE}: the noise alone leads beyond r\n{hint}")
    }
}
