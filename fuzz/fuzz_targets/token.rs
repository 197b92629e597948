//! See `audit_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_fuzz::token::check(data));
