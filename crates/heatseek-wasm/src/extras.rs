//! What is in a module of its own, heatseek-extras: the package loads it for models that need it, and hands it over.

use std::cell::RefCell;
use std::rc::Rc;

use heatseek::{Error, ImageError, Picture};
use heatseek_image::{Filter, install_resizer};
use heatseek_patterns::Engine;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The exports of heatseek-extras.
    pub type JsExtras;

    /// `Decoded` there.
    type JsDecoded;

    #[wasm_bindgen(method, catch)]
    fn decode(this: &JsExtras, bytes: &Uint8Array) -> Result<JsDecoded, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn resize(
        this: &JsExtras,
        rgb: &[u8],
        width: u32,
        height: u32,
        sides: &[u32],
        resample: u8,
    ) -> Result<JsDecoded, JsValue>;

    #[wasm_bindgen(method)]
    fn width(this: &JsDecoded) -> u32;

    #[wasm_bindgen(method)]
    fn height(this: &JsDecoded) -> u32;

    #[wasm_bindgen(method)]
    fn into_rgb(this: &JsDecoded) -> Vec<u8>;

    #[wasm_bindgen(method, catch)]
    fn compile(this: &JsExtras, pattern: &str) -> Result<u32, JsValue>;

    #[wasm_bindgen(method)]
    fn find(this: &JsExtras, number: u32, text: &[u8], most: usize) -> Vec<u32>;

    #[wasm_bindgen(method)]
    fn release(this: &JsExtras, number: u32);
}

thread_local! {
    static EXTRAS: RefCell<Option<Rc<JsExtras>>> = const { RefCell::new(None) };
}

/// Takes the exports of heatseek-extras, once they run.
#[wasm_bindgen]
pub fn install_extras(extras: JsExtras) {
    let extras = Rc::new(extras);
    EXTRAS.with(|slot| slot.replace(Some(Rc::clone(&extras))));
    heatseek_patterns::install(extras);
    install_resizer(resize);
}

/// `Picture::decode` with the limits there are by default.
pub fn decode(bytes: &Uint8Array) -> Result<Picture, Error> {
    Ok(picture(|extras| extras.decode(bytes))?)
}

fn resize(from: &Picture, width: u32, height: u32, filter: Filter) -> Result<Picture, ImageError> {
    let sides = [width, height];
    picture(|extras| extras.resize(from.rgb(), from.width(), from.height(), &sides, filter.resample()))
}

/// The picture that heatseek-extras makes.
fn picture(make: impl FnOnce(&JsExtras) -> Result<JsDecoded, JsValue>) -> Result<Picture, ImageError> {
    let extras = EXTRAS.with(|slot| slot.borrow().clone()).unwrap_or_else(|| {
        wasm_bindgen::throw_str("internal error: heatseek-extras was not loaded; please report this")
    });
    match make(&extras) {
        Ok(picture) => Picture::from_rgb(picture.width(), picture.height(), picture.into_rgb()),
        Err(thrown) => match thrown.as_string() {
            Some(message) => Err(ImageError::Elsewhere { message }),
            // A trap there is one here.
            None => wasm_bindgen::throw_val(thrown),
        },
    }
}

impl Engine for JsExtras {
    fn compile(&self, pattern: &str) -> Result<u32, String> {
        JsExtras::compile(self, pattern).map_err(|thrown| match thrown.as_string() {
            Some(why) => why,
            None => wasm_bindgen::throw_val(thrown),
        })
    }

    fn find(&self, number: u32, text: &str, most: usize) -> Vec<u32> {
        JsExtras::find(self, number, text.as_bytes(), most)
    }

    fn release(&self, number: u32) {
        JsExtras::release(self, number);
    }
}
