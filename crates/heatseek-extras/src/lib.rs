//! What only some models need, so that pages without such models do not download it: decoders and the resizer of pictures,
//! and the engine of regular expressions for tokenizers that have some. heatseek-wasm calls it through JavaScript, as
//! `JsExtras` there says.

use heatseek_image::{DecodeOptions, Filter, ImageError, Picture};
use heatseek_patterns::{Engine, Linked};
use js_sys::Function;
use wasm_bindgen::prelude::*;

thread_local! {
    static ENGINE: Linked = Linked::default();
}

/// As `install` of heatseek-wasm: `on_panic(message)` is called when this module is found to be wrong.
#[wasm_bindgen]
pub fn install(on_panic: Function) {
    std::panic::set_hook(Box::new(move |info| {
        console_error_panic_hook::hook(info);
        // Whether the callback throws changes nothing: the next instruction is a trap.
        let _ = on_panic.call1(&JsValue::NULL, &JsValue::from_str(&info.to_string()));
    }));
}

/// A decoded picture.
#[wasm_bindgen]
pub struct Decoded(Picture);

#[wasm_bindgen]
impl Decoded {
    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// The pixels, `[height, width, 3]`. Frees the picture.
    pub fn into_rgb(self) -> Vec<u8> {
        self.0.into_rgb()
    }
}

/// `Picture::decode` of a file, within the limits there are by default. Throws the message of an `ImageError`.
#[wasm_bindgen]
pub fn decode(bytes: &[u8]) -> Result<Decoded, JsValue> {
    made(Picture::decode(bytes, &DecodeOptions::default()))
}

/// `heatseek_image::resize` of a picture `rgb [height, width, 3]` to `sides`, a width and a height, with the filter of this
/// number.
#[wasm_bindgen]
pub fn resize(
    rgb: Vec<u8>,
    width: u32,
    height: u32,
    sides: &[u32],
    resample: u8,
) -> Result<Decoded, JsValue> {
    let (&[to_width, to_height], Some(filter)) = (sides, Filter::from_resample(resample.into())) else {
        return Err(JsValue::UNDEFINED);
    };
    let picture = Picture::from_rgb(width, height, rgb);
    made(picture.and_then(|picture| heatseek_image::resize(&picture, to_width, to_height, filter)))
}

fn made(picture: Result<Picture, ImageError>) -> Result<Decoded, JsValue> {
    picture.map(Decoded).map_err(|error| JsValue::from_str(&error.to_string()))
}

/// `Engine::compile`; throws what is wrong with the pattern, as a string.
#[wasm_bindgen]
pub fn compile(pattern: &str) -> Result<u32, JsValue> {
    ENGINE.with(|engine| engine.compile(pattern)).map_err(JsValue::from)
}

/// `Engine::find` in a text of UTF-8.
#[wasm_bindgen]
pub fn find(number: u32, text: &[u8], most: usize) -> Vec<u32> {
    // Rust's strings, on the other side, are UTF-8.
    std::str::from_utf8(text)
        .map_or_else(|_| Vec::new(), |text| ENGINE.with(|engine| engine.find(number, text, most)))
}

/// `Engine::release`.
#[wasm_bindgen]
pub fn release(number: u32) {
    ENGINE.with(|engine| engine.release(number));
}
