//! Documents that resemble a team's: words by Zipf's law, in contents, titles and paths; a few folders, tags and media types.
//!
//! Every document follows from the seed and its number alone, so that the same corpus is made again anywhere.

use std::{collections::BTreeSet, fmt::Write as _};

use doorward_reference_server::storage::{Body, Document, DocumentPath, path::PathError};
use fastrand::Rng;

/// Different words.
const WORDS: usize = 50_000;
/// Length of a content: equally many documents between this and twice this, as between half the longest and the longest.
const SHORTEST: f64 = 300.0;
const LONGEST: f64 = 8192.0;
const FOLDERS: usize = 60;
const TAGS: usize = 40;
/// The first document's time, in milliseconds since 1970, and the time between two.
const BEGIN: i64 = 1_600_000_000_000;
const STEP: i64 = 900_000;

/// What documents are made of.
#[derive(Debug)]
pub(super) struct Corpus {
    seed: u64,
    documents: u32,
    words: Vec<String>,
    /// For each word, how often it or a more frequent one is used; the last is 1.
    cumulative: Vec<f64>,
}

impl Corpus {
    #[expect(clippy::cast_precision_loss, reason = "ranks far below 2^53")]
    pub(super) fn new(seed: u64, documents: u32) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut seen = BTreeSet::new();
        let mut words = Vec::with_capacity(WORDS);
        while words.len() < WORDS {
            let word = new_word(&mut random, words.len());
            if seen.insert(word.clone()) {
                words.push(word);
            }
        }
        let total: f64 = (1..=WORDS).map(|rank| 1.0 / rank as f64).sum();
        let mut sum = 0.0;
        let cumulative = (1..=WORDS).map(|rank| {
            sum += 1.0 / (rank as f64 * total);
            sum
        });
        Self { seed, documents, cumulative: cumulative.collect(), words }
    }

    pub(super) fn documents(&self) -> u32 {
        self.documents
    }

    /// A word as often as it is used.
    pub(super) fn used(&self, random: &mut Rng) -> &str {
        let at = random.f64();
        self.nth(self.cumulative.partition_point(|sum| *sum < at))
    }

    /// Any word, each as often.
    pub(super) fn any(&self, random: &mut Rng) -> &str {
        self.nth(random.usize(..WORDS))
    }

    /// The word of this rank, 0 for the most frequent.
    pub(super) fn nth(&self, rank: usize) -> &str {
        self.words.get(rank.min(WORDS - 1)).map_or("", String::as_str)
    }

    pub(super) fn folder(&self, number: usize) -> String {
        format!("{}/{}", self.nth(100 + number % 12), self.nth(1000 + number % FOLDERS))
    }

    pub(super) fn tag(&self, number: usize) -> &str {
        self.nth(300 + number % TAGS)
    }

    pub(super) fn media_type(number: usize) -> &'static str {
        match number % 10 {
            0..=6 => "text/markdown",
            7 | 8 => "text/plain",
            _ => "application/json",
        }
    }

    /// The document with this number, counted from 0.
    pub(super) fn document(&self, number: u32) -> Result<Document, PathError> {
        let mut random = Rng::with_seed(self.seed ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let title: Vec<&str> = (0..random.usize(3..=8)).map(|_| self.used(&mut random)).collect();
        let path = format!("{}/{}-{number}.md", self.folder(random.usize(..FOLDERS)), title.join("-"));
        let content = self.content(&mut random);
        let mut tags = BTreeSet::new();
        for _ in 0..random.usize(..=4) {
            // Some tags are frequent.
            tags.insert(self.tag(random.usize(..TAGS) * random.usize(..TAGS) / TAGS).to_owned());
        }
        let created_at = BEGIN + i64::from(number) * STEP;
        // A third was changed later.
        let later = if random.u8(..3) == 0 { i64::from(self.documents.saturating_sub(number)) * STEP } else { 0 };
        Ok(Document {
            path: DocumentPath::parse(&path)?,
            version: 1,
            body: Body {
                title: title.join(" "),
                media_type: Self::media_type(random.usize(..10)).to_owned(),
                content,
                metadata: serde_json::Map::new(),
                tags,
            },
            created_at,
            updated_at: created_at + random.i64(0..=later),
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length of a few thousand")]
    fn content(&self, random: &mut Rng) -> String {
        let length = (SHORTEST * (LONGEST / SHORTEST).powf(random.f64())) as usize;
        let mut content = String::with_capacity(length + 32);
        let mut sentence = 0;
        while content.len() < length {
            let end = sentence > 6 && random.u8(..8) == 0;
            sentence = if end { 0 } else { sentence + 1 };
            // Writing to a String cannot fail.
            let _ = write!(content, "{}{}", self.used(random), if end { ".\n" } else { " " });
        }
        content
    }
}

/// A word that can be spoken; frequent ones are short.
fn new_word(random: &mut Rng, rank: usize) -> String {
    const STARTS: [&str; 20] =
        ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pl", "ch"];
    const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ea", "ou", "ai"];
    const ENDS: [&str; 6] = ["", "", "", "n", "r", "s"];
    let syllables = if rank < 100 { 1 + random.usize(..2) } else { 2 + random.usize(..3) };
    let one = |parts: &[&'static str], random: &mut Rng| parts.get(random.usize(..parts.len())).copied().unwrap_or("");
    (0..syllables).map(|_| [one(&STARTS, random), one(&VOWELS, random), one(&ENDS, random)].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_follows_from_seed_and_number() {
        let (one, other) = (Corpus::new(7, 10), Corpus::new(7, 10));
        assert_eq!(one.document(3).unwrap(), other.document(3).unwrap());
        assert_ne!(one.document(3).unwrap().body, one.document(4).unwrap().body);
        assert_ne!(one.document(3).unwrap().body, Corpus::new(8, 10).document(3).unwrap().body);
    }

    #[test]
    fn most_frequent_word_is_used_about_once_in_eleven() {
        let corpus = Corpus::new(1, 1);
        let mut random = Rng::with_seed(5);
        let uses = (0..20_000).filter(|_| corpus.used(&mut random) == corpus.nth(0)).count();
        assert!((1500..2100).contains(&uses), "{uses}");
    }

    #[test]
    fn documents_are_within_the_limits_of_the_store_and_differ_in_path() {
        let corpus = Corpus::new(1, 500);
        let documents: Vec<Document> = (0..500).map(|number| corpus.document(number).unwrap()).collect();
        for document in &documents {
            document.body.check(doorward_reference_server::storage::Limits::default()).unwrap();
            assert!((300..=8300).contains(&document.body.content.len()));
        }
        let paths: BTreeSet<_> = documents.iter().map(|document| document.path.as_str()).collect();
        assert_eq!(paths.len(), 500);
    }
}
