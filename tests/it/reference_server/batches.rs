//! JSON-RPC batches: part of revision 2025-03-26 and of no other, over both transports.

use serde_json::{Value, json};

use crate::support::{
    rpc::{Answer, Client},
    stdio::Stdio,
    upstream::Server,
};

const REVISION: &str = "2025-03-26";
const OTHERS: [&str; 3] = ["2024-11-05", "2025-06-18", "2025-11-25"];

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

fn notification() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })
}

async fn post(client: &Client, batch: &Value) -> Answer {
    let request = client.prepared(http::Method::POST).header("content-type", "application/json");
    Client::answer(request.header("accept", "application/json, text/event-stream").body(batch.to_string())).await
}

/// The answer with this id in an array of them.
fn of(answers: &Value, id: impl Into<Value>) -> &Value {
    let id = id.into();
    let answers = answers.as_array().unwrap_or_else(|| panic!("no array: {answers}"));
    answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{id} is not in {answers:?}"))
}

/// Two requests, one of them wrong, a notification, and something that is no message.
fn mixed() -> Value {
    json!([call(1, "add", json!({ "a": 1, "b": 2 })), notification(), request("x", "nothing", json!({})), 7])
}

fn check_mixed(answers: &Value) {
    assert_eq!(answers.as_array().unwrap().len(), 3, "{answers}");
    assert_eq!(of(answers, 1)["result"]["structuredContent"]["sum"], 3, "{answers}");
    assert_eq!(of(answers, "x")["error"]["code"], -32601);
    assert_eq!(of(answers, Value::Null)["error"]["code"], -32600);
}

#[tokio::test]
async fn batch_over_http_is_answered_in_one_array() {
    let server = Server::reference().await;
    let client = Client::legacy_with(&server.url, REVISION, json!({})).await;
    let answer = post(&client, &mixed()).await;
    assert_eq!((answer.status, answer.messages.len()), (200, 1), "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    check_mixed(&answer.message);
    let silent = post(&client, &json!([notification(), notification()])).await;
    assert_eq!((silent.status, silent.body.as_str()), (202, ""));
}

#[tokio::test]
async fn member_that_reports_makes_the_answer_a_stream() {
    let server = Server::reference().await;
    let client = Client::legacy_with(&server.url, REVISION, json!({})).await;
    let reporting = json!({ "name": "test_tool_with_progress", "_meta": { "progressToken": "p" } });
    let answer = post(&client, &json!([request(1, "ping", json!({})), request(2, "tools/call", reporting)])).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let (answers, reports) = answer.messages.split_last().unwrap();
    assert_eq!(
        reports.iter().filter(|message| message["params"]["progressToken"] == "p").count(),
        3,
        "{}",
        answer.body
    );
    assert_eq!(of(answers, 1)["result"], json!({}));
    assert_eq!(of(answers, 2)["result"]["content"][0]["text"], "Reported progress three times.");
}

#[tokio::test]
async fn batch_over_http_does_not_wait_for_a_cancelled_member() {
    let server = Server::reference().await;
    let client = Client::legacy_with(&server.url, REVISION, json!({})).await;
    let batch = json!([call("slow", "slow_compute", json!({ "seconds": 600 })), request("quick", "ping", json!({}))]);
    let cancelling = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        client.notify("notifications/cancelled", json!({ "requestId": "slow" })).await
    };
    let (answer, accepted) = tokio::join!(post(&client, &batch), cancelling);
    assert_eq!(accepted.status, 202);
    assert_eq!(answer.message, json!([{ "jsonrpc": "2.0", "id": "quick", "result": {} }]), "{}", answer.body);
}

#[tokio::test]
async fn batch_of_the_wrong_size_or_form_is_refused_as_a_whole() {
    let server = Server::reference().await;
    let client = Client::legacy_with(&server.url, REVISION, json!({})).await;
    let many = |count: u64| Value::from((0..count).map(|id| request(id, "ping", json!({}))).collect::<Vec<_>>());
    assert_eq!(post(&client, &many(50)).await.message.as_array().unwrap().len(), 50);
    for batch in [many(51), json!([]), json!([request(1, "ping", json!({})), request(1, "ping", json!({}))])] {
        let answer = post(&client, &batch).await;
        assert_eq!((answer.status, answer.rpc_code()), (400, -32600), "{}", answer.body);
        assert_eq!(answer.message["id"], Value::Null);
    }
}

