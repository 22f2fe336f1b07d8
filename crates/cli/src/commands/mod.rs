pub(crate) mod attack;
pub(crate) mod audit;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod report;
pub(crate) mod train;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use vaegis_data::Dataset;

use crate::arguments::{Arguments, DataOptions};

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
