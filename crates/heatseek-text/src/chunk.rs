//! Splitting a document into passages that a model can read whole.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::markdown::{Kind, blocks};
use crate::{TextError, Tokenizer};

/// How long passages are, and where they had best end. All limits hold at once. `ChunkSettings` of pkg/src/protocol.ts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunkOptions {
    /// The most tokens of a passage, special ones not counted.
    pub tokens: usize,
    /// About how many of them the next passage repeats; fewer where its limits would leave no room for anything new.
    pub overlap: usize,
    /// The most characters (Unicode scalar values) of a passage; one token may have more.
    pub characters: Option<usize>,
    /// The most sentences of a passage, as Unicode (UAX #29) has them; a paragraph begins one, too.
    pub sentences: Option<usize>,
    /// Whether the text is Markdown: passages end before headings, or else before other blocks; not behind a heading, and
    /// not inside a code block or a table that fits.
    pub markdown: bool,
}

impl Default for ChunkOptions {
    /// 200 tokens, 40 repeated: a paragraph or two, within every model's limit.
    fn default() -> Self {
        Self { tokens: 200, overlap: 40, characters: None, sentences: None, markdown: false }
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

/// Bytes of a text that are tokenized at a time, about: some 30 ms in a browser.
const PART_BYTES: usize = 32 << 10;

/// Splits `text` into passages within the limits of `options`, preferably where a paragraph or a
/// sentence ends, else between words, else between tokens. Together they hold every character but white
/// space; each begins and ends at one that is none. White space alone gives no passage.
///
/// # Errors
/// [`TextError::ChunkOptions`] if the overlap is not smaller than the passage, [`TextError::ChunkLimit`] if a limit is 0;
/// [`TextError::Encode`].
pub fn chunk(text: &str, tokenizer: &Tokenizer, options: ChunkOptions) -> Result<Vec<Chunk>, TextError> {
    let mut chunker = Chunker::new(text, tokenizer, options)?;
    while chunker.read()? {}
    Ok(chunker.finish())
}

/// [`chunk`] in steps, for who has other things to do meanwhile.
pub struct Chunker<'a> {
    text: &'a str,
    tokenizer: &'a Tokenizer,
    options: ChunkOptions,
    part_bytes: usize,
    /// Bytes that are tokenized.
    read: usize,
    /// Where the tokens of them are.
    places: Vec<(usize, usize)>,
}

impl<'a> Chunker<'a> {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// As [`chunk`], for options that make no sense.
    pub fn new(text: &'a str, tokenizer: &'a Tokenizer, options: ChunkOptions) -> Result<Self, TextError> {
        let ChunkOptions { tokens, overlap, .. } = options;
        if overlap >= tokens {
            return Err(TextError::ChunkOptions { tokens, overlap });
        }
        for (limit, value) in [("characters", options.characters), ("sentences", options.sentences)] {
            if value == Some(0) {
                return Err(TextError::ChunkLimit { limit });
            }
        }
        Ok(Self { text, tokenizer, options, part_bytes: PART_BYTES, read: 0, places: Vec::new() })
    }

    /// Tokenizes some 32 kB more; whether there is more to read. A text without spaces is read at once.
    ///
    /// # Errors
    /// [`TextError::Encode`].
    pub fn read(&mut self) -> Result<bool, TextError> {
        let (from, end) = (self.read, part_end(self.text, self.read, self.part_bytes));
        let encoding = self.tokenizer.encode(&self.text[from..end], None)?;
        let places = encoding.offsets.iter().zip(&encoding.special).filter(|(_, special)| !**special);
        self.places.extend(places.map(|((start, end), _)| (start + from, end + from)));
        self.read = end;
        Ok(end < self.text.len())
    }

