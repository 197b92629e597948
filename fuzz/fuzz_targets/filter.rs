//! See `audit_fuzz::filter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_fuzz::filter::check(data));
