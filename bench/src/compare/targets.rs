//! The processes of a comparison and how each is started: all before the same upstream, each with one worker.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    credentials::{AUDIENCE, Issuer},
    policies,
};
use crate::{
    error::{Error, Result},
    passthrough::free_address,
    process::{Launch, Ready, allowed_cpus},
};

/// Which CPUs are for what; `None` where everything shares all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpus {
    /// Of the process that is measured.
    pub(crate) target: Option<Vec<usize>>,
    /// Of the driver and the upstream.
    pub(crate) rest: Option<Vec<usize>>,
}

impl Cpus {
    /// The first CPU for the target, the others for the rest, if there are two at least.
    pub(crate) fn split() -> Self {
        match allowed_cpus().as_slice() {
            [target, rest @ ..] if !rest.is_empty() => Self { target: Some(vec![*target]), rest: Some(rest.to_vec()) },
            _ => Self::default(),
        }
    }
}

/// What all launches of a run share.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// A folder for configuration, logs and stderr.
    pub(crate) scratch: &'a Path,
    pub(crate) cpus: Cpus,
}

impl Site<'_> {
    /// This program's own `upstream`.
    pub(crate) fn upstream(&self, tools: usize, answer_bytes: usize) -> Result<Launch> {
        Ok(Launch {
            name: "upstream",
            program: own_program()?,
            args: strings(&["upstream", "--tools", &tools.to_string(), "--answer-bytes", &answer_bytes.to_string()]),
            ready: Ready::Line,
            cpus: self.cpus.rest.clone(),
        })
    }

    /// This program's own `passthrough`.
    pub(crate) fn passthrough(&self, upstream: SocketAddr) -> Result<Launch> {
        Ok(Launch {
            name: "pass-through",
            program: own_program()?,
            args: strings(&["passthrough", "--upstream", &upstream.to_string()]),
            ready: Ready::Line,
            cpus: self.cpus.target.clone(),
        })
    }

    /// nginx as a plain reverse proxy with upstream keep-alive; error when it is not installed.
    pub(crate) fn nginx(&self, upstream: SocketAddr) -> Result<Launch> {
        let program = find_nginx().ok_or(Error::NoNginx)?;
        let address = free_address(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let folder = self.scratch.join("nginx");
        std::fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        let path = folder.join("nginx.conf");
        let conf = nginx_conf(&folder, address, upstream);
        std::fs::write(&path, conf).map_err(Error::file("write", &path))?;
        Ok(Launch {
            name: "nginx",
            program,
            args: vec!["-p".into(), folder.display().to_string(), "-c".into(), path.display().to_string()],
            ready: Ready::Accepts(address),
            cpus: self.cpus.target.clone(),
        })
    }

    /// `doorward serve` with everything on: tokens of `issuer`, `policies` policies, limits, audit and metrics.
    pub(crate) fn doorward(
        &self,
        program: &Path,
        upstream: SocketAddr,
        issuer: &Issuer,
        (policies, tools): (usize, usize),
        extra: &[String],
    ) -> Result<Launch> {
        let folder = self.scratch.join("policies");
        policies::write(&folder, policies, tools)?;
        let config = self.scratch.join("doorward.yaml");
        std::fs::write(&config, doorward_config(issuer)).map_err(Error::file("write", &config))?;
        // A folder of its own, as usual: the one of the configuration is watched.
        let log = self.scratch.join("log");
        std::fs::create_dir_all(&log).map_err(Error::file("make", &log))?;
        let audit = log.join("audit.jsonl");
        let mut args = strings(&[
            "serve",
            "-c",
            &config.display().to_string(),
            "--upstream",
            &format!("http://{upstream}/mcp"),
            "--listen",
            "127.0.0.1:0",
            "--policies",
            &folder.display().to_string(),
            "--audit",
            &audit.display().to_string(),
            "--admin",
            "127.0.0.1:0",
        ]);
        args.extend_from_slice(extra);
        Ok(Launch {
            name: "doorward",
            program: program.to_owned(),
            args,
            ready: Ready::Line,
            cpus: self.cpus.target.clone(),
        })
    }
}

pub(crate) fn strings(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

pub(crate) fn own_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(Error::io("find the path of this program"))
}

/// `given`, or `doorward` beside this program. `None` when there is none beside it; an error when the given one is not
/// there.
pub(crate) fn find_doorward(given: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(path) = given {
        return if path.is_file() {
            Ok(Some(path.to_owned()))
        } else {
            Err(Error::NoDoorward { path: path.to_owned() })
        };
    }
    Ok(Some(own_program()?.with_file_name("doorward")).filter(|path| path.is_file()))
}

/// nginx on PATH, or where Debian puts it.
fn find_nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file())
}

/// What has no flag: the claim that holds the groups, and a limit that is counted but never reached.
fn doorward_config(issuer: &Issuer) -> String {
    let url = &issuer.url;
    format!(
        "authentication:
  issuers: [ {{ issuer: \"{url}\", audiences: [ \"{AUDIENCE}\" ], claims: {{ groups: /groups }} }} ]
rate_limits: [ {{ per: [ principal, tool ], limit: 1000000/s, burst: 1000000 }} ]
"
    )
}

/// All paths lie in `folder`, so that it runs as any user and leaves nothing behind.
fn nginx_conf(folder: &Path, listen: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 32768; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  client_max_body_size 8m;
  client_body_buffer_size 128k;
  upstream mcp {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen {listen} backlog=4096;
    location / {{
      proxy_pass http://mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffer_size 4k;
      proxy_read_timeout 1h;
    }}
  }}
}}
"
    )
}
