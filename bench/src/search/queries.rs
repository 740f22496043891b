//! What is searched for: classes of queries, each with words as people use them or as they are in the dictionary.

use doorward_reference_server::storage::Filter;
use fastrand::Rng;

use super::corpus::Corpus;
use crate::error::{Error, Result};

/// A kind of query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    OneWord,
    TwoWords,
    ThreeWords,
    Rare,
    Phrase,
    Prefix,
    Without,
    Folder,
    Tag,
    Everywhere,
    EverywhereTwice,
}

impl Class {
    pub(super) const ALL: [Self; 11] = [
        Self::OneWord,
        Self::TwoWords,
        Self::ThreeWords,
        Self::Rare,
        Self::Phrase,
        Self::Prefix,
        Self::Without,
        Self::Folder,
        Self::Tag,
        Self::Everywhere,
        Self::EverywhereTwice,
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::OneWord => "a word, as often as it is used",
            Self::TwoWords => "two such words",
            Self::ThreeWords => "three such words",
            Self::Rare => "any word of the dictionary",
            Self::Phrase => "a phrase of two words",
            Self::Prefix => "the beginning of a word",
            Self::Without => "a word without another",
            Self::Folder => "a word below a folder",
            Self::Tag => "a word with a tag and media type",
            Self::Everywhere => "one of the ten most frequent words",
            Self::EverywhereTwice => "two of them",
        }
    }

    /// A query of this class, in the language of the search, and its filter.
    pub(super) fn query(self, corpus: &Corpus, random: &mut Rng) -> Result<(String, Filter)> {
        let plain = |text: String| (text, Filter::default());
        let frequent = |random: &mut Rng| corpus.nth(random.usize(..10)).to_owned();
        Ok(match self {
            Self::OneWord => plain(corpus.used(random).to_owned()),
            Self::TwoWords => plain(several(corpus, random, 2)),
            Self::ThreeWords => plain(several(corpus, random, 3)),
            Self::Rare => plain(corpus.any(random).to_owned()),
            Self::Phrase => plain(phrase(corpus, random)?),
            Self::Prefix => plain(corpus.used(random).chars().take(4).chain(['*']).collect()),
            Self::Without => plain(format!("{} -{}", corpus.used(random), corpus.used(random))),
            Self::Folder => {
                let prefix = Some(corpus.folder(random.usize(..60)) + "/");
                (corpus.used(random).to_owned(), Filter { prefix, ..Filter::default() })
            }
            Self::Tag => {
                let tags = vec![corpus.tag(random.usize(..40)).to_owned()];
                let media_type = Some(Corpus::media_type(random.usize(..10)).to_owned());
                (corpus.used(random).to_owned(), Filter { tags, media_type, ..Filter::default() })
            }
            Self::Everywhere => plain(frequent(random)),
            Self::EverywhereTwice => plain(format!("{} {}", frequent(random), frequent(random))),
        })
    }
}

fn several(corpus: &Corpus, random: &mut Rng, words: usize) -> String {
    (0..words).map(|_| corpus.used(random)).collect::<Vec<_>>().join(" ")
}

/// Two words that stand side by side in some document.
fn phrase(corpus: &Corpus, random: &mut Rng) -> Result<String> {
    let document = corpus.document(random.u32(..corpus.documents())).map_err(Error::Path)?;
    let words: Vec<&str> = document.body.content.split_whitespace().collect();
    let at = random.usize(..words.len().saturating_sub(1).max(1));
    Ok(format!("\"{}\"", words.get(at..at + 2).unwrap_or_default().join(" ")))
}

#[cfg(test)]
mod tests {
    use doorward_reference_server::storage::SearchText;

    use super::*;

    #[test]
    fn every_class_gives_queries_that_search_for_something() {
        let corpus = Corpus::new(1, 100);
        let mut random = Rng::with_seed(1);
        for class in Class::ALL {
            for _ in 0..50 {
                let (text, filter) = class.query(&corpus, &mut random).unwrap();
                let parsed = SearchText::parse(&text).unwrap();
                assert_eq!(parsed.excluded.len(), usize::from(class == Class::Without), "{text}");
                assert_eq!(filter == Filter::default(), !matches!(class, Class::Folder | Class::Tag), "{text}");
            }
        }
    }
}
