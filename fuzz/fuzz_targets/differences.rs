//! See `audit_fuzz::differences`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_fuzz::differences::check(data));
