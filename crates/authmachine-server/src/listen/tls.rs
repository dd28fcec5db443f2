//! TLS by rustls: a certificate with its key, checked before it is used, and exchanged while connections go on.
//!
//! TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. There is no early data: whoever copies it could send a request twice (RFC 8446 §8).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use authmachine_provider::Timestamp;
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::aws_lc_rs::{self, Ticketer};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError as X509Error, Error, RootCertStore, ServerConfig};
use tokio_rustls::{Accept, TlsAcceptor};

/// A server's certificate with those above it, and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    ends_at: Timestamp,
}

/// Why a certificate and a key are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No certificate in PEM.
    #[error("no certificate is in its file (PEM, from -----BEGIN CERTIFICATE----- on)")]
    NoCertificate,
    /// No key in PEM.
    #[error("no private key is in its file (PEM, without a passphrase)")]
    NoKey,
    /// A certificate of no kind that clients take.
    #[error("the certificate is damaged, or older than X.509 version 3")]
    UnusableCertificate,
    /// A key of no kind that clients take.
    #[error(
        "the key is damaged, or neither RSA of 2048 to 8192 bits, ECDSA with P-256, P-384 or P-521, nor Ed25519"
    )]
    UnusableKey,
    /// Two that do not belong together.
    #[error(
        "the key belongs to another certificate; the server's own comes first in its file, then those above it"
    )]
    OtherKey,
    /// It was over before now.
    #[error("the certificate has expired")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It begins after now.
    #[error("the certificate is not valid yet")]
    NotYet {
        /// When it will be.
        from: Timestamp,
    },
}

impl Certificate {
    /// Checks what two files hold, in PEM. They may be one and the same.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(certificate: &[u8], key: &[u8], now: Timestamp) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::UnusableCertificate)?;
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        ParsedCertificate::try_from(own).map_err(|_| CertificateError::UnusableCertificate)?;
        let (begins_at, ends_at) = validity(own).ok_or(CertificateError::UnusableCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(_) => CertificateError::OtherKey,
            _ => CertificateError::UnusableKey,
        })?;
        if ends_at < now {
            return Err(CertificateError::Expired { at: ends_at });
        }
        if now < begins_at {
            return Err(CertificateError::NotYet { from: begins_at });
        }
        Ok(Self { certified: Arc::new(certified), ends_at })
    }

    /// Its last second.
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Whether clients take it for `host`, a name or an IP address without brackets.
    pub fn is_for(&self, host: &str) -> bool {
        let own = ParsedCertificate::try_from(&self.certified.cert[0]).expect("it was read before");
        ServerName::try_from(host).is_ok_and(|name| verify_server_name(&own, &name).is_ok())
    }
}

/// The first and the last second of a certificate. rustls tells them to whoever comes too early and too late.
fn validity(certificate: &CertificateDer<'static>) -> Option<(Timestamp, Timestamp)> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).ok()?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build().ok()?;
    let name = ServerName::try_from("localhost").expect("a name");
    let timestamp = |time: UnixTime| i64::try_from(time.as_secs()).ok().map(Timestamp::from_seconds);
    let refused_at = |seconds: u64| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match verifier.verify_server_cert(certificate, &[], &name, &[], time) {
            Err(Error::InvalidCertificate(why)) => Some(why),
            _ => None,
        }
    };
    let begins_at = match refused_at(0) {
        Some(X509Error::NotValidYetContext { not_before, .. }) => timestamp(not_before)?,
        _ => Timestamp::from_seconds(0),
    };
    match refused_at(u64::MAX)? {
        X509Error::ExpiredContext { not_after, .. } => Some((begins_at, timestamp(not_after)?)),
        _ => None,
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// What the handshakes of a server are made with. Its clones are the same one.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    in_force: Arc<InForce>,
}

