//! `tokenizer.json`: refused, or it encodes texts with offsets within them.
#![no_main]

use heatseek_fuzz::json;
use heatseek_text::{ChunkOptions, Tokenizer, chunk, needs_patterns, utf16_offsets};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

const TEXTS: [&str; 5] = [
    "",
    "One two, three.",
    "[SEP] é日 e\u{301}\u{fb01} \u{0}\u{1f41d} ",
    "aaaaaaaaaaaa\n\n  b\t1234",
    "<s>\u{2581}the</s>",
];

const WORDS: [&str; 96] = [
    "type",
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
    "vocab",
    "merges",
    "unk_token",
    "unk_id",
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "fuse_unk",
    "byte_fallback",
    "ignore_merges",
    "max_input_chars_per_word",
    "BPE",
    "WordPiece",
    "WordLevel",
    "Unigram",
    "BertNormalizer",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Lowercase",
    "Sequence",
    "normalizers",
    "Strip",
    "StripAccents",
    "Replace",
    "Prepend",
    "Precompiled",
    "precompiled_charsmap",
    "Nmt",
    "ByteLevel",
    "Metaspace",
    "Whitespace",
    "WhitespaceSplit",
    "BertPreTokenizer",
    "Punctuation",
    "Digits",
    "individual_digits",
    "Split",
    "CharDelimiterSplit",
    "delimiter",
    "UnicodeScripts",
    "FixedLength",
    "length",
    "pretokenizers",
    "pattern",
    "String",
    "Regex",
    "behavior",
    "Isolated",
    "Removed",
    "MergedWithPrevious",
    "MergedWithNext",
    "Contiguous",
    "invert",
    "replacement",
    "prepend_scheme",
    "always",
    "first",
    "never",
    "split",
    "add_prefix_space",
    "trim_offsets",
    "use_regex",
    "TemplateProcessing",
    "BertProcessing",
    "RobertaProcessing",
    "single",
    "pair",
    "special_tokens",
    "SpecialToken",
    "A",
    "B",
    "id",
    "ids",
    "tokens",
    "type_id",
    "sep",
    "cls",
    "processors",
    "content",
    "[UNK]",
    "\\w+|(?=a)b*",
    "(a*)*$",
    "[CLS]",
    "##",
];

fuzz_target!(|data: &[u8]| {
    needs_patterns(data);
    let Ok(tokenizer) = Tokenizer::from_json(data) else { return };
    let (special, vocabulary) = (tokenizer.special_tokens(), tokenizer.vocab_size());
    for text in TEXTS {
        let Ok(all) = tokenizer.encode(text, None) else { continue };
        assert!(all.offsets.iter().all(|&(start, end)| start <= end && end <= text.len()), "{text}: {all:?}");
        let bounds: Vec<usize> = all.offsets.iter().flat_map(|&(start, end)| [start, end]).collect();
        utf16_offsets(text, &bounds);
        for &id in &all.ids {
            tokenizer.token(id);
        }
        if let Ok(cut) = tokenizer.encode(text, Some(special.saturating_add(1))) {
            assert!(cut.ids.len() <= all.ids.len());
        }
        if let Some(index) = all.ids.len().checked_sub(1) {
            tokenizer.hiding(&all, index);
        }
        let _ = chunk(text, &tokenizer, ChunkOptions { tokens: 4, overlap: 1, ..ChunkOptions::default() });
    }
    let _ = (vocabulary, tokenizer.encode_all(&TEXTS.map(str::to_owned), Some(8)));
    if let Ok(tokenizer) = tokenizer.lower_casing().and_then(|tokenizer| tokenizer.padding("[PAD]", true)) {
        let _ = tokenizer.encode(TEXTS[1], Some(8));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, &WORDS)
});
