//! Words for texts of exactly so many tokens, and a WordPiece tokenizer that knows them whole.

use serde_json::{Map, Value, json};

/// Common English words, which most tokenizers keep whole.
const COMMON: &str = "the of and to in for is on that by this with you it not or be are from at as your all \
have new more an was we will home can us about if page my has search free but our one other do no \
information time they site he up may what which their news out use any there see only so his when contact \
here business who web also now help get view online first am been would how were services some these click \
its like service than find price date back top people had list name just over state year day into email two \
health world next used go work last most products music buy data make them should product system post her \
city add policy number such please available copyright support message after best software then good video \
well where info rights public books high school through each links she review years order very privacy book \
items company read group need many user said does set under general research university mail full map \
reviews program life know games way days management part could great united hotel real item international";

const FIRST: [&str; 16] =
    ["ba", "co", "di", "fe", "gu", "ha", "jo", "ki", "lu", "me", "no", "pa", "ra", "si", "to", "vu"];
const LAST: [&str; 16] =
    ["n", "r", "s", "t", "l", "m", "d", "x", "ck", "nd", "st", "rt", "mp", "lk", "ng", "sh"];

/// Words, the common ones first and then made-up ones: 65 000 or so in all, each once.
pub fn words() -> impl Iterator<Item = String> {
    let common = COMMON.split_whitespace().map(str::to_owned);
    let made_up = (0..16usize.pow(4)).filter_map(|at| {
        let digit = |place: u32| at / 16usize.pow(place) % 16;
        let ends = if digit(3) == 0 { "" } else { FIRST[digit(3)] };
        let word = format!("{}{ends}{}{}", FIRST[digit(0)], FIRST[digit(1)], LAST[digit(2)]);
        (!COMMON.split_whitespace().any(|common| common == word)).then_some(word)
    });
    common.chain(made_up)
}

/// A `tokenizer.json` with `size` tokens: the special ones, letters at and after the start of a word, then words.
pub fn tokenizer(size: usize) -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let letters = ('a'..='z').map(String::from).chain(('a'..='z').map(|c| format!("##{c}")));
    let mut vocab = Map::new();
    for token in special.map(str::to_owned).into_iter().chain(letters).chain(words()) {
        if vocab.len() == size {
            break;
        }
        let next = vocab.len();
        // A made-up word may be a letter; the first keeps its place.
        vocab.entry(token).or_insert(json!(next));
    }
    let added = special.iter().enumerate().map(|(id, content)| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    });
    let special = |id: &str, kind: u8| json!({ "SpecialToken": { "id": id, "type_id": kind } });
    let sequence = |id: &str, kind: u8| json!({ "Sequence": { "id": id, "type_id": kind } });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1),
                special("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] },
            },
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab },
    })
}

/// The `tokenizer_config.json` beside it.
pub fn tokenizer_config(positions: usize) -> Value {
    json!({ "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": positions, "pad_token": "[PAD]",
        "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"] })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_many_and_each_is_there_once() {
        let all: Vec<String> = words().collect();
        assert!(all.len() > 60_000, "{}", all.len());
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_vocabulary_is_as_large_as_it_should_be() {
        let vocab = &tokenizer(30_522)["model"]["vocab"];
        let ids: HashSet<u64> = vocab.as_object().unwrap().values().map(|id| id.as_u64().unwrap()).collect();
        assert_eq!((ids.len(), ids.iter().max()), (30_522, Some(&30_521)));
    }
}
