//! Masking: what a detector recognises in the strings of a message is replaced before the message goes down.
//!
//! In: one whole message. Out: the same bytes where nothing matched (no copy), else the message with the matched parts
//! of its strings replaced. Object keys, numbers and the envelope are left alone. Escapes are decoded before matching,
//! so a secret cannot hide behind `\u0041`. Detectors run in the order of the list, all on the original text; where
//! matches overlap, the earlier and longer one stands. A detector that fails withholds the message.
//!
//! The stage is async: detectors that ask another service fit in without a change of its callers.
//! To add a detector: a file in `detectors/` and a line in [`detectors::all`].

pub mod detectors;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use doorward_message::{Json, Kind, Value, splice::Splice};

use self::detectors::Detector;

/// A detector could not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a masking detector failed")]
pub struct MaskingError;

/// The detectors of a route, in order.
#[derive(Clone, Default)]
pub struct Masking {
    detectors: Arc<[Arc<dyn Detector>]>,
}

/// A string's span, its masked form in JSON, and which detectors matched.
type Found = (Range<usize>, String, Vec<&'static str>);

/// A masked message.
pub struct Masked {
    /// The message's bytes.
    pub bytes: Bytes,
    /// Replacements made, by detector, for metrics.
    pub redactions: Vec<(&'static str, usize)>,
}

impl Masking {
    /// With these detectors.
    pub fn new(detectors: Vec<Arc<dyn Detector>>) -> Self {
        Self { detectors: detectors.into() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.detectors.is_empty()
    }

    /// Masks the strings of `json`.
    ///
    /// # Errors
    /// [`MaskingError`]: the message must not go down.
    pub async fn apply(&self, json: &Json) -> Result<Masked, MaskingError> {
        let unchanged = || Masked { bytes: json.bytes().clone(), redactions: Vec::new() };
        if !self.may_match(json.bytes()) {
            return Ok(unchanged());
        }
        let mut found = Vec::new();
        self.walk(json.root(), &mut found).await?;
        if found.is_empty() {
            return Ok(unchanged());
        }
        let mut splice = Splice::new(json.bytes());
        let mut redactions: Vec<(&'static str, usize)> = Vec::new();
        for (span, text, names) in found {
            splice = splice.replace(span, text.as_bytes());
            for name in names {
                match redactions.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += 1,
                    None => redactions.push((name, 1)),
                }
            }
        }
        let bytes = splice.finish().map_err(|_| MaskingError)?;
        Ok(Masked { bytes, redactions })
    }

    /// One pass over the raw bytes. An escape may hide a match, so its presence asks for the slow way.
    fn may_match(&self, raw: &[u8]) -> bool {
        !self.detectors.is_empty()
            && (memchr::memmem::find(raw, b"\\u").is_some()
                || self.detectors.iter().any(|detector| detector.may_match(raw)))
    }

    async fn walk(&self, root: Value<'_>, found: &mut Vec<Found>) -> Result<(), MaskingError> {
        let mut open = vec![root];
        while let Some(value) = open.pop() {
            match value.kind() {
                Kind::Object => open.extend(value.members().map(|(_, member)| member)),
                Kind::Array => open.extend(value.elements()),
                Kind::String => {
                    let Some(text) = value.as_str() else { continue };
                    if let Some((masked, names)) = self.text(&text).await? {
                        found.push((value.span(), masked, names));
                    }
                }
                Kind::Null | Kind::Bool | Kind::Number => {}
            }
        }
        found.sort_by_key(|(span, ..)| span.start);
        Ok(())
    }

    /// The JSON form of the masked text, if anything matched.
    async fn text(&self, text: &str) -> Result<Option<(String, Vec<&'static str>)>, MaskingError> {
        let mut matches: Vec<(Range<usize>, &'static str)> = Vec::new();
        for detector in self.detectors.iter() {
            for span in detector.find(text).await? {
                matches.push((span, detector.name()));
            }
        }
        if matches.is_empty() {
            return Ok(None);
        }
        matches.sort_by(|(a, _), (b, _)| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
        let mut out = String::with_capacity(text.len());
        let (mut at, mut names) = (0, Vec::new());
        for (span, name) in matches {
            if span.end <= at {
                continue;
            }
            // An overlap that sticks out is swallowed whole: nothing of a match stays.
            if span.start >= at {
                out.push_str(text.get(at..span.start).ok_or(MaskingError)?);
                out.push_str("[masked:");
                out.push_str(name);
                out.push(']');
                names.push(name);
            }
            at = span.end;
        }
        out.push_str(text.get(at..).ok_or(MaskingError)?);
        let json = serde_json::to_string(&out).map_err(|_| MaskingError)?;
        Ok(Some((json, names)))
    }
}

#[cfg(test)]
mod tests {
    use doorward_message::Limits;

    use super::*;

    async fn mask(text: &str) -> (String, Vec<(&'static str, usize)>) {
        let masking = Masking::new(vec![Arc::new(detectors::aws_access_key::AwsAccessKey::new())]);
        let json = Json::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap();
        let masked = masking.apply(&json).await.unwrap();
        (String::from_utf8(masked.bytes.to_vec()).unwrap(), masked.redactions)
    }

    #[tokio::test]
    async fn secret_in_a_string_is_masked_and_the_rest_unchanged() {
        let (text, count) = mask(r#"{"a": ["x AKIAIOSFODNN7EXAMPLE y", 1.50],"b":"AKIA"}"#).await;
        assert_eq!(text, r#"{"a": ["x [masked:aws_access_key] y", 1.50],"b":"AKIA"}"#);
        assert_eq!(count, [("aws_access_key", 1)]);
    }

    #[tokio::test]
    async fn secret_behind_escapes_is_masked() {
        let (text, _) = mask(r#"{"a":"\u0041KIAIOSFODNN7EXAMPL\u0045 \"q\" \n"}"#).await;
        assert_eq!(text, r#"{"a":"[masked:aws_access_key] \"q\" \n"}"#);
    }

    #[tokio::test]
    async fn message_without_secrets_keeps_its_bytes() {
        let plain = r#"{"a":"\u00e9","n":1e400,"s":"AKIAtooshort"}"#;
        assert_eq!(mask(plain).await, (plain.to_owned(), Vec::new()));
    }
}
