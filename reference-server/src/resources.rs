//! The resources: documents under `doc://`, structured records under `record://`, the served directory under `file:///`, objects under `object://`, fixtures under `test://`, and the virtual files under `demo://files`.
//!
//! In: URIs. Out: contents. Refusal: `None` for a URI that is not served, which the server turns into the era's code.
//! To add one: a line in [`list`] and an arm in [`read`]; what is stored has modules of its own.

pub mod documents;
pub mod files;
pub mod objects;
pub mod records;

use rmcp::ErrorData;
use rmcp::model::{Annotations, Resource, ResourceContents, ResourceTemplate};

use crate::directory::{FilePath, OfFile};
use crate::icons::Sign;
use crate::objects::{ObjectKey, OfObject};
use crate::state::Shared;
use crate::storage::path::Scheme as _;
use crate::storage::record::RecordName;
use crate::storage::{DocumentPath, time};

/// The resource that `test_trigger_resource_change` changes.
pub const WATCHED_URI: &str = "test://watched-resource";

/// Template of the virtual files; the path is the file's, without its leading slash.
pub const FILE_TEMPLATE: &str = "demo://files/{+path}";

/// Template of the suite's fixture.
pub const DATA_TEMPLATE: &str = "test://template/{id}/data";

const FILE_PREFIX: &str = "demo://files";

/// One red pixel, PNG, Base64.
pub const PIXEL_PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// An empty sound, WAV (8 kHz, mono, 8 bit), Base64.
pub const SILENCE_WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// URI of a virtual file.
#[must_use]
pub fn file_uri(path: &str) -> String {
    format!("{FILE_PREFIX}{path}")
}

/// Every built-in resource that is not behind a template, and every virtual file, in a fixed order.
#[must_use]
pub fn list(shared: &Shared) -> Vec<Resource> {
    if !shared.has_samples() {
        return vec![];
    }
    let fixture = |uri: &str, name: &str, description: &str, mime_type: &str| {
        let resource = Resource::new(uri, name).with_description(description).with_mime_type(mime_type);
        resource.with_icons(Sign::Fixture.icons())
    };
    let mut resources = vec![
        fixture("test://static-text", "static-text", "A text that never changes", "text/plain"),
        fixture("test://static-binary", "static-binary", "An image that never changes", "image/png"),
        fixture(WATCHED_URI, "watched-resource", "A text that changes on demand", "text/plain"),
    ];
    resources.extend(shared.files.list().into_iter().map(|file| {
        fixture(&file_uri(&file.path), &file.path, "A file of the built-in virtual tree", file.mime_type)
            .with_size(u64::try_from(file.text.len()).unwrap_or(u64::MAX))
            .with_icons(Sign::File.icons())
    }));
    resources
}

/// Where the list goes on from documents to files.
const FIRST_FILE: &str = OfFile::PREFIX;

/// Where it goes on to objects.
const FIRST_OBJECT: &str = OfObject::PREFIX;

/// A page of the list from behind the URI `after` on, and the URI to go on from: first what is built in, then
/// documents, then files, then objects. `None` where `after` is no place in it.
///
/// # Errors
/// When a store fails.
pub async fn page(shared: &Shared, after: Option<&str>) -> Result<Option<(Vec<Resource>, Option<String>)>, ErrorData> {
    let objects = match after {
        Some(FIRST_OBJECT) => Some(None),
        after => after.and_then(ObjectKey::from_uri).map(Some),
    };
    if let Some(after) = objects {
        let Some(objects) = shared.objects() else {
            return Ok(None);
        };
        return Ok(Some(objects::list(objects, after.as_ref()).await?));
    }
    let first_object = || shared.objects().map(|_| FIRST_OBJECT.to_owned());
    let files = match after {
        None => None,
        Some(FIRST_FILE) => Some(None),
        Some(uri) => FilePath::from_uri(uri).map(|path| Some(path.to_string())),
    };
    if let Some(after) = files {
        let Some(directory) = shared.directory() else {
            return Ok(None);
        };
        let page = files::list(directory, after).await;
        let (listed, next) = page.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        return Ok(Some((listed, next.or_else(first_object))));
    }
    let path = after.map(|uri| DocumentPath::from_uri(uri).ok_or(()));
    let Ok(path) = path.transpose() else {
        return Ok(None);
    };
    let (documents, next) = documents::list(shared, path.as_ref().map(DocumentPath::as_str)).await?;
    let mut listed = if after.is_none() { list(shared) } else { vec![] };
    listed.extend(documents);
    let next = match next {
        Some(path) => DocumentPath::parse(&path).ok().map(|path| path.uri()),
        None => shared.directory().map(|_| FIRST_FILE.to_owned()).or_else(first_object),
    };
    Ok(Some((listed, next)))
}

