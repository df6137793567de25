//! `tuf sign`: one signature more on a root or a list of images. Says what is signed and how many are still missing;
//! refuses keys that would not count.

use std::path::Path;

use latchkey_tuf::{Document, Key, Refusal, Role, RoleName, Root, Targets, Trusted, kind};
use serde_json::{Value, json};

use super::{facts, read, read_root, with, with_signers};
use crate::arguments::tuf::{Sign, now_s};
use crate::command::print;
use crate::failure::Failure;
use crate::files;
use crate::secret::{self, PrivateKey};

pub(super) fn run(arguments: &Sign, json: bool) -> Result<(), Failure> {
    let path = &arguments.file;
    match kind(&files::read(path)?).map_err(|refusal| Failure::refused(path, refusal))? {
        RoleName::Root => root(arguments, json),
        RoleName::Targets => targets(arguments, json),
        online @ (RoleName::Snapshot | RoleName::Timestamp) => Err(Failure::refused(
            path,
            format!("the update server makes and signs the {online}; nobody else does"),
        )),
    }
}

fn root(arguments: &Sign, json: bool) -> Result<(), Failure> {
    let document: Document<Root> = read(&arguments.file)?;
    let before = previous(arguments.root.as_deref(), &document, &arguments.file)?;
    let own = document.claims().clone();
    let rules: Vec<&Root> = before.iter().map(Trusted::get).chain([&own]).collect();
    let change = with_signers(json!({}), &own);
    add(arguments, document, &rules, change, json)
}

fn targets(arguments: &Sign, json: bool) -> Result<(), Failure> {
    let document: Document<Targets> = read(&arguments.file)?;
    let root = arguments.root.as_deref().ok_or_else(|| {
        Failure::Usage("a list of images is signed under a root; name the one in force with --root".into())
    })?;
    let root = read_root(root)?;
    let listed: Vec<Value> = document
        .claims()
        .targets
        .iter()
        .map(|(name, target)| json!(format!("{name} ({})", target.hashes.sha256)))
        .collect();
    let change = with(json!({}), "targets", json!(listed));
    add(arguments, document, &[root.get()], change, json)
}

/// The root that a root follows: the one named, whatever the file says of itself. Only a first one follows none.
pub(super) fn previous(
    given: Option<&Path>,
    document: &Document<Root>,
    path: &Path,
) -> Result<Option<Trusted<Root>>, Failure> {
    let version = document.claims().version;
    let Some(given) = given else {
        if version > 1 {
            return Err(Failure::Usage(format!(
                "root version {version} follows another; name that one with --root"
            )));
        }
        return Ok(None);
    };
    let before = read_root(given)?;
    if before.get().version.checked_add(1) != Some(version) {
        return Err(Failure::refused(
            path,
            Refusal::VersionOrder {
                role: RoleName::Root,
                offered: version,
                current: before.get().version,
            },
        ));
    }
    Ok(Some(before))
}

fn add<R: Role>(
    arguments: &Sign,
    mut document: Document<R>,
    rules: &[&Root],
    change: Value,
    json: bool,
) -> Result<(), Failure> {
    let path = &arguments.file;
    document
        .claims()
        .check_fresh(now_s())
        .map_err(|refusal| Failure::refused(path, refusal))?;
    let key = PrivateKey::load(&arguments.key, &arguments.passphrase)?;
    secret::refuse_example(&key.public(), arguments.allow_example_keys, &arguments.key)?;
    let id = Key::new(key.public().as_bytes())
        .map_err(|refusal| Failure::key(&arguments.key, refusal))?
        .id();
    if !rules
        .iter()
        .any(|root| root.signers(R::NAME).keyids.contains(&id))
    {
        return Err(Failure::refused(
            &arguments.key,
            format!(
                "this key ({id}) is none that signs {} here; nothing was signed",
                R::NAME
            ),
        ));
    }
    document
        .sign(key.expose())
        .map_err(|refusal| Failure::key(&arguments.key, refusal))?;
    files::replace(path, &document.to_file())?;
    let mut facts = facts(&document, path);
    if let Some(change) = change.as_object() {
        for (name, value) in change {
            facts = with(facts, name, value.clone());
        }
    }
    let missing: Vec<String> = rules.iter().filter_map(|root| missing(&document, root)).collect();
    let facts = with(
        with(facts, "signed_by", json!(id.to_string())),
        "missing",
        json!(missing),
    );
    print(&facts, json);
    if !json && missing.is_empty() {
        println!(
            "next: it is complete; `latchkey-server tuf publish --{} {}`",
            R::NAME,
            path.display()
        );
    }
    Ok(())
}

/// What a root still asks for.
pub(super) fn missing<R: Role>(document: &Document<R>, root: &Root) -> Option<String> {
    let wanted = root.signers(R::NAME);
    let signed = document.signers(root);
    let missing = usize::try_from(wanted.threshold)
        .unwrap_or(usize::MAX)
        .saturating_sub(signed.len());
    let open: Vec<String> = wanted
        .keyids
        .iter()
        .filter(|id| !signed.contains(id))
        .map(ToString::to_string)
        .collect();
    (missing > 0).then(|| format!("{missing} of {} (root version {})", open.join(", "), root.version))
}
