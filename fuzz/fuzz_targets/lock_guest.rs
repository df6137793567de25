//! A guest with a key, who says anything to a whole lock. The body is a module of `latchkey-lock`'s tests, which run
//! it over made-up talk in every test run; here it is driven by coverage.
#![no_main]

#[allow(dead_code, reason = "the tests' bench, of which this uses a part")]
#[path = "../../app/lock/tests/lock/bench.rs"]
mod bench;
#[path = "../../app/lock/tests/lock/guest.rs"]
mod guest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| guest::any_words(data));
