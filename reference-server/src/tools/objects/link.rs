//! `object_link`.

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::end;
use crate::objects::ObjectKey;
use crate::objects::link::Via as By;
use crate::resources::objects::resource;
use crate::tools::typed::{reads, typed_tool, value};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Gives an address that anybody who knows it can read an object at, without further permission, \
        until it ends.";
    Entry::new(typed_tool::<Wanted, Linked>("object_link", "Link to an object", description, reads()), link)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Key of the object
    key: String,
    /// How long it works, in seconds; as long as the server lets any link work if not given
    expires_in: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Linked {
    /// Address for GET
    url: String,
    /// When it ends, RFC 3339; absent where it does not
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Who answers
    via: Via,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Via {
    Cdn,
    Store,
    Server,
}

async fn link(call: Call) -> Outcome {
    let wanted: Wanted = call.typed_arguments()?;
    let key = ObjectKey::parse(&wanted.key)?;
    let lifetime = call.lifetime(wanted.expires_in)?;
    let objects = call.objects()?;
    let stat = objects.stat(&key).await?;
    let link = objects.link(&stat, call.server.shared.links(), lifetime).await?;
    let via = match link.via {
        By::Cdn => Via::Cdn,
        By::Store => Via::Store,
        By::Server => Via::Server,
    };
    let linked = Linked { url: link.url.clone(), expires_at: link.expires_at.map(end), via };
    let mut result = CallToolResult::structured(value(&linked)?);
    let mut resource = resource(&stat);
    resource.uri = link.url;
    result.content.push(ContentBlock::resource_link(resource));
    Ok(result.into())
}
