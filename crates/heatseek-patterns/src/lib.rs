//! Regular expressions of tokenizers.
//!
//! `tokenizers` brings two crates of regular expressions with all of Unicode's tables, a fifth of what a page would
//! download, and most models of texts have no pattern at all. `[patch.crates-io]` puts `fancy-regex/` and `regex/`
//! in their places, which are made of what is here: fancy-regex, but in browsers whatever [`install`] was given.
//! That is the same fancy-regex in another module, heatseek-extras, which is loaded for models that have patterns, so
//! tokens are the same everywhere. What `tokenizers` uses of those crates is all there is; a new version of it that
//! uses more does not compile.

mod engine;
mod fancy;
mod linked;
mod plain;
#[cfg(any(test, target_arch = "wasm32"))]
mod remote;
#[cfg(test)]
mod tests;

pub use engine::{Engine, PatternError, install};
pub use linked::Linked;

/// The crate fancy-regex.
pub mod as_fancy_regex {
    pub use crate::engine::PatternError as Error;
    pub use crate::fancy::{Matches, Regex};
    pub use crate::plain::Match;
}

/// The crate regex.
pub mod as_regex {
    pub use crate::engine::PatternError as Error;
    pub use crate::plain::{Match, Matches, Regex, escape};
}

/// A compiled pattern.
#[cfg(not(target_arch = "wasm32"))]
type Pattern = linked::Pattern;
#[cfg(target_arch = "wasm32")]
type Pattern = remote::Pattern;
