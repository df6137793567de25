//! Whose signatures count: the same policy file that release engineers have.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use latchkey_image::PublicKey;
use latchkey_image::TrustPolicy;
use latchkey_image::policy_file::PolicyFile;
use latchkey_phone::release::Signed;

use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::store::config_folder;

/// No policy is longer, in bytes.
const POLICY_MAX: u64 = 64 * 1024;
/// No lock takes an image this long, in bytes.
pub(crate) const IMAGE_MAX: u64 = 1024 * 1024;

/// Where the policy comes from.
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicySource {
    /// Trust updates by this policy file. Default: policy.toml in latchkey's folder of the system's configuration.
    #[arg(long = "policy", value_name = "FILE", env = "LATCHKEY_POLICY")]
    policy: Option<PathBuf>,
}

/// A policy that was read.
pub(crate) struct Policy {
    threshold: u8,
    keys: Vec<PublicKey>,
}

impl PolicySource {
    pub(crate) fn read(&self) -> Outcome<Policy> {
        let default = || config_folder().map(|folder| folder.join("policy.toml"));
        let path = self.policy.clone().or_else(default).ok_or_else(|| {
            Failure::new(
                Kind::Secret,
                "no home folder is known; name the policy by --policy",
            )
        })?;
        if self.policy.is_none() && !path.exists() {
            return Err(Failure::new(
                Kind::Secret,
                format!(
                    "there is no policy that says whose updates to trust: put the one that your lock's maker publishes \
                     at {}, or name it by --policy. Nothing was done",
                    path.display()
                ),
            ));
        }
        let bytes = read_limited(&path, POLICY_MAX)?;
        let unusable = |why: String| Failure::new(Kind::Secret, format!("{}: {why}", path.display()));
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| unusable("not a text file; give a policy in TOML".to_owned()))?;
        let file = PolicyFile::parse(text).map_err(|error| unusable(error.to_string()))?;
        let examples: Vec<&str> = file.example_keys().collect();
        if !examples.is_empty() {
            output::note(&format!(
                "note: the policy trusts example keys, which everyone has: {}",
                examples.join(", ")
            ));
        }
        Ok(Policy {
            threshold: file.threshold(),
            keys: file.keys().map(|(_, key)| key).collect(),
        })
    }
}

impl Policy {
    /// The whole check of an image, before a lock is bothered.
    pub(crate) fn check(&self, image: Vec<u8>, what: &Path) -> Outcome<Signed<Vec<u8>>> {
        let policy = TrustPolicy::new(self.threshold, &self.keys)
            .map_err(|error| Failure::new(Kind::Secret, error.to_string()))?;
        Signed::check(image, policy).map_err(|refused| {
            Failure::new(
                Kind::Refused,
                format!("{}: {refused}. The lock was not asked", what.display()),
            )
        })
    }
}

/// Reads a whole file, if it is no longer than this.
pub(crate) fn read_limited(path: &Path, most: u64) -> Outcome<Vec<u8>> {
    let failed = |error: std::io::Error| Failure::file(path, "read", error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        Ok(bytes)
    } else {
        Err(Failure::file(
            path,
            "use",
            format!("it is longer than {most} bytes"),
        ))
    }
}
