//! What ONNX Runtime makes of a file, where the tests can have it: in the Python interpreter that
//! `VAEGIS_PYTHON` names, which continuous integration sets, or in `python3`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use vaegis_network::{Weights, save_weights};

/// Models and what they should give.
pub(crate) struct OnnxRuntime {
    folder: TempDir,
    cases: Vec<serde_json::Value>,
}

impl OnnxRuntime {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), cases: vec![] }
    }

    /// A file to be run: `tensors` has its input and the outputs that it should give, by name;
    /// `tolerance` is relative to the largest magnitude of an output.
    pub(crate) fn expect(&mut self, model: &Path, tensors: &Weights, tolerance: f64) {
        let path = self.folder.path().join(format!("{}.safetensors", self.cases.len()));
        save_weights(tensors, &path).expect("a file in the temporary folder");
        let case = serde_json::json!({ "model": model, "tensors": path, "tolerance": tolerance });
        self.cases.push(case);
    }

    /// Runs all of them; `what` they are is for whoever reads the tests' output.
    pub(crate) fn compare(self, what: &str) {
        // Not through the macros, whose output tests that pass do not show.
        let say = |text: &str| writeln!(std::io::stderr(), "{what}: {text}").expect("stderr");
        let Some(python) = interpreter() else {
            return say("NOT compared with ONNX Runtime (VAEGIS_PYTHON names no interpreter)");
        };
        let cases = self.folder.path().join("cases.json");
        let list = serde_json::to_string(&self.cases).expect("JSON");
        std::fs::write(&cases, list).expect("a file in the temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo/read_back.py");
        let output = Command::new(python).arg(script).arg(cases).output().expect("Python starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {text}\n{messages}");
        say(text.trim_end());
    }
}

/// A Python with ONNX Runtime. One that is named but has none is an error.
fn interpreter() -> Option<PathBuf> {
    let named = std::env::var_os("VAEGIS_PYTHON");
    let python = named.clone().map_or_else(|| "python3".into(), PathBuf::from);
    let probe = ["-c", "import numpy, onnx, onnxruntime, safetensors"];
    match Command::new(&python).args(probe).output() {
        Ok(output) if output.status.success() => Some(python),
        outcome if named.is_some() => panic!("VAEGIS_PYTHON ({}): {outcome:?}", python.display()),
        _ => None,
    }
}
