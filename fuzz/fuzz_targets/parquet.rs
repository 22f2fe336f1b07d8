#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vaegis_data::{OpenOptions, fuzzing};

fuzz_target!(
    // The crate that reads Parquet panics on some damaged files; that is caught and told as an
    // error. Panics that are not caught still end the fuzzer.
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| {
        let _ = fuzzing::parquet(Bytes::copy_from_slice(bytes), &OpenOptions::default());
    }
);
