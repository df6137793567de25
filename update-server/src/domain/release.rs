//! Releases: signed images that may be rolled out.
//!
//! An upload is judged by the same code that a lock judges by, with the policy registered for its hardware
//! class. What no lock of that class would boot is refused under the lock's own name for the reason. A release
//! is published by its row in the database, after its bytes are safe, and never changes afterwards.

use bytes::Bytes;
use latchkey_image::{
    Authority, Bytes as ImageBytes, Hardware, Image, ImageDigest, Refusal, SecurityCounter, Uuid, Version,
};

use super::access::Caller;
use super::audit::Entry;
use super::policy::Policy;
use super::spelled;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{IMAGE_BYTES_MAX, NOTES_BYTES_MAX};
use crate::objects::FileHash;

spelled! {
    /// What an update is for. Whoever publishes it says so: security updates come apart from others, and sooner.
    ReleaseKind {
        /// Something new, or better. An owner can do without.
        Feature = "feature",
        /// A vulnerability is closed.
        Security = "security",
    }
}

/// A published image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What engineers signed; the image's one identity.
    pub digest: ImageDigest,
    /// Whose locks it is for.
    pub vendor: Uuid,
    /// Which hardware it is for.
    pub class: Uuid,
    /// Its version. One release per version and class.
    pub version: Version,
    /// Its security counter.
    pub counter: SecurityCounter,
    /// The lowest version that may go to it directly.
    pub min_version: Option<Version>,
    /// Length of the file, in bytes.
    pub size: u32,
    /// SHA-256 of the file.
    pub file: FileHash,
    /// What it is for.
    pub kind: ReleaseKind,
    /// What it changes, in its publisher's words.
    pub notes: Option<String>,
    /// Milliseconds since 1970.
    pub published_at: i64,
    /// Who published it.
    pub published_by: String,
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is new.
    Now,
    /// The very same file was published before; nothing changed.
    Before,
}

impl Release {
    /// Whether it is for this hardware.
    #[must_use]
    pub fn is_for(&self, vendor: Uuid, class: Uuid) -> bool {
        (self.vendor, self.class) == (vendor, class)
    }

    /// The version that must run first where this one runs, if any.
    #[must_use]
    pub fn step_before(&self, running: Version) -> Option<Version> {
        self.min_version.filter(|least| running < *least)
    }
}

impl Service {
    /// Judges an image and publishes it. When this returns, the release survives a power cut.
    ///
    /// # Errors
    /// [`Kind::ImageRefused`] with the refusal's code; [`Kind::PolicyMissing`]; [`Kind::Invalid`] for notes that are
    /// empty, too long or no text; [`Kind::Conflict`] when another
    /// file with this digest or this version is published already, naming it; storage.
    pub async fn publish(
        &self,
        by: &Caller,
        file: Bytes,
        kind: ReleaseKind,
        notes: Option<String>,
    ) -> Outcome<(Release, Published)> {
        if let Some(notes) = &notes {
            check_notes(notes)?;
        }
        if file.len() > IMAGE_BYTES_MAX {
            return Err(refused(&Refusal::TooLarge {
                room: IMAGE_BYTES_MAX as u32,
            }));
        }
        let (vendor, class) = Image::parse(&mut ImageBytes::new(&file))
            .map(|image| (image.vendor(), image.class()))
            .map_err(|refusal| refused(&refusal))?;
        let hardware = Hardware::find(vendor, class).ok_or_else(|| {
            Failure::new(
                Kind::PolicyMissing,
                format!("this server knows no hardware of vendor {vendor} and class {class}; nothing was published"),
            )
        })?;
        let policy = self.store.policy(vendor, class).await?.ok_or_else(|| {
            Failure::new(
                Kind::PolicyMissing,
                format!(
                    "no policy says whose signatures count for {}; an administrator registers one with \
                     `latchkey-server policy set`. Nothing was published",
                    hardware.class_name
                ),
            )
        })?;
        let class_name = hardware.class_name;
        let floor = self.store.lowest_floor(vendor, class).await?.unwrap_or_default();
        let now = self.clock.now_ms();
        let judged = file.clone();
        let release = tokio::task::spawn_blocking(move || judge(&judged, &policy, hardware, floor))
            .await
            .map_err(Failure::storage)??;
        let release = Release {
            kind,
            notes,
            published_at: now,
            published_by: by.actor().to_string(),
            ..release
        };
        // Before the bytes are written: a hopeless upload costs nothing. The row below decides the race.
        if let Some(done) = settle(self.store.rival(&release).await?, &release)? {
            self.store.settled().await?;
            return Ok((done, Published::Before));
        }
        self.objects.put(file).await?;
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "release.publish",
                subject: release.digest.to_string(),
                detail: serde_json::json!({
                    "class": class_name,
                    "version": release.version.to_string(),
                    "counter": release.counter.0,
                    "file_sha256": hex::encode(release.file.0),
                    "kind": release.kind,
                    "notes": release.notes,
                }),
            })
            .await?;
        if let Some(done) = settle(change.rival(&release).await?, &release)? {
            change.unchanged().await?;
            return Ok((done, Published::Before));
        }
        change.insert_release(&release).await?;
        change.commit().await?;
        Ok((release, Published::Now))
    }

    /// The release of this digest.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn release(&self, digest: ImageDigest) -> Outcome<Release> {
        let found = self.store.release(digest).await?;
        found.ok_or_else(|| Failure::new(Kind::NotFound, format!("no release has the digest {digest}")))
    }

    /// All releases, newest first.
    ///
    /// # Errors
    /// Storage.
    pub async fn releases(&self) -> Outcome<Vec<Release>> {
        self.store.releases().await
    }
}

