//! Renders a report of made-up audits, to look at while changing the page.
//!
//! `cargo run --release -p vaegis-report --example preview -- report.html 200`: the file, and the
//! points of each audit.

#[path = "../tests/support/mod.rs"]
mod support;

use support::Recipe;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "report.html".to_owned());
    let points = std::env::args().nth(2).map_or(Ok(200), |points| points.parse())?;
    let one = Recipe { points, ..Recipe::new("beta1") };
    let other = Recipe { margin: 3.1, seed: 2, failed: 2, points, ..Recipe::new("beta8") };
    vaegis_report::write(&path, &[one.audit(), other.audit()])?;
    println!("{path}");
    Ok(())
}
