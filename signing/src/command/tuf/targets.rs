//! `tuf targets`: which images there are. An image is looked at as a lock would before it is listed.

use std::path::Path;

use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{Bytes, Hardware, Image, SecurityCounter};
use latchkey_tuf::{Custom, Hash, Hashes, Target, TargetName, Targets};
use serde_json::json;

use super::{facts, read, read_root, with, write_new};
use crate::arguments::tuf::{Images, TargetsNew, TargetsNext};
use crate::command::print;
use crate::failure::Failure;
use crate::files;

pub(super) fn new(arguments: &TargetsNew, json: bool) -> Result<(), Failure> {
    let mut targets = Targets::new(1, arguments.expires);
    let added = add(&mut targets, &arguments.images)?;
    finish(targets, &added, &[], &arguments.output, json)
}

pub(super) fn next(arguments: &TargetsNext, json: bool) -> Result<(), Failure> {
    // What is built upon is signed again with the rest: it must have been signed before.
    let before = read_root(&arguments.root)?
        .targets(read(&arguments.input)?)
        .map_err(|refusal| Failure::refused(&arguments.input, refusal))?;
    let mut targets = before.get().clone();
    targets.version = targets.version.saturating_add(1);
    targets.expires = arguments.expires;
    for name in &arguments.remove {
        let listed = TargetName::try_from(name.clone())
            .ok()
            .and_then(|name| targets.targets.remove(&name));
        if listed.is_none() {
            let known: Vec<_> = targets.targets.keys().map(TargetName::as_str).collect();
            return Err(Failure::refused(
                &arguments.input,
                format!("it lists no \"{name}\"; it lists {}", known.join(", ")),
            ));
        }
    }
    let added = add(&mut targets, &arguments.images)?;
    finish(targets, &added, &arguments.remove, &arguments.output, json)
}

fn add(targets: &mut Targets, images: &Images) -> Result<Vec<String>, Failure> {
    let Some(policy) = &images.policy else {
        return Ok(Vec::new());
    };
    let policy = super::super::verify::read_policy(policy)?;
    let mut added = Vec::new();
    for path in &images.add {
        let (name, target) = describe(path, &policy)?;
        added.push(name.to_string());
        if targets.targets.insert(name.clone(), target).is_some() {
            return Err(Failure::refused(
                path,
                format!(
                    "{name} is listed already; a release never changes, so give this one another version"
                ),
            ));
        }
    }
    Ok(added)
}

fn describe(path: &Path, policy: &PolicyFile) -> Result<(TargetName, Target), Failure> {
    let bytes = files::read(path)?;
    let refused = |refusal: latchkey_image::Refusal| Failure::refused(path, refusal);
    let mut flash = Bytes::new(&bytes);
    let mut image = Image::parse(&mut flash).map_err(refused)?;
    let (vendor, class) = (image.vendor(), image.class());
    policy
        .policy()
        .check_without_slot(vendor, class, &mut image, SecurityCounter(0))
        .map_err(refused)?;
    let class_name =
        Hardware::find(vendor, class).map_or(class.to_string(), |found| found.class_name.to_owned());
    let version = image.version().to_string();
    let name =
        TargetName::of_image(&class_name, &version).map_err(|refusal| Failure::refused(path, refusal))?;
    let target = Target {
        custom: Custom {
            class: class.to_string(),
            image_digest: image.digest().to_string(),
            security_counter: image.security_counter().0,
            vendor: vendor.to_string(),
            version,
        },
        hashes: Hashes {
            sha256: Hash::of(&bytes),
        },
        length: bytes.len() as u64,
    };
    Ok((name, target))
}

fn finish(
    targets: Targets,
    added: &[String],
    removed: &[String],
    path: &Path,
    json: bool,
) -> Result<(), Failure> {
    let document = write_new(targets, path)?;
    let listed: Vec<_> = document.claims().targets.keys().map(TargetName::as_str).collect();
    let facts = with(facts(&document, path), "targets", json!(listed));
    print(
        &with(with(facts, "added", json!(added)), "removed", json!(removed)),
        json,
    );
    if !json {
        println!(
            "next: release engineers run `latchkey-sign tuf sign --key KEY --root ROOT {}`",
            path.display()
        );
    }
    Ok(())
}
