//! Policies: whose signatures count for one hardware class, as registered by an administrator.
//!
//! It is the same file that is baked into the bootloader. Registering it here makes the server refuse early;
//! the bootloader's copy stays the law.

use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{Hardware, PublicKey, TrustPolicy, Uuid};

use super::access::Caller;
use super::audit::Entry;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// A policy file that has been read and understood.
#[derive(Debug)]
pub struct Policy {
    file: PolicyFile,
    document: String,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`Kind::PolicyRefused`] when it is none.
    pub fn parse(document: &str) -> Outcome<Self> {
        let file = PolicyFile::parse(document)
            .map_err(|error| Failure::new(Kind::PolicyRefused, format!("the policy is refused: {error}")))?;
        Ok(Self {
            file,
            document: document.to_owned(),
        })
    }

    /// The file as it was given.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The keys with their names.
    pub fn keys(&self) -> impl Iterator<Item = (&str, PublicKey)> {
        self.file.keys()
    }

    /// Whose signatures count, and how many.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy<'_> {
        self.file.policy()
    }
}

/// A policy and what it is for.
#[derive(Debug)]
pub struct Registered {
    /// Whose locks.
    pub vendor: Uuid,
    /// Which hardware.
    pub class: Uuid,
    /// The policy.
    pub policy: Policy,
    /// Milliseconds since 1970.
    pub set_at: i64,
}

impl Service {
    /// Registers the policy of a hardware class, in place of the one before. Releases already published stay.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a class this project does not know; [`Kind::PolicyRefused`]; storage.
    pub async fn set_policy(&self, by: &Caller, class_name: &str, document: &str) -> Outcome<Registered> {
        let hardware = hardware(class_name)?;
        let policy = Policy::parse(document)?;
        let examples: Vec<&str> = policy.file.example_keys().collect();
        if !examples.is_empty() && !self.settings.allow_example_keys {
            return Err(Failure::new(
                Kind::PolicyRefused,
                format!(
                    "the policy trusts example keys that everybody has: {}. Nothing was registered; use keys of \
                     your own, or start the server with --allow-example-keys to try things out",
                    examples.join(", ")
                ),
            ));
        }
        let registered = Registered {
            vendor: hardware.vendor,
            class: hardware.class,
            set_at: self.clock.now_ms(),
            policy,
        };
        let trust = registered.policy.trust();
        let keys: Vec<String> = trust.keys().iter().map(|key| format!("{key:?}")).collect();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: registered.set_at,
                action: "policy.set",
                subject: hardware.class_name.to_owned(),
                detail: serde_json::json!({ "threshold": trust.threshold(), "keys": keys }),
            })
            .await?;
        change.put_policy(&registered).await?;
        change.commit().await?;
        Ok(registered)
    }

    /// All registered policies.
    ///
    /// # Errors
    /// Storage.
    pub async fn policies(&self) -> Outcome<Vec<Registered>> {
        self.store.policies().await
    }
}

/// The hardware class of this name.
///
/// # Errors
/// [`Kind::NotFound`], naming those there are.
pub fn hardware(class_name: &str) -> Outcome<Hardware> {
    let found = Hardware::ALL
        .into_iter()
        .find(|hardware| hardware.class_name == class_name);
    found.ok_or_else(|| {
        let known: Vec<_> = Hardware::ALL.iter().map(|hardware| hardware.class_name).collect();
        Failure::new(
            Kind::NotFound,
            format!(
                "there is no hardware class {class_name:?}; there are {}",
                known.join(", ")
            ),
        )
    })
}
