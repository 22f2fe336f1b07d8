use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use vaegis_audit::schema::Summary;
use vaegis_audit::{AuditConfig, Subject, fingerprint};
use vaegis_data::Dataset;
use vaegis_network::ops::Function;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::{Certification, Domain, Radius, Settings};
use vaegis_vae::{Architecture, BetaVae, Likelihood, Objective, TrainConfig, Vae, VaeConfig};

use super::audit::{audit_into, describe, execution};
use super::train::train_into;
use super::{report, use_threads};
use crate::arguments::DemoOptions;
use crate::domain::natural_box;
use crate::output;

/// The two strengths that the demo compares.
const BETAS: [f64; 2] = [1.0, 8.0];

/// The same radii in reconstruction space for both models, so that margins compare.
const RADII: [f64; 2] = [3.0, 5.0];

/// `vaegis demo`.
pub(crate) fn run(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    use_threads(options.machine.threads())?;
    let dataset = Dataset::mnist();
    let points = options.points.resolve(&dataset)?;
    let mut summaries: Vec<Summary> = vec![];
    let mut folders: Vec<PathBuf> = vec![];
    for beta in BETAS {
        let name = format!("beta{beta}");
        let Some(vae) = model(&options.out.join("models").join(&name), beta, &dataset)? else {
            return Ok(ExitCode::from(1));
        };
        let config = AuditConfig {
            model: name.clone(),
            description: describe(Some(&options.out.join("models").join(&name)), &vae),
            model_hash: fingerprint(&vae),
            dataset: dataset.name().to_string(),
            data_hash: dataset.fingerprint(),
            points: options.points.to_string(),
            seed: 0,
            transfer: None,
            settings: Settings {
                radii: RADII.map(Radius::Absolute).to_vec(),
                draws: 10_000,
                alpha: 0.001,
                domain: Domain::l2(natural_box(&dataset)),
                attacks: vec![Attack::default()],
                certify: Some(Certification { alpha: 0.001, tightness: Certification::TIGHTNESS }),
                aim: None,
            },
        };
        let out = options.out.join("audits").join(&name);
        let subject =
            Subject { vae: &vae, dataset: &dataset, points: &points, transfer_from: None };
        let Some(summary) = audit_into(&out, subject, &config, execution(&options.machine, false))?
        else {
            return Ok(ExitCode::from(1));
        };
        summaries.push(summary);
        folders.push(out);
    }
    let page = options.out.join("report.html");
    report::write(&folders, &page)?;
    output::print(&output::comparison(&summaries))?;
    for remark in summaries.iter().flat_map(|summary| output::remarks(summary, true)) {
        output::note(&format!("note: {remark}"));
    }
    output::note(&format!("{:.0} s in all", started.elapsed().as_secs_f64()));
    output::print(&format!("report: {}", page.display()))?;
    let failed = summaries.iter().any(|summary| summary.failed > 0);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The demo's model for one beta: trained now, or by an earlier run in the same folder.
fn model(folder: &Path, beta: f64, dataset: &Dataset) -> anyhow::Result<Option<Vae>> {
    if folder.join("model.json").exists() {
        return Ok(Some(Vae::load(folder, &Device::flex())?));
    }
    let vae = VaeConfig {
        input_shape: dataset.shape().to_vec(),
        latent: 10,
        architecture: Architecture::Mlp { hidden: vec![400, 400], activation: Function::Relu },
        likelihood: Likelihood::Bernoulli,
    };
    let config = TrainConfig {
        objective: Objective::BetaVae(BetaVae { beta, warm_up: 0 }),
        epochs: 15,
        batch_size: 256,
        learning_rate: 1e-3,
        validation: 0.1,
        patience: 0,
        seed: 0,
        lipschitz: None,
    };
    let name = format!("training beta {beta}");
    let trained = train_into(folder, &vae, &config, dataset, &name, None)?;
    Ok(trained.map(|trained| trained.vae))
}
