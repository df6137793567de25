//! The command `latchkey-server`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    latchkey_server::cli::run().await
}
