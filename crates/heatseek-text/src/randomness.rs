//! Randomness for the tokenizer's hash maps, from the browser.
//!
//! `getrandom`'s own way has the browser write into the module's memory, which it refuses where threads share that.
//! `.cargo/config.toml` says that this is used instead.

use getrandom::Error;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    fn fill(array: &Uint8Array) -> Result<(), JsValue>;
}

#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(destination: *mut u8, len: usize) -> Result<(), Error> {
    let random = Uint8Array::new_with_length(len as u32);
    fill(&random).map_err(|_| Error::UNSUPPORTED)?;
    // SAFETY: `getrandom` gives `len` bytes at `destination`.
    unsafe { random.raw_copy_to_ptr(destination) };
    Ok(())
}
