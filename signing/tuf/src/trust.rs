//! From a file to a trusted file: the checks, each written once.
//!
//! A [`Trusted`] document is made here and nowhere else. Trust begins with a root that somebody vouches for
//! ([`Trusted::pinned`]) and goes on from root to root ([`Trusted::succeed`]); the other kinds are trusted by a root.
//! That a file is not over is asked apart ([`Trusted::check_fresh`]), since it changes with time and not with the file.

use crate::metadata::{Role, RoleName, Root, Snapshot, Targets, Timestamp};
use crate::{Document, MetaFile, Refusal};

/// A document whose signatures a root's keys have made, to the threshold. Signatures that did not count are gone.
#[derive(Clone, Debug)]
pub struct Trusted<R>(Document<R>);

impl<R: Role> Trusted<R> {
    /// What it says.
    #[must_use]
    pub const fn get(&self) -> &R {
        self.0.claims()
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        self.0.to_file()
    }

    /// How other metadata name this file.
    #[must_use]
    pub fn meta(&self) -> MetaFile {
        self.0.meta()
    }

    /// Goes on only while it counts.
    ///
    /// # Errors
    /// [`Refusal::Expired`].
    pub fn check_fresh(&self, now_s: u64) -> Result<(), Refusal> {
        self.get().check_fresh(now_s)
    }
}

impl Trusted<Root> {
    /// A root that the caller vouches for: it came by a way that is trusted. Signed by its own keys.
    ///
    /// # Errors
    /// [`Refusal::TooFew`].
    pub fn pinned(mut root: Document<Root>) -> Result<Self, Refusal> {
        let signers = enough(root.claims(), &root)?;
        root.keep(&signers);
        Ok(Self(root))
    }

    /// The root that follows this one: the next version, signed by this one's keys and by its own.
    ///
    /// # Errors
    /// [`Refusal::VersionOrder`], [`Refusal::TooFew`] naming whose keys have not signed.
    pub fn succeed(&self, mut next: Document<Root>) -> Result<Self, Refusal> {
        let (current, offered) = (self.get().version, next.claims().version);
        if current.checked_add(1) != Some(offered) {
            return Err(Refusal::VersionOrder {
                role: RoleName::Root,
                offered,
                current,
            });
        }
        let mut signers = enough(self.get(), &next)?;
        signers.extend(enough(next.claims(), &next)?);
        next.keep(&signers);
        Ok(Self(next))
    }

    /// Targets that this root's keys have signed.
    ///
    /// # Errors
    /// [`Refusal::TooFew`].
    pub fn targets(&self, targets: Document<Targets>) -> Result<Trusted<Targets>, Refusal> {
        self.trust(targets)
    }

    /// A snapshot that this root's key has signed.
    ///
    /// # Errors
    /// [`Refusal::TooFew`].
    pub fn snapshot(&self, snapshot: Document<Snapshot>) -> Result<Trusted<Snapshot>, Refusal> {
        self.trust(snapshot)
    }

    /// A timestamp that this root's key has signed.
    ///
    /// # Errors
    /// [`Refusal::TooFew`].
    pub fn timestamp(&self, timestamp: Document<Timestamp>) -> Result<Trusted<Timestamp>, Refusal> {
        self.trust(timestamp)
    }

    fn trust<R: Role>(&self, mut document: Document<R>) -> Result<Trusted<R>, Refusal> {
        let signers = enough(self.get(), &document)?;
        document.keep(&signers);
        Ok(Trusted(document))
    }
}

impl Trusted<Timestamp> {
    /// Goes on only when this is the snapshot it names, to the byte.
    ///
    /// # Errors
    /// [`Refusal::NotPinned`].
    pub fn check_snapshot(&self, snapshot: &Trusted<Snapshot>) -> Result<(), Refusal> {
        pinned(
            self.get().meta.snapshot,
            snapshot.meta(),
            RoleName::Snapshot,
            RoleName::Timestamp,
        )
    }
}

impl Trusted<Snapshot> {
    /// Goes on only when these are the targets it names, to the byte.
    ///
    /// # Errors
    /// [`Refusal::NotPinned`].
    pub fn check_targets(&self, targets: &Trusted<Targets>) -> Result<(), Refusal> {
        pinned(
            self.get().meta.targets,
            targets.meta(),
            RoleName::Targets,
            RoleName::Snapshot,
        )
    }
}

fn pinned(named: MetaFile, found: MetaFile, role: RoleName, by: RoleName) -> Result<(), Refusal> {
    if named == found {
        return Ok(());
    }
    Err(Refusal::NotPinned {
        role,
        by,
        named: named.version,
        found: found.version,
    })
}

/// The one place where signatures are counted toward a threshold: keys are, each once.
fn enough<R: Role>(root: &Root, document: &Document<R>) -> Result<Vec<crate::KeyId>, Refusal> {
    let signed = document.signers(root);
    let valid = u32::try_from(signed.len()).unwrap_or(u32::MAX);
    let needed = root.signers(R::NAME).threshold;
    if valid < needed {
        return Err(Refusal::TooFew {
            role: R::NAME,
            root: root.version,
            valid,
            needed,
        });
    }
    Ok(signed)
}
