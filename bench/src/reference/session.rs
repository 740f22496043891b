//! A session of a revision that has them, begun as a client begins one.

use std::net::SocketAddr;

use crate::{
    error::{Error, Result},
    load::client::{Connection, Reply},
    mcp::Request,
};

/// Begins a session at the endpoint `/mcp` of `target`; returns its id.
pub(super) async fn begin(target: SocketAddr) -> Result<String> {
    let host = target.to_string();
    let mut connection = Connection::open(target).await.map_err(|source| Error::Connect { address: target, source })?;
    let reply = send(&mut connection, &Request::initialize(&host, "/mcp")).await?;
    let session = session_id(reply.head).ok_or(Error::NoSession { status: reply.status })?;
    let accepted = send(&mut connection, &Request::initialized(&host, "/mcp", &session)).await?;
    if accepted.status != 202 {
        return Err(Error::NoSession { status: accepted.status });
    }
    Ok(session)
}

async fn send<'a>(connection: &'a mut Connection, request: &Request) -> Result<Reply<'a>> {
    connection.exchange(request.bytes()).await.map_err(Error::Handshake)
}

/// The session that an answer's header lines name.
fn session_id(head: &[u8]) -> Option<String> {
    let lines = std::str::from_utf8(head).ok()?.lines();
    let mut values = lines.filter_map(|line| line.split_once(':'));
    values.find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id")).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_is_read_from_the_header_lines_whatever_their_case() {
        assert_eq!(session_id(b"HTTP/1.1 200 OK\r\nmcp-Session-ID:  a1 \r\n\r\n").unwrap(), "a1");
        assert_eq!(session_id(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
