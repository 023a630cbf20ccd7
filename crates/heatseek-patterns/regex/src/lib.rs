//! In place of the crate regex, for `tokenizers`.

pub use heatseek_patterns::as_regex::*;
