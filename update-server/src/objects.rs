//! Where image files lie: a local folder or a bucket, under the SHA-256 of their bytes.
//!
//! A file is written whole, read back and compared before anybody hears of it. It becomes public by its row
//! in the database and not before, so an upload that is cut off leaves at most a file nobody asks for.
//!
//! A bucket also signs links: whoever has one reads one file, and nothing else, until it runs out.

use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "s3")]
use axum::http::Method;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
#[cfg(feature = "s3")]
use object_store::signer::Signer;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt as _, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use crate::failure::{Failure, Outcome};

/// How much of a file is read at a time, and held for a client that is slow to take it.
const PIECE_BYTES: usize = 64 * 1024;

/// SHA-256 over all bytes of a file, signatures included. Not the image's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHash(pub [u8; 32]);

impl FileHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// The image files.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    #[cfg(feature = "s3")]
    signer: Option<Arc<dyn Signer>>,
    root: Path,
}

impl Objects {
    /// A folder on this machine, made when it is missing. Every write is on disk before it counts.
    ///
    /// # Errors
    /// The folder cannot be made or opened.
    pub fn folder(path: &FilePath) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {} for images", path.display()))?;
        let store = LocalFileSystem::new_with_prefix(path)
            .with_context(|| format!("cannot open the folder {} for images", path.display()))?
            .with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            #[cfg(feature = "s3")]
            signer: None,
            root: Path::default(),
        })
    }

    /// What `--store` says: `file:///folder`, or `s3://bucket/path` with the usual `AWS_…` variables as
    /// `options`.
    ///
    /// # Errors
    /// The URL is of another kind, or the options do not fit it.
    pub fn from_url(url: &str, options: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let parsed = Url::parse(url).with_context(|| format!("--store {url} is no URL"))?;
        if parsed.scheme() == "file" {
            let path = parsed
                .to_file_path()
                .map_err(|()| anyhow::anyhow!("--store {url} names no folder; write file:///folder"))?;
            return Self::folder(&path);
        }
        anyhow::ensure!(
            parsed.scheme() == "s3",
            "--store {url}: this version knows file:///folder and s3://bucket/path"
        );
        Self::bucket(&parsed, options).with_context(|| format!("--store {url} cannot be used"))
    }

    /// A bucket, and what signs links to its files.
    #[cfg(feature = "s3")]
    fn bucket(url: &Url, options: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Self> {
        use object_store::aws::AmazonS3Builder;
        let (_, root) = object_store::ObjectStoreScheme::parse(url)?;
        let named = AmazonS3Builder::new().with_url(url.as_str());
        let told = options.into_iter().fold(named, |builder, (key, value)| {
            // What else the environment holds is no option of a bucket.
            match key.to_ascii_lowercase().parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            }
        });
        let store = Arc::new(told.build()?);
        Ok(Self {
            store: store.clone(),
            signer: Some(store),
            root,
        })
    }

    #[cfg(not(feature = "s3"))]
    fn bucket(_: &Url, _: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Self> {
        anyhow::bail!("this server was built without the feature `s3`")
    }

    /// Whether the store signs links.
    #[must_use]
    pub const fn signs_links(&self) -> bool {
        #[cfg(feature = "s3")]
        let signs = self.signer.is_some();
        #[cfg(not(feature = "s3"))]
        let signs = false;
        signs
    }

    /// A link by which anybody reads this file for so long; `None` where the store signs none. It is a secret for as
    /// long: it goes to whoever asked, and into no log.
    ///
    /// # Errors
    /// There are no credentials to sign with.
    pub async fn link(&self, hash: &FileHash, life: Duration) -> Outcome<Option<Url>> {
        #[cfg(feature = "s3")]
        if let Some(signer) = &self.signer {
            let path = self.path(hash);
            return Ok(Some(signer.signed_url(Method::GET, &path, life).await?));
        }
        let _ = (hash, life);
        Ok(None)
    }

    /// Writes a file, durably, and reads it back. Writing the same bytes again changes nothing.
    ///
    /// # Errors
    /// The store failed, or gives back something else than was written.
    pub async fn put(&self, bytes: Bytes) -> Outcome<FileHash> {
        let hash = FileHash::of(&bytes);
        let path = self.path(&hash);
        // Overwriting rather than "create if absent": a file whose earlier write was cut off right before
        // its folder was synced gets synced now.
        self.store.put(&path, PutPayload::from_bytes(bytes)).await?;
        let back = self.store.get(&path).await?.bytes().await?;
        if FileHash::of(&back) != hash {
            return Err(Failure::storage(format!(
                "the store gives back other bytes for {path}"
            )));
        }
        Ok(hash)
    }

    /// Reads part of a file as it comes. The store must hold exactly `size` bytes of it.
    ///
    /// # Errors
    /// The store failed, has no such file, or one of another length.
    pub async fn read(
        &self,
        hash: &FileHash,
        size: u64,
        range: Range<u64>,
    ) -> Outcome<BoxStream<'static, object_store::Result<Bytes>>> {
        let path = self.path(hash);
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range.clone())));
        let found = self.store.get_opts(&path, options).await?;
        if found.meta.size != size {
            return Err(Failure::storage(format!(
                "{path} has {} bytes in the store and {size} in the database",
                found.meta.size
            )));
        }
        match found.payload {
            GetResultPayload::File(file, _) => pieces(file.into(), range).await,
            GetResultPayload::Stream(_) => Ok(found.into_stream()),
        }
    }

    /// Whether the store answers at all.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Outcome<()> {
        match self.store.head(&self.root.clone().join("health")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, hash: &FileHash) -> Path {
        self.root.clone().join("sha256").join(hex::encode(hash.0))
    }
}

/// A local file as it comes. The crate's own way reads 8 KiB at a time, each in another thread.
async fn pieces(
    mut file: tokio::fs::File,
    range: Range<u64>,
) -> Outcome<BoxStream<'static, object_store::Result<Bytes>>> {
    let failed = |source: std::io::Error| object_store::Error::Generic {
        store: "folder",
        source: source.into(),
    };
    file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
    let length = range.end.saturating_sub(range.start);
    let pieces = ReaderStream::with_capacity(file.take(length), PIECE_BYTES);
    Ok(pieces.map_err(failed).boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_image_changed_in_the_store_to_another_length_is_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::folder(folder.path()).unwrap();
        let hash = objects.put(Bytes::from_static(b"image")).await.unwrap();
        assert!(!objects.signs_links());
        assert!(
            objects
                .link(&hash, Duration::from_secs(60))
                .await
                .unwrap()
                .is_none()
        );
        assert!(objects.read(&hash, 5, 0..5).await.is_ok());
        let file = folder.path().join("sha256").join(hex::encode(hash.0));
        std::fs::write(file, b"images").unwrap();
        assert!(objects.read(&hash, 5, 0..5).await.is_err());
    }

    #[test]
    fn stores_of_other_kinds_are_refused_by_name() {
        for url in [
            "gs://bucket",
            "http://example.com/",
            "memory:///",
            "images",
            "file://host/x",
        ] {
            let error = Objects::from_url(url, []).unwrap_err().to_string();
            assert!(error.contains(url), "{error}");
        }
    }
}
