//! What a tokenizer needs that browsers load only for those who do.

use serde_json::Value;

use crate::outline::{Added, Outline};
use crate::sound::LISTS;

/// Steps of `tokenizer.json` that match no pattern: normalizers, pre-tokenizers, decoders, as their `type`s are
/// written. All others may.
const PLAIN: &[&str] = &[
    "BertNormalizer",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Precompiled",
    "Prepend",
    "Strip",
    "StripAccents",
    "BertPreTokenizer",
    "Digits",
    "Metaspace",
    "Punctuation",
    "UnicodeScripts",
    "WhitespaceSplit",
    "BPEDecoder",
    "ByteFallback",
    "CTC",
    "Fuse",
    "WordPiece",
];

/// Whether the tokenizer of this `tokenizer.json` matches regular expressions. It is `true` also where that is not
/// clear, and for files that are none: who reads them will say so.
pub fn needs_patterns(json: &[u8]) -> bool {
    let Ok(outline) = serde_json::from_slice::<Outline>(json) else { return true };
    let by_pattern = |token: &Added| token.single_word || token.lstrip || token.rstrip;
    let steps = [outline.normalizer, outline.pre_tokenizer, outline.decoder];
    outline.added_tokens.iter().any(by_pattern) || !steps.iter().flatten().all(is_plain)
}

fn is_plain(step: &Value) -> bool {
    match step["type"].as_str() {
        Some("Sequence") => {
            let mut lists = LISTS.into_iter().filter_map(|list| step[list].as_array());
            lists.next().is_some_and(|steps| steps.iter().all(is_plain))
        }
        Some(kind) => PLAIN.contains(&kind),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chunk::tests::tokenizer_json;

    fn with(field: &str, value: Value) -> bool {
        let mut file: Value = serde_json::from_slice(&tokenizer_json()).unwrap();
        file[field] = value;
        needs_patterns(&serde_json::to_vec(&file).unwrap())
    }

    #[test]
    fn berts_have_none_and_byte_level_tokenizers_have() {
        assert!(!needs_patterns(&tokenizer_json()));
        assert!(!with("decoder", json!({"type": "WordPiece", "prefix": "##", "cleanup": true})));
        let list = json!([{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]);
        assert!(!with("normalizer", json!({"type": "Sequence", "normalizers": list})));
        for step in [
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}),
            json!({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": true}),
            json!({"type": "Whitespace"}),
            json!({"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "Whitespace"}]}),
            json!({"type": "Sequence"}),
            json!({"add_prefix_space": true}),
        ] {
            assert!(with("pre_tokenizer", step.clone()), "{step}");
        }
        let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "b"});
        assert!(with("normalizer", json!({"type": "Sequence", "normalizers": [replace]})));
        assert!(with("decoder", replace));
        for flag in ["single_word", "lstrip", "rstrip"] {
            let mut token = json!({"id": 0, "content": "[PAD]", "special": true});
            token[flag] = json!(true);
            assert!(with("added_tokens", json!([token])), "{flag}");
        }
        assert!(needs_patterns(b"{") && needs_patterns(b"7"));
    }
}
