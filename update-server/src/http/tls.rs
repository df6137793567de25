//! TLS for those who bring a token: certificate and key from PEM files, TLS 1.2 and 1.3 by rustls.
//!
//! A connection that does not shake hands in time is dropped, so that silence costs a place for a bounded time only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::progress::Progress;

/// How long a client may take to shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A certificate with its key, ready to serve.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a certificate, with the chain behind it, and its key.
    ///
    /// # Errors
    /// A file cannot be read or holds no such thing, or the two do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let cannot = |path: &Path| format!("cannot use {} for TLS", path.display());
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| cannot(certificate))?;
        anyhow::ensure!(
            !chain.is_empty(),
            "{}: there is no certificate in it",
            cannot(certificate)
        );
        let secret = PrivateKeyDer::from_pem_file(key).with_context(|| cannot(key))?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .with_context(|| {
                format!(
                    "{} and {} do not belong together",
                    certificate.display(),
                    key.display()
                )
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// The client speaks no TLS that is spoken here, or takes too long.
    pub(super) async fn accept(&self, stream: Progress) -> std::io::Result<TlsStream<Progress>> {
        tokio::time::timeout(HANDSHAKE_TIMEOUT, self.0.accept(stream)).await?
    }
}
