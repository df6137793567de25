//! `update`: what there is, fetching it, and installing it.

mod install;

use std::path::{Path, PathBuf};

use latchkey_phone::release::{LockFacts, Signed};
use latchkey_protocol::value::AuthorizationType;
use serde_json::{Value, json};

use super::Context;
use super::status::running;
use crate::arguments::{Install, Update};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::policy::{IMAGE_MAX, Policy, read_limited};
use crate::server::{Announced, Server};

pub(super) fn run(context: &Context, asked: &Update) -> Outcome<()> {
    match asked {
        Update::Check { server } => check(context, &server.open()?),
        Update::Download { server, policy, out } => {
            let policy = policy.read()?;
            download(context, &server.open()?, &policy, out.as_deref())
        }
        Update::Install(asked) => install(context, asked),
    }
}

/// What the lock runs.
fn facts_of_lock(context: &Context) -> Outcome<LockFacts> {
    let mut door = context.door(AuthorizationType::App)?;
    let running = running(&mut door)?;
    door.leave();
    running.ok_or_else(|| {
        Failure::new(
            Kind::Refused,
            "this lock does not tell a phone what it runs; have it updated over its network first",
        )
    })
}

fn check(context: &Context, server: &Server) -> Outcome<()> {
    let lock = facts_of_lock(context)?;
    let update = server.ask(&lock)?;
    context.output.facts(&facts(&lock, update.as_ref()));
    if update.is_none() {
        output::note("Nothing is to do.");
    }
    Ok(())
}

fn facts(lock: &LockFacts, update: Option<&Announced>) -> Value {
    json!({
        "runs": lock.version.to_string(),
        "available": update.map(|update| update.version.clone()),
        "security_counter": update.map(|update| update.security_counter),
        "size": update.map(|update| update.size),
        "digest": update.map(|update| update.digest.clone()),
        "changes": update.and_then(|update| update.notes.clone()),
    })
}

fn none(lock: &LockFacts) -> Failure {
    Failure::new(
        Kind::Refused,
        format!("there is no update for this lock, which runs {}", lock.version),
    )
}

fn download(context: &Context, server: &Server, policy: &Policy, out: Option<&Path>) -> Outcome<()> {
    let lock = facts_of_lock(context)?;
    let update = server.ask(&lock)?.ok_or_else(|| none(&lock))?;
    let short = update.digest.get(..12).unwrap_or_default();
    let default = PathBuf::from(format!("latchkey-{short}.bin"));
    let out = out.unwrap_or(&default);
    let signed = fetch(server, policy, &update, out)?;
    context.output.facts(&json!({
        "file": out.display().to_string(),
        "version": signed.about().version.to_string(),
        "digest": signed.about().image.to_string(),
        "size": signed.about().size,
    }));
    Ok(())
}

/// Fetches an image, and has it prove itself. One that does not is not left behind.
fn fetch(server: &Server, policy: &Policy, update: &Announced, to: &Path) -> Outcome<Signed<Vec<u8>>> {
    let bytes = server.fetch(update, to)?;
    let checked = policy.check(bytes, to);
    if checked.is_err() {
        std::fs::remove_file(to).map_err(|error| Failure::file(to, "remove", error))?;
    }
    checked
}

fn install(context: &Context, asked: &Install) -> Outcome<()> {
    install::check_consent(asked.yes)?;
    let policy = asked.policy.read()?;
    if let Some(file) = &asked.file {
        let signed = policy.check(read_limited(file, IMAGE_MAX)?, file)?;
        return install::run(context, asked, signed, None);
    }
    let server = asked.server.open()?;
    let lock = facts_of_lock(context)?;
    let update = server.ask(&lock)?.ok_or_else(|| none(&lock))?;
    // What was fetched is deleted again; an attempt that breaks off later goes on at the lock.
    let folder = tempfile::tempdir().map_err(|error| Failure::file(&std::env::temp_dir(), "use", error))?;
    let signed = fetch(&server, &policy, &update, &folder.path().join("image"))?;
    install::run(context, asked, signed, update.notes.as_deref())
}
