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
    /// Pairs of tokens, or strings of two.
    pub(crate) merges: Vec<Value>,
}

/// Of a vocabulary: a map of tokens to ids, or a list of tokens with scores.
#[derive(Default)]
pub(crate) struct Vocabulary {
    /// Bytes of the longest token.
    pub(crate) longest: usize,
    pub(crate) last_id: u64,
}

impl Vocabulary {
    fn join(&mut self, other: Self) {
        self.longest = self.longest.max(other.longest);
        self.last_id = self.last_id.max(other.last_id);
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Extremes)
    }
}

/// Tokens and ids wherever they are: whether they are where they should be is looked at by who reads them.
struct Extremes;

impl<'de> Visitor<'de> for Extremes {
    type Value = Vocabulary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary")
    }

    fn visit_str<E: Error>(self, token: &str) -> Result<Vocabulary, E> {
        Ok(Vocabulary { longest: token.len(), last_id: 0 })
    }

    fn visit_u64<E: Error>(self, last_id: u64) -> Result<Vocabulary, E> {
        Ok(Vocabulary { longest: 0, last_id })
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Vocabulary, E> {
        Ok(Vocabulary::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Vocabulary, E> {
        Ok(Vocabulary::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
        let mut all = Vocabulary::default();
        while let Some(token) = map.next_key()? {
            all.join(token);
            all.join(map.next_value()?);
        }
        Ok(all)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocabulary, A::Error> {
        let mut all = Vocabulary::default();
        while let Some(part) = list.next_element()? {
            all.join(part);
        }
        Ok(all)
    }
}
