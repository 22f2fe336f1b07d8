//! A manifest, a zero, and the weights that it is about.
#![no_main]

use burn::tensor::Device;
use libfuzzer_sys::fuzz_target;
use vaegis_vae::import::{Preprocessing, import_manifest};

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|&byte| byte == 0) else { return };
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("room for temporary files");
    };
    write("vae.toml", &bytes[..end]);
    write("vae.safetensors", &bytes[end + 1..]);
    let path = folder.path().join("vae.toml");
    let _ = import_manifest(&path, None, &Preprocessing::default(), &Device::flex());
});
