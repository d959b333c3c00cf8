//! Connections to axons: plain TCP, or TLS to the one certificate that the miner has published on chain.
//!
//! No authority vouches for a miner: the chain does, under the miner's own signature. So neither names nor dates of the certificate
//! are looked at, only that it is the published one and that the other side has its key.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use protocol::digest::Digest;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
};
use tokio_util::either::Either;
use tower::Service;

/// Opens connections. The pin is the user part of an `https` address, so that connections to one address under two certificates are
/// two to the pool as well.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    timeout: Duration,
}

/// An open connection.
pub(super) struct Link(TokioIo<Either<TcpStream, TlsStream<TcpStream>>>);

/// Takes one certificate and no other.
#[derive(Debug)]
struct Pinned {
    certificate: Digest,
    provider: Arc<CryptoProvider>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Connector {
    pub fn new(timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        // The scheme says what is spoken over the connection, which is no business of TCP's.
        tcp.enforce_http(false);
        Self { tcp, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Link, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let pin = pin(&uri);
        let (connecting, timeout) = (self.tcp.call(uri), self.timeout);
        Box::pin(async move {
            let pin = pin?;
            let stream = connecting.await?.into_inner();
            let Some(certificate) = pin else { return Ok(Link(TokioIo::new(Either::Left(stream)))) };
            let address = stream.peer_addr()?;
            let connector = TlsConnector::from(Arc::new(client(certificate)?));
            let shaken = connector.connect(ServerName::IpAddress(address.ip().into()), stream);
            Ok(Link(TokioIo::new(Either::Right(tokio::time::timeout(timeout, shaken).await??))))
        })
    }
}

/// The certificate's hash in an `https` address; nothing in an `http` one.
fn pin(uri: &Uri) -> Result<Option<Digest>, io::Error> {
    if uri.scheme_str() != Some("https") {
        return Ok(None);
    }
    let user = uri.authority().and_then(|authority| authority.as_str().split_once('@'));
    let digest = user.and_then(|(user, _)| format!("0x{user}").parse().ok());
    digest.map(Some).ok_or_else(|| io::Error::other("an axon's TLS is spoken only to a known certificate"))
}

fn client(certificate: Digest) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Pinned { certificate, provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Digest::of(end_entity) == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_https_address_without_a_certificate_is_refused() {
        let digest = Digest::of(b"certificate");
        let uri = |text: String| text.parse::<Uri>().unwrap();
        assert_eq!(pin(&uri("http://127.0.0.2:1/".into())).unwrap(), None);
        let pinned = uri(format!("https://{}@127.0.0.2:1/", hex::encode(digest.0)));
        assert_eq!((pin(&pinned).unwrap(), pinned.host()), (Some(digest), Some("127.0.0.2")));
        assert!(pin(&uri("https://127.0.0.2:1/".into())).is_err());
        assert!(pin(&uri("https://someone@127.0.0.2:1/".into())).is_err());
    }
}
