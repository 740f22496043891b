//! A certified OpenID provider (npm oidc-provider) as a process; issues JWT access tokens for a resource.

use tokio::process::Command;

use super::{parts, process::Process};

/// A running provider.
pub(crate) struct Provider {
    /// The issuer identifier.
    pub(crate) issuer: String,
    process: Process,
}

impl Provider {
    /// Starts a provider that signs with `algorithm` (`ES256`, `RS256`, `PS256`, `EdDSA`) for these resources.
    pub(crate) async fn start(algorithm: &str, audiences: &[&str]) -> Self {
        let mut command = Command::new(parts::node());
        command.arg(parts::script("oidc/provider.mjs")).args(audiences);
        command.env("DOORWARD_TEST_NPM", parts::npm()).env("DOORWARD_TEST_OIDC_ALG", algorithm);
        let mut process = Process::start("oidc-provider", &mut command);
        let line = process.ready(|line| line.starts_with("listening on ")).await;
        Self { issuer: line.trim_start_matches("listening on ").to_owned(), process }
    }

    /// An access token for `audience`, by client credentials.
    pub(crate) async fn token(&self, audience: &str) -> String {
        let form = format!("grant_type=client_credentials&scope=mcp&resource={}", escaped(audience));
        let request = reqwest::Client::new()
            .post(format!("{}/token", self.issuer))
            .basic_auth("doorward-tests", Some("not-a-secret"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let text = request.send().await.unwrap().text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let token = answer["access_token"].as_str();
        token.unwrap_or_else(|| panic!("no token: {text}\n{}", self.process.stderr.text())).to_owned()
    }
}

fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
