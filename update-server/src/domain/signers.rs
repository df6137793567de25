//! Who signed a release: read from the stored image, and held against the policy that is registered now.

use futures_util::TryStreamExt as _;
use latchkey_image::{Bytes as ImageBytes, Hardware, Image, SecurityCounter};

use super::policy::Policy;
use super::release::{self, Release};
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// A signature on an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// SHA-256 of the key, as the image has it.
    pub key_hash: [u8; 32],
    /// What the policy calls the key; `None` for one that it does not know.
    pub name: Option<String>,
}

/// The signatures on an image, and what they are worth today.
#[derive(Clone, Debug)]
pub struct Signed {
    /// How many the policy demands.
    pub threshold: u8,
    /// Who signed.
    pub signers: Vec<Signer>,
    /// What a lock of its class would say today, its floor apart; why not, in words.
    pub verdict: Result<(), String>,
}

impl Service {
    /// Reads the stored image of a release and judges it again.
    ///
    /// # Errors
    /// [`Kind::PolicyMissing`]; storage.
    pub async fn signers(&self, release: &Release) -> Outcome<Signed> {
        let policy = self.store.policy(release.vendor, release.class).await?;
        let policy = policy.ok_or_else(|| {
            Failure::new(
                Kind::PolicyMissing,
                "no policy is registered for this hardware, so nothing says whose signatures count",
            )
        })?;
        let size = u64::from(release.size);
        let pieces: Vec<_> = self
            .read_file(&release.file, release.size, 0..size)
            .await?
            .try_collect()
            .await?;
        let file = pieces.concat();
        let release = release.clone();
        tokio::task::spawn_blocking(move || signed(&file, &policy, &release))
            .await
            .map_err(Failure::storage)?
    }
}

fn signed(file: &[u8], policy: &Policy, release: &Release) -> Outcome<Signed> {
    let mut flash = ImageBytes::new(file);
    let mut image = Image::parse(&mut flash)
        .map_err(|refusal| Failure::storage(format!("a stored image is damaged: {refusal}")))?;
    let mut signers = Vec::new();
    for index in 0..image.signature_count() {
        let key_hash = image
            .signer(index)
            .map_err(|refusal| Failure::storage(format!("a stored image is damaged: {refusal}")))?;
        let known = policy.keys().find(|(_, key)| key.hash() == key_hash);
        signers.push(Signer {
            key_hash,
            name: known.map(|(name, _)| name.to_owned()),
        });
    }
    let judged = Hardware::find(release.vendor, release.class)
        .ok_or_else(|| "this server does not know its hardware".to_owned())
        .and_then(|hardware| {
            let judged = release::judge(file, policy, hardware, SecurityCounter::default());
            judged.map_err(|failure| failure.detail)
        });
    Ok(Signed {
        threshold: policy.trust().threshold(),
        signers,
        verdict: judged.and_then(|judged| {
            if judged.digest == release.digest {
                Ok(())
            } else {
                Err("the stored image is another one than was published".to_owned())
            }
        }),
    })
}
