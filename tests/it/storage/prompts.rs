//! Storing, changing, deleting, listing prompts, and writers at the same time.

use std::collections::BTreeSet;

use doorward_reference_server::storage::{
    Limits,
    prompt::{Argument, InvalidPrompt, Kind, Message, PromptBody, PromptName, PromptStoreError, Speaker, TextMessage},
};

use super::{Store, engine::Engine, on_every_engine_and_cache};

on_every_engine_and_cache!(
    prompt_comes_back_as_it_was_stored,
    every_change_of_a_prompt_keeps_the_version_before,
    stale_writer_of_a_prompt_is_refused_and_told_the_current_version,
    name_and_version_never_mean_a_second_prompt,
    prompts_are_listed_in_pages_in_the_order_of_their_bytes,
    prompt_beyond_a_limit_changes_nothing,
    concurrent_writers_of_a_prompt_lose_no_update,
    concurrent_creators_and_deleters_of_a_prompt_never_repeat_a_version,
    feed_tells_of_prompts_that_others_change,
);

pub(crate) fn name(text: &str) -> PromptName {
    PromptName::parse(text).unwrap()
}

fn says(text: &str) -> Message {
    Message::Text(TextMessage { role: Speaker::User, text: text.to_owned() })
}

pub(crate) fn prompt(text: &str) -> PromptBody {
    PromptBody { messages: vec![says(text)], ..PromptBody::default() }
}

fn argument(name: &str, kind: Kind, values: &[&str]) -> Argument {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Argument { name: name.to_owned(), description: None, required: false, kind, values, complete: None }
}

fn text(body: &PromptBody) -> &str {
    match &body.messages[0] {
        Message::Text(message) => &message.text,
        Message::Resource(_) => panic!("a text"),
    }
}

async fn prompt_comes_back_as_it_was_stored(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let json = serde_json::json!({
        "title": "Titel ü", "description": "What it is for",
        "arguments": [
            { "name": "who", "required": true, "complete": "documents" },
            { "name": "tone", "description": "How", "type": "enum", "values": ["kind", "dry"] },
        ],
        "messages": [
            { "role": "user", "text": "{{who}} \u{1}'quotes' \" \\ \u{1f980} {{tone}}" },
            { "role": "assistant", "resource": "doc://a/b%20c" },
            { "role": "user", "resource": "file:///x.txt" },
        ],
    });
    let body: PromptBody = serde_json::from_value(json).unwrap();
    let saved = store.save_prompt(&name("Re-view_1.x"), None, body.clone()).await.unwrap();
    let read = engine.open(Limits::default()).await.prompt(&name("Re-view_1.x"), None).await.unwrap();
    assert_eq!(saved, read);
    assert_eq!((read.version, read.body), (1, body));
}

async fn every_change_of_a_prompt_keeps_the_version_before(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let created = store.save_prompt(&name("a"), None, prompt("one")).await.unwrap();
    for (expected, text) in [(1, "two"), (2, "three")] {
        let saved = store.save_prompt(&name("a"), Some(expected), prompt(text)).await.unwrap();
        assert_eq!((saved.version, saved.created_at), (expected + 1, created.created_at));
    }
    for (version, wanted) in [(1, "one"), (2, "two"), (3, "three")] {
        let read = store.prompt(&name("a"), Some(version)).await.unwrap();
        assert_eq!((read.version, text(&read.body), read.created_at), (version, wanted, created.created_at));
    }
    for version in [0, 4, u32::MAX] {
        let refused = store.prompt(&name("a"), Some(version)).await;
        assert!(matches!(refused, Err(PromptStoreError::NoVersion { .. })), "{refused:?}");
    }
    let page = store.prompt_history(&name("a"), None, 2).await.unwrap();
    assert_eq!((page.items.iter().map(|each| each.version).collect::<Vec<_>>(), page.more), (vec![3, 2], true));
    let rest = store.prompt_history(&name("a"), Some(2), 2).await.unwrap();
    assert_eq!((rest.items.iter().map(|each| each.version).collect::<Vec<_>>(), rest.more), (vec![1], false));
    assert!(matches!(store.prompt_history(&name("b"), None, 2).await, Err(PromptStoreError::NotFound(_))));
}

