//! Anything on the SMP characteristic of a lock, window open or closed. The body is a module of `latchkey-lock`'s tests,
//! which run it over made-up scripts in every test run; here it is driven by coverage.
#![no_main]

#[path = "../../app/lock/tests/smp/anything.rs"]
mod anything;
#[allow(dead_code, reason = "the tests' bench, of which this uses a part")]
#[path = "../../app/lock/tests/smp/bench.rs"]
mod bench;

libfuzzer_sys::fuzz_target!(|data: &[u8]| anything::any_bytes(data));
