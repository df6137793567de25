//! Builds for locks in the field trust no example key, and say so when asked to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::firmware::{self, Board, Options};
use crate::{command, lab, workspace};

/// Builds a release with keys of its own, looks for example keys in it, and tries to build with example keys.
pub(crate) fn refuses_example_keys() -> Result<()> {
    lab::build(&[])?;
    let folder = workspace::scratch().join("release");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let own = own_keys(&folder)?;
    let examples = workspace::root().join("keys-example");
    let example_policy = examples.join("policy.toml");
    let example_director = examples.join("director.pub.pem");

    for board in Board::ALL {
        let build = |policy: &Path, director: &Path| {
            firmware::build(&Options {
                out: Some(folder.join(board.name())),
                policy: Some(policy.to_owned()),
                director: Some(director.to_owned()),
                release: true,
                ..Options::example(board, "1.0.0", 1)
            })
        };
        let built = build(&own.policy, &own.director)?;
        for program in [&built.bootloader, &built.app] {
            holds_no_example_key(program)?;
        }
        eprintln!("two builds that must fail, and say why:");
        for (policy, director) in [(&example_policy, &own.director), (&own.policy, &example_director)] {
            ensure!(
                build(policy, director).is_err(),
                "a release for {} was built with {} and {}",
                board.name(),
                policy.display(),
                director.display()
            );
        }
    }
    Ok(())
}

/// A policy and a director that nobody else has.
struct Own {
    policy: PathBuf,
    director: PathBuf,
}

fn own_keys(folder: &Path) -> Result<Own> {
    let mut policy = "threshold = 1\n".to_owned();
    let mut director = PathBuf::new();
    for name in ["release", "director"] {
        let (private, public) = (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.pub.pem")),
        );
        let sign = lab::program("latchkey-sign")?;
        command::output(
            Command::new(&sign)
                .args(["keygen", "--no-passphrase", "--out"])
                .arg(&private),
        )?;
        let pem = command::output(Command::new(&sign).args(["public", "--key"]).arg(&private))?;
        fs::write(&public, &pem)?;
        if name == "release" {
            policy.push_str(&format!(
                "[[keys]]\nname = \"release\"\npublic = \"\"\"\n{pem}\"\"\"\n"
            ));
        } else {
            director = public;
        }
    }
    let path = folder.join("policy.toml");
    fs::write(&path, policy)?;
    Ok(Own {
        policy: path,
        director,
    })
}

fn holds_no_example_key(program: &Path) -> Result<()> {
    let bytes = fs::read(program)?;
    let examples = workspace::root().join("keys-example");
    let policy = fs::read_to_string(examples.join("policy.toml"))?;
    let policy = latchkey_image::policy_file::PolicyFile::parse(&policy)?;
    let director = fs::read_to_string(examples.join("director.pub.pem"))?;
    let Some(director) = latchkey_image::policy_file::public_key_from_pem(&director) else {
        bail!("the example director key cannot be read");
    };
    for key in policy.policy().keys().iter().chain([&director]) {
        ensure!(
            !bytes.windows(32).any(|window| window == key.as_bytes()),
            "{} holds an example key",
            program.display()
        );
    }
    Ok(())
}
