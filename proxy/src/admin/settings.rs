//! The `admin` section of the configuration.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The listener for health and metrics. Keep it away from the network the traffic comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// Address and port, like `127.0.0.1:9090`.
    pub address: SocketAddr,
    /// Further host names under which it is asked, like a service's name in a cluster. IP literals and `localhost` need
    /// not be named (on a loopback address: loopback literals only).
    #[serde(default)]
    pub hosts: Vec<String>,
}
