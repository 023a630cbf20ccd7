//! The engine in this module.

use std::cell::RefCell;

use crate::{Engine, PatternError};

/// A pattern of fancy-regex. Those of the crate regex mean the same to it, and it hands them to the same automata.
#[derive(Debug)]
pub(crate) struct Pattern(fancy_regex::Regex);

impl Pattern {
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let why = |error: fancy_regex::Error| PatternError::Refused { why: error.to_string() };
        Ok(Self(fancy_regex::Regex::new(pattern).map_err(why)?))
    }

    /// Start and end of each of the first `most` matches, the last first.
    pub fn find(&self, text: &str, most: usize) -> Vec<(usize, usize)> {
        // `tokenizers` stops at an error too, see its utils/fancy.rs.
        let found = self.0.find_iter(text).take(most).map_while(Result::ok);
        let mut places: Vec<_> = found.map(|found| (found.start(), found.end())).collect();
        places.reverse();
        places
    }
}

/// fancy-regex for other modules.
#[derive(Debug, Default)]
pub struct Linked {
    /// By number; `None` where a pattern was released.
    patterns: RefCell<Vec<Option<Pattern>>>,
}

impl Engine for Linked {
    fn compile(&self, pattern: &str) -> Result<u32, String> {
        let pattern = Pattern::new(pattern).map_err(|error| error.to_string())?;
        let mut patterns = self.patterns.borrow_mut();
        let number = patterns.iter().position(Option::is_none).unwrap_or(patterns.len());
        if number == patterns.len() {
            patterns.push(None);
        }
        patterns[number] = Some(pattern);
        Ok(number as u32)
    }

    fn find(&self, number: u32, text: &str, most: usize) -> Vec<u32> {
        let patterns = self.patterns.borrow();
        let Some(Some(pattern)) = patterns.get(number as usize) else { return Vec::new() };
        let found = pattern.find(text, most);
        found.into_iter().rev().flat_map(|(start, end)| [start as u32, end as u32]).collect()
    }

    fn release(&self, number: u32) {
        if let Some(pattern) = self.patterns.borrow_mut().get_mut(number as usize) {
            *pattern = None;
        }
    }
}
