//! The crate fancy-regex, as far as `tokenizers` uses it.

use std::marker::PhantomData;

use crate::plain::{self, Match};
use crate::{Pattern, PatternError};

/// A pattern that may look around itself.
#[derive(Debug)]
pub struct Regex(Pattern);

/// All matches of a pattern in a text, from left to right; they do not overlap.
#[derive(Debug)]
pub struct Matches<'r, 't> {
    found: plain::Matches,
    of: PhantomData<(&'r Regex, &'t str)>,
}

impl Regex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Ok(Self(Pattern::new(pattern)?))
    }

    /// All matches.
    pub fn find_iter<'r, 't>(&'r self, text: &'t str) -> Matches<'r, 't> {
        Matches { found: plain::Matches(self.0.find(text, usize::MAX)), of: PhantomData }
    }
}

impl Iterator for Matches<'_, '_> {
    type Item = Result<Match, PatternError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.found.next().map(Ok)
    }
}
