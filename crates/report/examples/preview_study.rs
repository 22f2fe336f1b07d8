//! Writes the figures and the page of a made-up study, to look at while changing them.
//!
//! `cargo run --release -p vaegis-report --example preview_study -- folder`

#[path = "../tests/support/study.rs"]
mod study;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::noise;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "study".to_owned()));
    std::fs::create_dir_all(&folder)?;
    let study = study::FULL.study();
    for figure in vaegis_report::study_figures(&study) {
        std::fs::write(folder.join(format!("{}.svg", figure.name)), &figure.svg)?;
        std::fs::write(folder.join(format!("{}.csv", figure.name)), &figure.csv)?;
        std::fs::write(
            folder.join(format!("{}.pdf", figure.name)),
            vaegis_report::pdf(&figure.svg)?,
        )?;
    }
    vaegis_report::write_study(folder.join("study.html"), &study)?;
    println!("{}", folder.display());
    Ok(())
}