/// When something stored was last changed, in milliseconds since 1970. How important it is and for whom, nobody said.
fn changed_at(milliseconds: i64) -> Annotations {
    let mut annotations = Annotations::default();
    annotations.last_modified = Some(time(milliseconds));
    annotations
}

/// Whether this URI names a document, a record, a file or an object.
#[must_use]
pub fn is_stored(uri: &str) -> bool {
    DocumentPath::from_uri(uri).is_some()
        || RecordName::from_uri(uri).is_some()
        || files::asked::<OfFile>(uri).is_some()
        || files::asked::<OfObject>(uri).is_some()
}

/// The templates.
#[must_use]
pub fn templates(shared: &Shared) -> Vec<ResourceTemplate> {
    let mut templates = if shared.has_samples() { sample_templates() } else { vec![] };
    templates.push(documents::template());
    templates.push(records::template());
    if shared.directory().is_some() {
        templates.push(files::template());
    }
    if shared.objects().is_some() {
        templates.push(objects::template());
    }
    templates
}

/// Whether a template that is served has this URI and this variable.
#[must_use]
pub fn has_variable(shared: &Shared, template: &str, variable: &str) -> bool {
    let served = templates(shared).iter().any(|served| served.uri_template == template);
    let expressions = template.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let mut variables = expressions.flat_map(|(expression, _)| expression.trim_start_matches(['+', '?']).split(','));
    served && variables.any(|name| name == variable)
}

fn sample_templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(DATA_TEMPLATE, "template-data")
            .with_description("Data made from an id")
            .with_mime_type("application/json")
            .with_icons(Sign::Fixture.icons()),
        ResourceTemplate::new(FILE_TEMPLATE, "virtual-file")
            .with_description("A file of the built-in virtual tree")
            .with_icons(Sign::File.icons()),
    ]
}

/// The contents of `uri`, built-in, a document, a record, a file or an object; `None` when nothing is served there.
///
/// # Errors
/// When a store fails; see also [`files::read`] and [`objects::read`].
pub async fn contents(shared: &Shared, uri: &str) -> Result<Option<ResourceContents>, ErrorData> {
    if let Some(contents) = read(shared, uri) {
        return Ok(Some(contents));
    }
    if let Some(contents) = records::read(shared, uri).await? {
        return Ok(Some(contents));
    }
    match documents::read(shared, uri).await? {
        Some(contents) => Ok(Some(contents)),
        None => match files::read(shared, uri).await? {
            Some(contents) => Ok(Some(contents)),
            None => objects::read(shared, uri).await,
        },
    }
}

/// Whether changes of `uri` can be told. A document, record, file or object need not be there yet: its creation is a change.
#[must_use]
pub fn subscribable(shared: &Shared, uri: &str) -> bool {
    let file = shared.directory().is_some() && FilePath::from_uri(uri).is_some();
    let object = shared.objects().is_some() && ObjectKey::from_uri(uri).is_some();
    let stored = DocumentPath::from_uri(uri).is_some() || RecordName::from_uri(uri).is_some();
    file || object || stored || read(shared, uri).is_some()
}

/// The contents of a built-in resource, or `None` when nothing is served there.
#[must_use]
pub fn read(shared: &Shared, uri: &str) -> Option<ResourceContents> {
    if !shared.has_samples() {
        return None;
    }
    match uri {
        "test://static-text" => {
            let text = "This is the content of the static text resource.";
            Some(ResourceContents::text(text, uri).with_mime_type("text/plain"))
        }
        "test://static-binary" => Some(ResourceContents::blob(PIXEL_PNG, uri).with_mime_type("image/png")),
        WATCHED_URI => {
            let text = format!("Watched resource, version {}", shared.watched_version());
            Some(ResourceContents::text(text, uri).with_mime_type("text/plain"))
        }
        _ => template_data(uri).or_else(|| file(shared, uri)),
    }
}

fn template_data(uri: &str) -> Option<ResourceContents> {
    let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
    if id.is_empty() || id.contains('/') {
        return None;
    }
    let data = serde_json::json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
    Some(ResourceContents::text(data.to_string(), uri).with_mime_type("application/json"))
}

fn file(shared: &Shared, uri: &str) -> Option<ResourceContents> {
    let path = uri.strip_prefix(FILE_PREFIX)?;
    let file = shared.files.read(path).ok()?;
    Some(ResourceContents::text(file.text, uri).with_mime_type(file.mime_type))
}

#[cfg(test)]
mod tests;