async fn stale_writer_of_a_prompt_is_refused_and_told_the_current_version(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.save_prompt(&name("a"), None, prompt("one")).await.unwrap();
    store.save_prompt(&name("a"), Some(1), prompt("two")).await.unwrap();
    let stale = store.save_prompt(&name("a"), Some(1), prompt("lost")).await;
    assert!(matches!(stale, Err(PromptStoreError::Conflict { expected: 1, current: 2, .. })), "{stale:?}");
    let ahead = store.save_prompt(&name("a"), Some(3), prompt("lost")).await;
    assert!(matches!(ahead, Err(PromptStoreError::Conflict { expected: 3, current: 2, .. })), "{ahead:?}");
    let new = store.save_prompt(&name("a"), None, prompt("lost")).await;
    assert!(matches!(new, Err(PromptStoreError::Exists(_))), "{new:?}");
    let stale = store.delete_prompt(&name("a"), Some(1)).await;
    assert!(matches!(stale, Err(PromptStoreError::Conflict { expected: 1, current: 2, .. })), "{stale:?}");
    assert_eq!(text(&store.prompt(&name("a"), None).await.unwrap().body), "two");
    assert_eq!(store.prompt_history(&name("a"), None, 9).await.unwrap().items.len(), 2);
    for (expected, of) in [(Some(1), "save"), (None, "delete")] {
        let refused = match of {
            "save" => store.save_prompt(&name("none"), expected, prompt("x")).await.map(|_| ()),
            _ => store.delete_prompt(&name("none"), expected).await.map(|_| ()),
        };
        assert!(matches!(refused, Err(PromptStoreError::NotFound(_))), "{refused:?}");
    }
    // What was refused leaves nothing behind: the first version is the first.
    assert_eq!(store.save_prompt(&name("none"), None, prompt("x")).await.unwrap().version, 1);
}

async fn name_and_version_never_mean_a_second_prompt(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.save_prompt(&name("a"), None, prompt("one")).await.unwrap();
    store.save_prompt(&name("a"), Some(1), prompt("two")).await.unwrap();
    assert_eq!(store.delete_prompt(&name("a"), Some(2)).await.unwrap(), 2);
    assert!(matches!(store.prompt(&name("a"), None).await, Err(PromptStoreError::NotFound(_))));
    assert!(matches!(store.prompt(&name("a"), Some(1)).await, Err(PromptStoreError::NotFound(_))));
    assert!(store.prompts(None, 9).await.unwrap().items.is_empty());
    let stale = store.save_prompt(&name("a"), Some(2), prompt("lost")).await;
    assert!(matches!(stale, Err(PromptStoreError::NotFound(_))), "{stale:?}");
    let again = store.save_prompt(&name("a"), None, prompt("three")).await.unwrap();
    assert_eq!(again.version, 3);
    assert_eq!(store.prompt_history(&name("a"), None, 9).await.unwrap().items, [again]);
}

async fn prompts_are_listed_in_pages_in_the_order_of_their_bytes(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    for each in ["b", "a.b", "B", "_x", "a-b", "9", "ab"] {
        store.save_prompt(&name(each), None, prompt(each)).await.unwrap();
    }
    let mut seen: Vec<String> = vec![];
    loop {
        let page = store.prompts(seen.last().map(String::as_str), 3).await.unwrap();
        seen.extend(page.items.iter().map(|each| each.name.to_string()));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["9", "B", "_x", "a-b", "a.b", "ab", "b"]);
    assert!(store.prompts(Some("a\0"), 3).await.unwrap().items.is_empty());
}

async fn prompt_beyond_a_limit_changes_nothing(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.save_prompt(&name("a"), None, prompt("one")).await.unwrap();
    let resource = |uri: &str| serde_json::from_value(serde_json::json!({ "role": "user", "resource": uri })).unwrap();
    let with = |argument| PromptBody { arguments: vec![argument], ..prompt("x") };
    let completed: Argument =
        serde_json::from_value(serde_json::json!({ "name": "a", "type": "number", "complete": "documents" })).unwrap();
    let twice = vec![argument("a", Kind::String, &[]), argument("a", Kind::Number, &[])];
    let refused = [
        (PromptBody { title: Some(String::new()), ..prompt("x") }, InvalidPrompt::Title),
        (PromptBody { description: Some("a\nb".to_owned()), ..prompt("x") }, InvalidPrompt::Description),
        (PromptBody { arguments: twice, ..prompt("x") }, InvalidPrompt::Arguments),
        (with(argument("a b", Kind::String, &[])), InvalidPrompt::Name),
        (with(argument("a", Kind::Enum, &[])), InvalidPrompt::Values("a".to_owned())),
        (with(argument("a", Kind::Enum, &["x", "x"])), InvalidPrompt::Values("a".to_owned())),
        (with(argument("a", Kind::String, &["x"])), InvalidPrompt::Values("a".to_owned())),
        (with(completed), InvalidPrompt::Complete("a".to_owned())),
        (PromptBody::default(), InvalidPrompt::Messages),
        (PromptBody { messages: vec![says("x"); 33], ..PromptBody::default() }, InvalidPrompt::Messages),
        (PromptBody { messages: vec![resource("doc://a"); 9], ..PromptBody::default() }, InvalidPrompt::Messages),
        (prompt("{{b}}"), InvalidPrompt::Place("b".to_owned())),
        (prompt("\0"), InvalidPrompt::Nul),
    ];
    for (body, reason) in refused {
        let answer = store.save_prompt(&name("a"), Some(1), body).await;
        assert!(matches!(&answer, Err(PromptStoreError::Invalid(invalid)) if *invalid == reason), "{answer:?}");
    }
    for uri in
        ["doc://", "doc://../a", "doc://a b", "http://localhost/", "file://a", "file:///../a", "test://static-text"]
    {
        let body = PromptBody { messages: vec![resource(uri)], ..PromptBody::default() };
        let answer = store.save_prompt(&name("a"), Some(1), body).await;
        assert!(matches!(&answer, Err(PromptStoreError::Invalid(InvalidPrompt::Resource(_)))), "{uri}: {answer:?}");
    }
    let large = store.save_prompt(&name("a"), Some(1), prompt(&"x".repeat(64 * 1024))).await;
    assert!(matches!(large, Err(PromptStoreError::Invalid(InvalidPrompt::Size(_)))), "{large:?}");
    for wrong in ["", "a b", "a/b", "ä", &"x".repeat(129)] {
        assert_eq!(PromptName::parse(wrong), Err(InvalidPrompt::Name));
    }
    let left = store.prompt(&name("a"), None).await.unwrap();
    assert_eq!((left.version, text(&left.body)), (1, "one"));
}

