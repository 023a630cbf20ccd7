//! In place of the crate unicode-normalization-alignments, for `tokenizers`.

pub use heatseek_normal_forms::UnicodeNormalization;

/// Characters.
pub mod char {
    pub use heatseek_normal_forms::is_combining_mark;
}
