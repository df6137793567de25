//! The commands, one module each.

mod attach;
mod inspect;
mod keygen;
mod public;
mod sign;
mod tuf;
mod verify;

use std::process::ExitCode;

use clap::CommandFactory;
use serde_json::Value;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

/// Runs one command.
pub(crate) fn run(command: Command, json: bool) -> Result<ExitCode, Failure> {
    match command {
        Command::Keygen(arguments) => keygen::run(&arguments, json),
        Command::Public(arguments) => public::run(&arguments, json),
        Command::Sign(arguments) => sign::run(&arguments, json),
        Command::Attach(arguments) => attach::run(&arguments, json),
        Command::Verify(arguments) => return verify::run(&arguments, json),
        Command::Inspect { image } => inspect::run(&image, json),
        Command::Tuf(command) => tuf::run(command, json),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "latchkey-sign",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Prints facts: as JSON, or as lines of name and value.
fn print(facts: &Value, json: bool) {
    if json {
        println!("{facts:#}");
        return;
    }
    let Some(facts) = facts.as_object() else { return };
    for (name, value) in facts {
        let name = name.replace('_', " ");
        match value {
            Value::Null => {}
            Value::String(text) if text.contains('\n') => println!("{}", text.trim_end()),
            Value::String(text) => println!("{name:18} {text}"),
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| item.as_str().map_or(item.to_string(), String::from))
                    .collect();
                println!("{name:18} {}", items.join(&format!(",\n{:19}", "")));
            }
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => println!("{name:18} {value}"),
        }
    }
}
