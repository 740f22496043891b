//! Binds addresses and accepts connections: TCP, TLS and unix sockets, any number of each.

use std::{
    fs, io,
    net::SocketAddr,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use pingora::{
    listeners::tls::Acceptor,
    protocols::{GetSocketDigest, SocketDigest, Stream, l4::stream::Stream as L4Stream},
    server::ShutdownWatch,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, timeout},
};

use super::{
    http::HttpApp,
    settings::{ListenAddress, ListenSettings, ListenTlsSettings},
};

/// The longest a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Rest after the system refused to accept (no descriptors left): no spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen at {address}: {source}")]
    Bind {
        /// The address.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// Something else than a socket stands where a unix socket should be.
    #[error("{0} exists and is no socket")]
    NotASocket(PathBuf),
    /// A certificate or key.
    #[error("the certificate or key in {0} is not usable")]
    Tls(PathBuf),
    /// The certificate and key do not fit.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a unix socket, removed with its listener unless another process has put its own there meanwhile.
struct SocketFile {
    path: PathBuf,
    made: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), made: identity(path) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.made.is_some() && identity(&self.path) == self.made {
            // Gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// A bound listener.
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    settings: ListenSettings,
}

impl Listener {
    /// Binds, without accepting yet.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(settings: &ListenSettings) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address: settings.address.clone(), source };
        let socket = match &settings.address {
            ListenAddress::Tcp(address) => Socket::Tcp(bind_tcp(*address).map_err(failed)?),
            ListenAddress::Unix(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path).map_err(failed)?;
                Socket::Unix(listener, SocketFile::new(path))
            }
        };
        let tls = match &settings.tls {
            Some(files) => Some(Arc::new(ArcSwap::new(server_config(files, settings.http2)?))),
            None => None,
        };
        Ok(Self { socket, tls, settings: settings.clone() })
    }

    /// What it was made from.
    pub fn settings(&self) -> &ListenSettings {
        &self.settings
    }

    /// The bound TCP address.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    /// Where clients reach it, without a path.
    pub fn url(&self) -> String {
        match (&self.socket, self.address()) {
            (Socket::Tcp(_), Some(address)) if self.tls.is_some() => format!("https://{address}"),
            (Socket::Tcp(_), Some(address)) => format!("http://{address}"),
            (Socket::Unix(_, file), _) => format!("unix:{}", file.path.display()),
            (Socket::Tcp(_), None) => String::new(),
        }
    }

    /// A handle by which renewed certificates are taken over.
    pub fn certificates(&self) -> Option<CertificateHandle> {
        let (tls, files) = self.tls.as_ref().zip(self.settings.tls.as_ref())?;
        Some(CertificateHandle { current: Arc::clone(tls), files: files.clone(), http2: self.settings.http2 })
    }

    /// Accepts until the process drains, then waits for its connections' ends.
    pub async fn run(self, app: Arc<HttpApp>, mut shutdown: ShutdownWatch) {
        let room = Arc::new(Semaphore::new(self.settings.connections_max as usize));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                stopped = shutdown.wait_for(|stop| *stop) => {
                    drop(stopped);
                    break;
                }
            };
            while connections.try_join_next().is_some() {}
            let Ok(stream) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (app, tls, mut shutdown) = (Arc::clone(&app), self.tls.clone(), shutdown.clone());
            let http2 = self.settings.http2;
            connections.spawn(async move {
                let _permit = permit;
                let Some(stream) = secured(stream, tls.as_deref()).await else {
                    return;
                };
                app.connection(stream, http2, &mut shutdown).await;
            });
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }

    async fn accept(&self) -> io::Result<L4Stream> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                socket.set_nodelay(true)?;
                let mut stream = L4Stream::from(socket);
                let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
                // Empty until now: the digest was made a line ago.
                let _ = digest.peer_addr.set(Some(peer.into()));
                stream.set_socket_digest(digest);
                Ok(stream)
            }
            Socket::Unix(listener, _) => {
                let (socket, _) = listener.accept().await?;
                Ok(L4Stream::from(socket))
            }
        }
    }
}

/// Takes over renewed certificates of one listener.
pub struct CertificateHandle {
    current: Arc<ArcSwap<ServerConfig>>,
    files: ListenTlsSettings,
    http2: bool,
}

impl CertificateHandle {
    /// Reads the files again. New connections use what they hold now.
    ///
    /// # Errors
    /// [`ListenError`]: the old certificate stays.
    pub fn reload(&self) -> Result<(), ListenError> {
        self.current.store(server_config(&self.files, self.http2)?);
        Ok(())
    }
}

async fn secured(stream: L4Stream, tls: Option<&ArcSwap<ServerConfig>>) -> Option<Stream> {
    let Some(tls) = tls else {
        return Some(Box::new(stream));
    };
    let acceptor = Acceptor::from_server_config(tls.load_full());
    let handshake = timeout(HANDSHAKE, acceptor.tls_handshake(stream)).await;
    Some(Box::new(handshake.ok()?.ok()?))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

/// A socket file that a crash left behind is removed; anything else is not ours.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            // What cannot be removed shows itself when the address is bound.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Ok(_) => Err(ListenError::NotASocket(path.to_owned())),
        Err(_) => Ok(()),
    }
}

fn server_config(files: &ListenTlsSettings, http2: bool) -> Result<Arc<ServerConfig>, ListenError> {
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        return Err(ListenError::Tls(files.certificate.clone().or(files.key.clone()).unwrap_or_default()));
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| ListenError::Tls(certificate.clone()))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|_| ListenError::Tls(key.clone()))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(config))
}