#[tokio::test]
async fn other_revisions_and_foreign_sessions_have_no_batches() {
    let server = Server::reference().await;
    let mut clients = vec![Client::modern(&server.url, None)];
    for revision in OTHERS {
        clients.push(Client::legacy_with(&server.url, revision, json!({})).await);
    }
    clients.push(Client::modern(&server.url, None).in_session(Some("no-such-session".to_owned())));
    for client in clients {
        let answer = post(&client, &mixed()).await;
        assert_eq!((answer.status, answer.rpc_code()), (400, -32600), "{}", answer.body);
    }
    let ended = Client::legacy_with(&server.url, REVISION, json!({})).await;
    assert!(Client::answer(ended.prepared(http::Method::DELETE)).await.status < 300);
    // The session's end takes a moment to reach everything that belongs to it; nothing is served meanwhile.
    let answer = post(&ended, &mixed()).await;
    let served = answer.message.as_array().into_iter().flatten().any(|each| each.get("result").is_some());
    assert!(!served, "{}", answer.body);
}

#[tokio::test]
async fn batch_over_stdio_is_answered_in_one_line() {
    let mut stdio = Stdio::start(REVISION).await;
    stdio.write(&mixed()).await;
    check_mixed(&stdio.line().await);
    stdio.write(&json!([notification()])).await;
    stdio.write(&request("after", "ping", json!({}))).await;
    assert_eq!(stdio.line().await["id"], "after", "a batch of notifications is not answered");
    stdio.write(&json!([7])).await;
    assert_eq!(of(&stdio.line().await, Value::Null)["error"]["code"], -32600);
    stdio.write(&json!([])).await;
    assert_eq!(stdio.line().await["error"]["code"], -32600);
}

#[tokio::test]
async fn batch_does_not_wait_for_a_cancelled_member() {
    let mut stdio = Stdio::start(REVISION).await;
    stdio
        .write(&json!([call("slow", "slow_compute", json!({ "seconds": 600 })), request("quick", "ping", json!({}))]))
        .await;
    stdio.write(&request("between", "ping", json!({}))).await;
    assert_eq!(stdio.line().await["id"], "between");
    stdio.write(&json!([request("slow", "ping", json!({}))])).await;
    assert_eq!(stdio.line().await["error"]["code"], -32600, "an id that is under way");
    let cancelled = json!({ "requestId": "slow" });
    stdio.write(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled })).await;
    let answers = stdio.line().await;
    assert_eq!(answers, json!([{ "jsonrpc": "2.0", "id": "quick", "result": {} }]));
}

#[tokio::test]
async fn other_revisions_have_no_batches_over_stdio() {
    for revision in OTHERS {
        let mut stdio = Stdio::start(revision).await;
        stdio.write(&mixed()).await;
        let answer = stdio.line().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32600)), "{revision}: {answer}");
        stdio.write(&request("after", "ping", json!({}))).await;
        assert_eq!(stdio.line().await["id"], "after");
    }
}

#[tokio::test]
async fn what_is_no_message_does_not_end_the_stream() {
    let mut stdio = Stdio::start("2025-11-25").await;
    stdio.process.write(b"not json\n\n\xff\xfe\n").await;
    stdio.write(&json!({ "jsonrpc": "2.0", "method": "notifications/of-nobody" })).await;
    stdio.write(&json!({ "jsonrpc": "2.0", "id": 5, "no": "message" })).await;
    let answer = stdio.line().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(5), &json!(-32600)));
    let long = vec![b'x'; 17 * 1024 * 1024];
    stdio.process.write(&long).await;
    stdio.process.write(b"\n").await;
    stdio.write(&request("after", "ping", json!({}))).await;
    assert_eq!(stdio.line().await["id"], "after");
}

/// Also a batch's, which is read before rmcp sees the request.
#[tokio::test]
async fn a_foreign_request_is_refused_before_its_body_comes() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::reference().await;
    let address = server.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    for foreign in ["host: evil.example\r\n".to_owned(), format!("host: {address}\r\norigin: http://evil.example\r\n")]
    {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{foreign}content-type: application/json\r\ncontent-length: 1000000\r\n\r\n["
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let reading = stream.read_exact(&mut answer);
        tokio::time::timeout(std::time::Duration::from_secs(5), reading).await.expect("no answer").unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 403", "{foreign}");
    }
}
