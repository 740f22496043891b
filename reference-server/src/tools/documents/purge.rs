//! `document_purge`: deletes many documents after the user agreed to exactly those.

use rmcp::model::ElicitationAction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DocumentError;
use crate::ask::{Answer, AskError, Asked, Question};
use crate::storage::{DocumentPath, Filter, StoreError};
use crate::tools::typed::{destroys, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome, ToolError};

/// Most documents of one purge: what a user can still look through.
const DOCUMENTS_MAX: u32 = 100;

/// Documents that the question names; it tells how many more there are.
const NAMED_MAX: usize = 20;

pub(super) fn entry() -> Entry {
    let description = "Deletes the documents below a prefix with their whole history, at most 100 at once, after asking the \
        user. What was changed after the user was asked stays. Needs a client with elicitation.";
    Entry::new(typed_tool::<Purge, Purged>("document_purge", "Delete many documents", description, destroys()), purge)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Purge {
    /// Delete the documents whose paths start with this, such as notes/2025/
    prefix: String,
}

/// What became of the documents.
#[derive(Serialize, JsonSchema)]
struct Purged {
    /// Whether the user agreed; also true where there was nothing to ask for
    approved: bool,
    /// Paths of the deleted documents
    deleted: Vec<String>,
    /// Paths of documents that somebody changed, moved or deleted meanwhile
    kept: Vec<String>,
    /// Whether there are more documents below the prefix than one purge takes
    more: bool,
}

/// What the user is asked about; travels as signed state, so that the answer is about nothing else.
#[derive(Serialize, Deserialize)]
struct Listed {
    documents: Vec<(String, u32)>,
    more: bool,
}

async fn purge(call: Call) -> Outcome {
    let Purge { prefix } = call.typed_arguments()?;
    if prefix.is_empty() {
        return Err(DocumentError::EmptyPrefix.into());
    }
    let listed = match call.state()? {
        Some(listed) => listed,
        None => list(&call, &prefix).await?,
    };
    if listed.documents.is_empty() {
        return structured(&Purged { approved: true, deleted: vec![], kept: vec![], more: false });
    }
    let answers = match call.ask_with_state([("approval", question(&prefix, &listed)?)], &listed).await? {
        Asked::Needed(needed) => return Ok(needed.into()),
        Asked::Answered(answers) => answers,
    };
    if !answers.get("approval").is_some_and(approves) {
        let kept = listed.documents.into_iter().map(|(path, _)| path).collect();
        return structured(&Purged { approved: false, deleted: vec![], kept, more: listed.more });
    }
    structured(&delete(&call, listed).await?)
}

async fn list(call: &Call, prefix: &str) -> Result<Listed, ToolError> {
    let filter = Filter { prefix: Some(prefix.to_owned()), ..Filter::default() };
    let page = call.server.shared.documents.list(&filter, None, DOCUMENTS_MAX).await?;
    let documents = page.items.into_iter().map(|each| (each.path.to_string(), each.version)).collect();
    Ok(Listed { documents, more: page.more })
}

fn question(prefix: &str, listed: &Listed) -> Result<Question, AskError> {
    let count = listed.documents.len();
    let mut names: Vec<&str> = listed.documents.iter().take(NAMED_MAX).map(|(path, _)| path.as_str()).collect();
    let rest = count.saturating_sub(names.len());
    let and_more = format!("and {rest} more");
    if rest > 0 {
        names.push(&and_more);
    }
    let message = format!("Delete {count} documents below {prefix} with their whole history? {}", names.join(", "));
    let approve = json!({"type": "boolean", "title": "Delete them for good", "default": false});
    Question::form(&message, json!({"type": "object", "properties": {"approve": approve}, "required": ["approve"]}))
}

/// Only an accepted form that says so.
fn approves(answer: &Answer) -> bool {
    let Answer::Form(form) = answer else {
        return false;
    };
    let approve = form.content.as_ref().and_then(|content| content.get("approve"));
    form.action == ElicitationAction::Accept && approve == Some(&Value::Bool(true))
}

async fn delete(call: &Call, listed: Listed) -> Result<Purged, ToolError> {
    let mut purged = Purged { approved: true, deleted: vec![], kept: vec![], more: listed.more };
    for (text, version) in listed.documents {
        let path = DocumentPath::parse(&text)?;
        match call.server.shared.documents.delete(&path, Some(version)).await {
            Ok(_) => {
                call.announce(&path, true);
                purged.deleted.push(text);
            }
            Err(StoreError::NotFound(_) | StoreError::Conflict { .. }) => purged.kept.push(text),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(purged)
}
