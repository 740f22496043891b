//! Sends batches by the HTTP client that the server has already.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The client. Exporters have threads of their own, so that it sends on the server's runtime.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    runtime: Handle,
    fails: AtomicBool,
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, runtime: Handle::current(), fails: AtomicBool::new(false) })
    }

    /// Says in the log when sending begins to fail, and when it works again.
    fn note(&self, failure: Option<String>) {
        if self.fails.swap(failure.is_some(), Ordering::Relaxed) == failure.is_some() {
            return;
        }
        match failure {
            Some(reason) => tracing::warn!(reason, "telemetry is not taken, and dropped"),
            None => tracing::info!("telemetry is taken again"),
        }
    }
}

async fn exchange(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    // An address may hold a password, so that errors go without it.
    let mut answer = client.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut body = vec![];
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too large".into());
        }
    }
    let mut given = Response::new(Bytes::from(body));
    *given.status_mut() = answer.status();
    *given.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(given)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchanged = self.runtime.spawn(exchange(self.client.clone(), request)).await;
        let exchanged = exchanged.unwrap_or_else(|error| Err(error.into()));
        self.note(match &exchanged {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        });
        exchanged
    }
}
