#![no_main]

use libfuzzer_sys::fuzz_target;
use vaegis_data::{OpenOptions, fuzzing};

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::csv(bytes, &OpenOptions::default());
});
