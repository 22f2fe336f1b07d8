//! VAEs as ONNX files that other programs run, and that the [import](crate::import) reads back
//! without being told anything.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use vaegis_network::Network;
use vaegis_network::onnx::Export;

use crate::import::{LIKELIHOOD, RETURNS, Reconstruction};
use crate::{Error, Likelihood, Vae};

/// Names of the files in the order in which they are written.
const FILES: [&str; 2] = ["encoder.onnx", "decoder.onnx"];

impl Vae {
    /// Writes `encoder.onnx`, from `x` to `mu` and `logvar` (the logarithm of the variance), and
    /// `decoder.onnx`, from `z` to `x_hat` (the mean of `p(x|z)`) or to `logits`, into `folder`,
    /// which must exist. Returns their paths. Either both files are written or none.
    ///
    /// # Errors
    /// If a file is there already and `overwrite` is not set, if one cannot be written or would
    /// be too large, and for logits of a Gaussian.
    pub fn export(
        &self,
        folder: &Path,
        returns: Reconstruction,
        overwrite: bool,
    ) -> Result<[PathBuf; 2], Error> {
        let paths = FILES.map(|name| folder.join(name));
        if !overwrite {
            let present: Vec<String> = paths
                .iter()
                .filter(|path| path.exists())
                .map(|path| format!("{} exists already (--force overwrites)", path.display()))
                .collect();
            if !present.is_empty() {
                return Err(Error::Export(present));
            }
        }
        let contents = self.to_onnx(returns)?;
        let mut written: Vec<PathBuf> = vec![];
        let outcome = (|| {
            for (path, bytes) in paths.iter().zip(&contents) {
                let temporary = path.with_extension("onnx.new");
                written.push(temporary.clone());
                let mut file = fs::File::create(&temporary).map_err(Error::io(&temporary))?;
                file.write_all(bytes).map_err(Error::io(&temporary))?;
                file.sync_all().map_err(Error::io(&temporary))?;
            }
            for (temporary, path) in written.iter().zip(&paths) {
                fs::rename(temporary, path).map_err(Error::io(path))?;
            }
            Ok(())
        })();
        if outcome.is_err() {
            for temporary in &written {
                // What could not be written need not be there.
                let _ = fs::remove_file(temporary);
            }
        }
        outcome.map(|()| paths)
    }

    /// The bytes of `encoder.onnx` and `decoder.onnx`.
    fn to_onnx(&self, returns: Reconstruction) -> Result<[Vec<u8>; 2], Error> {
        let (decoder, output) = match (returns, self.likelihood()) {
            (Reconstruction::Means, _) => (self.generator(), "x_hat"),
            (Reconstruction::Logits, Likelihood::Gaussian { .. }) => {
                let problem = "a Gaussian likelihood has means, not logits".to_string();
                return Err(Error::Export(vec![problem]));
            }
            (Reconstruction::Logits, _) => (self.decoder().clone(), "logits"),
        };
        let json = |value: serde_json::Result<String>| value.expect("plain enums have string keys");
        let metadata = [
            (LIKELIHOOD, json(serde_json::to_string(&self.likelihood()))),
            (RETURNS, json(serde_json::to_string(&returns))),
        ];
        let file = |name: &str, network: &Network, input, outputs: &[&str]| {
            let export = Export { name, input, outputs, metadata: &metadata };
            let bytes = network.to_onnx(&export);
            bytes.map_err(|error| Error::Export(vec![format!("{name}: {error}")]))
        };
        Ok([
            file("encoder", self.encoder(), "x", &["mu", "logvar"])?,
            file("decoder", &decoder, "z", &[output])?,
        ])
    }
}
