//! The files of a model, straight from the network into memory.

use std::collections::HashMap;
use std::fmt::Write;

use heatseek::ModelFiles;
use js_sys::Uint8Array;
use serde::Serialize;
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::*;

use crate::error::{Thrown, malformed};

/// Files on their way and files arrived.
#[wasm_bindgen]
#[derive(Default)]
pub struct Files {
    pub(crate) arrived: ModelFiles,
    arriving: HashMap<String, Arriving>,
}

/// A file on its way.
#[derive(Default)]
struct Arriving {
    bytes: Vec<u8>,
    /// Of the bytes so far, where the sum is wanted.
    sum: Option<Sha256>,
}

/// Browsers run a call to its end in the code that they began it in, which at first is the slow one: a file that is hashed
/// by one call takes ten times as long as one that is by many.
const HASHED_AT_ONCE_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct Wanted {
    path: String,
    required: bool,
}

#[wasm_bindgen]
impl Files {
    /// None.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to fetch next, `{ path, required }[]`; see `ModelFiles::wanted`.
    pub fn wanted(&self) -> Result<JsValue, JsValue> {
        let wanted = self.arrived.wanted().map_err(Thrown::from)?;
        let wanted: Vec<_> =
            wanted.into_iter().map(|file| Wanted { path: file.path, required: file.required }).collect();
        Ok(serde_wasm_bindgen::to_value(&wanted).map_err(malformed)?)
    }

    /// Whether the model reads texts, once its `config.json` is here.
    pub fn has_text(&self) -> bool {
        self.arrived.has_text()
    }

    /// Whether the model reads pictures, once its `config.json` is here.
    pub fn has_vision(&self) -> bool {
        self.arrived.has_vision()
    }

    /// Whether the model, of pictures or of texts, needs heatseek-extras. Asked once all but the weights is here.
    pub fn needs_extras(&self, images: bool) -> bool {
        images || self.arrived.tokenizer().is_ok_and(|json| heatseek::needs_patterns(json))
    }

    /// A file of `length` bytes, if that is known, begins to arrive, maybe not for the first time; `summed`: its sum will
    /// be asked for.
    pub fn begin(&mut self, path: &str, length: Option<f64>, summed: bool) -> Result<(), JsValue> {
        let mut bytes = self.arriving.remove(path).unwrap_or_default().bytes;
        bytes.clear();
        let length = length.unwrap_or(0.0) as usize;
        bytes.try_reserve_exact(length).map_err(|_| no_room(path, length))?;
        self.arriving.insert(path.to_owned(), Arriving { bytes, sum: summed.then(Sha256::new) });
        Ok(())
    }

    /// More of a file that has begun.
    pub fn append(&mut self, path: &str, chunk: &Uint8Array) -> Result<(), JsValue> {
        let Arriving { bytes, sum } = self.arriving.entry(path.to_owned()).or_default();
        let (length, begin) = (chunk.length() as usize, bytes.len());
        bytes.try_reserve(length).map_err(|_| no_room(path, begin + length))?;
        chunk.copy_to_uninit(&mut bytes.spare_capacity_mut()[..length]);
        // SAFETY: as many are written behind the old end.
        unsafe { bytes.set_len(begin + length) };
        if let Some(sum) = sum {
            hash(sum, &bytes[begin..]);
        }
        Ok(())
    }

    /// The SHA-256 of what has arrived of a file, in lower-case hexadecimal.
    pub fn sha256(&self, path: &str) -> String {
        let sum = match self.arriving.get(path) {
            Some(Arriving { sum: Some(sum), .. }) => sum.clone(),
            file => {
                let mut sum = Sha256::new();
                hash(&mut sum, file.map_or(&[], |file| &file.bytes));
                sum
            }
        };
        let mut text = String::new();
        for byte in sum.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// A file has arrived.
    pub fn finish(&mut self, path: &str) {
        self.arrived.insert(path, self.arriving.remove(path).unwrap_or_default().bytes);
    }

    /// There is no such file.
    pub fn mark_absent(&mut self, path: &str) {
        self.arriving.remove(path);
        self.arrived.mark_absent(path);
    }
}

fn hash(sum: &mut Sha256, bytes: &[u8]) {
    for part in bytes.chunks(HASHED_AT_ONCE_BYTES) {
        sum.update(part);
    }
}

fn no_room(path: &str, bytes: usize) -> Thrown {
    Thrown::new("out_of_memory", format!("there is no room in memory for the {bytes} bytes of {path}"))
}
