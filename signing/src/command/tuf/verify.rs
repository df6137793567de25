//! `tuf verify`: the check that server and clients do, by the code that the server does it with.

use latchkey_tuf::{Document, Refusal, Role, RoleName, Root, Targets, Trusted, kind};
use serde_json::json;

use super::{facts, read, read_root, sign, with, with_signers};
use crate::arguments::tuf::{Verify, now_s};
use crate::command::print;
use crate::failure::Failure;
use crate::files;

pub(super) fn run(arguments: &Verify, json: bool) -> Result<(), Failure> {
    let path = &arguments.file;
    match kind(&files::read(path)?).map_err(|refusal| Failure::refused(path, refusal))? {
        RoleName::Root => {
            let document: Document<Root> = read(path)?;
            let before = sign::previous(arguments.root.as_deref(), &document, path)?;
            let verdict = match before {
                Some(before) => before.succeed(document.clone()),
                None => Trusted::pinned(document.clone()),
            };
            let facts = with_signers(facts(&document, path), document.claims());
            finish(arguments, facts, verdict, json)
        }
        RoleName::Targets => {
            let document: Document<Targets> = read(path)?;
            let root = arguments.root.as_deref().ok_or_else(|| {
                Failure::Usage(
                    "a list of images is signed under a root; name the one in force with --root".into(),
                )
            })?;
            let verdict = read_root(root)?.targets(document.clone());
            let listed: Vec<_> = document
                .claims()
                .targets
                .keys()
                .map(ToString::to_string)
                .collect();
            finish(
                arguments,
                with(facts(&document, path), "targets", json!(listed)),
                verdict,
                json,
            )
        }
        online @ (RoleName::Snapshot | RoleName::Timestamp) => Err(Failure::refused(
            path,
            format!("the {online} changes with the server's clock; a TUF client verifies it"),
        )),
    }
}

fn finish<R: Role>(
    arguments: &Verify,
    facts: serde_json::Value,
    verdict: Result<Trusted<R>, Refusal>,
    json: bool,
) -> Result<(), Failure> {
    let refused = |refusal| Failure::refused(&arguments.file, refusal);
    let trusted = verdict.map_err(refused)?;
    trusted.check_fresh(now_s()).map_err(refused)?;
    print(&with(facts, "accepted", json!(true)), json);
    Ok(())
}
