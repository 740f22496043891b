//! A batch of revision 2025-03-26: every member is admitted, decided, recorded and forwarded by itself; the answers are
//! collected into one array (MCP 2025-03-26, basic, "Batching").

use bytes::{Bytes, BytesMut};
use doorward_message::{Id, MessageKind};

use super::{
    accept::{Accepted, Batch, RawHead},
    answer::{Answer, AnswerBody, fault_body},
    arrival::Arrival,
    context::{Context, Downstream, Stop, decision_id},
    pass, session_of,
};
use crate::model::{Fault, Rejection, rejection::Accept};

/// Passes the members in their order. Members that fail do not stop the others.
pub(super) async fn pass_all(
    context: &Context,
    raw: &RawHead<'_>,
    batch: Batch,
    downstream: &mut dyn Downstream,
) -> Result<Answer, Stop> {
    let mut answers: Vec<Bytes> = Vec::new();
    for accepted in batch.0 {
        let wants_answer = accepted.message.kind() == MessageKind::Request;
        let body = member(context, raw, accepted, downstream).await;
        if wants_answer {
            answers.push(body);
        }
    }
    if answers.is_empty() {
        return Ok(Answer::empty(202));
    }
    let mut array = BytesMut::from(&b"["[..]);
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            array.extend_from_slice(b",");
        }
        array.extend_from_slice(answer);
    }
    array.extend_from_slice(b"]");
    Ok(Answer::json(200, array.freeze()))
}

async fn member(context: &Context, raw: &RawHead<'_>, accepted: Accepted, downstream: &mut dyn Downstream) -> Bytes {
    let id = accepted.message.id().cloned();
    let mut arrival = Arrival::http(&context.door.observer, raw);
    arrival.at(&context.route);
    arrival.by(&context.caller);
    let passed = async {
        let session = session_of(context, raw, &accepted)?;
        if session.as_ref().is_some_and(|session| !session.state.revision.has_batches()) {
            return Err(Stop::Refused(Rejection::from(Accept::BatchForbidden), id.clone()));
        }
        pass(context, accepted, session, downstream, &mut arrival).await
    };
    match passed.await {
        Ok(answer) => whole(answer, id.as_ref()).await,
        Err(stop) => {
            let answer = arrival.stopped(&stop);
            whole(answer, id.as_ref()).await
        }
    }
}

/// The response in an answer; what else a stream carries has no place in an array.
async fn whole(answer: Answer, id: Option<&Id>) -> Bytes {
    match answer.body {
        AnswerBody::Whole(bytes) => bytes,
        AnswerBody::Empty => fault_body(Fault::UpstreamInvalid, id, decision_id()),
        AnswerBody::Stream(live) => live.answer().await,
    }
}
