//! Attention maps as plain objects.

use heatseek::{AttentionMaps, AttentionOptions, HeadFusion, Rect};
use js_sys::{Float32Array, Object, Reflect};
use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::error::Thrown;
use crate::layout;
use crate::model::numbers;

/// `AttentionSettings` of pkg/src/protocol.ts.
#[derive(Deserialize)]
pub struct Settings {
    layers: Option<Vec<usize>>,
    heads: Option<Vec<usize>>,
    reduce: String,
}

impl Settings {
    pub fn options(&self) -> Result<AttentionOptions, Thrown> {
        let fusion = HeadFusion::ALL.into_iter().find(|fusion| fusion.name() == self.reduce);
        let fusion =
            fusion.ok_or_else(|| Thrown::new("internal", format!("no reduction `{}`", self.reduce)))?;
        Ok(AttentionOptions { layers: self.layers.clone(), heads: self.heads.clone(), fusion })
    }
}

/// `Attention` of pkg/src/types.ts; `crop` is what the model saw of a picture.
pub fn to_js(maps: &AttentionMaps, crop: Option<Rect>) -> Result<JsValue, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    set("data", Float32Array::from(maps.data.as_slice()).into())?;
    set("shape", numbers(&maps.shape).into())?;
    set("layers", numbers(&maps.layers).into())?;
    set("heads", numbers(&maps.heads).into())?;
    set("layout", layout::to_js(&maps.layout, crop)?)?;
    Ok(result.into())
}
