//! Loading a model, and embedding with it.

use std::rc::Rc;

use heatseek::{DeviceChoice, EmbedOptions, LoadOptions, pooling_from_name};
use js_sys::{Array, Float32Array, Object, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::files::Files;

/// A model whose device is open and compiles while its weights arrive.
#[wasm_bindgen]
pub struct Loader(heatseek::Loader);

#[wasm_bindgen]
impl Loader {
    /// Opens the device. `files` holds all but the weights; more may be put into it meanwhile.
    pub fn begin(files: &Files, device: &str) -> js_sys::Promise {
        let (files, device) = (files.arrived.clone(), DeviceChoice::from_name(device));
        wasm_bindgen_futures::future_to_promise(async move {
            let options = LoadOptions { device: device.map_err(Thrown::from)?, ..LoadOptions::default() };
            Ok(Self(heatseek::Loader::begin(&files, options).await).into())
        })
    }

    /// Makes the model ready. Takes the files, so that the weights are not held twice.
    pub async fn finish(self, files: Files, control: JsControl) -> Result<Model, JsValue> {
        let model = self.0.finish(files.arrived, &control).await.map_err(Thrown::from)?;
        Ok(Model(Rc::new(model)))
    }
}

/// A model.
#[wasm_bindgen]
pub struct Model(pub(crate) Rc<heatseek::Model>);

/// `EmbedSettings` of pkg/src/protocol.ts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    pooling: String,
    normalize: Option<bool>,
    prompt_name: Option<String>,
    prompt: Option<String>,
    max_length: Option<usize>,
    hidden: bool,
}

#[wasm_bindgen]
impl Model {
    /// What it is and where it runs.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        Ok(self.0.info().serialize(&plain).map_err(malformed)?)
    }

    /// `{ data, shape, tokens, truncated, hidden? }`.
    pub async fn embed(
        &self,
        texts: Vec<String>,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let options = EmbedOptions {
            pooling: pooling_from_name(&settings.pooling).map_err(Thrown::from)?,
            normalize: settings.normalize,
            prompt_name: settings.prompt_name,
            prompt: settings.prompt,
            max_length: settings.max_length,
            hidden: settings.hidden,
        };
        let found = self.0.embed(&texts, &options, &control).await.map_err(Thrown::from)?;
        let result = Object::new();
        let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
        set("data", Float32Array::from(found.data.as_slice()).into())?;
        set("shape", numbers(&found.shape).into())?;
        set("tokens", numbers(&found.tokens).into())?;
        set("truncated", found.truncated.iter().copied().map(JsValue::from).collect::<Array>().into())?;
        if let Some(hidden) = found.hidden {
            let rows = hidden.iter().map(|rows| Float32Array::from(rows.as_slice()));
            set("hidden", rows.collect::<Array>().into())?;
        }
        Ok(result.into())
    }
}

fn numbers(values: &[usize]) -> Array {
    values.iter().map(|&value| JsValue::from(value as f64)).collect()
}
