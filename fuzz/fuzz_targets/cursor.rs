//! See `audit_fuzz::cursor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_fuzz::cursor::check(data));
