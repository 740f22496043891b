//! PgBouncer in transaction mode before a test's PostgreSQL, with two connections for everybody.

use std::{fs, time::Duration};

use tokio::process::Command;

use super::{
    postgres::{PASSWORD, Postgres, as_somebody},
    process::{Process, free_port},
    tls::Identity,
};

/// What a test sets.
#[derive(Default)]
pub(crate) struct Pooling<'a> {
    /// Prepared statements that are kept a connection; none with 0, as by every version before 1.21.
    pub(crate) prepared_statements: u32,
    /// Takes nothing but TLS, with this certificate.
    pub(crate) identity: Option<&'a Identity>,
}

pub(crate) struct PgBouncer {
    port: u16,
    _process: Process,
}

impl PgBouncer {
    pub(crate) async fn start(database: &Postgres, pooling: &Pooling<'_>) -> Self {
        let (program, folder) = database.pooler();
        let port = free_port();
        let folder = folder.join(format!("pooler-{port}"));
        fs::create_dir(&folder).unwrap();
        let users = folder.join("users");
        fs::write(&users, format!("\"postgres\" \"{PASSWORD}\"\n")).unwrap();
        let tls = pooling.identity.map_or(String::new(), |identity| {
            identity.write(&folder, "server");
            let place = folder.join("server").display().to_string();
            format!(
                "client_tls_sslmode = require\nclient_tls_key_file = {place}.key\nclient_tls_cert_file = {place}.crt\n"
            )
        });
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 2\nmax_prepared_statements = {}\n{tls}",
            database.port,
            users.display(),
            pooling.prepared_statements,
        );
        fs::write(folder.join("ini"), settings).unwrap();
        let mut command = Command::new(program);
        command.arg(folder.join("ini"));
        as_somebody(&mut command);
        let mut process = Process::start("PgBouncer", &mut command);
        process.ready_port(&format!("127.0.0.1:{port}")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        Self { port, _process: process }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres:{PASSWORD}@localhost:{}/postgres", self.port)
    }
}
