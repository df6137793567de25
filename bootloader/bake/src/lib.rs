//! For the board programs' build scripts: whom to trust as Rust source, and the linker's memory map.
//!
//! Reads `LATCHKEY_POLICY` (a policy file), `LATCHKEY_DIRECTOR` (a public key; the example keys when not set) and
//! `LATCHKEY_RELEASE`. Keeps one invariant: with `LATCHKEY_RELEASE` set, no program that trusts an example key is
//! built.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, fs};

use latchkey_handoff::layout::RETAINED;
use latchkey_image::policy_file::{PolicyFile, is_example_key, public_key_from_pem};

/// Writes `policy.rs` into the build's output folder: `KEYS`, `THRESHOLD` and `EXAMPLE_KEYS`, to be included
/// where `latchkey_image::PublicKey` is in scope.
///
/// # Errors
/// In plain words, when the policy cannot be read or must not be built in.
pub fn policy() -> Result<(), String> {
    bake("LATCHKEY_POLICY", "policy.toml", "policy.rs", policy_source)
}

/// Writes `director.rs` into the build's output folder: `DIRECTOR`, the 32 bytes of the key whose directives a
/// lock app obeys, and `EXAMPLE_DIRECTOR`.
///
/// # Errors
/// In plain words, when the key cannot be read or must not be built in.
pub fn director() -> Result<(), String> {
    bake(
        "LATCHKEY_DIRECTOR",
        "director.pub.pem",
        "director.rs",
        director_source,
    )
}

/// Turns the file that an environment variable names, or an example, into Rust source.
fn bake(
    input: &str,
    example: &str,
    output: &str,
    source: impl FnOnce(&str, bool) -> Result<String, String>,
) -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={input}");
    println!("cargo:rerun-if-env-changed=LATCHKEY_RELEASE");
    let path = env::var_os(input).map_or_else(|| example_file(example), PathBuf::from);
    println!("cargo:rerun-if-changed={}", path.display());
    let text =
        fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let source = source(&text, env::var_os("LATCHKEY_RELEASE").is_some())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    write(output, &source)
}

/// Writes `memory.x` into the build's output folder and links a bootloader with it: `size` bytes of flash at
/// `origin`, RAM but for what outlives a reset, and behind everything the gate, fenced off by undefined instructions.
///
/// # Errors
/// When the file cannot be written.
pub fn memory(origin: u32, size: u32, ram: &Range<u32>) -> Result<(), String> {
    link(&format!("{}{GATE}", map(origin, size, ram)))
}

/// As [`memory`], for a lock app: no gate.
///
/// # Errors
/// When the file cannot be written.
pub fn app_memory(origin: u32, size: u32, ram: &Range<u32>) -> Result<(), String> {
    link(&map(origin, size, ram))
}

fn map(origin: u32, size: u32, ram: &Range<u32>) -> String {
    let ram_start = ram.start.saturating_add(RETAINED);
    let ram_size = ram.end.saturating_sub(ram_start);
    format!(
        "MEMORY {{\n  FLASH : ORIGIN = {origin:#x}, LENGTH = {size:#x}\n  \
         RAM : ORIGIN = {ram_start:#x}, LENGTH = {ram_size:#x}\n}}\n"
    )
}

fn link(memory: &str) -> Result<(), String> {
    write("memory.x", memory)?;
    println!("cargo:rustc-link-search={}", out_dir()?.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    Ok(())
}

/// Writes an empty `device.x`: the program knows no interrupts, or names them in a table of its own.
///
/// # Errors
/// When the file cannot be written.
pub fn no_interrupts() -> Result<(), String> {
    write("device.x", "")
}

/// The filling is `udf #0`, so that nothing falls into the gate.
const GATE: &str = "SECTIONS {
  .gate : ALIGN(16) {
    FILL(0x00de00de)
    . += 64;
    KEEP(*(.gate))
    . = ALIGN(16);
    . += 32;
  } > FLASH
} INSERT AFTER .rodata;
";

fn example_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../keys-example")
        .join(name)
}

