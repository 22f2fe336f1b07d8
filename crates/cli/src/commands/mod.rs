pub(crate) mod attack;
pub(crate) mod audit;
pub(crate) mod certify;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod design;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod report;
pub(crate) mod score;
pub(crate) mod study;
pub(crate) mod train;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use vaegis_data::Dataset;
use vaegis_vae::Vae;

use crate::arguments::{Arguments, DataOptions};
use crate::model::{DataFacts, ModelOptions, OpenedModel};

/// Prints a completion script.
pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Arguments::command(), "vaegis", &mut script);
    crate::output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Opens data and says how they were understood.
fn open(options: &DataOptions) -> anyhow::Result<Dataset> {
    let dataset = Dataset::open_with(&options.data, &options.reading.options())?;
    for remark in dataset.remarks() {
        crate::output::note(&format!("data: {remark}"));
    }
    Ok(dataset)
}

/// Opens data and a model for them, and says how they were understood.
fn open_both(data: &DataOptions, model: &ModelOptions) -> anyhow::Result<(Dataset, Vae)> {
    let dataset = open(data)?;
    let facts = DataFacts {
        shape: Some(dataset.shape().to_vec()),
        beyond_unit_interval: is_beyond_unit_interval(&dataset),
    };
    let OpenedModel { vae, remarks } = model.open(&facts)?;
    for remark in &remarks {
        crate::output::note(&format!("import: {remark}"));
    }
    Ok((dataset, vae))
}

/// Whether a value of the data lies outside [0, 1], where pixels live.
fn is_beyond_unit_interval(dataset: &Dataset) -> bool {
    let beyond = |value: &f32| !(0.0..=1.0).contains(value);
    dataset.value_range() != Some((0.0, 1.0))
        && (0..dataset.len()).any(|row| dataset.row(row).iter().any(beyond))
}

/// Creates a folder and makes sure that files can be written there, before any work.
fn writable(folder: &Path) -> anyhow::Result<()> {
    let name = || format!("cannot write to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(name)?;
    let probe = folder.join(".vaegis-probe");
    std::fs::write(&probe, b"").with_context(name)?;
    std::fs::remove_file(&probe).with_context(name)?;
    Ok(())
}

/// The threads that tensors of this process may use together.
fn use_threads(threads: usize) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().with_context(|| format!("cannot start {threads} threads (--threads)"))
}
