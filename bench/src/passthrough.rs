//! The yardstick: a bare pingora `ProxyHttp` pass-through with no hook but the one that names the upstream.
//!
//! It is what a proxy built on pingora costs before it does anything of its own. It runs as pingora's own documentation
//! runs one (`Server::run`), with the allocator and the TLS provider that Doorward has.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    prelude::{HttpPeer, ProxyHttp, Server, Session, http_proxy_service},
    server::{RunArgs, configuration::ServerConf},
};

use crate::error::{Error, Result};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of the upstream
    #[arg(long)]
    upstream: SocketAddr,
    /// Worker threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Serves until the process is ended. Prints `listening on http://ADDR:PORT/mcp` when it accepts connections.
pub(crate) fn run(args: &Args) -> Result<()> {
    // Before pingora, which would install ring.
    rustls::crypto::aws_lc_rs::default_provider().install_default().map_err(|_| Error::Provider)?;
    let address = free_address(args.listen)?;
    let conf = ServerConf {
        threads: args.threads.max(1),
        upstream_keepalive_pool_size: 512,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut peer = HttpPeer::new(args.upstream, false, String::new());
    peer.options.idle_timeout = Some(Duration::from_secs(60));
    let mut service = http_proxy_service(&server.configuration, PassThrough { peer });
    service.add_tcp(&address.to_string());
    server.add_service(service);
    std::thread::spawn(move || announce(address));
    server.run(RunArgs::default());
    Ok(())
}

/// `wanted`, with a port that was free a moment ago in place of 0: pingora does not tell which port it got.
pub(crate) fn free_address(wanted: SocketAddr) -> Result<SocketAddr> {
    if wanted.port() != 0 {
        return Ok(wanted);
    }
    TcpListener::bind(wanted).and_then(|listener| listener.local_addr()).map_err(Error::io("find a free port"))
}

/// Prints the ready line once the server, which does not tell when it is ready, accepts a connection.
fn announce(address: SocketAddr) {
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("listening on http://{address}/mcp");
}

struct PassThrough {
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Self::CTX) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }
}
