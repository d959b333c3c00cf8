//! TLS of both programs' servers: certificate and key from files, which can be read again. Connections that are open keep what they
//! have.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use protocol::digest::Digest;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls::Error as RustlsError};

/// Where a server's certificate is. Both empty: the server speaks plain HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file of the certificate and those that it follows from, its own first. Default "".
    pub certificate_file: String,
    /// PEM file of its private key, readable by this user only. Default "".
    pub key_file: String,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of two files is not named.
    #[error("certificate_file and key_file go together")]
    Half,
    /// A file cannot be read as PEM.
    #[error("cannot read {} as PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The certificate file holds none.
    #[error("{} holds no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Everybody on the machine can read the key.
    #[error("every user can read the private key {}; run: chmod o-rwx {}", path.display(), path.display())]
    OpenKey {
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be looked at.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Certificate and key do not make a server.
    #[error("the certificate and the key do not go together")]
    Pair(#[source] RustlsError),
}

/// A server's certificate, which can be replaced while it serves.
#[derive(Debug)]
pub struct Tls {
    config: TlsConfig,
    current: RwLock<Served>,
}

/// What is in force.
#[derive(Debug, Clone)]
struct Served {
    config: Arc<ServerConfig>,
    certificate: Digest,
}

impl TlsConfig {
    /// Whether the server speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate_file.is_empty() || !self.key_file.is_empty()
    }
}

impl Tls {
    /// Reads the files; `None` where none are named.
    pub fn load(config: &TlsConfig) -> Result<Option<Arc<Self>>, TlsError> {
        if !config.is_on() {
            return Ok(None);
        }
        let current = RwLock::new(read(config)?);
        Ok(Some(Arc::new(Self { config: config.clone(), current })))
    }

    /// Reads the same files again. On an error what was in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = read(&self.config)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// SHA-256 of the certificate in force, of its DER bytes: what a client that knows this server beforehand takes it by.
    #[must_use]
    pub fn certificate_sha256(&self) -> Digest {
        self.current.read().unwrap_or_else(PoisonError::into_inner).certificate
    }

    /// Shakes hands with a client, within a time.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        wait: Duration,
    ) -> io::Result<TlsStream<S>> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config);
        tokio::time::timeout(wait, TlsAcceptor::from(config).accept(stream)).await?
    }
}

fn read(config: &TlsConfig) -> Result<Served, TlsError> {
    if config.certificate_file.is_empty() || config.key_file.is_empty() {
        return Err(TlsError::Half);
    }
    let (certificate, key) = (Path::new(&config.certificate_file), Path::new(&config.key_file));
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(pem(certificate))?;
    let Some(own) = chain.first() else {
        return Err(TlsError::Empty { path: certificate.to_owned() });
    };
    let own = Digest::of(own);
    let facts = std::fs::metadata(key).map_err(|source| TlsError::Read { path: key.to_owned(), source })?;
    if facts.mode() & 0o007 != 0 {
        return Err(TlsError::OpenKey { path: key.to_owned() });
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Served { config: Arc::new(server), certificate: own })
}
