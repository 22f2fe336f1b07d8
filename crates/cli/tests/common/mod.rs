//! A folder to run the program in, and what came of a run.
//!
//! Command lines are written as one would type them; every path is relative to the sandbox.
#![allow(dead_code)] // each test file needs a part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;
use vaegis_audit::schema::PointRow;
use vaegis_audit::store::AuditFolder;
use vaegis_data::Dataset;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The model that the tests of a file share: it trains in a second and its margins are finite.
const MODEL: &str =
    "train --data mnist --hidden 16 --latent 3 --epochs 4 --batch-size 128 --out model";

/// A folder of its own for one test.
pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With a copy of the trained model of this test file in `model`.
    pub(crate) fn with_model() -> Self {
        // Files in memory: a folder in a static would never be removed.
        static TRAINED: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
        let trained = TRAINED.get_or_init(|| {
            let sandbox = Self::new();
            sandbox.run(MODEL).expect_code(0);
            let names = sandbox.files("model").into_iter().map(|name| format!("model/{name}"));
            names.map(|name| (name.clone(), sandbox.read(&name))).collect()
        });
        let sandbox = Self::new();
        fs::create_dir(sandbox.path("model")).expect("a folder");
        for (name, bytes) in trained {
            sandbox.write(name, bytes);
        }
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file in the sandbox");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Every file below a folder, relative to it, sorted.
    pub(crate) fn files(&self, name: &str) -> Vec<String> {
        let root = self.path(name);
        let mut found = vec![];
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let below = path.strip_prefix(&root).expect("below the root");
                    found.push(below.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        found.sort();
        found
    }

    /// The program with the arguments of `line`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(cargo_bin!("vaegis"));
        command.args(line.split_whitespace());
        command.current_dir(self.folder.path());
        command.env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs to the end. Whatever happens, the program never panics.
    pub(crate) fn run(&self, line: &str) -> Run {
        let mut command = assert_cmd::Command::from_std(self.command(line));
        let output = command.timeout(PATIENCE).output().expect("the program starts");
        let run = Run {
            line: line.to_string(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        };
        assert!(!run.stderr.contains("panicked"), "{run:?}");
        run
    }

    /// Starts in the background; messages go to the file `stderr`.
    pub(crate) fn start(&self, line: &str) -> Running {
        let log = fs::File::create(self.path("stderr")).expect("a file for messages");
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Running { child: command.spawn().expect("the program starts"), line: line.to_string() }
    }

    /// Runs `line` and kills it (SIGKILL) as soon as `file` exists. Whether it died before its
    /// end is for the caller to check, by what it did not write.
    pub(crate) fn kill_when(&self, file: &str, line: &str) {
        let mut running = self.start(line);
        running.wait_for(&self.path(file));
        running.child.kill().expect("the program can be killed");
        running.child.wait().expect("the program ends");
        let log = String::from_utf8_lossy(&self.read("stderr")).into_owned();
        assert!(!log.contains("panicked"), "{line}: {log}");
    }

    /// The rows of an audit.
    pub(crate) fn rows(&self, audit: &str) -> Vec<PointRow> {
        self.audit(audit).rows().expect("rows")
    }

    pub(crate) fn audit(&self, audit: &str) -> AuditFolder {
        AuditFolder::open(self.path(audit)).expect("an audit folder")
    }
}

/// The program in the background; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    line: String,
}

impl Running {
    /// Waits until a file appears; fails if the program ends without writing it.
    pub(crate) fn wait_for(&mut self, path: &Path) {
        let started = Instant::now();
        while !path.exists() {
            let ended = self.child.try_wait().expect("the state of the program");
            // It may have written the file and ended since we looked.
            assert!(ended.is_none() || path.exists(), "{} ended: {ended:?}", self.line);
            assert!(started.elapsed() < PATIENCE, "{}: no {}", self.line, path.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Run {
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Refused: exit code 2, one error that names all of `parts`, and nothing on stdout.
    #[track_caller]
    pub(crate) fn expect_refusal(self, parts: &[&str]) -> Self {
        let run = self.expect_code(2);
        assert_eq!(run.stdout, "", "{run:#?}");
        let errors = run.stderr.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!((errors, run.stderr.matches("error:").count()), (1, 1), "{run:#?}");
        for part in parts {
            assert!(run.stderr.contains(part), "no {part:?} in {run:#?}");
        }
        run
    }
}

/// An IDX file of f32 images.
pub(crate) fn idx_f32(shape: [usize; 3], values: &[f32]) -> Vec<u8> {
    let mut bytes = idx_header(0x0d, shape);
    bytes.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    bytes
}

/// An IDX file of 8-bit images, with values from a formula.
pub(crate) fn idx_u8(shape: [usize; 3]) -> Vec<u8> {
    let mut bytes = idx_header(0x08, shape);
    let count: usize = shape.iter().product();
    bytes.extend((0..count).map(|k| (k * 37 % 256) as u8));
    bytes
}

fn idx_header(element: u8, shape: [usize; 3]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, 3];
    bytes.extend(shape.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    bytes
}

/// The first `rows` test rows of MNIST.
pub(crate) fn digits(rows: usize) -> Vec<f32> {
    let mnist = Dataset::mnist();
    mnist.test().take(rows).flat_map(|row| mnist.row(row)).collect()
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}
