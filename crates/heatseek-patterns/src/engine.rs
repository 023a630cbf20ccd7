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
    pub(crate) static ENGINE: RefCell<Option<Rc<dyn Engine>>> = const { RefCell::new(None) };
}

/// Has `engine` match the patterns of this thread in browsers. There is one thread that tokenizes.
pub fn install(engine: Rc<dyn Engine>) {
    ENGINE.with(|slot| slot.replace(Some(engine)));
}
