//! Does an active segment of any bytes open as nothing but what it says?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ministate_tests::hostile::segment(bytes);
});
