#![no_main]

use libfuzzer_sys::fuzz_target;
use vaegis_data::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::idx(bytes);
});
