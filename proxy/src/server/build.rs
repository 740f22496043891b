//! From a checked configuration to the state that the pipeline runs on.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use bytes::Bytes;
use doorward_message::{Limits, Revision, http_head::HeadLimits};
use http::HeaderName;

use crate::{
    catalogue,
    config::{Config, Route as RouteConfig, Upstream as UpstreamConfig, UpstreamTarget},
    model::Principal,
    pipeline::{
        accept::{
            HeadRules, MessageRules,
            authority::{Authority, AuthorityRules, Origin},
        },
        admit::{
            authentication::{
                Authenticator, SettingsError,
                metadata::{ProtectedResource, ResourceError, WELL_KNOWN},
            },
            rate_limit::RateLimiter,
        },
        authorize::{
            Finding, Findings, Labels, Pdp, PdpParts,
            policy_store::{self, StoreError, StoreLimits},
        },
        dispatch::{
            Server, Upstream,
            credential::CredentialSource,
            settings::{Http2Mode, UpstreamSettings},
            upstream::{
                child::{ChildError, ChildUpstream},
                http::{Address, Deadlines, HttpUpstream, PeerError, TlsFiles},
            },
        },
        filter::masking::{Masking, detectors},
        snapshot::{Base, Route, Snapshot},
    },
};

/// How long a pooled upstream connection may rest: shorter than the usual keep-alive of servers, so that a request
/// rarely meets a connection that is being closed.
const POOL_IDLE: std::time::Duration = std::time::Duration::from_secs(4);

