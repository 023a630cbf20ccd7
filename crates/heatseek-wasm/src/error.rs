//! Errors as plain data.

use serde::Serialize;
use wasm_bindgen::JsValue;

/// What is thrown: `ErrorData` of pkg/src/errors.ts.
#[derive(Serialize)]
pub struct Thrown {
    code: &'static str,
    message: String,
}

impl Thrown {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl<E: Into<heatseek::Error>> From<E> for Thrown {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<Thrown> for JsValue {
    fn from(thrown: Thrown) -> Self {
        serde_wasm_bindgen::to_value(&thrown).unwrap_or_else(|_| JsValue::from_str(&thrown.message))
    }
}

/// Arguments come from pkg/src, which has checked them: what cannot be read here is a fault of ours.
pub fn malformed(error: serde_wasm_bindgen::Error) -> Thrown {
    Thrown::new("internal", format!("internal error: {error}; please report this"))
}
