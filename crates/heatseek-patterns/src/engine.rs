//! An engine that is somewhere else.

use std::cell::RefCell;
use std::rc::Rc;

use thiserror::Error;

/// Compiles patterns and finds them. Texts are UTF-8, places in them bytes.
pub trait Engine {
    /// The number that `pattern` is known by from now on.
    ///
    /// # Errors
    /// What is wrong with the pattern, in the engine's words.
    fn compile(&self, pattern: &str) -> Result<u32, String>;

    /// Start and end of each of the first `most` matches of pattern `number` in `text`, one after another. A match
    /// that the engine gives up on ends them.
    fn find(&self, number: u32, text: &str, most: usize) -> Vec<u32>;

    /// Pattern `number` is not used any more.
    fn release(&self, number: u32);
}

/// Why there is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The engine refuses it.
    #[error("{why}")]
    Refused {
        /// The engine's words.
        why: String,
    },
    /// Nobody called [`install`].
    #[error("the engine of regular expressions was not loaded; this is a bug in heatseek, please report it")]
    NoEngine,
}

thread_local! {
    static ENGINE: RefCell<Option<Rc<dyn Engine>>> = const { RefCell::new(None) };
}

/// Has `engine` match the patterns of this thread in browsers. There is one thread that tokenizes.
pub fn install(engine: Rc<dyn Engine>) {
    ENGINE.with(|slot| slot.replace(Some(engine)));
}

/// A pattern that the installed engine knows.
#[derive(Debug)]
#[cfg_attr(
    not(any(test, target_arch = "wasm32")),
    expect(dead_code, reason = "only browsers have no engine linked in")
)]
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
