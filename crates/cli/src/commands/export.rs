use std::process::ExitCode;

use super::writable;
use crate::arguments::ExportOptions;
use crate::model::DataFacts;
use crate::output;

/// `vaegis export`.
pub(crate) fn run(options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let facts = DataFacts { shape: options.input_shape.clone(), beyond_unit_interval: false };
    let opened = options.model.open(&facts)?;
    for remark in &opened.remarks {
        output::note(&format!("import: {remark}"));
    }
    writable(&options.out)?;
    let files = opened.vae.export(&options.out, options.returns.into(), options.force)?;
    for file in &files {
        output::print(&file.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
