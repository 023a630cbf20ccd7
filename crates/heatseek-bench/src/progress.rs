//! Progress bars: on stderr, and only when a person is looking at it.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// True when stderr is a terminal: anything else gets plain lines or silence.
pub fn someone_is_watching() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar counting bytes, hidden when nobody watches.
pub fn bytes_bar() -> ProgressBar {
    bar("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
}

fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    // The templates are constants of this file; an unreadable one falls back to the default look.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
