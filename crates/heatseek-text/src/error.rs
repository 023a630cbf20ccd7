use thiserror::Error;

/// Why a text cannot be tokenized or chunked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// `tokenizer.json` is not a tokenizer.
    #[error("tokenizer.json cannot be read: {why}; it must be the fast tokenizer's file")]
    TokenizerFile {
        /// What the reader met.
        why: String,
    },
    /// The tokenizer refused a text.
    #[error("the tokenizer cannot encode the text that begins {start:?}: {why}")]
    Encode {
        /// Its first characters.
        start: String,
        /// The tokenizer's words.
        why: String,
    },
    /// The limit leaves no room for the tokens every text gets.
    #[error(
        "a maximum length of {max_length} tokens leaves no room for the {special} special tokens of every text"
    )]
    NoRoom {
        /// The limit.
        max_length: usize,
        /// Special tokens of every text.
        special: usize,
    },
    /// Chunks of no tokens, or that overlap completely.
    #[error("chunks of {tokens} tokens cannot overlap by {overlap}; the overlap must be smaller")]
    ChunkOptions {
        /// Tokens of a chunk.
        tokens: usize,
        /// Tokens shared with the next one.
        overlap: usize,
    },
    /// Chunks of nothing.
    #[error("chunks of 0 {limit} hold nothing; take 1 or more, or no limit")]
    ChunkLimit {
        /// What there must be more of.
        limit: &'static str,
    },
    /// The tokenizer ends texts with no token that could be a landmark.
    #[error(
        "landmarks need a separator, but this model's tokenizer ends texts with none; take another pooling"
    )]
    NoLandmark,
}

impl TextError {
    /// Whether the model's file is at fault, and not the text or an option.
    pub fn is_model_file(&self) -> bool {
        matches!(self, Self::TokenizerFile { .. })
    }
}
