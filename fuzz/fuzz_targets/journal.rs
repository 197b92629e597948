//! See `audit_fuzz::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_fuzz::journal::check(data));