/// Why the state cannot be built. The process does not start, or keeps the state it has.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Authentication.
    #[error(transparent)]
    Authentication(#[from] SettingsError),
    /// A route's resource.
    #[error("route {0}: {1}")]
    Resource(String, #[source] ResourceError),
    /// Reading policies.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Policies that do not hold.
    #[error("the policies do not hold:\n{0}")]
    Policies(Findings),
    /// An HTTP upstream.
    #[error("upstream {0}: {1}")]
    Peer(String, #[source] PeerError),
    /// A child upstream.
    #[error("upstream {0}: {1}")]
    Child(String, #[source] ChildError),
    /// A catalogue's lock file.
    #[error("upstream {0}: the catalogue's lock file is not usable: {1}")]
    Lock(String, String),
    /// A header name.
    #[error("upstream {0}: `{1}` is no header name")]
    Header(String, String),
    /// A masking detector.
    #[error("masking: there is no detector `{0}`")]
    Detector(&'static str),
    /// A host or origin.
    #[error("accept: `{0}` is no host or origin")]
    Authority(String),
}

/// The servers of a state, by name, so that a reload keeps the unchanged ones with their connections and processes.
pub(super) type Servers = BTreeMap<String, Made>;

/// A server with what it was made from.
pub(super) struct Made {
    settings: UpstreamConfig,
    /// The certificates and keys that the settings name: renewed ones lie under the same names.
    files: Vec<Option<Vec<u8>>>,
    /// The server.
    pub(super) server: Arc<Server>,
}

/// What a reload keeps where its settings did not change: connections, processes, keys, verified tokens, spent limits.
#[derive(Default)]
pub(super) struct Kept {
    /// The servers.
    pub(super) servers: Servers,
    authenticator: Option<(String, Arc<Authenticator>)>,
    rate_limiter: Option<(String, Arc<RateLimiter>)>,
}

/// A complete state.
pub(super) struct Built {
    /// For the pipeline.
    pub(super) snapshot: Snapshot,
    /// For the next reload.
    pub(super) kept: Kept,
    /// What there is to say about the policies.
    pub(super) findings: Vec<Finding>,
}

/// Builds everything anew but the parts whose settings did not change.
///
/// # Errors
/// [`BuildError`].
pub(super) fn build(config: &Config, bound: &[SocketAddr], earlier: &Kept) -> Result<Built, BuildError> {
    let servers = servers(config, &earlier.servers)?;
    let identity = format!("{:?} {:?}", config.authentication, config.local_principal);
    let authenticator = match &earlier.authenticator {
        Some((settings, authenticator)) if *settings == identity => Arc::clone(authenticator),
        _ => Arc::new(authenticator(config)?),
    };
    let rates = format!("{:?}", config.rate_limits);
    let rate_limiter = match &earlier.rate_limiter {
        Some((settings, limiter)) if *settings == rates => Arc::clone(limiter),
        _ => Arc::new(RateLimiter::new(&config.rate_limits)),
    };
    let limits = Arc::new(limits(config));
    let routes = routes(config, bound, &servers, &authenticator)?;
    let metadata = metadata(&routes);
    let heads = head_rules(config, bound, &routes)?;
    let revisions = config.accept.revisions.iter().filter_map(|name| Revision::parse(name.as_str())).collect();
    let mut request_limits = Limits::clone(&limits);
    request_limits.message_bytes_max = config.accept.body_bytes_max.bytes();
    let masking = config.masking.detectors.iter().map(|name| {
        let name = name.as_str();
        detectors::by_name(name).ok_or(BuildError::Detector(name))
    });
    let masking = masking.collect::<Result<Vec<_>, _>>()?;
    let base = Base {
        routes,
        metadata,
        heads,
        messages: MessageRules::new(request_limits, revisions),
        upstream_limits: limits,
        authenticator: Arc::clone(&authenticator),
        rate_limiter: Arc::clone(&rate_limiter),
        masking: Masking::new(masking),
        recheck_interval: config.streams.recheck_interval.0,
        stdio_requests_max: usize::try_from(config.accept.stdio_requests_max).unwrap_or(usize::MAX),
    };
    let built = policies(config, &base.upstream_limits)?;
    let snapshot = Snapshot::new(Arc::new(base), built.pdp);
    let kept =
        Kept { servers, authenticator: Some((identity, authenticator)), rate_limiter: Some((rates, rate_limiter)) };
    Ok(Built { snapshot, kept, findings: built.findings })
}

fn limits(config: &Config) -> Limits {
    let accept = &config.accept;
    Limits {
        message_bytes_max: accept.message_bytes_max.bytes(),
        depth_max: usize::from(accept.depth_max),
        id_bytes_max: accept.id_bytes_max.bytes(),
        name_bytes_max: accept.tool_name_bytes_max.bytes(),
        meta_bytes_max: accept.meta_bytes_max.bytes(),
        batch_members_max: usize::from(accept.batch_members_max),
        ..Limits::default()
    }
}

fn authenticator(config: &Config) -> Result<Authenticator, SettingsError> {
    match &config.local_principal {
        Some(principal) => Ok(Authenticator::fixed(Arc::<Principal>::clone(principal))),
        None => Authenticator::start(&config.authentication),
    }
}

fn policies(config: &Config, limits: &Limits) -> Result<crate::pipeline::authorize::Build, BuildError> {
    let (files, labels) = match &config.authorization {
        Some(settings) => {
            let limits = StoreLimits::from(settings);
            let files = policy_store::read(&settings.policies, settings.entities.as_deref(), &limits)?;
            (files, Labels::new(&settings.labels))
        }
        // No policies: nothing is permitted.
        None => Default::default(),
    };
    let mut upstreams = Vec::new();
    for upstream in config.upstreams.values() {
        let catalogue = match &upstream.settings.catalogue {
            Some(path) => {
                let unusable =
                    |error: &dyn std::fmt::Display| BuildError::Lock(upstream.name.clone(), error.to_string());
                let bytes = std::fs::read(path).map_err(|error| unusable(&error))?;
                let catalogue = catalogue::read_lock(Bytes::from(bytes), limits, bounds(&upstream.settings))
                    .map_err(|error| unusable(&error))?;
                Some(Arc::new(catalogue))
            }
            None => None,
        };
        upstreams.push((upstream.name.as_str().into(), catalogue));
    }
    let parts = PdpParts { files, attributes: config.authentication.principal_attributes(), labels, upstreams };
    Pdp::build(parts).map_err(BuildError::Policies)
}

fn routes(
    config: &Config,
    bound: &[SocketAddr],
    servers: &Servers,
    authenticator: &Authenticator,
) -> Result<HashMap<Box<str>, Arc<Route>>, BuildError> {
    let issuers: Vec<&str> = authenticator.issuers().map(|(name, _)| name).collect();
    let mut routes = HashMap::new();
    for (path, route) in &config.routes {
        let Some(Made { server, .. }) = servers.get(&route.upstream) else {
            continue;
        };
        let uri = resource_uri(route, path, bound, config);
        let resource = ProtectedResource::new(&uri, &issuers, &route.scopes_required, None)
            .map_err(|error| BuildError::Resource(path.clone(), error))?;
        let route = Route { path: path.as_str().into(), server: Arc::clone(server), resource };
        routes.insert(path.as_str().into(), Arc::new(route));
    }
    Ok(routes)
}

fn resource_uri(route: &RouteConfig, path: &str, bound: &[SocketAddr], config: &Config) -> String {
    let scheme = if config.listen.iter().any(|listen| listen.tls.is_some()) { "https" } else { "http" };
    match (&route.resource, bound.first()) {
        (Some(resource), _) => resource.clone(),
        (None, Some(address)) => format!("{scheme}://{address}{path}"),
        (None, None) => format!("{scheme}://localhost{path}"),
    }
}

/// The documents by path. With a single route the root address serves it too.
fn metadata(routes: &HashMap<Box<str>, Arc<Route>>) -> HashMap<Box<str>, Arc<Route>> {
    let mut documents: HashMap<Box<str>, Arc<Route>> =
        routes.values().map(|route| (route.resource.metadata_path().into(), Arc::clone(route))).collect();
    if let (Some(route), 1) = (routes.values().next(), routes.len()) {
        documents.insert(WELL_KNOWN.into(), Arc::clone(route));
    }
    documents
}

fn head_rules(
    config: &Config,
    bound: &[SocketAddr],
    routes: &HashMap<Box<str>, Arc<Route>>,
) -> Result<HeadRules, BuildError> {
    let accept = &config.accept;
    let invalid = |text: &String| BuildError::Authority(text.clone());
    let mut hosts = Vec::new();
    for host in &accept.hosts {
        hosts.push(Authority::parse(host).ok_or_else(|| invalid(host))?);
    }
    let resources = routes.values().filter_map(|route| url::Url::parse(route.resource.resource()).ok());
    hosts.extend(resources.filter_map(|url| Authority::parse(url.host_str()?)));
    let own = bound.iter().filter(|address| !address.ip().is_unspecified());
    hosts
        .extend(own.filter_map(|address| Authority::parse(&SocketAddr::new(address.ip(), address.port()).to_string())));
    let mut origins = Vec::new();
    for origin in &accept.origins {
        origins.push(Origin::parse(origin).ok_or_else(|| invalid(origin))?);
    }
    Ok(HeadRules {
        limits: HeadLimits {
            head_bytes_max: accept.head_bytes_max.bytes(),
            header_lines_max: usize::from(accept.header_lines_max),
            target_bytes_max: accept.target_bytes_max.bytes(),
        },
        authorities: AuthorityRules {
            hosts,
            origins,
            loopback: config.listen.iter().all(|listen| listen.address.is_local()),
        },
        body_bytes_max: accept.body_bytes_max.bytes(),
    })
}

fn servers(config: &Config, earlier: &Servers) -> Result<Servers, BuildError> {
    let mut servers = Servers::new();
    for (name, upstream) in &config.upstreams {
        let files = tls_files(upstream);
        let kept = earlier.get(name).filter(|made| made.settings == *upstream && made.files == files);
        let server = match kept {
            Some(made) => Arc::clone(&made.server),
            None => Arc::new(server(config, upstream)?),
        };
        servers.insert(name.clone(), Made { settings: upstream.clone(), files, server });
    }
    Ok(servers)
}

/// Digests of the certificates and keys of an upstream.
fn tls_files(upstream: &UpstreamConfig) -> Vec<Option<Vec<u8>>> {
    let tls = &upstream.settings.tls;
    let digest = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).ok().map(zeroize::Zeroizing::new)?;
        Some(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref().to_vec())
    };
    [&tls.ca, &tls.certificate, &tls.key].into_iter().flatten().map(digest).collect()
}

fn server(config: &Config, upstream: &UpstreamConfig) -> Result<Server, BuildError> {
    let name = &upstream.name;
    let settings = &upstream.settings;
    let bytes_max = config.accept.message_bytes_max.bytes();
    let kind = match &upstream.target {
        UpstreamTarget::Command { program, arguments } => {
            let child = ChildUpstream::new(program, arguments, settings, &config.base, bytes_max);
            Upstream::Child(Box::new(child.map_err(|error| BuildError::Child(name.clone(), error))?))
        }
        target => Upstream::Http(Box::new(http(name, target, upstream, bytes_max)?)),
    };
    let credential = match &settings.credential {
        Some(credential) => {
            let header = HeaderName::from_bytes(credential.header.as_bytes())
                .map_err(|_| BuildError::Header(name.clone(), credential.header.clone()))?;
            Some(CredentialSource::new(header, &credential.prefix, credential.value.clone(), config.base.clone()))
        }
        None => None,
    };
    Ok(Server::new(name, kind, credential, bounds(settings)))
}

fn bounds(settings: &UpstreamSettings) -> catalogue::Bounds {
    catalogue::Bounds { tools_max: settings.tools_max, description_bytes_max: settings.description_bytes_max.bytes() }
}

fn http(
    name: &str,
    target: &UpstreamTarget,
    upstream: &UpstreamConfig,
    bytes_max: usize,
) -> Result<HttpUpstream, BuildError> {
    let settings = &upstream.settings;
    let failed = |error| BuildError::Peer(name.to_owned(), error);
    let address = match target {
        UpstreamTarget::Http(url) => Address::parse(url.as_str()).map_err(failed)?,
        UpstreamTarget::Unix { socket, path } => Address::unix(socket, path).map_err(failed)?,
        UpstreamTarget::Command { .. } => return Err(failed(PeerError::Url)),
    };
    let deadlines = Deadlines {
        connect: settings.connect_timeout.0,
        first_byte: settings.first_byte_timeout.0,
        idle: settings.idle_timeout.0,
        body: settings.body_timeout.map_or(settings.idle_timeout.0.saturating_mul(2), |span| span.0),
        pool_idle: POOL_IDLE,
    };
    let tls = TlsFiles {
        ca: settings.tls.ca.clone(),
        certificate: settings.tls.certificate.clone(),
        key: settings.tls.key.clone(),
        server_name: settings.tls.server_name.clone(),
    };
    let versions = match settings.http2 {
        Http2Mode::Auto => None,
        Http2Mode::Never => Some((1, 1)),
        Http2Mode::Always => Some((2, 2)),
    };
    HttpUpstream::new(address, Some(&tls), deadlines, bytes_max, versions).map_err(failed)
}