/// What a release already there means for a newcomer with the same digest or the same version and class.
fn settle(rival: Option<Release>, newcomer: &Release) -> Outcome<Option<Release>> {
    match rival {
        None => Ok(None),
        Some(winner) if winner.file == newcomer.file => Ok(Some(winner)),
        Some(winner) => Err(Failure::new(
            Kind::Conflict,
            format!(
                "version {} for this hardware is published already, as digest {} in the file with SHA-256 {}; a \
                 release never changes, so give this one another version",
                winner.version,
                winner.digest,
                hex::encode(winner.file.0)
            ),
        )),
    }
}

/// Owners read them, on whatever screen: text and line breaks, nothing that moves a cursor.
fn check_notes(notes: &str) -> Outcome<()> {
    let readable = |letter: char| letter == '\n' || !letter.is_control();
    if notes.trim().is_empty() || notes.len() > NOTES_BYTES_MAX || !notes.chars().all(readable) {
        return Err(Failure::new(
            Kind::Invalid,
            format!("notes are 1 to {NOTES_BYTES_MAX} bytes of text and line breaks. Nothing was published"),
        ));
    }
    Ok(())
}

pub(super) fn judge(
    file: &[u8],
    policy: &Policy,
    hardware: Hardware,
    floor: SecurityCounter,
) -> Outcome<Release> {
    let mut flash = ImageBytes::new(file);
    let image = Image::parse(&mut flash).map_err(|refusal| refused(&refusal))?;
    let extra = file.len().saturating_sub(image.total_size() as usize);
    if extra > 0 {
        return Err(Failure::new(
            Kind::ImageRefused,
            format!(
                "{extra} byte(s) follow the image's end; upload the file as `latchkey-sign sign` wrote it"
            ),
        ));
    }
    let trust = policy.trust();
    let authority = Authority {
        policy: trust,
        vendor: hardware.vendor,
        class: hardware.class,
        slot: hardware.slot,
    };
    let image = authority
        .verify(image, floor)
        .map_err(|refusal| refused(&refusal))?;
    Ok(Release {
        digest: image.digest(),
        vendor: image.vendor(),
        class: image.class(),
        version: image.version(),
        counter: image.security_counter(),
        min_version: image.min_version(),
        size: image.total_size(),
        file: FileHash::of(file),
        kind: ReleaseKind::Feature,
        notes: None,
        published_at: 0,
        published_by: String::new(),
    })
}

fn refused(refusal: &Refusal) -> Failure {
    Failure::new(
        Kind::ImageRefused,
        format!("no lock of this class would boot this image: {refusal}. Nothing was published"),
    )
    .with_code(refusal.code())
}
