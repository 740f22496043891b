//! Batches under way on one connection: which answers are still to come.

use std::collections::HashMap;

use rmcp::model::RequestId;

use crate::transport::batch::BatchError;

/// Batches under way. Their number is bounded by that of the requests, which rmcp holds as well.
#[derive(Debug, Default)]
pub(super) struct Pending {
    last: u64,
    /// Requests without an answer yet, with their batch.
    requests: HashMap<RequestId, u64>,
    /// Answers gathered, and how many are to come.
    batches: HashMap<u64, (Vec<String>, usize)>,
}

impl Pending {
    /// Notes a batch; the array at once where nothing is to come and something was refused.
    pub(super) fn begin(&mut self, requests: &[RequestId], answers: Vec<String>) -> Result<Option<String>, BatchError> {
        if requests.iter().any(|id| self.requests.contains_key(id)) {
            return Err(BatchError::Repeated);
        }
        if requests.is_empty() {
            return Ok(array(answers));
        }
        self.last += 1;
        self.requests.extend(requests.iter().map(|id| (id.clone(), self.last)));
        self.batches.insert(self.last, (answers, requests.len()));
        Ok(None)
    }

    /// Takes an answer: the array once it is the last of its batch, nothing before; the answer itself when it belongs to
    /// no batch.
    pub(super) fn answer(&mut self, id: &RequestId, answer: Vec<u8>) -> Result<Option<String>, Vec<u8>> {
        if !self.requests.contains_key(id) {
            return Err(answer);
        }
        let answer = String::from_utf8(answer).map_err(std::string::FromUtf8Error::into_bytes)?;
        Ok(self.finish(id, Some(answer)))
    }

    /// Waits no longer for an answer.
    pub(super) fn forget(&mut self, id: &RequestId) -> Option<String> {
        self.finish(id, None)
    }

    fn finish(&mut self, id: &RequestId, answer: Option<String>) -> Option<String> {
        let number = self.requests.remove(id)?;
        let (answers, left) = self.batches.get_mut(&number)?;
        answers.extend(answer);
        *left = left.saturating_sub(1);
        if *left > 0 {
            return None;
        }
        self.batches.remove(&number).and_then(|(answers, _)| array(answers))
    }
}

fn array(answers: Vec<String>) -> Option<String> {
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
}
