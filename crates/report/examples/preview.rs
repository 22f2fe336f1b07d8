//! Renders a report of made-up audits, to look at while changing the page.
//!
//! `cargo run --release -p vaegis-report --example preview -- report.html`

#[path = "../tests/support/mod.rs"]
mod support;

use support::Recipe;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "report.html".to_owned());
    let one = Recipe { points: 200, ..Recipe::new("beta1") };
    let other = Recipe { margin: 3.1, seed: 2, failed: 2, points: 200, ..Recipe::new("beta8") };
    vaegis_report::write(&path, &[one.audit(), other.audit()])?;
    println!("{path}");
    Ok(())
}
