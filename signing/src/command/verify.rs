//! `verify`: the check a lock does, with the same code.

use std::path::Path;
use std::process::ExitCode;

use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{Authority, Bytes, Image, PublicKey, Refusal, SecurityCounter, TrustPolicy, Uuid};
use serde_json::json;

use super::print;
use crate::arguments::{PassphraseSource, Verify};
use crate::failure::Failure;
use crate::files;
use crate::place;
use crate::secret;

pub(super) fn run(arguments: &Verify, json: bool) -> Result<ExitCode, Failure> {
    let (threshold, keys) = trust(arguments)?;
    let policy = TrustPolicy::new(threshold, &keys).map_err(|error| Failure::Key(error.to_string()))?;
    let bytes = files::read(&arguments.image)?;
    match check(arguments, policy, &bytes)? {
        Ok(facts) => {
            print(&facts, json);
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) if json => {
            print(
                &json!({ "accepted": false, "code": refusal.code(), "reason": refusal.to_string() }),
                true,
            );
            Ok(ExitCode::from(1))
        }
        Err(refusal) => Err(Failure::refused(&arguments.image, refusal)),
    }
}

/// Threshold and keys, from the one key or the policy file.
fn trust(arguments: &Verify) -> Result<(u8, Vec<PublicKey>), Failure> {
    match (&arguments.key, &arguments.policy) {
        (Some(path), _) => {
            let key = secret::load_public(
                path,
                &PassphraseSource {
                    passphrase_file: None,
                },
            )?;
            Ok((1, vec![key]))
        }
        (None, Some(path)) => {
            let file = read_policy(path)?;
            let examples: Vec<&str> = file.example_keys().collect();
            if !examples.is_empty() {
                let names = examples.join(", ");
                eprintln!("latchkey-sign: note: the policy trusts example keys, which everyone has: {names}");
            }
            Ok((file.threshold(), file.keys().map(|(_, key)| key).collect()))
        }
        (None, None) => Err(Failure::Usage("give --key or --policy".into())),
    }
}

/// A policy file.
pub(super) fn read_policy(path: &Path) -> Result<PolicyFile, Failure> {
    let bytes = files::read(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::key(path, "not a text file; give a policy in TOML"))?;
    PolicyFile::parse(text).map_err(|error| Failure::key(path, error))
}

/// The outer error is about the question, the inner one about the image.
fn check(
    arguments: &Verify,
    policy: TrustPolicy<'_>,
    bytes: &[u8],
) -> Result<Result<serde_json::Value, Refusal>, Failure> {
    let mut flash = Bytes::new(bytes);
    let mut image = match Image::parse(&mut flash) {
        Ok(image) => image,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let vendor = match &arguments.vid {
        Some(name) => Uuid::vendor(name).map_err(|error| Failure::Usage(format!("--vid: {error}")))?,
        None => image.vendor(),
    };
    let class = match &arguments.cid {
        Some(name) => Uuid::class(vendor, name).map_err(|error| Failure::Usage(format!("--cid: {error}")))?,
        None => image.class(),
    };
    let floor = SecurityCounter(arguments.floor);
    Ok(match place::slot(&arguments.place, vendor, class)? {
        Some(slot) => {
            let authority = Authority {
                policy,
                vendor,
                class,
                slot,
            };
            authority
                .verify(image, floor)
                .map(|verified| facts(&verified, bytes))
        }
        None => policy
            .check_without_slot(vendor, class, &mut image, floor)
            .map(|()| facts(&image, bytes)),
    })
}

fn facts(image: &Image<'_, Bytes<'_>>, file: &[u8]) -> serde_json::Value {
    let behind = u64::try_from(file.len())
        .unwrap_or_default()
        .saturating_sub(image.total_size().into());
    json!({
        "accepted": true,
        "image_digest": image.digest().to_string(),
        "version": image.version().to_string(),
        "security_counter": image.security_counter().0,
        "vendor": image.vendor().to_string(),
        "class": image.class().to_string(),
        "min_version": image.min_version().map(|version| version.to_string()),
        "signatures": image.signature_count(),
        "size": image.total_size(),
        "bytes_behind_image": behind,
    })
}
