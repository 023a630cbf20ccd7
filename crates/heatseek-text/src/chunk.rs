//! Splitting a document into passages that a model can read whole.

use unicode_segmentation::UnicodeSegmentation;

use crate::{TextError, Tokenizer};

/// How long passages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkOptions {
    /// The most tokens of a passage, special ones not counted.
    pub tokens: usize,
    /// About how many of them the next passage repeats.
    pub overlap: usize,
}

impl Default for ChunkOptions {
    /// 200 tokens, 40 repeated: a paragraph or two, within every model's limit.
    fn default() -> Self {
        Self { tokens: 200, overlap: 40 }
    }
}

/// A passage of a document, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// Splits `text` into passages of at most `options.tokens` tokens, preferably where a paragraph or a
/// sentence ends, else between words, else between tokens. Together they hold every character but white
/// space; each begins and ends at one that is none. White space alone gives no passage.
///
/// # Errors
/// [`TextError::ChunkOptions`] if the overlap is not smaller than the passage; [`TextError::Encode`].
pub fn chunk(text: &str, tokenizer: &Tokenizer, options: ChunkOptions) -> Result<Vec<Chunk>, TextError> {
    let ChunkOptions { tokens, overlap } = options;
    if overlap >= tokens {
        return Err(TextError::ChunkOptions { tokens, overlap });
    }
    let encoding = tokenizer.encode(text, None)?;
    let places = encoding.offsets.iter().zip(&encoding.special).filter(|(_, special)| !**special);
    let places: Vec<(usize, usize)> = places.map(|(place, _)| *place).collect();
    let breaks = Breaks::new(text, &places);
    let mut chunks = Vec::new();
    let mut first = 0;
    loop {
        let full = (first + tokens).min(places.len());
        let end = if full == places.len() { full } else { breaks.last_within(first, full, overlap) };
        // Text between tokens (what the tokenizer drops) belongs to the passage before it.
        let start_byte = if first == 0 { 0 } else { places[first].0 };
        let end_byte = places.get(end).map_or(text.len(), |next| next.0);
        chunks.extend(trimmed(text, start_byte, end_byte));
        if end >= places.len() {
            return Ok(chunks);
        }
        first = breaks.first_within(end.saturating_sub(overlap).max(first + 1), end);
    }
}

/// How good it is to begin a passage at a token.
struct Breaks {
    /// 2: a sentence or paragraph begins; 1: a word begins; 0: inside a word.
    quality: Vec<u8>,
}

impl Breaks {
    fn new(text: &str, places: &[(usize, usize)]) -> Self {
        let mut sentences = text.split_sentence_bound_indices().map(|(at, _)| at).peekable();
        let mut quality = Vec::with_capacity(places.len());
        let mut before = 0;
        for &(start, end) in places {
            let gap = text.get(before..start).unwrap_or_default();
            let mut begins_sentence = gap.contains("\n\n");
            while sentences.next_if(|at| *at <= start).is_some() {
                begins_sentence = true;
            }
            quality.push(match (begins_sentence, gap.chars().any(char::is_whitespace)) {
                (true, _) => 2,
                (false, true) => 1,
                (false, false) => 0,
            });
            before = end;
        }
        Self { quality }
    }

    /// Where a passage from `first` that may reach to `full` had best end: at the last sentence of its
    /// second half, else the last word, else `full`; behind what it repeats of the one before in any case.
    fn last_within(&self, first: usize, full: usize, overlap: usize) -> usize {
        let least = (first + (full - first).div_ceil(2)).max(first + overlap + 1).min(full);
        let last = |wanted: u8, from: usize| (from..=full).rev().find(|&i| self.quality[i] >= wanted);
        last(2, least).or_else(|| last(1, least)).unwrap_or(full)
    }

    /// Where the next passage had best begin, from `wanted` up to `end`.
    fn first_within(&self, wanted: usize, end: usize) -> usize {
        let first = |quality: u8| (wanted..=end).find(|&i| self.quality[i] >= quality);
        first(2).filter(|&i| i < end).or_else(|| first(1)).unwrap_or(wanted)
    }
}

