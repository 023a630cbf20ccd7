//! Threads in a browser: workers that share this module's memory, where the page may share memory at all.
//!
//! pkg/src/threads.ts starts them; each is an instance of this module with a stack of its own, and calls
//! [`kernel_thread`]. std was compiled for one thread, so they run nothing but the bodies of tasks.

use std::sync::atomic::AtomicU32;

use wasm_bindgen::prelude::wasm_bindgen;

use super::pool::{Pool, Sleep};

static POOL: Pool<JsAtomics> = Pool::new(JsAtomics);

/// Calls `body` with each of `0..tasks` once, in any order and from any thread.
///
/// One task must be worth some 10 µs: handing one out costs about one. Bodies keep what they need in what they
/// borrow rather than allocate.
pub(crate) fn run(tasks: usize, body: impl Fn(usize) + Sync + Send) {
    POOL.run(tasks, &body);
}

/// How many threads kernels have.
pub fn threads() -> usize {
    POOL.threads()
}

/// Rust's own instructions for this are not stable; the memory they are about is the one that pkg/src/atomics.ts was
/// told of.
struct JsAtomics;

// The path is seen from pkg/src/wasm/.
#[wasm_bindgen(raw_module = "../atomics.js")]
extern "C" {
    fn wait(address: usize, expected: u32, milliseconds: f64);
    fn wake(address: usize, most: u32);
}

impl Sleep for JsAtomics {
    fn wait(&self, word: &AtomicU32, expected: u32, limited: bool) {
        wait(word.as_ptr().addr(), expected, if limited { Self::LIMIT_MS } else { f64::INFINITY });
    }

    fn wake(&self, word: &AtomicU32, most: u32) {
        wake(word.as_ptr().addr(), most);
    }
}

/// Says how many threads compute: this one, and those that call [`kernel_thread`].
#[wasm_bindgen]
pub fn set_kernel_threads(threads: usize) {
    POOL.set_threads(threads);
}

/// Computes what it is given, for as long as its worker lives.
#[wasm_bindgen]
pub fn kernel_thread() {
    POOL.help(|| false);
}

/// Says that [`kernel_thread`] did not return but trapped: what was under way fails.
#[wasm_bindgen]
pub fn kernel_thread_failed() {
    POOL.fail();
}
