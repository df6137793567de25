//! `latchkey-sign`: make keys, sign firmware images, check and inspect them. Works off line, and holds a private
//! key in memory no longer than it takes to sign.
//!
//! Every rule about images is `latchkey-image`'s; this program reads files, asks for passphrases, and says what
//! to do next. It keeps the invariant that no output file is ever half-written.
#![forbid(unsafe_code)]

mod arguments;
mod command;
mod failure;
mod files;
mod place;
mod secret;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match command::run(arguments.command, arguments.json) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("latchkey-sign: {failure}");
            failure.exit_code()
        }
    }
}
