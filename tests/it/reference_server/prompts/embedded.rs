//! Resources within stored prompts, read when the prompt is asked for.

use serde_json::{Value, json};

use super::get;
use crate::reference_server::{both_eras, done, files::serving, refused};

#[tokio::test]
async fn prompt_embeds_what_a_file_holds_when_it_is_asked_for() {
    let (folder, server) = serving(&[]).await;
    for client in both_eras(&server.url).await {
        let name = if client.session.is_some() { "legacy" } else { "modern" };
        let file = folder.path().join(name);
        let message = json!({ "role": "user", "resource": format!("file:///{name}") });
        done(&client, "prompt_save", json!({ "name": name, "messages": [message] })).await;
        let missing = get(&client, name, json!({})).await;
        assert_eq!(missing.rpc_code(), -32602);
        assert!(missing.body.contains("which is not there"), "{}", missing.body);
        for content in ["one", "two"] {
            std::fs::write(&file, content).unwrap();
            let filled = get(&client, name, json!({})).await;
            assert_eq!(filled.result()["messages"][0]["content"]["resource"]["text"], content);
        }
        std::fs::write(&file, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert_eq!(get(&client, name, json!({})).await.rpc_code(), -32602);
    }
}

#[tokio::test]
async fn prompt_embeds_records_and_objects_up_to_what_reading_them_gives() {
    let (_folder, server) = serving(&["--objects", "memory:"]).await;
    for client in both_eras(&server.url).await {
        let name = if client.session.is_some() { "legacy" } else { "modern" };
        let uris = [format!("record://stock/{name}"), format!("object://{name}")];
        let messages: Vec<Value> = uris.iter().map(|uri| json!({ "role": "user", "resource": uri })).collect();
        done(&client, "prompt_save", json!({ "name": name, "messages": messages })).await;
        assert_eq!(get(&client, name, json!({})).await.rpc_code(), -32602);
        done(&client, "record_create", json!({ "collection": "stock", "id": name, "body": { "count": 5 } })).await;
        done(&client, "object_write", json!({ "key": name, "content": "large" })).await;
        let filled = get(&client, name, json!({})).await;
        let texts = filled.result()["messages"].as_array().unwrap().iter();
        let texts: Vec<&Value> = texts.map(|message| &message["content"]["resource"]["text"]).collect();
        assert_eq!(texts, ["{\"count\":5}", "large"]);
        let large = "x".repeat((1 << 20) + 1);
        done(&client, "object_write", json!({ "key": name, "content": large, "overwrite": true })).await;
        let too_large = get(&client, name, json!({})).await;
        assert_eq!(too_large.rpc_code(), -32602);
        // Reading the object tells a signed link; a prompt does not.
        assert!(!too_large.body.contains("signature"), "{}", too_large.body);
        for uri in ["object://", "object:///a", "record://stock", "object://a?offset=1", "https://example.com/"] {
            let message = json!({ "role": "user", "resource": uri });
            let save = json!({ "name": "other", "messages": [message] });
            assert_eq!(refused(&client, "prompt_save", save).await["code"], "invalid_prompt", "{uri}");
        }
    }
}