fn director_source(pem: &str, release: bool) -> Result<String, String> {
    let key = public_key_from_pem(pem)
        .ok_or("no Ed25519 public key in PEM; `latchkey-server director-key` prints the server's")?;
    let example = is_example_key(&key);
    if release && example {
        return Err(
            "LATCHKEY_RELEASE is set, but this director's key is one that everyone has. \
                    Take your server's: `latchkey-server director-key`"
                .into(),
        );
    }
    Ok(format!(
        "/// Whose directives count.\nconst DIRECTOR: [u8; 32] = {:?};\n\
         /// Whether that is a key that everyone has.\nconst EXAMPLE_DIRECTOR: bool = {example};\n",
        key.as_bytes()
    ))
}

fn policy_source(text: &str, release: bool) -> Result<String, String> {
    let file = PolicyFile::parse(text).map_err(|error| error.to_string())?;
    let example: Vec<&str> = file.example_keys().collect();
    if release && !example.is_empty() {
        return Err(format!(
            "LATCHKEY_RELEASE is set, but the policy trusts keys that everyone has: {}. \
             Make your own with `latchkey-sign keygen` and name their policy in LATCHKEY_POLICY",
            example.join(", ")
        ));
    }
    let mut keys = String::new();
    for (name, key) in file.keys() {
        // A Debug string is one line, so a name cannot end the comment.
        let _ = writeln!(keys, "    PublicKey::new({:?}), // {name:?}", key.as_bytes());
    }
    Ok(format!(
        "/// Whose signatures make an image.\npub(crate) static KEYS: [PublicKey; {}] = [\n{keys}];\n\
         /// How many of them it takes.\npub(crate) const THRESHOLD: u8 = {};\n\
         /// Whether any of them is a key that everyone has.\npub(crate) const EXAMPLE_KEYS: bool = {};\n",
        file.keys().count(),
        file.threshold(),
        !example.is_empty(),
    ))
}

fn write(name: &str, text: &str) -> Result<(), String> {
    let path = out_dir()?.join(name);
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn out_dir() -> Result<PathBuf, String> {
    env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| "only for build scripts: OUT_DIR is not set".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> String {
        fs::read_to_string(example_file("policy.toml")).unwrap()
    }

    #[test]
    fn a_release_build_refuses_the_example_keys_by_name() {
        let error = policy_source(&example(), true).unwrap_err();
        assert!(error.contains("release-a, release-b, release-c"), "{error}");
    }

    #[test]
    fn one_example_key_among_others_is_enough_to_refuse() {
        let own = own_key();
        let text = format!("threshold = 1\n{own}\n{}", example().split_once('\n').unwrap().1);
        assert!(policy_source(&text, true).is_err());
    }

    #[test]
    fn a_release_build_takes_own_keys() {
        let source = policy_source(&format!("threshold = 1\n{}", own_key()), true).unwrap();
        assert!(source.contains("THRESHOLD: u8 = 1"), "{source}");
        assert!(source.contains("EXAMPLE_KEYS: bool = false"), "{source}");
    }

    #[test]
    fn a_trial_build_says_that_it_trusts_example_keys() {
        let source = policy_source(&example(), false).unwrap();
        assert!(source.contains("KEYS: [PublicKey; 3]"), "{source}");
        assert!(source.contains("EXAMPLE_KEYS: bool = true"), "{source}");
    }

    #[test]
    fn a_release_build_refuses_the_example_director() {
        let pem = fs::read_to_string(example_file("director.pub.pem")).unwrap();
        let error = director_source(&pem, true).unwrap_err();
        assert!(error.contains("everyone has"), "{error}");
        let source = director_source(&pem, false).unwrap();
        assert!(source.contains("EXAMPLE_DIRECTOR: bool = true"), "{source}");
    }

    #[test]
    fn a_release_build_takes_its_own_director() {
        let (_, pem) = own_key()
            .split_once("public = \"\"\"")
            .map(|(a, b)| (a.len(), b.to_owned()))
            .unwrap();
        let source = director_source(pem.trim_end_matches(['"', '\n']), true).unwrap();
        assert!(source.contains("EXAMPLE_DIRECTOR: bool = false"), "{source}");
        assert!(director_source("no key", false).is_err());
    }

    /// The public key of RFC 8032, test 1.
    fn own_key() -> String {
        "[[keys]]\nname = \"own\"\npublic = \"\"\"\n-----BEGIN PUBLIC KEY-----\n\
         MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n\"\"\"\n"
            .into()
    }
}
