use tokenizers::PostProcessor;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};

use crate::{TextError, sound};

/// Characters of a text that an error shows.
const SHOWN: usize = 40;

/// A fast tokenizer, as `tokenizer.json` describes it.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: usize,
    padding: Option<Padding>,
    mask: Option<u32>,
}

/// How tokenizers of masked language models write the token that stands for a hidden one.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// What short texts are filled up with.
#[derive(Clone, Copy, Debug)]
struct Padding {
    id: u32,
    left: bool,
}

/// The tokens of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Token types.
    pub type_ids: Vec<u32>,
    /// Where each token stands in the text, in UTF-8 bytes `(start, end)`; `(0, 0)` for special tokens.
    pub offsets: Vec<(usize, usize)>,
    /// Whether a token was added and does not come from the text.
    pub special: Vec<bool>,
    /// Whether tokens were cut off.
    pub truncated: bool,
}

impl Encoding {
    /// Fills up to `length` tokens.
    fn pad(&mut self, Padding { id, left }: Padding, length: usize) {
        let count = length.saturating_sub(self.ids.len());
        let at = if left { 0 } else { self.ids.len() };
        self.ids.splice(at..at, std::iter::repeat_n(id, count));
        self.type_ids.splice(at..at, std::iter::repeat_n(0, count));
        self.offsets.splice(at..at, std::iter::repeat_n((0, 0), count));
        self.special.splice(at..at, std::iter::repeat_n(true, count));
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. Padding and truncation that the file asks for are dropped: they are
    /// settings of whoever saved it (MiniLM's says "pad to 128"), not of the model.
    ///
    /// # Errors
    /// [`TextError::TokenizerFile`].
    pub fn from_json(json: &[u8]) -> Result<Self, TextError> {
        sound::check(json).map_err(|why| TextError::TokenizerFile { why })?;
        let file = |error: tokenizers::Error| TextError::TokenizerFile { why: error.to_string() };
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(file)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(file)?;
        // Dropout is for training: with it the same text would get other tokens every time.
        if let ModelWrapper::BPE(model) = inner.get_model() {
            let mut model = model.clone();
            model.dropout = None;
            inner.with_model(model);
        }
        let special = inner.get_post_processor().map_or(0, |p| p.added_tokens(false));
        let added = inner.get_added_tokens_decoder();
        let is_mask = |content: &str| MASKS.contains(&content);
        let mask =
            added.iter().find(|(_, token)| token.special && is_mask(&token.content)).map(|(&id, _)| id);
        Ok(Self { inner, special, padding: None, mask })
    }

    /// The same tokenizer with every text lower-cased first, as sentence-transformers' `do_lower_case` does it:
    /// character by character, and special tokens written in a text stay what they are.
    ///
    /// # Errors
    /// [`TextError::TokenizerFile`] if the tokenizer takes no such step.
    pub fn lower_casing(mut self) -> Result<Self, TextError> {
        let mut steps: Vec<NormalizerWrapper> = vec![Lowercase.into()];
        steps.extend(self.inner.get_normalizer().cloned());
        let added = self.inner.with_normalizer(Some(Sequence::new(steps)));
        added.map_err(|error| TextError::TokenizerFile { why: error.to_string() })?;
        Ok(self)
    }

    /// The same tokenizer with every text that is encoded to a `max_length` filled up to it with `token`, before
    /// the text if `left`.
    ///
    /// # Errors
    /// [`TextError::TokenizerFile`] if the vocabulary has no such token.
    pub fn padding(mut self, token: &str, left: bool) -> Result<Self, TextError> {
        let id = self.inner.token_to_id(token);
        let why = || format!("its vocabulary lacks `{token}`, which the model's texts are padded with");
        let id = id.ok_or_else(|| TextError::TokenizerFile { why: why() })?;
        self.padding = Some(Padding { id, left });
        Ok(self)
    }

    /// Tokens of `text`, special ones included. A text of more than `max_length` loses its last tokens
    /// and keeps the special ones.
    ///
    /// # Errors
    /// [`TextError::NoRoom`] if not even the special tokens fit, [`TextError::Encode`] if the tokenizer
    /// refuses the text.
    pub fn encode(&self, text: &str, max_length: Option<usize>) -> Result<Encoding, TextError> {
        let refused = |error: tokenizers::Error| TextError::Encode {
            start: text.chars().take(SHOWN).collect(),
            why: error.to_string(),
        };
        self.cut(&self.inner.encode(text, true).map_err(refused)?, max_length)
    }

    /// [`encode`](Self::encode) for each of `texts`, on all cores where there are threads.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), for the first text that has one.
    pub fn encode_all(
        &self,
        texts: &[String],
        max_length: Option<usize>,
    ) -> Result<Vec<Encoding>, TextError> {
        let inputs = texts.iter().map(String::as_str).collect();
        match self.inner.encode_batch(inputs, true) {
            Ok(all) => all.iter().map(|all| self.cut(all, max_length)).collect(),
            // One by one, to say which.
            Err(_) => texts.iter().map(|text| self.encode(text, max_length)).collect(),
        }
    }

    /// What `all` keeps within `max_length`, filled up where texts are.
    fn cut(&self, all: &tokenizers::Encoding, max_length: Option<usize>) -> Result<Encoding, TextError> {
        let special: Vec<bool> = all.get_special_tokens_mask().iter().map(|&mask| mask != 0).collect();
        // Cut by hand: a second pass through the post-processor would trim the offsets of byte-level
        // tokenizers twice.
        let mut room = usize::MAX;
        if let Some(max_length) = max_length {
            let no_room = TextError::NoRoom { max_length, special: self.special };
            room = max_length.checked_sub(self.special).ok_or(no_room)?;
        }
        let mut encoding = Encoding::default();
        let mut of_text = 0;
        for (i, special) in special.into_iter().enumerate() {
            of_text += usize::from(!special);
            if !special && of_text > room {
                encoding.truncated = true;
                continue;
            }
            encoding.ids.push(all.get_ids()[i]);
            encoding.type_ids.push(all.get_type_ids()[i]);
            encoding.offsets.push(all.get_offsets()[i]);
            encoding.special.push(special);
        }
        if let (Some(padding), Some(max_length)) = (self.padding, max_length) {
            encoding.pad(padding, max_length);
        }
        Ok(encoding)
    }

    /// `encoding` with token `index` hidden: the mask token in its place, or without a mask token left out, and
    /// the text filled up again where it was.
    pub fn hiding(&self, encoding: &Encoding, index: usize) -> Encoding {
        let mut hidden = encoding.clone();
        if let Some(mask) = self.mask {
            hidden.ids[index] = mask;
            return hidden;
        }
        hidden.ids.remove(index);
        hidden.type_ids.remove(index);
        hidden.offsets.remove(index);
        hidden.special.remove(index);
        if let Some(padding) = self.padding {
            hidden.pad(padding, encoding.ids.len());
        }
        hidden
    }

    /// Tokens of `text`, special ones included, without any limit.
    ///
    /// # Errors
    /// [`TextError::Encode`].
    pub fn count_tokens(&self, text: &str) -> Result<usize, TextError> {
        Ok(self.encode(text, None)?.ids.len())
    }

    /// Special tokens every text gets.
    pub fn special_tokens(&self) -> usize {
        self.special
    }

    /// The token of this id, as the vocabulary writes it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Tokens the vocabulary has, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::tests::tokenizer_json;

    #[test]
    fn padding_and_truncation_of_the_file_are_ignored() {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        let encoding = tokenizer.encode("one two three four five", None).unwrap();
        assert_eq!(encoding.ids.len(), 7);
        assert!(!encoding.truncated);
        assert_eq!(tokenizer.encode("", None).unwrap().ids.len(), 2);
    }

    #[test]
    fn truncation_keeps_the_special_tokens() {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        let whole = tokenizer.encode("one two three", None).unwrap();
        for max_length in 2..8 {
            let cut = tokenizer.encode("one two three", Some(max_length)).unwrap();
            assert_eq!(cut.ids.len(), max_length.min(5));
            assert_eq!((cut.ids.first(), cut.ids.last()), (whole.ids.first(), whole.ids.last()));
            assert_eq!(cut.special.iter().filter(|s| **s).count(), 2);
            assert_eq!(cut.truncated, max_length < 5);
        }
        let error = tokenizer.encode("one", Some(1)).unwrap_err();
        assert_eq!(error, TextError::NoRoom { max_length: 1, special: 2 });
    }

    #[test]
    fn padding_fills_up_to_the_limit_only() {
        let pad = |left| Tokenizer::from_json(&tokenizer_json()).unwrap().padding("[PAD]", left).unwrap();
        let right = pad(false).encode("one two", Some(6)).unwrap();
        assert_eq!((&right.ids[..], right.special[4]), (&[2, 4, 5, 3, 0, 0][..], true));
        assert_eq!(pad(true).encode("one two", Some(6)).unwrap().ids, [0, 0, 2, 4, 5, 3]);
        assert_eq!(pad(true).encode("one two", None).unwrap().ids, [2, 4, 5, 3]);
        assert_eq!(pad(true).encode("one two three", Some(4)).unwrap().ids, [2, 4, 5, 3]);
        let missing = Tokenizer::from_json(&tokenizer_json()).unwrap().padding("<pad>", true).unwrap_err();
        assert!(missing.to_string().contains("`<pad>`"), "{missing}");
    }

    #[test]
    fn a_hidden_token_is_masked_or_left_out() {
        let json = tokenizer_json();
        let plain = Tokenizer::from_json(&json).unwrap();
        let text = plain.encode("one two three", None).unwrap();
        assert_eq!(text.ids, [2, 4, 5, 6, 3]);
        assert_eq!(plain.hiding(&text, 2).ids, [2, 4, 6, 3]);
        for (left, expected) in [(false, [2, 4, 6, 3, 0, 0]), (true, [0, 0, 2, 4, 6, 3])] {
            let padded = Tokenizer::from_json(&json).unwrap().padding("[PAD]", left).unwrap();
            let text = padded.encode("one two three", Some(6)).unwrap();
            let two = text.ids.iter().position(|&id| id == 5).unwrap();
            assert_eq!(padded.hiding(&text, two).ids, expected);
        }
        let masking = Tokenizer { mask: Some(1), ..plain };
        let hidden = masking.hiding(&text, 2);
        assert_eq!(hidden, Encoding { ids: vec![2, 4, 1, 6, 3], ..text });
    }

    #[test]
    fn lower_casing_leaves_special_tokens_alone() {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap().lower_casing().unwrap();
        let lower = tokenizer.encode("[SEP] one", None).unwrap();
        assert_eq!(tokenizer.encode("[SEP] ONE", None).unwrap().ids, lower.ids);
        assert_eq!(lower.ids, [2, 3, 4, 3]);
    }

    #[test]
    fn offsets_are_bytes_of_the_text() {
        let tokenizer = Tokenizer::from_json(&tokenizer_json()).unwrap();
        let text = "One é 日 TWO";
        let encoding = tokenizer.encode(text, None).unwrap();
        let pieces: Vec<&str> = encoding
            .offsets
            .iter()
            .zip(&encoding.special)
            .filter(|(_, s)| !**s)
            .map(|(o, _)| &text[o.0..o.1])
            .collect();
        assert_eq!(pieces, ["One", "é", "日", "TWO"]);
    }

    #[test]
    fn a_broken_file_is_named() {
        for broken in [&b"{"[..], b"{}", b"\xff\xfe", b"[]"] {
            let error = Tokenizer::from_json(broken).unwrap_err();
            assert!(error.is_model_file());
            assert!(error.to_string().starts_with("tokenizer.json cannot be read"), "{error}");
        }
    }
}