    /// The passages of what was read.
    pub fn finish(self) -> Vec<Chunk> {
        let Self { text, places, options, .. } = self;
        let (text, ChunkOptions { tokens, overlap, .. }) = (&text[..self.read], options);
        let breaks = Breaks::new(text, &places, options.markdown);
        // Behind the last token that a passage from `first` may have.
        let reach = |first: usize| {
            let characters = options.characters.map(|most| within_characters(text, &places, first, most));
            let sentences = options.sentences.map(|most| breaks.within_sentences(first, most));
            let limits = [Some(first + tokens), characters, sentences];
            limits.into_iter().flatten().min().unwrap_or(first).min(places.len())
        };
        let mut chunks = Vec::new();
        let mut first = 0;
        loop {
            let full = reach(first);
            let end = if full == places.len() { full } else { breaks.last_within(first, full, overlap) };
            // Text between tokens (what the tokenizer drops) belongs to the passage before it.
            let start_byte = if first == 0 { 0 } else { places[first].0 };
            let end_byte = places.get(end).map_or(text.len(), |next| next.0);
            chunks.extend(trimmed(text, start_byte, end_byte));
            if end >= places.len() {
                return chunks;
            }
            first = breaks.first_within(end.saturating_sub(overlap).max(first + 1), end);
            while reach(first) <= end {
                first = breaks.first_within(first + 1, end);
            }
        }
    }
}

/// Where a part of `text` from `from` ends that is tokenized by itself: before a space between two words of ASCII, where
/// tokenizers of every kind begin a token whatever came before. The last part has up to twice as many bytes.
fn part_end(text: &str, from: usize, bytes: usize) -> usize {
    let least = from + bytes;
    if text.len() <= least + bytes {
        return text.len();
    }
    let mut windows = text.as_bytes()[least..].windows(3);
    let between = |of: &[u8]| of[0].is_ascii_alphanumeric() && of[1] == b' ' && of[2].is_ascii_alphanumeric();
    windows.position(between).map_or(text.len(), |at| least + at + 1)
}

/// Behind the last token that a passage from `first` of so many characters holds; behind `first` at least.
fn within_characters(text: &str, places: &[(usize, usize)], first: usize, most: usize) -> usize {
    let mut held = 0;
    for place in first..places.len() {
        let end = places.get(place + 1).map_or(text.len(), |next| next.0);
        let piece = text.get(places[place].0..end).unwrap_or_default();
        // White space at the end of a passage is no part of it.
        if place > first && held + piece.trim_end().chars().count() > most {
            return place;
        }
        held += piece.chars().count();
    }
    places.len()
}

// How good it is to begin a passage at a token; in a word it is 0.
const WORD: u8 = 1;
const SENTENCE: u8 = 2;
const BLOCK: u8 = 3;
const HEADING: u8 = 4;

/// How good it is to begin a passage at each token.
struct Breaks {
    quality: Vec<u8>,
}

impl Breaks {
    fn new(text: &str, places: &[(usize, usize)], markdown: bool) -> Self {
        let mut breaks = Self::of_prose(text, places);
        if markdown {
            breaks.read_markdown(text, places);
        }
        breaks
    }

