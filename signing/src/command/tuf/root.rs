//! `tuf root`: whose signatures count.

use std::path::{Path, PathBuf};

use latchkey_tuf::{Document, Key, KeyId, Role, RoleName, Root, Signers};

use super::{facts, read_key, read_root, with_signers, write_new};
use crate::arguments::tuf::{RootNew, RootNext};
use crate::command::print;
use crate::failure::Failure;

pub(super) fn new(arguments: &RootNew, json: bool) -> Result<(), Failure> {
    let keys = |paths: &[PathBuf]| -> Result<Vec<Key>, Failure> {
        let read = |path: &PathBuf| read_key(path, arguments.allow_example_keys);
        paths.iter().map(read).collect()
    };
    let roots = keys(&arguments.root_keys)?;
    let targets = keys(&arguments.targets_keys)?;
    let server = read_key(&arguments.server_key, arguments.allow_example_keys)?;
    let mut root = Root::new(1, arguments.expires);
    root.roles.root = Signers::new(&roots, arguments.root_threshold);
    root.roles.targets = Signers::new(&targets, arguments.targets_threshold);
    root.roles.snapshot = Signers::new([&server], 1);
    root.roles.timestamp = Signers::new([&server], 1);
    for key in roots.iter().chain(&targets).chain([&server]) {
        root.keys.insert(key.id(), *key);
    }
    finish(root, &arguments.output, None, json)
}

pub(super) fn next(arguments: &RootNext, json: bool) -> Result<(), Failure> {
    let allow = arguments.allow_example_keys;
    let mut root = read_root(&arguments.input)?.get().clone();
    root.version = root.version.saturating_add(1);
    root.expires = arguments.expires;
    let mut keys = Vec::new();
    for path in &arguments.add_root {
        keys.push(add(&mut root.roles.root, path, RoleName::Root, allow)?);
    }
    for path in &arguments.add_targets {
        keys.push(add(&mut root.roles.targets, path, RoleName::Targets, allow)?);
    }
    for path in &arguments.remove_root {
        remove(&mut root.roles.root, path, RoleName::Root)?;
    }
    for path in &arguments.remove_targets {
        remove(&mut root.roles.targets, path, RoleName::Targets)?;
    }
    if let Some(path) = &arguments.server_key {
        let server = read_key(path, allow)?;
        root.roles.snapshot = Signers::new([&server], 1);
        root.roles.timestamp = Signers::new([&server], 1);
        keys.push(server);
    }
    root.roles.root.threshold = arguments.root_threshold.unwrap_or(root.roles.root.threshold);
    root.roles.targets.threshold = arguments
        .targets_threshold
        .unwrap_or(root.roles.targets.threshold);
    root.keys.extend(keys.into_iter().map(|key| (key.id(), key)));
    // A key that signs nothing any more goes out of the file.
    let named: Vec<KeyId> = [
        RoleName::Root,
        RoleName::Targets,
        RoleName::Snapshot,
        RoleName::Timestamp,
    ]
    .into_iter()
    .flat_map(|role| root.signers(role).keyids.clone())
    .collect();
    root.keys.retain(|id, _| named.contains(id));
    finish(root, &arguments.output, Some(&arguments.input), json)
}

fn add(signers: &mut Signers, path: &Path, role: RoleName, allow_example: bool) -> Result<Key, Failure> {
    let key = read_key(path, allow_example)?;
    if signers.keyids.contains(&key.id()) {
        return Err(Failure::refused(path, format!("this key signs {role} already")));
    }
    signers.keyids.push(key.id());
    Ok(key)
}

/// Example keys may always be taken out.
fn remove(signers: &mut Signers, path: &Path, role: RoleName) -> Result<(), Failure> {
    let id = read_key(path, true)?.id();
    let before = signers.keyids.len();
    signers.keyids.retain(|named| *named != id);
    if signers.keyids.len() == before {
        return Err(Failure::refused(
            path,
            format!("this key does not sign {role}, so it cannot be taken out"),
        ));
    }
    Ok(())
}

fn finish(root: Root, path: &Path, follows: Option<&Path>, json: bool) -> Result<(), Failure> {
    let document = write_new(root, path)?;
    print(&with_signers(facts(&document, path), document.claims()), json);
    if !json {
        hint(&document, path, follows);
    }
    Ok(())
}

fn hint(document: &Document<Root>, path: &Path, follows: Option<&Path>) {
    let threshold = document.claims().signers(Root::NAME).threshold;
    let path = path.display();
    match follows {
        None => {
            println!("next: {threshold} release engineer(s) run `latchkey-sign tuf sign --key KEY {path}`")
        }
        Some(before) => println!(
            "next: `latchkey-sign tuf sign --key KEY --root {} {path}`, by enough of that root's signers and \
             {threshold} of this one's",
            before.display()
        ),
    }
}
