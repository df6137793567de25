//! `keygen`: a new private key in a new file.

use serde_json::json;

use super::print;
use crate::arguments::Keygen;
use crate::failure::Failure;
use crate::files::{self, Access};
use crate::secret::{Passphrase, PrivateKey};

pub(super) fn run(arguments: &Keygen, json: bool) -> Result<(), Failure> {
    let path = &arguments.out;
    if path.symlink_metadata().is_ok() {
        // Asked before the passphrase is; `create` asks again, at the only moment that counts.
        return Err(files::exists(path));
    }
    let passphrase = match arguments.no_passphrase {
        true => None,
        false => Some(Passphrase::obtain_new(&arguments.passphrase, path)?),
    };
    let key = PrivateKey::generate()?;
    files::create(path, key.to_pem(passphrase.as_ref())?.as_bytes(), Access::Owner)?;
    let public = key.public();
    let facts = json!({
        "file": path,
        "encrypted": passphrase.is_some(),
        "key_hash": hex::encode(public.hash()),
        "public_key": hex::encode(public.as_bytes()),
    });
    print(&facts, json);
    if !json {
        println!(
            "next: `latchkey-sign public --key {}` for your trust policy; keep the file off line",
            path.display()
        );
    }
    Ok(())
}
