//! The crate regex, as far as `tokenizers` uses it.

use crate::{Pattern, PatternError};

/// A pattern that every text either has or has not.
#[derive(Debug)]
pub struct Regex(Pattern);

/// Where a pattern was found, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// All matches in a text, from left to right; they do not overlap.
#[derive(Debug)]
pub struct Matches(pub(crate) Vec<(usize, usize)>);

impl Regex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Ok(Self(Pattern::new(pattern)?))
    }

    /// Whether `text` has a match.
    pub fn is_match(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// The first match.
    pub fn find(&self, text: &str) -> Option<Match> {
        Matches(self.0.find(text, 1)).next()
    }

    /// All matches.
    pub fn find_iter(&self, text: &str) -> Matches {
        Matches(self.0.find(text, usize::MAX))
    }
}

impl Iterator for Matches {
    type Item = Match;

    fn next(&mut self) -> Option<Match> {
        self.0.pop().map(|(start, end)| Match { start, end })
    }
}

impl Match {
    /// Its first byte.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Behind its last byte.
    pub fn end(&self) -> usize {
        self.end
    }
}

/// Characters that mean something in a pattern, as `regex_syntax::is_meta_character` has them.
const META: &str = r"\.+*?()|[]{}^$#&-~";

/// The pattern that finds `text` itself.
pub fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if META.contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
