//! Fixtures for multi round-trip requests (SEP-2322): single and several questions, signed state, several rounds.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::asking::{finish, summaries};
use super::{Call, Entry, Outcome, no_arguments, text, tool};
use crate::ask::{Answer, AskError, Asked, Question};

pub(super) fn entries() -> Vec<Entry> {
    let entry = |name: &'static str, description: &'static str| tool(name, description, no_arguments());
    vec![
        Entry::new(entry("test_input_required_result_elicitation", "Asks for a name and greets."), elicitation),
        Entry::new(entry("test_input_required_result_sampling", "Asks the client's model a question."), sampling),
        Entry::new(entry("test_input_required_result_list_roots", "Asks for the client's roots."), roots),
        Entry::new(entry("test_input_required_result_request_state", "Asks with signed state."), confirm),
        Entry::new(entry("test_input_required_result_tampered_state", "Refuses state that was changed."), confirm),
        Entry::new(entry("test_input_required_result_multiple_inputs", "Asks three things at once."), several),
        Entry::new(entry("test_input_required_result_multi_round", "Asks in two rounds."), rounds),
        Entry::new(entry("test_input_required_result_capabilities", "Asks only what the client declared."), declared),
    ]
}

fn form(message: &str, field: &str, kind: &str) -> Result<Question, AskError> {
    Question::form(message, json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]}))
}

async fn elicitation(call: Call) -> Outcome {
    let asked = call.ask([("user_name", form("What is your name?", "name", "string")?)]).await?;
    finish(asked, |answers| {
        let name = answers.get("user_name").map(|answer| answer.field("name")).unwrap_or_default();
        format!("Hello, {name}!")
    })
}

async fn sampling(call: Call) -> Outcome {
    let question = Question::sampling("What is the capital of France?", 100);
    finish(call.ask([("capital_question", question)]).await?, summaries)
}

async fn roots(call: Call) -> Outcome {
    finish(call.ask([("client_roots", Question::Roots)]).await?, summaries)
}

/// State of a request with a single round.
#[derive(Serialize, Deserialize)]
struct Issued {
    round: u8,
}

async fn confirm(call: Call) -> Outcome {
    let _issued: Option<Issued> = call.state()?;
    let question = form("Please confirm", "ok", "boolean")?;
    let asked = call.ask_with_state([("confirm", question)], &Issued { round: 1 }).await?;
    finish(asked, |answers| format!("state-ok: {}", summaries(answers)))
}

async fn several(call: Call) -> Outcome {
    let _issued: Option<Issued> = call.state()?;
    let questions = [
        ("user_name", form("What is your name?", "name", "string")?),
        ("greeting", Question::sampling("Generate a greeting", 50)),
        ("client_roots", Question::Roots),
    ];
    finish(call.ask_with_state(questions, &Issued { round: 1 }).await?, summaries)
}

/// What a client of several rounds has told so far.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    name: Option<String>,
}

async fn rounds(call: Call) -> Outcome {
    let mut told: Told = call.state()?.unwrap_or_default();
    let name = match told.name.take() {
        Some(name) => name,
        None => {
            let step1 = [("step1", form("Step 1: What is your name?", "name", "string")?)];
            match call.ask_with_state(step1, &Told::default()).await? {
                Asked::Needed(needed) => return Ok(needed.into()),
                Asked::Answered(answers) => answers.get("step1").map(|answer| answer.field("name")).unwrap_or_default(),
            }
        }
    };
    let step2 = [("step2", form("Step 2: What is your favorite color?", "color", "string")?)];
    let asked = call.ask_with_state(step2, &Told { name: Some(name.clone()) }).await?;
    finish(asked, |answers| {
        let color = answers.get("step2").map(|answer| answer.field("color")).unwrap_or_default();
        format!("{name} likes {color}.")
    })
}

async fn declared(call: Call) -> Outcome {
    let capabilities = call.context.client_capabilities().unwrap_or_default();
    let name = form("What is your name?", "name", "string")?;
    let greeting = Question::sampling("Generate a greeting", 50);
    let asked = match (name.allowed_by(&capabilities), greeting.allowed_by(&capabilities)) {
        (true, true) => call.ask([("user_name", name), ("greeting", greeting)]).await?,
        (true, false) => call.ask([("user_name", name)]).await?,
        (false, true) => call.ask([("greeting", greeting)]).await?,
        (false, false) => return Ok(text("The client declared nothing that it could be asked.")),
    };
    match asked {
        Asked::Needed(needed) => Ok(needed.into()),
        Asked::Answered(answers) => {
            let content = answers.values().map(Answer::summary).map(ContentBlock::text).collect();
            Ok(CallToolResult::success(content).into())
        }
    }
}
