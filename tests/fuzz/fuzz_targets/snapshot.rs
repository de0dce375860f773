//! Does a snapshot of any bytes leave the state as it was?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ministate_tests::hostile::snapshot(bytes);
});
