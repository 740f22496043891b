//! SeaweedFS as an S3 server: it checks signatures, and has what it stored when it is started again.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{BUCKET, S3_SECRET, eventually, port};
use crate::support::{parts, process::Process};

/// How the server is started, always the same way.
pub(super) struct Weed {
    pub(super) endpoint: String,
    arguments: Vec<String>,
    address: String,
    probe: String,
    /// What it leaves in the folder of all temporary files.
    sockets: Vec<PathBuf>,
}

impl Drop for Weed {
    fn drop(&mut self) {
        for socket in &self.sockets {
            let _ = std::fs::remove_file(socket);
        }
    }
}

impl Weed {
    pub(super) fn new(folder: &Path) -> Self {
        let identity = serde_json::json!({ "identities": [{
            "name": "tests", "credentials": [{ "accessKey": "tests", "secretKey": S3_SECRET }],
            "actions": ["Admin", "Read", "Write", "List"],
        }] });
        let config = folder.join("s3.json");
        std::fs::write(&config, identity.to_string()).unwrap();
        let [s3, filer] = [port(), port()];
        let mut arguments = vec![
            format!("-dir={}", folder.display()),
            format!("-s3.config={}", config.display()),
            format!("-s3.port={s3}"),
            format!("-filer.port={filer}"),
        ];
        let mut sockets = vec![];
        for service in ["filer", "s3"] {
            arguments.push(format!("-{service}.localSocket={}", folder.join(format!("{service}.sock")).display()));
        }
        for service in ["master", "volume", "filer", "s3"] {
            let port = port();
            arguments.push(format!("-{service}.port.grpc={port}"));
            sockets.push(format!("/tmp/seaweedfs-{service}-grpc-{port}.sock").into());
        }
        for service in ["master", "volume"] {
            arguments.push(format!("-{service}.port={}", port()));
        }
        let address = format!("127.0.0.1:{s3}");
        let probe = format!("http://127.0.0.1:{filer}/buckets/{BUCKET}/ready");
        Self { endpoint: format!("http://{address}"), arguments, address, probe, sockets }
    }

    pub(super) async fn start(&self) -> Process {
        let mut command = Command::new(parts::weed());
        command.args([
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-master.volumeSizeLimitMB=64",
        ]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]).args(&self.arguments);
        let mut process = Process::start("weed", &mut command);
        process.ready_port(&self.address).await;
        // The bucket is a folder of the filer, which takes files only once it knows a volume.
        let http = reqwest::Client::new();
        let write = || async { Ok(http.put(&self.probe).body("ready").send().await?.status() == 201) };
        eventually("weed stores", write).await;
        http.delete(&self.probe).send().await.unwrap();
        process
    }
}
