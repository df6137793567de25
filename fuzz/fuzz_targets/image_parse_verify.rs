//! Parsing and the whole check, over any bytes. The body is a module of `latchkey-image`'s tests, which run it
//! over mutated seeds in every test run; here it is driven by coverage.
#![no_main]

#[path = "../../signing/image/tests/common/judge.rs"]
mod judge;

use std::sync::LazyLock;

static JUDGE: LazyLock<judge::Judge> = LazyLock::new(judge::Judge::new);

libfuzzer_sys::fuzz_target!(|data: &[u8]| JUDGE.judge(data));
