#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::super::{InvalidPrompt, TextMessage};
use super::*;

fn argument(name: &str, kind: Kind) -> Argument {
    let values = if kind == Kind::Enum { vec!["red".to_owned(), "green".to_owned()] } else { vec![] };
    Argument { name: name.to_owned(), description: None, required: false, kind, values, complete: None }
}

fn prompt(text: &str, arguments: Vec<Argument>) -> PromptBody {
    let message = Message::Text(TextMessage { role: Speaker::User, text: text.to_owned() });
    PromptBody { arguments, messages: vec![message], ..PromptBody::default() }
}

fn given(arguments: &[(&str, &str)]) -> BTreeMap<String, String> {
    arguments.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn text(prompt: &PromptBody, arguments: &[(&str, &str)]) -> Result<String, ArgumentError> {
    let filled = prompt.filled(&given(arguments))?;
    let [Filled::Text(Speaker::User, text)] = &filled[..] else { panic!("one text") };
    Ok(text.clone())
}

#[test]
fn arguments_go_into_their_places_once() {
    let prompt = prompt("{{a}}, {{b}} {{a}}", vec![argument("a", Kind::String), argument("b", Kind::String)]);
    assert_eq!(text(&prompt, &[("a", "{{b}}"), ("b", "{{a}}")]).unwrap(), "{{b}}, {{a}} {{b}}");
    // Neither do two arguments make a place together.
    let joined = super::tests::prompt("{{a}}{{b}}", vec![argument("a", Kind::String), argument("b", Kind::String)]);
    assert_eq!(text(&joined, &[("a", "{{"), ("b", "a}}")]).unwrap(), "{{a}}");
    assert_eq!(text(&joined, &[]).unwrap(), "");
}

#[test]
fn other_braces_stay_as_they_are() {
    let arguments = || vec![argument("a", Kind::String)];
    for (template, wanted) in [
        ("{{{a}}}", "{x}"),
        ("{{ a }} {a} {{}} {{a} {{a", "{{ a }} {a} {{}} {{a} {{a"),
        ("{{{{a}}}}", "{{x}}"),
        ("ü{{a}}ü}}{{", "üxü}}{{"),
        ("{{ü}}", "{{ü}}"),
    ] {
        let prompt = prompt(template, arguments());
        assert_eq!(prompt.check(), Ok(()), "{template}");
        assert_eq!(text(&prompt, &[("a", "x")]).unwrap(), wanted, "{template}");
    }
}

#[test]
fn parts_together_are_the_text() {
    let text = "{{a}}{{{b}} c {{d.e-f_}} {{g}} }}{{";
    let again: String = parts(text)
        .map(|part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Place(name) => format!("{{{{{name}}}}}"),
        })
        .collect();
    assert_eq!(again, text);
}

#[test]
fn text_that_is_not_of_the_type_is_refused() {
    for (kind, right, wrong) in [
        (
            Kind::Integer,
            vec!["0", "-7", "9223372036854775807"],
            vec!["", "1.5", "1e2", "007", " 1", "9223372036854775808"],
        ),
        (Kind::Number, vec!["1", "-1.5", "1e2"], vec!["", "x", "NaN", ".5", "1 ", "1e999"]),
        (Kind::Boolean, vec!["true", "false"], vec!["", "True", "1", "yes"]),
        (Kind::Enum, vec!["red", "green"], vec!["", "Red", "blue"]),
        (Kind::String, vec!["", "anything\n"], vec![]),
    ] {
        let prompt = prompt("{{a}}", vec![argument("a", kind)]);
        for value in right {
            assert_eq!(text(&prompt, &[("a", value)]).as_deref(), Ok(value), "{kind:?}");
        }
        for value in wrong {
            let refused = text(&prompt, &[("a", value)]);
            assert!(matches!(refused, Err(ArgumentError::Type { .. })), "{kind:?} {value:?}: {refused:?}");
        }
    }
}

#[test]
fn missing_unknown_and_too_large_arguments_are_refused() {
    let required = Argument { required: true, ..argument("a", Kind::String) };
    let body = prompt(&"{{a}}".repeat(100), vec![required]);
    assert_eq!(text(&body, &[]), Err(ArgumentError::Missing("a".to_owned())));
    assert_eq!(text(&body, &[("a", ""), ("b", "")]), Err(ArgumentError::Unknown("b".to_owned())));
    let most = "x".repeat(FILLED_BYTES_MAX / 100);
    assert!(text(&body, &[("a", &most)]).is_ok());
    assert_eq!(text(&body, &[("a", &format!("{most}x"))]), Err(ArgumentError::Size));
}

#[test]
fn template_of_nothing_but_braces_is_read_quickly() {
    let started = std::time::Instant::now();
    assert_eq!(parts(&"{".repeat(60_000)).count(), 1);
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn place_without_an_argument_is_refused() {
    assert_eq!(prompt("{{b}}", vec![argument("a", Kind::String)]).check(), Err(InvalidPrompt::Place("b".to_owned())));
    assert_eq!(InvalidPrompt::Place("b".to_owned()).to_string(), "{{b}} names no argument of the prompt");
}
