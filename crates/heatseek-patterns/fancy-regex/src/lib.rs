//! In place of the crate fancy-regex, for `tokenizers`.

pub use heatseek_patterns::as_fancy_regex::*;
