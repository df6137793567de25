//! An advertisement. The body is a module of
//! `latchkey-protocol`'s tests, which run it over mutated seeds in every test run; here it is driven by coverage.
#![no_main]

#[allow(dead_code, reason = "one of its bodies a target")]
#[path = "../../app/protocol/tests/protocol/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::advertising(data));
