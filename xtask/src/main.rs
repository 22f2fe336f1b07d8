//! Development tasks, so that no one needs to remember a command line.

mod zoo;

use std::process::Command;

use anyhow::{Context, ensure};
use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Development tasks of vaegis")]
enum Task {
    /// Run all tests (optimised: they are numerical), and the slow studies with --slow
    Test {
        /// Also run the studies that take minutes
        #[arg(long)]
        slow: bool,
    },
    /// Check formatting, lints and documentation
    Check,
    /// The models that tests import: check them by ONNX Runtime, or make them again
    #[command(subcommand)]
    Zoo(zoo::Zoo),
    /// Attack certificates of random models for some minutes: no attack may break one
    Soundness {
        /// How long
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Run the benches; arguments after -- select them
    Bench {
        /// Passed on to criterion
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Test { slow } => {
            cargo(&["test", "--release", "--workspace", "--doc"], &[])?;
            let mut arguments =
                vec!["test", "--release", "--workspace", "--tests", "--no-fail-fast"];
            if slow {
                arguments.extend(["--", "--include-ignored"]);
            }
            cargo(&arguments, &[])
        }
        Task::Check => {
            cargo(&["fmt", "--all", "--check"], &[])?;
            let lint =
                ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
            cargo(&lint, &[])?;
            let document =
                ["doc", "--release", "--workspace", "--no-deps", "--document-private-items"];
            cargo(&document, &[("RUSTDOCFLAGS", "-D warnings")])
        }
        Task::Zoo(task) => zoo::zoo(&task),
        Task::Soundness { minutes } => {
            let test = ["test", "--release", "--workspace", "--test", "certificates", "--"];
            let one = ["--ignored", "--nocapture", "no_attack_breaks_a_certificate_for_an_hour"];
            cargo(&[&test[..], &one].concat(), &[("VAEGIS_MINUTES", &minutes.to_string())])
        }
        Task::Bench { arguments } => {
            let mut all = vec!["bench", "--workspace", "--benches", "--"];
            all.extend(arguments.iter().map(String::as_str));
            cargo(&all, &[])
        }
    }
}

/// Runs cargo, shows what it prints, and fails if it does.
fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo).args(arguments).envs(environment.iter().copied()))
}

/// Runs a command, shows what it prints, and fails if it does.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