async fn concurrent_writers_of_a_prompt_lose_no_update(engine: Engine) {
    const ROUNDS: usize = 40;
    let stores = [engine.open(Limits::default()).await, engine.open(Limits::default()).await];
    stores[0].save_prompt(&name("log"), None, prompt("")).await.unwrap();
    let write = |store: Store, who: usize| async move {
        for round in 0..ROUNDS {
            loop {
                let read = store.prompt(&name("log"), None).await.unwrap();
                let longer = prompt(&format!("{}{who}.{round}\n", text(&read.body)));
                match store.save_prompt(&name("log"), Some(read.version), longer).await {
                    Ok(_) => break,
                    Err(PromptStoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    };
    let [first, second] = stores.clone();
    let (one, two) = tokio::join!(tokio::spawn(write(first, 1)), tokio::spawn(write(second, 2)));
    one.unwrap();
    two.unwrap();
    let log = stores[0].prompt(&name("log"), None).await.unwrap();
    let lines: BTreeSet<&str> = text(&log.body).lines().collect();
    assert_eq!((lines.len(), usize::try_from(log.version).unwrap()), (2 * ROUNDS, 2 * ROUNDS + 1));
    assert_eq!(stores[1].prompt_history(&name("log"), None, 200).await.unwrap().items.len(), 2 * ROUNDS + 1);
}

async fn concurrent_creators_and_deleters_of_a_prompt_never_repeat_a_version(engine: Engine) {
    const ROUNDS: usize = 40;
    let stores = [engine.open(Limits::default()).await, engine.open(Limits::default()).await];
    let work = |store: Store| async move {
        let mut created = vec![];
        for _ in 0..ROUNDS {
            match store.save_prompt(&name("p"), None, prompt("text")).await {
                Ok(prompt) => created.push(prompt.version),
                Err(PromptStoreError::Exists(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
            match store.delete_prompt(&name("p"), None).await {
                Ok(_) | Err(PromptStoreError::NotFound(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        created
    };
    let [first, second] = stores.map(|store| tokio::spawn(work(store)));
    let mut created = first.await.unwrap();
    created.extend(second.await.unwrap());
    let different: BTreeSet<u32> = created.iter().copied().collect();
    assert!(created.len() >= ROUNDS, "in every round somebody creates: {}", created.len());
    assert_eq!(different.len(), created.len(), "{created:?}");
}

async fn feed_tells_of_prompts_that_others_change(engine: Engine) {
    let (store, other) = (engine.open(Limits::default()).await, engine.open(Limits::default()).await);
    let mut feed = store.feed().await.unwrap().unwrap();
    store.save_prompt(&name("own"), None, prompt("text")).await.unwrap();
    other.create(&super::path("a"), super::body("text")).await.unwrap();
    let news = feed.next().await.unwrap();
    assert_eq!((news.documents.len(), news.prompts), (1, false), "its own are no news");
    other.save_prompt(&name("p"), None, prompt("text")).await.unwrap();
    let news = feed.next().await.unwrap();
    assert_eq!((news.documents.len(), news.prompts), (0, true));
    other.delete_prompt(&name("p"), None).await.unwrap();
    assert!(feed.next().await.unwrap().prompts);
}
