//! Searching: what is found, in which order, with which snippet.

mod large;

use doorward_reference_server::storage::{Body, Filter, Limits, SearchText};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::{Store, body, content, engine::Engine, found, on_every_engine, path, search, tagged};

on_every_engine!(
    search_ranks_filters_and_follows_every_change,
    words_that_stand_far_apart_or_often_are_found_as_phrases,
    no_text_of_a_caller_breaks_the_search,
    rebuilt_index_finds_what_the_old_one_found,
    dropped_rebuild_leaves_the_old_index_and_no_lock,
);

async fn search_ranks_filters_and_follows_every_change(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("low"), body("a long text in which budget is one word of many others")).await.unwrap();
    let titled = Body { title: "Budget".to_owned(), ..tagged("Café budget", &["money"]) };
    store.create(&path("high"), titled).await.unwrap();
    assert_eq!(found(&store, "budget").await, ["high", "low"]);
    assert_eq!(found(&store, "BUDG*").await, ["high", "low"]);
    assert_eq!(found(&store, "cafe").await, ["high"]);
    assert_eq!(found(&store, "budget -cafe").await, ["low"]);
    assert_eq!(found(&store, "\"one word\"").await, ["low"]);
    assert_eq!(found(&store, "\"word one\"").await, Vec::<String>::new());
    let filter = Filter { tags: vec!["money".to_owned()], ..Filter::default() };
    let page = store.search(&search("budget"), &filter, 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].snippet, "Café **budget**");
    assert!(store.search(&search("budget"), &Filter::default(), 1).await.unwrap().more);
    store.update(&path("low"), 1, content("nothing")).await.unwrap();
    store.delete(&path("high"), None).await.unwrap();
    assert_eq!(found(&store, "budget").await, Vec::<String>::new());
    assert_eq!(found(&store, "nothing").await, ["low"]);
}

async fn rebuilt_index_finds_what_the_old_one_found(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    for number in 0..120 {
        store.create(&path(&format!("d/{number}")), body(&format!("word{number} common"))).await.unwrap();
    }
    let steps = std::sync::Mutex::new(vec![]);
    let indexed = store.rebuild_index(&|done, total| steps.lock().unwrap().push((done, total))).await.unwrap();
    assert_eq!(indexed, 120);
    assert_eq!(*steps.lock().unwrap(), [(0, 120), (100, 120), (120, 120)]);
    assert_eq!(found(&store, "word7").await, ["d/7"]);
    store.update(&path("d/7"), 1, content("other")).await.unwrap();
    assert_eq!(found(&store, "word7").await, Vec::<String>::new());
}

async fn dropped_rebuild_leaves_the_old_index_and_no_lock(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    for number in 0..120 {
        store.create(&path(&format!("d/{number}")), body(&format!("word{number} common"))).await.unwrap();
    }
    let (steps, mut step) = tokio::sync::watch::channel(0);
    let progress = |done, _| {
        steps.send_replace(done);
    };
    tokio::select! {
        biased;
        Ok(_) = step.wait_for(|done| *done > 0) => {}
        ended = store.rebuild_index(&progress) => panic!("{ended:?}"),
    }
    store.create(&path("after"), body("afterwards")).await.unwrap();
    assert_eq!(found(&store, "afterwards").await, ["after"]);
    assert_eq!(found(&store, "word119").await, ["d/119"]);
}

/// A `tsvector` counts 256 places of a word, and places up to 16383.
async fn words_that_stand_far_apart_or_often_are_found_as_phrases(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let long = format!("{}needle in hay", "the hay ".repeat(20_000));
    store.create(&path("long"), body(&long)).await.unwrap();
    assert_eq!(found(&store, "\"hay needle in\"").await, ["long"]);
    assert_eq!(found(&store, "\"needle in\" the").await, ["long"]);
    assert_eq!(found(&store, "\"in needle\"").await, Vec::<String>::new());
    assert_eq!(found(&store, "hay -\"needle i\"*").await, Vec::<String>::new());
    // Neither do phrases reach from one field into another.
    assert_eq!(found(&store, "\"title the\"").await, Vec::<String>::new());
    let page = store.search(&search("\"needle in\""), &Filter::default(), 1).await.unwrap();
    assert!(page.items[0].snippet.ends_with("the hay **needle in** hay"), "{}", page.items[0].snippet);
    // A mebibyte of different words is stored, whatever the index makes of it.
    let words: String = (0..130_000).map(|number| format!("{number:07} ")).collect();
    store.create(&path("words"), Body { title: "many".to_owned(), ..body(&words) }).await.unwrap();
    assert_eq!(found(&store, "many 0000001").await, ["words"]);
}

