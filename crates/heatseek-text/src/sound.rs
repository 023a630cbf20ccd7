//! What a `tokenizer.json` must not say: the `tokenizers` crate would panic at it, which in a browser ends the engine.
//! Found by fuzzing and by reading version 0.23.2.

use base64::decode;
use serde_json::Value;

use crate::outline::{Model, Outline};

/// Tokens are a path in a tree, of which each level is a call: the longest real ones have some hundred bytes.
const MAX_TOKEN_BYTES: usize = 1024;
/// Ids behind the last are given to added tokens, and must still be ids.
const MAX_ID: u64 = i32::MAX as u64;
/// The lists of steps that are in a step of type `Sequence`.
pub(crate) const LISTS: [&str; 4] = ["normalizers", "pretokenizers", "processors", "decoders"];

/// Why a tokenizer cannot be used.
type Fault = String;

/// Fails with what is wrong in the file.
pub(crate) fn check(json: &[u8]) -> Result<(), Fault> {
    let outline: Outline = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    check_model(&outline.model)?;
    let steps = [&outline.normalizer, &outline.pre_tokenizer, &outline.decoder];
    steps.into_iter().flatten().try_for_each(check_step)?;
    if let Some(processor) = &outline.post_processor {
        check_processor(processor, 1)?;
    }
    Ok(())
}

fn check_model(Model { continuing_subword_prefix, vocab, merges }: &Model) -> Result<(), Fault> {
    if vocab.longest > MAX_TOKEN_BYTES {
        return Err("its vocabulary has a token of more than 1024 bytes".into());
    }
    if vocab.last_id > MAX_ID {
        return Err("its vocabulary has an id beyond 2147483647".into());
    }
    let prefix = continuing_subword_prefix.as_deref().unwrap_or_default();
    for merge in merges {
        let both = match merge.as_str() {
            Some(both) => both.split_once(' '),
            None => merge[0].as_str().zip(merge[1].as_str()),
        };
        let (first, second) = both.unwrap_or_default();
        let Some(rest) = second.strip_prefix(prefix) else {
            return Err("a merge's second token does not begin with its `continuing_subword_prefix`".into());
        };
        if first.len() + rest.len() > vocab.longest {
            return Err("a merge makes a token that is longer than any of its vocabulary".into());
        }
    }
    Ok(())
}

/// Looks at whatever a step may be, whether or not it says its type: `tokenizers` goes by the fields, too.
fn check_step(step: &Value) -> Result<(), Fault> {
    if step["length"] == 0 {
        return Err("it splits texts into pieces of `length` 0".into());
    }
    let charsmap = &step["precompiled_charsmap"];
    if !charsmap.is_null() || step["type"] == "Precompiled" {
        let sound = charsmap.as_str().and_then(|text| decode(text).ok()).is_some_and(|map| is_charsmap(&map));
        if !sound {
            return Err("its `precompiled_charsmap` is damaged".into());
        }
    }
    lists(step).try_for_each(check_step)
}

/// Fails unless a processor can follow what makes of a text so many pieces; gives how many it makes.
fn check_processor(processor: &Value, pieces: usize) -> Result<usize, Fault> {
    if let Some(single) = processor["single"].as_array() {
        if pieces != 1 {
            return Err("a template follows another".into());
        }
        for piece in single {
            let (sequence, special) = (&piece["Sequence"]["id"], &piece["SpecialToken"]["id"]);
            if let Some(id) = special.as_str()
                && processor["special_tokens"].get(id).is_none()
            {
                return Err("its template has a token that is not among its `special_tokens`".into());
            }
            if sequence.is_string() && sequence != "A" {
                return Err("its template for one text has a second".into());
            }
        }
        return Ok(single.len());
    }
    lists(processor).try_fold(pieces, |pieces, processor| check_processor(processor, pieces))
}

fn lists(step: &Value) -> impl Iterator<Item = &Value> {
    LISTS.into_iter().filter_map(|list| step[list].as_array()).flatten()
}

