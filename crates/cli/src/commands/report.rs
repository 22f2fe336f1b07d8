use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use vaegis_audit::store::AuditFolder;
use vaegis_report::AuditData;

use crate::arguments::ReportOptions;

/// `vaegis report`.
pub(crate) fn run(options: &ReportOptions) -> anyhow::Result<ExitCode> {
    let folders: Vec<&Path> = options.audits.iter().map(AsRef::as_ref).collect();
    write(&folders, &options.out)?;
    crate::output::print(&options.out.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes one report on finished audits.
pub(crate) fn write(folders: &[impl AsRef<Path>], out: &Path) -> anyhow::Result<()> {
    let audits =
        folders.iter().map(|folder| read(folder.as_ref())).collect::<anyhow::Result<Vec<_>>>()?;
    vaegis_report::write(out, &audits)?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<AuditData> {
    let folder = AuditFolder::open(path)?;
    let Some(summary) = folder.summary()? else {
        bail!("{} is not finished; run its `vaegis audit` command again", path.display());
    };
    let manifest = path.join("audit.toml");
    let config = std::fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    Ok(AuditData {
        name: summary.model.clone(),
        summary,
        rows: folder.rows()?,
        curves: folder.curves()?,
        gallery: folder.gallery()?,
        config,
    })
}
