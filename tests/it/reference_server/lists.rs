//! What lists tell beside names: icons, when something was changed, and who may keep them; and what of templates completes.

use serde_json::{Value, json};

use super::{both_eras, done, files::serving};
use crate::support::rpc::Client;

/// Every item of a list, through all its pages.
async fn listed(client: &Client, method: &str, key: &str) -> Vec<Value> {
    let (mut items, mut params) = (vec![], json!({}));
    loop {
        let page = client.request(method, params).await;
        items.extend(page.result()[key].as_array().unwrap().iter().cloned());
        match page.result().get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return items,
        }
    }
}

#[tokio::test]
async fn every_item_of_every_list_has_an_icon() {
    let (_folder, server) = serving(&["--objects", "memory:", "--fetch"]).await;
    for client in both_eras(&server.url).await {
        let name = if client.session.is_some() { "legacy" } else { "modern" };
        done(&client, "document_create", json!({ "path": name, "content": "x" })).await;
        done(&client, "file_write", json!({ "path": name, "content": "x" })).await;
        done(&client, "object_write", json!({ "key": name, "content": "x" })).await;
        let messages = json!([{ "role": "user", "text": "x" }]);
        done(&client, "prompt_save", json!({ "name": name, "messages": messages })).await;
        for (method, key, at_least) in [
            ("tools/list", "tools", 70),
            ("resources/list", "resources", 10),
            ("resources/templates/list", "resourceTemplates", 6),
            ("prompts/list", "prompts", 6),
        ] {
            let items = listed(&client, method, key).await;
            assert!(items.len() >= at_least, "{method}: {}", items.len());
            for item in items {
                assert_eq!(item["icons"][0]["mimeType"], "image/svg+xml", "{method}: {item}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_stored_is_listed_and_linked_with_the_time_of_its_change() {
    let (_folder, server) = serving(&["--objects", "memory:"]).await;
    for client in both_eras(&server.url).await {
        let name = if client.session.is_some() { "legacy" } else { "modern" };
        for (tool, key, time) in [
            ("document_create", "path", "updated_at"),
            ("file_write", "path", "modified_at"),
            ("object_write", "key", "modified_at"),
        ] {
            let written = client.call(tool, json!({ key: name, "content": "x" })).await;
            let about = &written.result()["structuredContent"];
            let changed_at = about[time].as_str().unwrap_or_else(|| panic!("{tool}: {}", written.body));
            assert!(changed_at.starts_with("20") && changed_at.ends_with('Z'), "{changed_at}");
            let link = written.result()["content"].as_array().unwrap().last().unwrap().clone();
            assert_eq!(link["annotations"], json!({ "lastModified": changed_at }), "{tool}: {link}");
            let resources = listed(&client, "resources/list", "resources").await;
            let resource = resources.iter().find(|resource| resource["uri"] == about["uri"]).unwrap();
            assert_eq!(resource["annotations"], json!({ "lastModified": changed_at }), "{tool}");
        }
    }
}

#[tokio::test]
async fn list_that_names_what_is_stored_may_not_be_shared_between_users() {
    let (_folder, server) = serving(&[]).await;
    let client = Client::modern(&server.url, None);
    for (method, scope) in [
        ("resources/list", "private"),
        ("prompts/list", "private"),
        ("tools/list", "public"),
        ("resources/templates/list", "public"),
    ] {
        let answer = client.request(method, json!({})).await;
        assert_eq!(answer.result()["cacheScope"], scope, "{method}");
    }
}

#[tokio::test]
async fn variable_of_a_template_without_suggestions_completes_to_none_and_an_unknown_one_is_refused() {
    let (_folder, server) = serving(&["--objects", "memory:"]).await;
    for client in both_eras(&server.url).await {
        let complete = async |template: &str, variable: &str| {
            let reference = json!({ "type": "ref/resource", "uri": template });
            let argument = json!({ "name": variable, "value": "1" });
            client.request("completion/complete", json!({ "ref": reference, "argument": argument })).await
        };
        for template in ["file:///{+path}{?offset,length}", "object://{+key}{?offset,length}"] {
            for variable in ["offset", "length"] {
                let answer = complete(template, variable).await;
                assert_eq!(answer.result()["completion"]["values"], json!([]), "{template}: {}", answer.body);
            }
            assert_eq!(complete(template, "size").await.rpc_code(), -32602, "{template}");
        }
        assert_eq!(complete("doc://{+path}", "offset").await.rpc_code(), -32602);
        assert_eq!(complete("other://{offset}", "offset").await.rpc_code(), -32602);
    }
}
