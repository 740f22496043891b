//! Fixtures that ask the client, by a request in the legacy era and by `input_required` in the modern one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Entry, Outcome, no_arguments, text, tool};
use crate::ask::{Answers, AskError, Asked, Question};

pub(super) fn entries() -> Vec<Entry> {
    let needs_sampling = "Needs the client's sampling capability; refuses with -32021 without it.";
    vec![
        Entry::new(tool("test_sampling", "Asks the client's model.", one_text("prompt")), sampling),
        Entry::new(tool("test_missing_capability", needs_sampling, no_arguments()), missing_capability),
        Entry::new(tool("test_elicitation", "Asks the user for name and e-mail.", one_text("message")), elicitation),
        Entry::new(tool("test_streaming_elicitation", "Asks the user for a word.", no_arguments()), streaming),
        Entry::new(
            tool("test_elicitation_sep1034_defaults", "Asks with a default for each primitive type.", no_arguments()),
            defaults,
        ),
        Entry::new(tool("test_elicitation_sep1330_enums", "Asks with each form of enum.", no_arguments()), enums),
    ]
}

fn one_text(name: &str) -> Value {
    json!({
        "type": "object",
        "properties": {name: {"type": "string", "description": "Passed on to the client"}},
        "required": [name]
    })
}

/// The result: either the questions, or what `write` makes of the answers.
pub(super) fn finish(asked: Asked, write: impl FnOnce(&Answers) -> String) -> Outcome {
    match asked {
        Asked::Needed(needed) => Ok(needed.into()),
        Asked::Answered(answers) => Ok(text(write(&answers))),
    }
}

pub(super) fn summaries(answers: &Answers) -> String {
    answers.values().map(crate::ask::Answer::summary).collect::<Vec<_>>().join("; ")
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

async fn sampling(call: Call) -> Outcome {
    let Prompt { prompt } = call.arguments()?;
    let asked = call.ask([("reply", Question::sampling(&prompt, 100))]).await?;
    finish(asked, |answers| format!("LLM response: {}", summaries(answers)))
}

async fn missing_capability(call: Call) -> Outcome {
    let asked = call.ask([("reply", Question::sampling("Say yes.", 10))]).await?;
    finish(asked, summaries)
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

async fn elicitation(call: Call) -> Outcome {
    let Message { message } = call.arguments()?;
    let form = Question::form(
        &message,
        json!({
            "type": "object",
            "properties": {
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"}
            },
            "required": ["username", "email"]
        }),
    )?;
    finish(call.ask([("user", form)]).await?, |answers| format!("User response: {}", summaries(answers)))
}

async fn streaming(call: Call) -> Outcome {
    let form = Question::form(
        "Please give a word",
        json!({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}),
    )?;
    finish(call.ask([("word", form)]).await?, summaries)
}

async fn defaults(call: Call) -> Outcome {
    let asked = call.ask([("profile", defaults_form()?)]).await?;
    finish(asked, |answers| format!("Elicitation completed: {}", summaries(answers)))
}

fn defaults_form() -> Result<Question, AskError> {
    Question::form(
        "Please check these values",
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "User name", "default": "John Doe"},
                "age": {"type": "integer", "description": "User age", "default": 30},
                "score": {"type": "number", "description": "User score", "default": 95.5},
                "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                "verified": {"type": "boolean", "description": "Whether verified", "default": true}
            }
        }),
    )
}

async fn enums(call: Call) -> Outcome {
    let asked = call.ask([("choices", enums_form()?)]).await?;
    finish(asked, |answers| format!("Elicitation completed: {}", summaries(answers)))
}

fn enums_form() -> Result<Question, AskError> {
    let titled = json!([
        {"const": "value1", "title": "First Option"},
        {"const": "value2", "title": "Second Option"},
        {"const": "value3", "title": "Third Option"}
    ]);
    Question::form(
        "Please choose",
        json!({
            "type": "object",
            "properties": {
                "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
                "titledSingle": {"type": "string", "oneOf": titled},
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"]
                },
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
                "titledMulti": {"type": "array", "items": {"anyOf": titled}}
            }
        }),
    )
}