#[derive(Debug)]
struct InForce(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// TLS with this certificate, whatever name a client asks for.
    pub fn new(certificate: Certificate) -> Self {
        let in_force = Arc::new(InForce(ArcSwap::new(certificate.certified)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(in_force.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A client that comes again brings its own state, so that none is kept here for it.
        config.ticketer = Ticketer::new().expect("the system has random bytes");
        Self { acceptor: Arc::new(config).into(), in_force }
    }

    /// Takes another certificate for the handshakes from now on. Connections that there are go on.
    pub fn replace(&self, certificate: Certificate) {
        self.in_force.0.store(certificate.certified);
    }

    /// Shakes hands.
    pub(super) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        self.acceptor.accept(stream)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::listen) const ROOT: &[u8] = include_bytes!("../../tests/data/tls/root.pem");
    const FIRST: &[u8] = include_bytes!("../../tests/data/tls/first.pem");
    const FIRST_KEY: &[u8] = include_bytes!("../../tests/data/tls/first.key");
    const SECOND: &[u8] = include_bytes!("../../tests/data/tls/second.pem");
    const SECOND_KEY: &[u8] = include_bytes!("../../tests/data/tls/second.key");
    const EXPIRED: &[u8] = include_bytes!("../../tests/data/tls/expired.pem");
    /// 2026-01-01, in the time of all but the expired one.
    const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
    /// 2020-01-01, when all begin.
    const BEGIN: Timestamp = Timestamp::from_seconds(1_577_836_800);
    /// 2021-01-01.
    const END_OF_EXPIRED: Timestamp = Timestamp::from_seconds(1_609_459_200);
    /// 2120-01-01.
    const END: Timestamp = Timestamp::from_seconds(4_733_510_400);

    pub(in crate::listen) fn first() -> Certificate {
        Certificate::from_pem(FIRST, FIRST_KEY, NOW).expect("they fit")
    }

    pub(in crate::listen) fn second() -> Certificate {
        Certificate::from_pem(SECOND, SECOND_KEY, NOW).expect("they fit")
    }

    #[test]
    fn a_certificate_is_known_by_its_key_its_time_and_its_names() {
        for certificate in [first(), second()] {
            assert_eq!(certificate.ends_at(), END);
            for host in ["localhost", "LOCALHOST", "127.0.0.1", "::1"] {
                assert!(certificate.is_for(host), "{host}");
            }
            for host in ["id.example.com", "127.0.0.2", "[::1]", "", "a b"] {
                assert!(!certificate.is_for(host), "{host}");
            }
        }
        let both = [FIRST_KEY, FIRST].concat();
        assert!(Certificate::from_pem(&both, &both, NOW).is_ok(), "one file for both");
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_the_reason() {
        use CertificateError as E;
        let own_is_last: Vec<u8> = {
            let text = std::str::from_utf8(FIRST).expect("PEM");
            let second = text.rfind("-----BEGIN").expect("two of them");
            [&text[second..], &text[..second]].concat().into()
        };
        let damaged = String::from_utf8_lossy(FIRST).replacen("MII", "MIA", 1);
        let cut = &FIRST_KEY[..FIRST_KEY.len() / 2];
        let encrypted = String::from_utf8_lossy(FIRST_KEY).replace("PRIVATE", "ENCRYPTED PRIVATE");
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (certificate, key, why) in [
            (&b""[..], FIRST_KEY, E::NoCertificate),
            (FIRST_KEY, FIRST_KEY, E::NoCertificate),
            (damaged.as_bytes(), FIRST_KEY, E::UnusableCertificate),
            (FIRST, FIRST, E::NoKey),
            (FIRST, cut, E::NoKey),
            (FIRST, encrypted.as_bytes(), E::NoKey),
            (FIRST, no_key.as_bytes(), E::UnusableKey),
            (FIRST, SECOND_KEY, E::OtherKey),
            (SECOND, FIRST_KEY, E::OtherKey),
            (&own_is_last, FIRST_KEY, E::OtherKey),
            (EXPIRED, FIRST_KEY, E::Expired { at: END_OF_EXPIRED }),
        ] {
            assert_eq!(Certificate::from_pem(certificate, key, NOW).map(|_| ()), Err(why));
        }
    }

    #[test]
    fn a_certificate_has_a_first_and_a_last_second() {
        let at = |now| Certificate::from_pem(FIRST, FIRST_KEY, now).map(|_| ());
        assert_eq!(at(BEGIN.plus_seconds(-1)), Err(CertificateError::NotYet { from: BEGIN }));
        assert_eq!(at(BEGIN), Ok(()));
        assert_eq!(at(END), Ok(()));
        assert_eq!(at(END.plus_seconds(1)), Err(CertificateError::Expired { at: END }));
    }
}
