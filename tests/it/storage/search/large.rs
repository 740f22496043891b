//! Both engines over one large corpus, made from a seed: the same hits in the same order, which is the one that
//! `docs/REFERENCE_SERVER.md` promises, whatever filter is set.

use std::collections::BTreeSet;

use doorward_reference_server::storage::{
    Body, Filter, Hit, Limits,
    backup::{backup, restore},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRng, TestRunner},
};

use crate::storage::{Store, body, content, engine::Engine, path, search};

const DOCUMENTS: usize = 2_000;
const UPDATES: usize = 300;
const SEARCHES: usize = 300;
const SEED: u8 = 7;

/// In several scripts, cases and forms, some of several words to either engine.
const WORDS: [&str; 32] = [
    "bread",
    "Bread",
    "BREAD",
    "breads",
    "flour",
    "water",
    "salt",
    "time",
    "times",
    "rye",
    "soup",
    "soups",
    "café",
    "CAFE",
    "crème",
    "brûlée",
    "Straße",
    "strasse",
    "größe",
    "Über",
    "кофе",
    "Кофе",
    "чёрный",
    "хлеб",
    "2026",
    "10.5",
    "e-mail",
    "o'neill",
    "x_y",
    "next",
    "year",
    "plan",
];
const FOLDERS: [&str; 7] = ["notes", "notes/old", "log", "recipes/soup", "Straße", "кофе/хлеб", "plan"];
const TAGS: [&str; 4] = ["shop", "old", "été", "new"];
const MEDIA_TYPES: [&str; 3] = ["text/plain", "text/markdown", "application/json"];
const PREFIXES: [&str; 7] = ["notes/", "notes/old/", "lo", "recipes/soup/br", "Straße/", "кофе", "nothing/"];

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(WORDS.to_vec())
}

fn text(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec((word(), prop::sample::select(vec![" ", ", ", ". ", "\n"])), 1..=most)
        .prop_map(|words| words.into_iter().flat_map(|(word, between)| [word, between]).collect::<String>())
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(TAGS.to_vec(), 0..=2).prop_map(|tags| tags.into_iter().map(str::to_owned).collect())
}

/// A document, and the beginning of its path, behind which comes a number.
fn document() -> impl Strategy<Value = (String, Body)> {
    let place = (prop::sample::select(FOLDERS.to_vec()), word()).prop_map(|(folder, word)| format!("{folder}/{word} "));
    (place, text(3), text(40), tags(), prop::sample::select(MEDIA_TYPES.to_vec())).prop_map(
        |(place, title, content, tags, media_type)| {
            let title = title.replace('\n', " ").trim().to_owned();
            let (media_type, tags) = (media_type.to_owned(), BTreeSet::from_iter(tags));
            (place, Body { title, media_type, tags, ..body(&content) })
        },
    )
}

/// At least one word that must be there, and others that must or must not.
fn words() -> impl Strategy<Value = String> {
    let wanted = term().prop_filter("something is looked for", |term| !term.starts_with('-'));
    (wanted, prop::collection::vec(term(), 0..=2)).prop_map(|(wanted, more)| [vec![wanted], more].concat().join(" "))
}

fn term() -> impl Strategy<Value = String> {
    let beginning = |word: &str| word.chars().take(3).collect::<String>();
    prop_oneof![
        4 => word().prop_map(str::to_owned),
        1 => (word(), word()).prop_map(|(one, other)| format!("\"{one} {other}\"")),
        1 => word().prop_map(move |word| format!("{}*", beginning(word))),
        1 => word().prop_map(|word| format!("-{word}")),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let prefix = prop::option::of(prop::sample::select(PREFIXES.to_vec()));
    let media_type = prop::option::weighted(0.3, prop::sample::select(MEDIA_TYPES.to_vec()));
    (prefix, tags(), media_type).prop_map(|(prefix, tags, media_type)| Filter {
        prefix: prefix.map(str::to_owned),
        tags,
        media_type: media_type.map(str::to_owned),
    })
}

fn runner() -> TestRunner {
    let config = Config { failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(config.rng_algorithm, &[SEED; 32]);
    TestRunner::new_with_rng(config, rng)
}

fn drawn<S: Strategy>(strategy: S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

async fn filled(store: &Store, runner: &mut TestRunner) {
    let mut paths = vec![];
    for number in 0..DOCUMENTS {
        let (place, body) = drawn(document(), runner);
        let path = path(&format!("{place}{number}"));
        store.create(&path, body).await.unwrap();
        paths.push((path, 1));
    }
    for _ in 0..UPDATES {
        let at = drawn(0..DOCUMENTS, runner);
        let (path, version) = &mut paths[at];
        store.update(path, *version, content(&drawn(text(40), runner))).await.unwrap();
        *version += 1;
    }
}

/// The best sum first, then the latest change, then the path.
fn in_order(hits: &[Hit]) -> bool {
    hits.is_sorted_by(|one, other| {
        let by_path = one.summary.path.as_str() < other.summary.path.as_str();
        let by_time = one.summary.updated_at.cmp(&other.summary.updated_at).reverse();
        one.score > other.score || one.score == other.score && (by_time.is_lt() || by_time.is_eq() && by_path)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_tell_the_same_of_a_large_corpus_in_the_promised_order() {
    let (engine, other_engine) = (Engine::sqlite(), Engine::postgres().await);
    let (one, other) = (engine.open(Limits::default()).await, other_engine.open(Limits::default()).await);
    let mut runner = runner();
    filled(&one, &mut runner).await;
    // So that the other has the same times of changes, equal ones included.
    let folder = tempfile::tempdir().unwrap();
    backup(&*one, &folder.path().join("backup")).await.unwrap();
    restore(&*other, &folder.path().join("backup")).await.unwrap();
    let (mut hits, mut cut, mut filtered) = (0, 0, 0);
    for _ in 0..SEARCHES {
        let words = drawn(words(), &mut runner);
        let filter = if drawn(any::<bool>(), &mut runner) { drawn(filter(), &mut runner) } else { Filter::default() };
        let limit = drawn(prop::sample::select(vec![5, 50, 200]), &mut runner);
        let page = one.search(&search(&words), &filter, limit).await.unwrap();
        let same = other.search(&search(&words), &filter, limit).await.unwrap();
        assert_eq!(page, same, "{words} {filter:?}");
        assert!(in_order(&page.items), "{words} {filter:?}: {:#?}", page.items);
        hits += page.items.len();
        cut += usize::from(page.more);
        filtered += usize::from(filter != Filter::default() && !page.items.is_empty());
    }
    assert!(hits > 5_000 && cut > 50 && filtered > 50, "{hits} hits, {cut} cut, {filtered} filtered");
}
