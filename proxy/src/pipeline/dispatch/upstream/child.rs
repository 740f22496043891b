//! child
use super::{Outgoing, Reply};
use crate::model::Fault;
/// child
pub struct ChildUpstream;
/// e
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ChildError;
impl ChildUpstream {
    /// x
    pub fn new(
        _: &str,
        _: &[String],
        _: &super::super::settings::UpstreamSettings,
        _: &std::path::Path,
        _: usize,
    ) -> Result<Self, ChildError> {
        Err(ChildError)
    }
    /// x
    pub async fn stop_all(&self) {}
    /// x
    pub async fn post(&self, _: &Outgoing) -> Result<Reply, Fault> {
        Err(Fault::UpstreamConnect)
    }
    /// x
    pub async fn open_stream(&self, _: &Outgoing) -> Result<Reply, Fault> {
        Err(Fault::UpstreamConnect)
    }
    /// x
    pub async fn end_session(&self, _: &Outgoing) -> Result<u16, Fault> {
        Err(Fault::UpstreamConnect)
    }
}
