//! Loading a model, and embedding with it.

use std::rc::Rc;

use heatseek::{DeviceChoice, EmbedOptions, LoadOptions, pooling_from_name};
use js_sys::{Array, Float32Array, Object, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::analysis;
use crate::attention;
use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::explain;
use crate::files::Files;
use crate::image::ImageModel;

/// A model whose device is open and compiles while its weights arrive.
#[wasm_bindgen]
pub struct Loader(heatseek::Loader);

#[wasm_bindgen]
impl Loader {
    /// Opens the device, for pictures or for texts. `files` holds all but the weights; more may be put into it
    /// meanwhile.
    pub fn begin(files: &Files, device: &str, images: bool) -> js_sys::Promise {
        let (files, device) = (files.arrived.clone(), DeviceChoice::from_name(device));
        wasm_bindgen_futures::future_to_promise(async move {
            let options = LoadOptions { device: device.map_err(Thrown::from)?, ..LoadOptions::default() };
            let loader = match images {
                true => heatseek::Loader::begin_images(&files, options).await,
                false => heatseek::Loader::begin(&files, options).await,
            };
            Ok(Self(loader).into())
        })
    }

    /// Makes the model ready. Takes the files, so that the weights are not held twice.
    pub async fn finish(self, files: Files, control: JsControl) -> Result<Model, JsValue> {
        let model = self.0.finish(files.arrived, &control).await.map_err(Thrown::from)?;
        Ok(Model(Rc::new(model)))
    }

    /// The same for pictures.
    pub async fn finish_images(self, files: Files, control: JsControl) -> Result<ImageModel, JsValue> {
        Ok(ImageModel(self.0.finish_images(files.arrived, &control).await.map_err(Thrown::from)?))
    }
}

/// A model.
#[wasm_bindgen]
pub struct Model(pub(crate) Rc<heatseek::Model>);

/// `EmbedSettings` of pkg/src/protocol.ts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
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
        let options = settings.options()?;
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

    /// `Attention` of pkg/src/types.ts; of `embed` count prompt and length.
    pub async fn attention(
        &self,
        text: String,
        settings: JsValue,
        embed: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: attention::Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let embed: Settings = serde_wasm_bindgen::from_value(embed).map_err(malformed)?;
        let (maps, embed) = (settings.options()?, embed.options()?);
        let maps = self.0.attention(&text, &maps, &embed, &control).await.map_err(Thrown::from)?;
        attention::to_js(&maps, None)
    }

    /// `Neuron` of pkg/src/types.ts; of `embed` count prompt and length.
    pub async fn neuron(
        &self,
        text: String,
        settings: JsValue,
        embed: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: attention::NeuronSettings =
            serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let embed: Settings = serde_wasm_bindgen::from_value(embed).map_err(malformed)?;
        let (wanted, embed) = (settings.options(), embed.options()?);
        let view = self.0.neuron(&text, wanted, &embed, &control).await.map_err(Thrown::from)?;
        attention::neuron_to_js(&view, None)
    }

    /// `Explanation` of pkg/src/types.ts; `query` is a text or a vector.
    pub async fn explain(
        &self,
        query: JsValue,
        passage: String,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let options = explain::options(settings)?;
        let found = match explain::vector(&query) {
            Some(vector) => self.0.explain_vector(&vector, &passage, &options, &control).await,
            None => self.0.explain(&explain::text(&query)?, &passage, &options, &control).await,
        };
        explain::to_js(&found.map_err(Thrown::from)?, [None, None])
    }

    /// `Occlusion` of pkg/src/types.ts; `against` is a vector, or nothing for the text's own.
    pub async fn occlusion(
        &self,
        text: String,
        against: Option<Vec<f32>>,
        embed: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let embed: Settings = serde_wasm_bindgen::from_value(embed).map_err(malformed)?;
        let embed = embed.options()?;
        let found = self.0.occlusion(&text, against.as_deref(), &embed, &control).await;
        explain::occlusion_to_js(&found.map_err(Thrown::from)?, None)
    }

    /// `Analysis` of pkg/src/types.ts; of `embed` count prompt and length.
    pub async fn analyze(
        &self,
        text: String,
        settings: JsValue,
        embed: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: analysis::Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let embed: Settings = serde_wasm_bindgen::from_value(embed).map_err(malformed)?;
        let embed = embed.options()?;
        let found =
            self.0.analyze(&text, &settings.options(), &embed, &control).await.map_err(Thrown::from)?;
        analysis::to_js(&found, None)
    }
}

impl Settings {
    pub fn options(self) -> Result<EmbedOptions, Thrown> {
        Ok(EmbedOptions {
            pooling: pooling_from_name(&self.pooling)?,
            normalize: self.normalize,
            prompt_name: self.prompt_name,
            prompt: self.prompt,
            max_length: self.max_length,
            hidden: self.hidden,
            ..EmbedOptions::default()
        })
    }
}

pub fn numbers(values: &[usize]) -> Array {
    values.iter().map(|&value| JsValue::from(value as f64)).collect()
}
