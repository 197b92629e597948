//! See `audit_fuzz::client_address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_fuzz::client_address::check(data));
