//! Unicode's normal forms (UAX #15), for tokenizers and keyword search.
//!
//! `tokenizers` takes them from the crate unicode-normalization-alignments, whose tables are hashed for speed: random
//! bytes, which no server can compress. `[patch.crates-io]` puts `unicode-normalization-alignments/` in its place,
//! which is made of what is here. The tables hold the same, in the order of characters; `against/` makes them from
//! that crate, and compares both for every character and every form. Like there, it is Unicode 9 that counts: so it
//! does for everybody who tokenizes with `tokenizers`, and a newer one would give other tokens.

mod forms;
mod tables;
#[cfg(test)]
mod tests;

pub use forms::UnicodeNormalization;
pub use tables::{combining_class, is_combining_mark};
