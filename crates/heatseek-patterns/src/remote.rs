//! Patterns that an engine elsewhere knows.

use std::rc::Rc;

use crate::engine::ENGINE;
use crate::{Engine, PatternError};

/// A pattern that the installed engine knows.
#[derive(Debug)]
pub(crate) struct Pattern {
    number: u32,
}

impl Pattern {
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let engine = installed().ok_or(PatternError::NoEngine)?;
        let number = engine.compile(pattern).map_err(|why| PatternError::Refused { why })?;
        Ok(Self { number })
    }

    /// Start and end of each of the first `most` matches, the last first.
    pub fn find(&self, text: &str, most: usize) -> Vec<(usize, usize)> {
        let Some(engine) = installed() else { return Vec::new() };
        let places = engine.find(self.number, text, most);
        places.chunks_exact(2).rev().map(|pair| (pair[0] as usize, pair[1] as usize)).collect()
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        if let Some(engine) = installed() {
            engine.release(self.number);
        }
    }
}

fn installed() -> Option<Rc<dyn Engine>> {
    // Not there any more while the thread ends.
    ENGINE.try_with(|slot| slot.borrow().clone()).ok().flatten()
}
