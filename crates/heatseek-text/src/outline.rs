//! What `tokenizer.json` says of its steps, and as little as possible of its vocabulary.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The parts of `tokenizer.json` that are looked at before it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Outline {
    pub(crate) added_tokens: Vec<Added>,
    pub(crate) normalizer: Option<Value>,
    pub(crate) pre_tokenizer: Option<Value>,
    pub(crate) post_processor: Option<Value>,
    pub(crate) decoder: Option<Value>,
    pub(crate) model: Model,
}

/// How an added token is found: these are patterns to `tokenizers`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Added {
    pub(crate) single_word: bool,
    pub(crate) lstrip: bool,
    pub(crate) rstrip: bool,
}

/// The model, by its extremes.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Model {
    pub(crate) continuing_subword_prefix: Option<String>,
    pub(crate) vocab: Vocabulary,
    pub(crate) merges: Merges,
}

/// Of a vocabulary: a map of tokens to ids, or a list of tokens with scores.
#[derive(Default)]
pub(crate) struct Vocabulary {
    /// Bytes of the longest token.
    pub(crate) longest: usize,
    pub(crate) last_id: u32,
}

/// Of a list of merges: pairs of tokens, or strings of two.
#[derive(Default)]
pub(crate) struct Merges {
    /// Bytes of the two tokens that have the most.
    pub(crate) longest: usize,
    /// What all second tokens begin with; `None` if there are no merges.
    pub(crate) second: Option<String>,
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabularyVisitor)
    }
}

struct VocabularyVisitor;

impl<'de> Visitor<'de> for VocabularyVisitor {
    type Value = Vocabulary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
        let mut all = Vocabulary::default();
        while let Some((token, id)) = map.next_entry::<String, u32>()? {
            all.longest = all.longest.max(token.len());
            all.last_id = all.last_id.max(id);
        }
        Ok(all)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocabulary, A::Error> {
        let mut all = Vocabulary::default();
        while let Some((token, _)) = list.next_element::<(String, f64)>()? {
            all.longest = all.longest.max(token.len());
        }
        Ok(all)
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MergesVisitor)
    }
}

struct MergesVisitor;

impl<'de> Visitor<'de> for MergesVisitor {
    type Value = Merges;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
        let mut all = Merges::default();
        while let Some(Merge(length, second)) = list.next_element()? {
            all.longest = all.longest.max(length);
            let shared = match &all.second {
                None => second,
                Some(known) => {
                    let pairs = known.char_indices().zip(second.chars());
                    let differs = pairs.clone().find(|((_, a), b)| a != b).map(|((at, _), _)| at);
                    known[..differs.unwrap_or(known.len().min(second.len()))].to_owned()
                }
            };
            all.second = Some(shared);
        }
        Ok(all)
    }
}

/// Bytes of both tokens, and the second.
struct Merge(usize, String);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens")
    }

    fn visit_str<E: Error>(self, both: &str) -> Result<Merge, E> {
        let (first, second) = both.split_once(' ').unwrap_or_default();
        Ok(Merge(first.len() + second.len(), second.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
        let both: [Option<String>; 2] = [list.next_element()?, list.next_element()?];
        let [first, second] = both.map(Option::unwrap_or_default);
        Ok(Merge(first.len() + second.len(), second))
    }
}
