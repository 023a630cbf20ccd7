//! What a person who waits sees: a bar where stderr is a terminal, a line for each thing done where it is not.

use indicatif::ProgressBar;

use crate::progress;

/// The bar of a whole command.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        Self(progress::doing_bar())
    }

    /// What is being done now, which may take a while.
    pub fn say(&self, doing: &str) {
        self.0.set_message(doing.to_owned());
        self.0.tick();
    }

    /// Something that is done and worth a line.
    pub fn tell(&self, line: &str) {
        match progress::someone_is_watching() {
            true => self.0.suspend(|| eprintln!("{line}")),
            false => eprintln!("{line}"),
        }
    }

    /// For what counts its own steps.
    pub fn steps(&self, doing: &'static str) -> ProgressBar {
        progress::total_bar(doing, 0)
    }

    /// Takes it off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
