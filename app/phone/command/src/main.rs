//! `latchkey`: what a lock's owner runs. Pairs with a lock over Bluetooth, uses it, looks after its users and codes, and
//! updates it. No account, and no server but to ask for updates.
//!
//! Thin: what is said to a lock, and what its answers mean, is `latchkey-phone`'s. This program finds locks ([`link`]),
//! keeps credentials ([`store`], [`keyring`]), asks for PINs ([`secret`]), and shows what came of it ([`output`]). It keeps the
//! invariants that keys and PINs are never printed, and codes never but to who just typed them; that a credential is on
//! disk, whole and for its owner's eyes only, before a lock hears that it is held; and that every wait ends.
#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod command;
mod door;
mod failure;
mod keyring;
mod limits;
mod link;
mod output;
mod policy;
mod secret;
mod server;
mod store;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::of_this_program();
    match command::run(arguments) {
        Ok(()) if output::all_told() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(failure::Kind::File as u8),
        Err(failure) => {
            output::complain(&failure);
            failure.exit_code()
        }
    }
}
