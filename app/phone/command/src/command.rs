//! The commands, and what they have in common.

mod codes;
mod config;
mod log;
mod pair;
mod scan;
mod status;
mod turn;
mod update;
mod users;

use std::time::Duration;

use clap::CommandFactory;
use latchkey_phone::clock::correction;
use latchkey_protocol::value::{AuthorizationType, Name};
use serde_json::json;

use crate::arguments::{Arguments, Command, Common};
use crate::clock;
use crate::door::Door;
use crate::failure::{Failure, Outcome};
use crate::link::{self, Link};
use crate::output::{self, Output};
use crate::secret::{Asked, PinSource};
use crate::store::{Held, Store};

/// What every command works with.
struct Context {
    common: Common,
    output: Output,
}

/// Runs one command.
pub(crate) fn run(arguments: Arguments) -> Outcome<()> {
    let output = Output {
        json: arguments.common.json,
    };
    let context = Context {
        common: arguments.common,
        output,
    };
    match arguments.command {
        Command::Scan => scan::run(&context),
        Command::Pair(asked) => pair::run(&context, &asked),
        Command::Forget { kind } => forget(&context, kind.kind()),
        Command::Status => status::run(&context),
        Command::Lock => turn::lock(&context),
        Command::Unlock => turn::unlock(&context),
        Command::Unlatch => turn::unlatch(&context),
        Command::Log(asked) => log::run(&context, &asked),
        Command::Users(asked) => users::run(&context, &asked),
        Command::Codes(asked) => codes::run(&context, &asked),
        Command::Config(asked) => config::run(&context, &asked),
        Command::Pin(asked) => config::set_pin(&context, &asked),
        Command::Update(asked) => update::run(&context, &asked),
        Command::Keypad(asked) => turn::keypad(&context, &asked),
        Command::Fob(asked) => turn::fob(&context, &asked),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "latchkey", &mut script);
            output::tell(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

/// What is known of the lock here goes; the lock is not asked.
fn forget(context: &Context, kind: AuthorizationType) -> Outcome<()> {
    let gone = context.store()?.forget(context.common.lock.as_deref(), kind)?;
    context
        .output
        .facts(&json!({ "removed": gone.display().to_string() }));
    output::note("The lock itself still knows this client, until `latchkey users remove` is run by another.");
    Ok(())
}

impl Context {
    fn store(&self) -> Outcome<Store> {
        self.store_into(false)
    }

    /// The same, to put something in; into the system's keyring or not.
    fn store_into(&self, keyring: bool) -> Outcome<Store> {
        Store::new(self.common.data.clone(), keyring)
    }

    fn link(&self) -> Outcome<Box<dyn Link>> {
        Ok(link::open(self.common.hci.as_deref())?)
    }

    /// How long to listen for a lock.
    fn patience(&self) -> Duration {
        self.common.listen.unwrap_or(link::SCAN)
    }

    /// A connection with the lock that is meant, for what is held there as an app, a keypad or a fob.
    fn door(&self, kind: AuthorizationType) -> Outcome<Door> {
        self.connect(self.held(kind)?)
    }

    /// The same as an app, with the PIN, and the lock's clock put right on the way. The PIN is asked for first: a lock
    /// does not wait for somebody who types.
    fn administer(&self, pin: &PinSource) -> Outcome<(Door, Asked)> {
        self.administer_as(self.held(AuthorizationType::App)?, pin)
    }

    fn administer_as(&self, held: Held, pin: &PinSource) -> Outcome<(Door, Asked)> {
        let asked = pin.ask(held.credentials.family.pin_width())?;
        let mut door = self.connect(held)?;
        match keep_time(&mut door, Some(&asked)) {
            // To ask with it again would count as one more wrong one.
            Err(failure) if failure.is_wrong_pin => return Err(failure),
            Err(failure) => warn_of_clock(&failure),
            Ok(()) => {}
        }
        Ok((door.still_open(self.patience())?, asked))
    }

    fn held(&self, kind: AuthorizationType) -> Outcome<Held> {
        self.store()?.load(self.common.lock.as_deref(), kind)
    }

    fn connect(&self, held: Held) -> Outcome<Door> {
        let link = self.link()?;
        let spinner = output::spinner(&format!("looking for {}", held.name));
        let door = Door::connect(link, held, self.patience());
        spinner.finish_and_clear();
        door
    }
}

/// Puts the lock's clock right by this computer's, where it is off; without a PIN, says so.
fn keep_time(door: &mut Door, asked: Option<&Asked>) -> Outcome<()> {
    let told = status::states(door)?.time;
    let Some(set) = clock::unix_now().and_then(|now| correction(told, now)) else {
        return Ok(());
    };
    let Some(asked) = asked else {
        output::note("The lock's clock is off, and its log goes by it: `latchkey config clock` sets it.");
        return Ok(());
    };
    door.ask(set.with(asked.pin()?))?;
    output::note("The lock's clock was off; it goes by this computer's now.");
    Ok(())
}

/// What was asked for is not about the clock, and goes on without.
fn warn_of_clock(failure: &Failure) {
    output::note(&format!(
        "The lock's clock could not be looked after: {failure}. `latchkey config clock` sets it."
    ));
}

/// A name as a lock stores it.
fn name<const N: usize>(text: &str) -> Outcome<Name<N>> {
    Name::new(text)
        .filter(|_| !text.trim().is_empty())
        .ok_or_else(|| Failure::usage(format!("{text:?} is no name; a lock stores 1 to {N} bytes")))
}

/// The one row that is meant, by its number or its name.
fn choose<'r, T>(
    rows: &'r [T],
    which: &str,
    number: impl Fn(&T) -> u32,
    name: impl Fn(&T) -> String,
) -> Outcome<&'r T> {
    if let Some(row) = rows.iter().find(|row| which.parse() == Ok(number(row))) {
        return Ok(row);
    }
    let mut named = rows.iter().filter(|row| name(row) == which);
    match (named.next(), named.next()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(Failure::usage(format!(
            "there is no {which:?}; `list` shows what there is. Nothing was changed"
        ))),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several are called {which:?}; take the number that `list` shows. Nothing was changed"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_chosen_by_number_or_by_a_name_that_only_it_has() {
        let rows = [(7, "Ann"), (8, "Bob"), (9, "Bob"), (10, "7")];
        let chosen = |which| choose(&rows, which, |row| row.0, |row| row.1.to_owned());
        assert_eq!(chosen("Ann").unwrap().0, 7);
        assert_eq!(chosen("9").unwrap().0, 9);
        assert_eq!(chosen("7").unwrap().1, "Ann", "a number is a number first");
        assert!(chosen("Bob").unwrap_err().to_string().contains("several"));
        assert!(chosen("ann").is_err());
    }

    #[test]
    fn names_fit_a_lock() {
        assert!(name::<20>("Ann").is_ok());
        for wrong in ["", "  ", "a\0b", "twenty-one bytes long"] {
            assert!(name::<20>(wrong).is_err(), "{wrong:?}");
        }
    }
}