    fn of_prose(text: &str, places: &[(usize, usize)]) -> Self {
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
                (true, _) => SENTENCE,
                (false, true) => WORD,
                (false, false) => 0,
            });
            before = end;
        }
        Self { quality }
    }

    /// Takes the blocks of Markdown into account.
    fn read_markdown(&mut self, text: &str, places: &[(usize, usize)]) {
        let at_or_behind = |byte: usize| places.partition_point(|place| place.0 < byte);
        let mut behind_heading = None;
        for (kind, range) in blocks(text) {
            let (begin, end) = (at_or_behind(range.start), at_or_behind(range.end));
            if kind == Kind::Whole {
                // Whole, if it fits: nothing inside is better than its beginning.
                self.quality[begin..end].iter_mut().for_each(|q| *q = (*q).min(WORD));
            }
            // A heading stays with what it is the heading of.
            let begins_section = behind_heading == Some(begin) && kind != Kind::Heading;
            if let Some(q) = self.quality.get_mut(begin) {
                *q = match kind {
                    _ if begins_section => WORD,
                    Kind::Heading => HEADING,
                    Kind::Whole | Kind::Other => BLOCK,
                };
            }
            if kind == Kind::Heading {
                behind_heading = Some(end);
            }
        }
    }

    /// Behind the last token of so many sentences from `first`.
    fn within_sentences(&self, first: usize, most: usize) -> usize {
        let mut begins = (first + 1..self.quality.len()).filter(|&place| self.quality[place] >= SENTENCE);
        begins.nth(most - 1).unwrap_or(self.quality.len())
    }

    /// Where a passage from `first` that may reach to `full` had best end: where the best of what begins in its
    /// second half does, of blocks in all but its first quarter, at the last if there are several, else `full`; behind
    /// what it repeats of the one before in any case.
    fn last_within(&self, first: usize, full: usize, overlap: usize) -> usize {
        let last = |wanted: u8| {
            let part = if wanted >= BLOCK { 4 } else { 2 };
            let least = (first + (full - first).div_ceil(part)).max(first + overlap + 1).min(full);
            (least..=full).rev().find(|&i| self.quality[i] >= wanted)
        };
        (WORD..=HEADING).rev().find_map(last).unwrap_or(full)
    }

    /// Where the next passage had best begin, from `wanted` up to `end`.
    fn first_within(&self, wanted: usize, end: usize) -> usize {
        let first = |quality: u8| (wanted..=end).find(|&i| self.quality[i] >= quality);
        first(SENTENCE).filter(|&i| i < end).or_else(|| first(WORD)).unwrap_or(wanted)
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

    fn limits(tokens: usize, overlap: usize) -> ChunkOptions {
        ChunkOptions { tokens, overlap, ..ChunkOptions::default() }
    }

    fn pieces(text: &str, options: ChunkOptions) -> Vec<&str> {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        chunk(text, &tokenizer, options).unwrap().iter().map(|c| &text[c.start..c.end]).collect()
    }

    #[test]
    fn passages_end_where_sentences_do() {
        let text = "One two three. Four five one two. Three four five one.";
        let options = limits(10, 0);
        assert_eq!(pieces(text, options), ["One two three. Four five one two.", "Three four five one."]);
        let options = limits(10, 6);
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
                limits(1, 0),
                limits(7, 3),
                limits(14, 10),
                ChunkOptions { characters: Some(11), ..limits(14, 3) },
                ChunkOptions { sentences: Some(1), ..limits(14, 3) },
                ChunkOptions { markdown: true, sentences: Some(2), characters: Some(30), ..limits(14, 3) },
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
    fn a_text_that_is_read_in_parts_has_the_same_passages() {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        let sentence = "One two, three.  Four\n\nfive 日本 éé one two 🐝 three\tfour; two five one. ";
        let text = sentence.repeat(30);
        let options = limits(9, 3);
        let whole = chunk(&text, &tokenizer, options).unwrap();
        assert!(text.len() < PART_BYTES && whole.len() > 60);
        for part_bytes in [1, 7, 50, 333] {
            let mut chunker = Chunker::new(&text, &tokenizer, options).unwrap();
            chunker.part_bytes = part_bytes;
            let mut reads = 1;
            while chunker.read().unwrap() {
                reads += 1;
            }
            assert!(
                reads > 30 * sentence.len() / (2 * part_bytes + sentence.len()),
                "{reads} of {part_bytes}"
            );
            assert_eq!(chunker.finish(), whole, "parts of {part_bytes}");
        }
        let endless = "日".repeat(500);
        assert_eq!(part_end(&endless, 0, 10), endless.len());
        assert_eq!(part_end("", 0, 10), 0);
    }

    #[test]
    fn limits_hold_together() {
        let text = "One two. Three four five. One. Two three four five one two.";
        let sentences = |n: usize, overlap: usize| ChunkOptions { sentences: Some(n), ..limits(50, overlap) };
        assert_eq!(
            pieces(text, sentences(1, 0)),
            ["One two.", "Three four five.", "One.", "Two three four five one two."]
        );
        // What is repeated leaves room for something new.
        assert_eq!(pieces(text, sentences(1, 40)), pieces(text, sentences(1, 0)));
        assert_eq!(
            pieces(text, sentences(2, 5)),
            ["One two. Three four five.", "Three four five. One.", "One. Two three four five one two."]
        );
        let characters = |n: usize| ChunkOptions { characters: Some(n), ..limits(50, 0) };
        assert_eq!(pieces(text, characters(1000)), [text]);
        assert_eq!(
            pieces(text, characters(25)),
            ["One two. Three four five.", "One. Two three four five", "one two."]
        );
        assert_eq!(pieces("日本日本 two", characters(3)), ["日本日", "本", "two"]);
        let both = ChunkOptions { characters: Some(12), ..sentences(1, 0) };
        assert_eq!(pieces("One two. Three four five.", both), ["One two.", "Three four", "five."]);
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        let error = chunk("one", &tokenizer, characters(0)).unwrap_err();
        assert_eq!(error, TextError::ChunkLimit { limit: "characters" });
    }

    #[test]
    fn markdown_is_cut_at_its_blocks() {
        let text = "# One\n\ntwo three four. Five one two.\n\n## Two\n\nfive five.\n\n```\none. Two. Three.\n```\n\n\
            - one two\n- three four\n";
        let markdown = |tokens| ChunkOptions { markdown: true, ..limits(tokens, 0) };
        // 11 tokens reach into what follows "## Two": the section begins with its heading.
        assert_eq!(
            pieces(text, markdown(14))[..2],
            ["# One\n\ntwo three four. Five one two.", "## Two\n\nfive five."]
        );
        // As prose the heading would end a passage.
        assert_eq!(pieces(text, limits(14, 0))[0], "# One\n\ntwo three four. Five one two.\n\n## Two");
        let pieces = pieces(text, markdown(14));
        assert!(pieces.iter().any(|p| p.contains("```\none. Two. Three.\n```")), "{pieces:?}");
        assert!(pieces.iter().all(|p| !p.ends_with("One") && !p.ends_with("Two")), "{pieces:?}");
    }

    #[test]
    fn edges() {
        assert_eq!(pieces("", ChunkOptions::default()), [""; 0]);
        assert_eq!(pieces(" \n\t ", ChunkOptions::default()), [""; 0]);
        assert_eq!(pieces("  one two ", ChunkOptions::default()), ["one two"]);
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        for (tokens, overlap) in [(0, 0), (5, 5), (5, 9)] {
            let error = chunk("one", &tokenizer, limits(tokens, overlap)).unwrap_err();
            assert_eq!(error, TextError::ChunkOptions { tokens, overlap });
        }
    }
}