/// The range without white space at its ends; nothing if that is all it has.
fn trimmed(text: &str, start: usize, end: usize) -> Option<Chunk> {
    let inside = text.get(start..end)?;
    let from_start = inside.trim_start();
    let start = start + inside.len() - from_start.len();
    let len = from_start.trim_end().len();
    (len > 0).then_some(Chunk { start, end: start + len })
}

#[cfg(test)]
pub(crate) mod tests {
    use heatseek_testkit::random;
    use serde_json::json;

    use super::*;

    /// A tokenizer that takes words and CJK characters apart, lower-cases, adds `[CLS]` and `[SEP]`, and
    /// asks for padding and truncation that must be ignored.
    pub(crate) fn tokenizer_json() -> Vec<u8> {
        let words =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "one", "two", "three", "four", "five", "e", "日", "."];
        let vocab: serde_json::Map<_, _> =
            words.iter().enumerate().map(|(i, w)| ((*w).to_owned(), json!(i))).collect();
        let special = |id: usize| {
            json!({"id": id, "content": words[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        };
        let tokenizer = json!({
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
            "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
            "added_tokens": (0..4).map(special).collect::<Vec<_>>(),
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [],
                "special_tokens": {
                    "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                    "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
            "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocab},
        });
        serde_json::to_vec(&tokenizer).unwrap()
    }

    fn pieces(text: &str, options: ChunkOptions) -> Vec<&str> {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        chunk(text, &tokenizer, options).unwrap().iter().map(|c| &text[c.start..c.end]).collect()
    }

    #[test]
    fn passages_end_where_sentences_do() {
        let text = "One two three. Four five one two. Three four five one.";
        let options = ChunkOptions { tokens: 10, overlap: 0 };
        assert_eq!(pieces(text, options), ["One two three. Four five one two.", "Three four five one."]);
        let options = ChunkOptions { tokens: 10, overlap: 6 };
        assert_eq!(
            pieces(text, options),
            ["One two three. Four five one two.", "Four five one two. Three four five one."]
        );
    }

    #[test]
    fn nothing_but_white_space_is_lost() {
        let words = [
            "one",
            "two.",
            "three!\n\n",
            "日本",
            "é",
            "🐝🐝",
            "\u{0}",
            "\t",
            "x".repeat(130).leak(),
            "five?",
        ];
        for seed in 0..60 {
            let text: Vec<&str> =
                random(seed, (seed as usize * 7) % 90).iter().map(|r| words[(r % 10) as usize]).collect();
            let text = text.join(if seed % 3 == 0 { "" } else { " " });
            for options in [
                ChunkOptions { tokens: 1, overlap: 0 },
                ChunkOptions { tokens: 7, overlap: 3 },
                ChunkOptions { tokens: 14, overlap: 10 },
            ] {
                let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
                let chunks = chunk(&text, &tokenizer, options).unwrap();
                let mut reached = 0;
                for c in &chunks {
                    assert!(
                        text[reached..c.start.max(reached)].trim().is_empty(),
                        "lost before {c:?} of {text:?}"
                    );
                    let piece = &text[c.start..c.end];
                    assert_eq!(piece, piece.trim());
                    let tokens = tokenizer.count_tokens(piece).unwrap() - 2;
                    assert!(tokens <= options.tokens, "{tokens} tokens in {piece:?}");
                    assert!(c.end > reached, "no progress");
                    reached = c.end;
                }
                assert!(text[reached..].trim().is_empty(), "lost the end of {text:?}");
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!(pieces("", ChunkOptions::default()), [""; 0]);
        assert_eq!(pieces(" \n\t ", ChunkOptions::default()), [""; 0]);
        assert_eq!(pieces("  one two ", ChunkOptions::default()), ["one two"]);
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        for (tokens, overlap) in [(0, 0), (5, 5), (5, 9)] {
            let error = chunk("one", &tokenizer, ChunkOptions { tokens, overlap }).unwrap_err();
            assert_eq!(error, TextError::ChunkOptions { tokens, overlap });
        }
    }
}
