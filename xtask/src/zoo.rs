//! The models that tests import (`zoo/`), and the Python that makes and runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Subcommand;

use crate::{cargo, run};

#[derive(Debug, Subcommand)]
pub(crate) enum Zoo {
    /// Install ONNX Runtime below target/ and print the Python that has it, for VAEGIS_PYTHON
    Python,
    /// Run every model of the zoo in ONNX Runtime against its references, and compare what vaegis
    /// computes and exports with it
    Check,
    /// Train and export the models again, with PyTorch and TensorFlow (5 GB) below target/
    Make,
}

/// The tests that compare with ONNX Runtime.
const COMPARISONS: [&str; 2] = ["export", "onnx_export"];

pub(crate) fn zoo(task: &Zoo) -> anyhow::Result<()> {
    match task {
        Zoo::Python => {
            println!("{}", environment("check")?.display());
            Ok(())
        }
        Zoo::Check => {
            let python = environment("check")?;
            script(&python, "check.py")?;
            let mut arguments = vec!["test", "--release", "--workspace"];
            arguments.extend(COMPARISONS.iter().flat_map(|name| ["--test", name]));
            cargo(&arguments, &[("VAEGIS_PYTHON", &python.display().to_string())])
        }
        Zoo::Make => {
            let python = environment("make")?;
            for name in
                ["make.py", "hostile.py", "operators/make.py", "state_dicts/make.py", "check.py"]
            {
                script(&python, name)?;
            }
            script(&environment("keras")?, "make_keras.py")
        }
    }
}

/// The Python of a virtual environment with the packages that a task needs.
fn environment(task: &str) -> anyhow::Result<PathBuf> {
    let requirements = match task {
        "make" => root().join("zoo/requirements.txt"),
        task => root().join(format!("zoo/requirements-{task}.txt")),
    };
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = root().join(target).join("zoo").join(task);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder).stdout(Stdio::null()))
            .context("a virtual environment (Python 3.11 or newer with venv)")?;
    }
    // Does nothing where they are installed. Messages may not mix with what we print.
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    run(install.arg(&requirements).stdout(Stdio::null()))
        .with_context(|| format!("packages of {}", requirements.display()))?;
    Ok(python)
}

fn script(python: &Path, name: &str) -> anyhow::Result<()> {
    run(Command::new(python).arg(root().join("zoo").join(name)))
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    own.expect("the workspace").to_path_buf()
}
