//! A lock that answers anything over SMP. The body is a module of `latchkey-phone`'s tests, which run it over made-up
//! scripts in every test run; here it is driven by coverage.
#![no_main]

#[path = "../../app/phone/tests/update/any_answer.rs"]
mod any_answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| any_answer::any_bytes(data));