async fn no_text_of_a_caller_breaks_the_search(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("some text")).await.unwrap();
    let grammar = "[\"'*^:(){}+\\-,. |&!<>%_\\\\]|AND|OR|NOT|NEAR|title|text|some|\\PC|[\\x00-\\x1f]";
    let config = ProptestConfig { cases: engine.cases(), failure_persistence: None, ..ProptestConfig::default() };
    let here = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&proptest::collection::vec(grammar, 0..24), |parts| {
            let Ok(text) = SearchText::parse(&parts.concat()) else { return Ok(()) };
            let searched = here.block_on(store.search(&text, &Filter::default(), 5));
            searched.map(|_| ()).map_err(|error| TestCaseError::fail(format!("{text:?}: {error:?}")))
        })
    })
    .unwrap();
}

/// Small, with every place where a word may stand, and words in several forms.
const CORPUS: [(&str, &str, &str); 9] = [
    ("notes/bread.md", "Bread", "Flour, water, salt and time. Bake the bread."),
    ("notes/bread/rye.md", "Rye", "A bread of rye flour. Sourdough takes time."),
    ("notes/soup.md", "Soup with bread", "Water, salt and bread crumbs."),
    ("recipes/cafe.md", "Café au lait", "Milk and coffee; crème brûlée beside it."),
    ("recipes/flour.txt", "Kinds", "bread bread bread bread flour flour"),
    ("log/2026-11-24", "Day", "No time for baking. Next year: bread, said the Café."),
    ("log/next-year", "Next year", "Plan the year. Planning takes time."),
    ("Straße/Größe", "ÜBER", "Die größte STRASSE, straße. O'Neill's, e-mail a.b@c.example, x_y 10.5 3x"),
    ("кофе", "Кофе", "Чёрный кофе и хлеб"),
];

const SEARCHES: [&str; 30] = [
    "bread",
    "BREAD",
    "bre*",
    "flour bread",
    "flour -rye",
    "\"bread crumbs\"",
    "\"crumbs bread\"",
    "time -\"takes time\"",
    "cafe",
    "CAFÉ",
    "creme brulee",
    "\"next year\"",
    "\"next ye\"*",
    "plan*",
    "year plan",
    "notes bread",
    "md",
    "2026",
    "\"2026 11 24\"",
    "straße",
    "grosse",
    "größe",
    "über",
    "o'neill",
    "neill",
    "e-mail",
    "\"x y\"",
    "10",
    "кофе",
    "чёрный -хлеб",
];

/// Everything that a search tells but the times.
async fn told(store: &Store, text: &str) -> Vec<(String, String, f64)> {
    let page = store.search(&search(text), &Filter::default(), 20).await.unwrap();
    page.items.into_iter().map(|hit| (hit.summary.path.to_string(), hit.snippet, hit.score)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_tell_the_same_in_the_same_order() {
    let (one, other) = (Engine::sqlite(), Engine::postgres().await);
    let (one, other) = (one.open(Limits::default()).await, other.open(Limits::default()).await);
    for store in [&one, &other] {
        for (place, title, text) in CORPUS {
            store.create(&path(place), Body { title: title.to_owned(), ..body(text) }).await.unwrap();
            // The time of a change has milliseconds.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    }
    let mut hits = 0;
    for text in SEARCHES {
        let (one, other) = (told(&one, text).await, told(&other, text).await);
        hits += one.len();
        assert_eq!(one, other, "{text}");
    }
    assert!(hits > 40, "{hits}");
    // Titles first, then paths, then contents, the latest change first.
    let order: Vec<String> = told(&one, "bread").await.into_iter().map(|(path, ..)| path).collect();
    let wanted = ["notes/bread.md", "notes/soup.md", "notes/bread/rye.md", "log/2026-11-24", "recipes/flour.txt"];
    assert_eq!(order, wanted);
}
