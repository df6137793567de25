//! A lock that says anything to an owner's session. The body is a module of `latchkey-phone`'s tests, which run it over
//! made-up words in every test run; here it is driven by coverage.
#![no_main]

#[path = "../../app/phone/tests/session/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::any_lock(data));
