//! Progress bars: on stderr, and only when a person is looking at it.

use std::cell::RefCell;
use std::io::IsTerminal;

use heatseek::{Cancelled, Control, LocalFuture, Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// True when stderr is a terminal: anything else gets plain lines or silence.
pub fn someone_is_watching() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar counting bytes.
pub fn bytes_bar() -> ProgressBar {
    bar("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
}

/// A counter of things whose number is not known beforehand.
pub fn count_bar(things: &'static str) -> ProgressBar {
    bar("{pos} {msg} {per_sec}").with_message(things)
}

/// What is being done, where nobody knows how much there is of it.
pub fn doing_bar() -> ProgressBar {
    bar("{spinner} {msg} {elapsed}")
}

/// A bar counting things whose number is known.
pub fn total_bar(doing: &'static str, total: u64) -> ProgressBar {
    let bar = bar("{msg:>10} {wide_bar} {pos}/{len} {eta}").with_message(doing);
    bar.set_length(total);
    bar
}

fn bar(template: &str) -> ProgressBar {
    let target =
        if someone_is_watching() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    // The templates are constants of this file; an unreadable one falls back to the default look.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// One bar for whatever stage is going on.
pub struct Bars {
    bar: ProgressBar,
    stage: RefCell<Option<Stage>>,
}

impl Bars {
    /// A bar that shows when the first stage is reported.
    pub fn new() -> Self {
        Self { bar: bar("{msg:>10} {wide_bar} {pos}/{len} {eta}"), stage: RefCell::default() }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Control for Bars {
    fn progress(&self, progress: Progress) {
        let word = match progress.stage {
            Stage::Read => "reading",
            Stage::Prepare => "preparing",
            Stage::SelfCheck => "checking",
            Stage::Embed => "embedding",
            Stage::Index => "indexing",
            _ => "working",
        };
        if self.stage.replace(Some(progress.stage)) != Some(progress.stage) {
            self.bar.reset();
            self.bar.set_message(word);
        }
        self.bar.set_length(progress.total as u64);
        self.bar.set_position(progress.loaded as u64);
    }

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        // Ctrl-C ends the process: there is nothing to tidy up, so there is nothing to ask.
        Box::pin(std::future::ready(Ok(())))
    }
}
