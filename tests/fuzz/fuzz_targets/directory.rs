//! Does a damaged directory open as nothing but its history?
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ministate_tests::hostile::directory(bytes);
});
