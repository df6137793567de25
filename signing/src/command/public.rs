//! `public`: the half of a key that others may have.

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::EncodePublicKey;
use pkcs8::LineEnding;
use serde_json::json;

use super::print;
use crate::arguments::Public;
use crate::failure::Failure;
use crate::files::{self, Access};
use crate::secret;

pub(super) fn run(arguments: &Public, json: bool) -> Result<(), Failure> {
    let key = secret::load_public(&arguments.key, &arguments.passphrase)?;
    let pem = VerifyingKey::from_bytes(key.as_bytes())
        .ok()
        .and_then(|key| key.to_public_key_pem(LineEnding::LF).ok())
        .ok_or_else(|| Failure::key(&arguments.key, "not a usable Ed25519 key"))?;
    if let Some(path) = &arguments.out {
        files::create(path, pem.as_bytes(), Access::Usual)?;
    }
    let facts = json!({
        "key_hash": hex::encode(key.hash()),
        "public_key": hex::encode(key.as_bytes()),
        "pem": pem,
    });
    match (json, &arguments.out) {
        (true, _) => print(&facts, true),
        (false, None) => print!("{pem}"),
        (false, Some(path)) => println!("wrote {}", path.display()),
    }
    Ok(())
}
