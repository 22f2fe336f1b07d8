//! Weights as safetensors.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vaegis_network::load_weights;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, bytes).expect("room for temporary files");
    let _ = load_weights(Path::new(&path));
});
