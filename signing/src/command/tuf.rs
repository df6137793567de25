//! `tuf`: what release engineers sign of the TUF repository, off line: the root (whose signatures count) and the
//! targets (which images there are). The update server makes the rest, with a key of its own.
//!
//! Every rule about metadata is `latchkey-tuf`'s. Here files are read, images are looked at before they are listed,
//! and people are told what they sign and who has yet to.

mod root;
mod sign;
mod targets;
mod verify;

use std::path::Path;

use latchkey_tuf::{Document, Key, Refusal, Role, Root, Trusted};
use serde_json::{Value, json};

use crate::arguments::PassphraseSource;
use crate::arguments::tuf::{self, Tuf};
use crate::failure::Failure;
use crate::files::{self, Access};
use crate::secret;

pub(super) fn run(command: Tuf, json: bool) -> Result<(), Failure> {
    match command {
        Tuf::Root(tuf::Root::New(arguments)) => root::new(&arguments, json),
        Tuf::Root(tuf::Root::Next(arguments)) => root::next(&arguments, json),
        Tuf::Targets(tuf::Targets::New(arguments)) => targets::new(&arguments, json),
        Tuf::Targets(tuf::Targets::Next(arguments)) => targets::next(&arguments, json),
        Tuf::Sign(arguments) => sign::run(&arguments, json),
        Tuf::Verify(arguments) => verify::run(&arguments, json),
    }
}

fn read<R: Role>(path: &Path) -> Result<Document<R>, Failure> {
    Document::parse(&files::read(path)?).map_err(|refusal| Failure::refused(path, refusal))
}

/// A root that its own keys have signed: the engineer who names it vouches for where it came from.
fn read_root(path: &Path) -> Result<Trusted<Root>, Failure> {
    Trusted::pinned(read(path)?).map_err(|refusal| Failure::refused(path, refusal))
}

/// A public key, of either half.
fn read_key(path: &Path, allow_example: bool) -> Result<Key, Failure> {
    let source = PassphraseSource {
        passphrase_file: None,
    };
    let public = secret::load_public(path, &source)?;
    secret::refuse_example(&public, allow_example, path)?;
    Key::new(public.as_bytes()).map_err(|refusal| Failure::key(path, refusal))
}

/// Writes what nobody has signed yet.
fn write_new<R: Role>(role: R, path: &Path) -> Result<Document<R>, Failure> {
    let refused = |refusal: Refusal| Failure::refused(path, refusal);
    role.check_fresh(tuf::now_s()).map_err(refused)?;
    let document = Document::new(role).map_err(refused)?;
    files::create(path, &document.to_file(), Access::Usual)?;
    Ok(document)
}

/// What every file is shown with.
fn facts<R: Role>(document: &Document<R>, path: &Path) -> Value {
    json!({
        "file": path,
        "kind": R::NAME.as_str(),
        "version": document.claims().version(),
        "expires": document.claims().expires().to_string(),
    })
}

/// Adds whose signatures a root asks for, and how many.
fn with_signers(mut facts: Value, root: &Root) -> Value {
    let ids = |signers: &latchkey_tuf::Signers| -> Value {
        signers.keyids.iter().map(ToString::to_string).collect()
    };
    for (name, value) in [
        ("root_threshold", json!(root.roles.root.threshold)),
        ("root_keys", ids(&root.roles.root)),
        ("targets_threshold", json!(root.roles.targets.threshold)),
        ("targets_keys", ids(&root.roles.targets)),
        ("server_keys", ids(&root.roles.timestamp)),
    ] {
        facts = with(facts, name, value);
    }
    facts
}

fn with(mut facts: Value, name: &str, value: Value) -> Value {
    if let Some(facts) = facts.as_object_mut() {
        facts.insert(name.to_owned(), value);
    }
    facts
}
