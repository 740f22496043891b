//! Where an HTTP upstream is, and under which name and with which keys it is spoken to.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::HeaderValue;
use arc_swap::ArcSwapOption;
use pingora::{
    protocols::ALPN,
    upstreams::peer::HttpPeer,
    utils::tls::{CertKey, WrappedX509, parse_x509},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use super::Deadlines;
use crate::model::Fault;

/// How long a resolved name is used.
const RESOLVED_FOR: Duration = Duration::from_secs(30);

/// Why an upstream cannot be spoken to as configured.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The URL is not one an upstream can have.
    #[error("an upstream's URL is http://…, https://… or unix:/PATH")]
    Url,
    /// TLS without a name that a certificate could be checked for.
    #[error("a TLS upstream needs a name to verify: use a host name in the URL or set tls.server_name")]
    NoServerName,
    /// A certificate or key file.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file without usable PEM.
    #[error("no usable certificate or key in {0}")]
    Pem(PathBuf),
}

/// Files for TLS towards an upstream.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate chain.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The name to verify, where it is not the URL's host.
    pub server_name: Option<String>,
}

/// A parsed upstream URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP, with or without TLS.
    Tcp {
        /// Host name or address.
        host: Box<str>,
        /// Port.
        port: u16,
        /// Whether TLS is spoken.
        tls: bool,
        /// HTTP path.
        path: Box<str>,
        /// `Host` header.
        authority: Box<str>,
    },
    /// A unix socket.
    Unix {
        /// The socket's path.
        socket: Box<str>,
        /// HTTP path.
        path: Box<str>,
    },
}

impl Address {
    /// Reads `http://HOST[:PORT]/PATH` or `https://…`.
    ///
    /// # Errors
    /// [`PeerError::Url`].
    pub fn parse(text: &str) -> Result<Self, PeerError> {
        let url = url::Url::parse(text).map_err(|_| PeerError::Url)?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(PeerError::Url),
        };
        let clean = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let (Some(host), Some(port), true) = (url.host_str(), url.port_or_known_default(), clean) else {
            return Err(PeerError::Url);
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self::Tcp {
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port,
            tls,
            path: path.into(),
            authority: authority.into(),
        })
    }

    /// A unix socket with the endpoint's HTTP path.
    ///
    /// # Errors
    /// [`PeerError::Url`].
    pub fn unix(socket: &Path, path: &str) -> Result<Self, PeerError> {
        let socket = socket.to_str().filter(|socket| socket.starts_with('/')).ok_or(PeerError::Url)?;
        Ok(Self::Unix { socket: socket.into(), path: path.into() })
    }

    pub(super) fn path(&self) -> &str {
        match self {
            Self::Tcp { path, .. } | Self::Unix { path, .. } => path,
        }
    }

    pub(super) fn host_header(&self) -> Result<HeaderValue, PeerError> {
        match self {
            Self::Tcp { authority, .. } => HeaderValue::from_str(authority).map_err(|_| PeerError::Url),
            Self::Unix { .. } => Ok(HeaderValue::from_static("localhost")),
        }
    }
}

/// The peers of an address, in the order in which they are tried.
pub(super) type Resolved = Arc<[Arc<HttpPeer>]>;

/// The current peers of an address; names are resolved anew from time to time, off the request path where possible.
pub struct Peers {
    address: Address,
    template: HttpPeer,
    current: ArcSwapOption<(Instant, Resolved)>,
}

impl Peers {
    pub(super) fn new(
        address: Address,
        tls: Option<&TlsFiles>,
        deadlines: &Deadlines,
        versions: Option<(u8, u8)>,
    ) -> Result<Self, PeerError> {
        let mut template = match &address {
            Address::Tcp { host, tls: true, .. } => {
                let given = tls.and_then(|files| files.server_name.as_deref());
                let name = given.unwrap_or(host);
                // An empty name would switch verification off; an address counts where it was meant to be verified.
                let meant = given.is_some() || name.parse::<std::net::IpAddr>().is_err();
                if name.is_empty() || !meant || ServerName::try_from(name).is_err() {
                    return Err(PeerError::NoServerName);
                }
                HttpPeer::new(SocketAddr::from(([127, 0, 0, 1], 0)), true, name.to_owned())
            }
            Address::Tcp { tls: false, .. } => {
                HttpPeer::new(SocketAddr::from(([127, 0, 0, 1], 0)), false, String::new())
            }
            Address::Unix { socket, .. } => {
                HttpPeer::new_uds(socket, false, String::new()).map_err(|_| PeerError::Url)?
            }
        };
        template.options.connection_timeout = Some(deadlines.connect);
        template.options.total_connection_timeout = Some(deadlines.connect);
        template.options.idle_timeout = Some(deadlines.pool_idle);
        if template.is_tls() {
            template.options.alpn = ALPN::H2H1;
            template.options.max_h2_streams = 100;
            if let Some(files) = tls {
                add_tls(&mut template, files)?;
            }
        }
        if let Some((max, min)) = versions {
            template.options.set_http_version(max, min);
            template.options.max_h2_streams = 100;
        }
        Ok(Self { address, template, current: ArcSwapOption::empty() })
    }

    pub(super) fn network(&self) -> &'static str {
        match self.address {
            Address::Tcp { .. } => "tcp",
            Address::Unix { .. } => "unix",
        }
    }

    /// Whether nothing but HTTP/1.1 is spoken there.
    pub(super) fn are_http1_only(&self) -> bool {
        self.template.options.alpn.get_max_http_version() == 1
    }

    pub(super) async fn get(&self) -> Result<Resolved, Fault> {
        if let Some(current) = &*self.current.load()
            && current.0.elapsed() < RESOLVED_FOR
        {
            return Ok(Arc::clone(&current.1));
        }
        let peers: Resolved = match &self.address {
            Address::Tcp { host, port, .. } => {
                let found = tokio::net::lookup_host((&**host, *port)).await.map_err(|_| Fault::UpstreamConnect)?;
                found.map(|address| Arc::new(self.at(address))).collect()
            }
            Address::Unix { .. } => Arc::new([Arc::new(self.template.clone())]),
        };
        self.current.store(Some(Arc::new((Instant::now(), Arc::clone(&peers)))));
        Ok(peers)
    }

    fn at(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = self.template.clone();
        peer._address = pingora::protocols::l4::socket::SocketAddr::Inet(address);
        peer
    }
}

fn add_tls(peer: &mut HttpPeer, files: &TlsFiles) -> Result<(), PeerError> {
    if let Some(ca) = &files.ca {
        let certificates = certificates(ca)?;
        let trusted: Vec<WrappedX509> =
            certificates.into_iter().map(|certificate| WrappedX509::new(certificate, parse_x509)).collect();
        peer.options.ca = Some(trusted.into());
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|_| PeerError::Pem(key.clone()))?;
        peer.client_cert_key = Some(Arc::new(CertKey::new(chain, private.secret_der().to_vec())));
    }
    Ok(())
}

/// The certificates of a PEM file in DER, each checked to parse: pingora would panic on one that does not.
fn certificates(path: &PathBuf) -> Result<Vec<Vec<u8>>, PeerError> {
    let pem = fs::read(path).map_err(|source| PeerError::File { path: path.clone(), source })?;
    let unusable = || PeerError::Pem(path.clone());
    let mut out = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let der = certificate.map_err(|_| unusable())?;
        rustls::server::ParsedCertificate::try_from(&der).map_err(|_| unusable())?;
        out.push(der.to_vec());
    }
    if out.is_empty() { Err(unusable()) } else { Ok(out) }
}
