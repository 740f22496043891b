//! How PostgreSQL runs the statements of the server on tables with many rows: by their indexes.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::{postgres::Postgres, rpc::Client, upstream::Server};

/// 20,000 documents with an earlier version each, of which 100 have the word `seldom`, and 20,000 records in 20 collections.
const MANY: &str = "
    INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
        SELECT 'd/' || to_char(n, 'FM00000'), 2, 'Title', 'text/plain', repeat('text ', 100), '{}', '[\"t\"]', n, n
        FROM generate_series(1, 20000) AS n;
    INSERT INTO document_versions SELECT id, 1, path, title, media_type, content, metadata, tags, 0 FROM documents;
    INSERT INTO documents_text (document_id, path, title, content, vector)
        SELECT id, ' d ' || number || ' ', ' title ', ' ' || array_to_string(words, ' ') || ' ',
            array_to_tsvector(words || ARRAY['d', number, 'title'])
        FROM documents, LATERAL substr(path, 3) AS number, LATERAL (
            SELECT array_agg('word' || (id * 31 + each) % 3000)
                || CASE WHEN id % 200 = 0 THEN ARRAY['seldom'] ELSE ARRAY[]::text[] END AS words
            FROM generate_series(1, 30) AS each
        ) AS content;
    INSERT INTO records (collection, id, version, body, keys, created_at, updated_at)
        SELECT 'c' || n % 20, 'r' || n, 1, json_build_object('count', n)::text, '{}', 0, 0
        FROM generate_series(1, 20000) AS n";

/// The tables that have many rows.
const LARGE: [&str; 4] = ["documents", "documents_text", "document_versions", "records"];

/// The nodes of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten();
    std::iter::once(plan).chain(below.flat_map(nodes)).collect()
}

/// The plans in a log: after each line that ends with `plan:`, JSON whose lines begin with a tab.
fn plans(log: &str) -> Vec<Value> {
    let plan = |rest: &str| {
        let text: Vec<&str> = rest.lines().take_while(|line| line.starts_with('\t')).collect();
        serde_json::from_str(&text.join("\n")).unwrap_or_else(|error| panic!("{error}: {rest}"))
    };
    log.split("plan:\n").skip(1).map(plan).collect()
}

/// The indexes that a tool's statements on large tables use.
async fn indexes(database: &Postgres, client: &Client, tool: &str, arguments: Value) -> BTreeSet<String> {
    let before = plans(&database.log()).len();
    let answer = client.call(tool, arguments).await;
    assert_ne!(answer.result()["isError"], true, "{tool}: {}", answer.body);
    // The log comes by a pipe: all of it is here once this is.
    let mark = format!("mark of {tool} {before}");
    database.sql(&format!("SELECT '{mark}'")).await;
    let logged = async {
        while !database.log().contains(&format!("'{mark}'")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), logged).await.unwrap();
    let (mut found, seen) = (BTreeSet::new(), plans(&database.log()));
    for explained in &seen[before..] {
        for node in nodes(&explained["Plan"]) {
            let whole = node["Node Type"].as_str().unwrap().ends_with("Seq Scan");
            let large = LARGE.iter().any(|table| node["Relation Name"] == *table);
            assert!(!(whole && large), "{tool} reads a whole table: {explained:#}");
            found.extend(node["Index Name"].as_str().map(str::to_owned));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_goes_through_a_whole_table_of_many_rows() {
    let database = Postgres::start_explaining().await;
    // It makes the tables.
    drop(Server::reference_on(database.url().as_ref()).await);
    database.sql(MANY).await;
    // What autovacuum does elsewhere: without it the text index is a list of what is not in it yet.
    database.sql("VACUUM ANALYZE").await;
    let list = json!({ "prefix": "d/", "limit": 50 });
    let by_path = ["documents_path_key"].as_slice();
    let by_both = ["document_versions_pkey", "documents_path_key"].as_slice();
    let by_text = ["documents_pkey", "documents_text_vector"].as_slice();
    // A statement that stays prepared is planned for all values after some time; both plans count.
    for mode in ["force_custom_plan", "force_generic_plan"] {
        database.sql(&format!("ALTER DATABASE postgres SET plan_cache_mode = {mode}")).await;
        let server =
            Server::reference_with(|command| command.args(["--cache", "none", "--database", &database.url()])).await;
        let client = Client::modern(&server.url, None);
        let first = client.call("document_list", list.clone()).await;
        let mut following = list.clone();
        following["cursor"] = first.result()["structuredContent"]["next_cursor"].clone();
        assert!(following["cursor"].is_string(), "{}", first.body);
        for (tool, arguments, wanted) in [
            ("document_list", json!({}), by_path),
            ("document_list", list.clone(), by_path),
            ("document_list", following, by_path),
            ("document_list", json!({ "tags": ["t"], "limit": 10 }), by_path),
            ("document_read", json!({ "path": "d/00777" }), by_path),
            ("document_read", json!({ "path": "d/00777", "version": 1 }), by_both),
            ("document_history", json!({ "path": "d/00777" }), by_both),
            ("document_search", json!({ "query": "seldom" }), by_text),
            ("document_search", json!({ "query": "00777 title" }), by_text),
            ("document_search", json!({ "query": "seldom", "prefix": "d/", "tags": ["t"] }), by_text),
            ("record_read", json!({ "collection": "c7", "id": "r7" }), &["records_pkey"]),
            ("record_query", json!({ "collection": "c7", "limit": 10 }), &["records_there"]),
            (
                "record_query",
                json!({ "collection": "c7", "filter": { "gt": { "field": "count", "value": 5 } },
                "sort": [{ "field": "count" }] }),
                &["records_there"],
            ),
        ] {
            let used = indexes(&database, &client, tool, arguments.clone()).await;
            assert!(wanted.iter().all(|index| used.contains(*index)), "{mode} {tool} {arguments}: {used:?}");
        }
    }
}
