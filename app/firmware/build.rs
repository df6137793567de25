//! Bakes in whom the app trusts. Fails, in words that say what to do, on example keys in a release build.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use latchkey_image::policy_file::{PolicyFile, is_example_key, public_key_from_pem};

fn main() -> Result<(), String> {
    let release = input("LATCHKEY_RELEASE").is_some();
    let policy = read("LATCHKEY_POLICY", "policy.toml")?;
    let policy = PolicyFile::parse(&policy).map_err(|error| error.to_string())?;
    let director = read("LATCHKEY_DIRECTOR", "director.pub.pem")?;
    let director = public_key_from_pem(&director).ok_or(
        "LATCHKEY_DIRECTOR is no Ed25519 public key in PEM; `latchkey-server director-key` prints one",
    )?;

    let mut example: Vec<&str> = policy.example_keys().collect();
    if is_example_key(&director) {
        example.push("director");
    }
    if release && !example.is_empty() {
        return Err(format!(
            "LATCHKEY_RELEASE is set, but these keys are example keys that everyone has: {}. Make your own: \
             `latchkey-sign keygen` for LATCHKEY_POLICY, `latchkey-server director-key` for LATCHKEY_DIRECTOR",
            example.join(", ")
        ));
    }

    let mut keys = String::new();
    for (_, key) in policy.keys() {
        let _ = writeln!(keys, "    PublicKey::new({:?}),", key.as_bytes());
    }
    let source = format!(
        "static KEYS: [PublicKey; {}] = [\n{keys}];\n\
         const THRESHOLD: u8 = {};\n\
         const DIRECTOR: [u8; 32] = {:?};\n\
         /// Whether this build trusts a key that everyone has.\n\
         pub const EXAMPLE_KEYS: bool = {};\n\
         /// The version this build was made as, for the log; what counts stands in the signed header.\n\
         pub const BUILT_AS: &str = {:?};\n",
        policy.keys().count(),
        policy.threshold(),
        director.as_bytes(),
        !example.is_empty(),
        input("LATCHKEY_VERSION").unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
    );
    let out = env::var_os("OUT_DIR").ok_or("only for cargo: OUT_DIR is not set")?;
    fs::write(PathBuf::from(out).join("trust.rs"), source).map_err(|error| error.to_string())
}

/// A build-time input; the build runs again when it changes.
fn input(name: &str) -> Option<String> {
    println!("cargo:rerun-if-env-changed={name}");
    env::var(name).ok()
}

/// The file that an input names, or one of the example keys.
fn read(name: &str, example: &str) -> Result<String, String> {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../keys-example");
    let path = input(name).map_or_else(|| examples.join(example), PathBuf::from);
    println!("cargo:rerun-if-changed={}", path.display());
    fs::read_to_string(&path).map_err(|error| format!("{name}: cannot read {}: {error}", path.display()))
}
