//! Attention maps as plain objects.

use heatseek::{AttentionMaps, AttentionOptions, HeadFusion, NeuronOptions, NeuronView, Rect, Reduce};
use js_sys::{Float32Array, Object, Reflect};
use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::error::Thrown;
use crate::layout;
use crate::model::numbers;

/// `AttentionSettings` of pkg/src/protocol.ts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    layers: Option<Vec<usize>>,
    heads: Option<Vec<usize>>,
    reduce: String,
    query: Option<usize>,
    fusion: String,
    residual: f64,
    discard_ratio: f64,
}

impl Settings {
    pub fn options(&self) -> Result<AttentionOptions, Thrown> {
        let fusion = HeadFusion::ALL.into_iter().find(|fusion| fusion.name() == self.fusion);
        Ok(AttentionOptions {
            layers: self.layers.clone(),
            heads: self.heads.clone(),
            reduce: Reduce::from_name(&self.reduce)?,
            query: self.query,
            fusion: fusion.ok_or_else(|| Thrown::new("internal", format!("no fusion `{}`", self.fusion)))?,
            residual: self.residual,
            discard_ratio: self.discard_ratio,
        })
    }
}

/// `NeuronSettings` of pkg/src/protocol.ts.
#[derive(Deserialize)]
pub struct NeuronSettings {
    layer: usize,
    head: usize,
    query: usize,
}

impl NeuronSettings {
    pub fn options(&self) -> NeuronOptions {
        NeuronOptions { layer: self.layer, head: self.head, query: self.query }
    }
}

/// `Neuron` of pkg/src/types.ts.
pub fn neuron_to_js(view: &NeuronView, crop: Option<Rect>) -> Result<JsValue, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    let floats = |values: &[f32]| Float32Array::from(values).into();
    set("q", floats(&view.q))?;
    set("k", floats(&view.k))?;
    set("scores", floats(&view.scores))?;
    set("probabilities", floats(&view.probabilities))?;
    set("layout", layout::to_js(&view.layout, crop)?)?;
    Ok(result.into())
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
