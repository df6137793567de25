//! Makes a module that browsers load of the web app's WebAssembly: `latchkey-web-bindgen PROGRAM.wasm FOLDER`.
//!
//! wasm-bindgen's own library, in the version that stands in Cargo.lock beside wasm-bindgen itself: the two must be the
//! same, and a program installed beside the project would drift. A program of its own, since nothing else needs what
//! it stands on. `cargo xtask web` runs it.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("which program?")?;
    let folder = arguments.next().context("into which folder?")?;
    Bindgen::new()
        .input_path(program)
        .web(true)?
        .typescript(false)
        // Half of the file, and of use to debuggers alone.
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name("latchkey")
        .generate(folder)
}