/// Whether SentencePiece's table of replacements leads nowhere outside: the length of a trie in bytes, the trie as a
/// double array of `u32`, and texts with a zero behind each (`spm_precompiled` describes it).
fn is_charsmap(map: &[u8]) -> bool {
    let Some((length, rest)) = map.split_first_chunk() else { return false };
    let length = u32::from_le_bytes(*length) as usize / 4 * 4;
    let Some((trie, texts)) = rest.split_at_checked(length) else { return false };
    let Ok(texts) = std::str::from_utf8(texts) else { return false };
    let unit = |at: usize| trie.as_chunks::<4>().0.get(at).map(|unit| u32::from_le_bytes(*unit) as usize);
    // Where the children of the unit at `at` are counted from.
    let base = |at: usize, unit: usize| at ^ (unit >> 10) << ((unit & 1 << 9) >> 6);
    let Some(root) = unit(0) else { return false };
    let mut open = vec![base(0, root)];
    let mut seen = vec![false; length / 4];
    while let Some(parent) = open.pop() {
        for label in 1..=0xff {
            let Some(child) = unit(parent ^ label) else { return false };
            if child & (1 << 31 | 0xff) != label || std::mem::replace(&mut seen[parent ^ label], true) {
                continue;
            }
            let next = base(parent ^ label, child);
            if child >> 8 & 1 == 1 {
                let Some(leaf) = unit(next) else { return false };
                if !texts.is_char_boundary(leaf & !(1 << 31)) {
                    return false;
                }
            }
            open.push(next);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chunk::tests::tokenizer_json;
    use crate::{TextError, Tokenizer};

    fn with(place: &str, value: Value) -> Result<Tokenizer, TextError> {
        let mut file: Value = serde_json::from_slice(&tokenizer_json()).unwrap();
        *file.pointer_mut(place).unwrap() = value;
        Tokenizer::from_json(&serde_json::to_vec(&file).unwrap())
    }

    fn refused(place: &str, value: Value, word: &str) {
        let error = with(place, value).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer.json cannot be read") && error.contains(word), "{error}");
    }

    fn bpe(prefix: Option<&str>, merges: Value) -> Value {
        let vocab = json!({"[UNK]": 0, "a": 1, "b": 2, "ab": 3, "##b": 4});
        json!({"type": "BPE", "dropout": null, "unk_token": "[UNK]", "continuing_subword_prefix": prefix,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges})
    }

    #[test]
    fn merges_must_make_tokens_of_the_vocabulary() {
        for merges in [json!([["a", "b"]]), json!(["a b"])] {
            let tokenizer = with("/model", bpe(None, merges)).unwrap();
            assert_eq!(tokenizer.encode("ab", None).unwrap().ids, [2, 3, 3]);
        }
        with("/model", bpe(Some("##"), json!([["a", "##b"]]))).unwrap();
        refused("/model", bpe(None, json!([["[UNK]", "ab"]])), "longer");
        refused("/model", bpe(None, json!(["[UNK] ab"])), "longer");
        refused("/model", bpe(Some("##"), json!([["a", "##b"], ["a", "b"]])), "prefix");
        refused("/model", bpe(Some("####"), json!([["a", "##b"]])), "prefix");
    }

    #[test]
    fn vocabularies_have_bounds() {
        let long = "a".repeat(2_000);
        let unigram =
            |token: &str| json!({"type": "Unigram", "unk_id": 0, "vocab": [["[UNK]", 0.0], [token, -1.0]]});
        with("/model", unigram("a")).unwrap();
        refused("/model", unigram(&long), "1024 bytes");
        refused("/model/vocab", json!({"[UNK]": 1, long: 2}), "1024 bytes");
        refused("/model/vocab", json!({"[UNK]": u32::MAX}), "2147483647");
    }

    #[test]
    fn templates_have_what_they_name() {
        let template = |single: Value| {
            let special = json!({"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}});
            json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special})
        };
        let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
        let special = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
        let good = template(json!([special("[CLS]"), sequence("A")]));
        assert_eq!(with("/post_processor", good.clone()).unwrap().encode("one", None).unwrap().ids, [2, 4]);
        refused("/post_processor", template(json!([special("[SEP]"), sequence("A")])), "`special_tokens`");
        refused("/post_processor", template(json!([sequence("B")])), "second");
        let both = |list: Value| json!({"type": "Sequence", "processors": list});
        with("/post_processor", both(json!([good]))).unwrap();
        refused("/post_processor", both(json!([good, good])), "follows");
        refused("/post_processor", both(json!([both(json!([template(json!([sequence("B")]))]))])), "second");
    }

    #[test]
    fn pieces_have_a_length() {
        let fixed = |length: usize| json!({"type": "FixedLength", "length": length});
        assert_eq!(
            with("/pre_tokenizer", fixed(3)).unwrap().encode("onetwo", None).unwrap().ids,
            [2, 4, 5, 3]
        );
        refused("/pre_tokenizer", fixed(0), "`length` 0");
        refused("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": [fixed(0)]}), "`length` 0");
    }

    /// A trie by which `a` becomes what is at `text`.
    fn charsmap(label: u32, text: u32, texts: &[u8]) -> Value {
        let mut trie = [0u32; 512];
        // The root's children are counted from 256, those of `a` from 256 ^ 97 ^ 128, where its leaf is.
        trie[0] = 256 << 10;
        trie[256 ^ label as usize] = 128 << 10 | 1 << 8 | 97;
        trie[256 ^ 97 ^ 128] = 1 << 31 | text;
        let bytes: Vec<u8> = (trie.len() as u32 * 4)
            .to_le_bytes()
            .into_iter()
            .chain(trie.into_iter().flat_map(u32::to_le_bytes))
            .chain(texts.iter().copied())
            .collect();
        json!({"type": "Precompiled", "precompiled_charsmap": base64::encode(bytes)})
    }

    #[test]
    fn a_table_of_replacements_stays_within_itself() {
        let tokenizer = with("/normalizer", charsmap(97, 2, "x\0one\0é".as_bytes())).unwrap();
        assert_eq!(tokenizer.encode("a", None).unwrap().ids, [2, 4, 3]);
        refused("/normalizer", charsmap(97, 99, b"x\0one\0"), "damaged");
        refused("/normalizer", charsmap(97, 7, "x\0one\0é".as_bytes()), "damaged");
        for bytes in [&[][..], &[1, 0, 0], &[0; 4], &[4, 0, 0, 0, 0, 0, 0, 0], &[255; 40]] {
            let map = json!({"type": "Precompiled", "precompiled_charsmap": base64::encode(bytes)});
            refused("/normalizer", map, "damaged");
        }
        refused("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "?"}), "damaged");
        refused("/normalizer", json!({"type": "Precompiled"}), "damaged");
        let list = json!([charsmap(97, 99, b"x\0")]);
        refused("/normalizer", json!({"type": "Sequence", "normalizers": list}), "damaged");
    }
}
