//! Embedding pictures, and seeing where a model looked in them.

use heatseek::{DecodeOptions, Error, ImageOptions, Picture, pooling_from_name};
use js_sys::{Array, Float32Array, Object, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::analysis;
use crate::attention;
use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::explain;
use crate::model::numbers;

/// A model of pictures.
#[wasm_bindgen]
pub struct ImageModel(pub(crate) heatseek::ImageModel);

/// `EmbedSettings` of pkg/src/protocol.ts, as far as pictures go.
#[derive(Deserialize)]
struct Settings {
    pooling: String,
    normalize: Option<bool>,
    hidden: bool,
}

#[wasm_bindgen]
impl ImageModel {
    /// What it is and where it runs.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        Ok(self.0.info().serialize(&plain).map_err(malformed)?)
    }

    /// `{ data, shape, tokens, grids, hidden? }` of `RawPicture[]`.
    pub async fn embed(
        &self,
        pictures: Array,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let options = ImageOptions {
            pooling: pooling_from_name(&settings.pooling).map_err(Thrown::from)?,
            normalize: settings.normalize,
            hidden: settings.hidden,
            ..ImageOptions::default()
        };
        // One after another, when its turn comes: decoded pictures are large.
        let decode = |index: usize| decode(&pictures.get(index as u32));
        let total = pictures.length() as usize;
        let found = self.0.embed_with(total, &decode, &options, &control).await.map_err(Thrown::from)?;
        let result = Object::new();
        let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
        set("data", Float32Array::from(found.data.as_slice()).into())?;
        set("shape", numbers(&found.shape).into())?;
        set("tokens", numbers(&found.tokens).into())?;
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        set("grids", found.grids.serialize(&plain).map_err(malformed)?)?;
        if let Some(hidden) = found.hidden {
            let rows = hidden.iter().map(|rows| Float32Array::from(rows.as_slice()));
            set("hidden", rows.collect::<Array>().into())?;
        }
        Ok(result.into())
    }

    /// `Attention` of pkg/src/types.ts, of a `RawPicture`.
    pub async fn attention(
        &self,
        picture: JsValue,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: attention::Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let picture = decode(&picture).map_err(Thrown::from)?;
        let crop = self.0.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let maps = self.0.attention(&picture, &settings.options()?, &control).await.map_err(Thrown::from)?;
        attention::to_js(&maps, Some(crop))
    }

    /// `Neuron` of pkg/src/types.ts, of a `RawPicture`.
    pub async fn neuron(
        &self,
        picture: JsValue,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: attention::NeuronSettings =
            serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let picture = decode(&picture).map_err(Thrown::from)?;
        let crop = self.0.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let view = self.0.neuron(&picture, settings.options(), &control).await.map_err(Thrown::from)?;
        attention::neuron_to_js(&view, Some(crop))
    }

    /// `Explanation` of pkg/src/types.ts; `query` is a `RawPicture` or a vector, `passage` a `RawPicture`.
    pub async fn explain(
        &self,
        query: JsValue,
        passage: JsValue,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let options = explain::options(settings)?;
        let passage = decode(&passage).map_err(Thrown::from)?;
        let crop = |picture: &Picture| self.0.preprocessor().crop_in_source(picture).map_err(Thrown::from);
        let shown = Some(crop(&passage)?);
        if let Some(vector) = explain::vector(&query) {
            let found = self.0.explain_vector(&vector, &passage, &options, &control).await;
            return explain::to_js(&found.map_err(Thrown::from)?, [None, shown]);
        }
        let query = decode(&query).map_err(Thrown::from)?;
        let crops = [Some(crop(&query)?), shown];
        let found = self.0.explain(&query, &passage, &options, &control).await;
        explain::to_js(&found.map_err(Thrown::from)?, crops)
    }

    /// `Occlusion` of pkg/src/types.ts, of a `RawPicture`; `against` is a vector, or nothing for the picture's own.
    pub async fn occlusion(
        &self,
        picture: JsValue,
        against: Option<Vec<f32>>,
        window: usize,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let picture = decode(&picture).map_err(Thrown::from)?;
        let crop = self.0.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let options = ImageOptions::default();
        let found = self.0.occlusion(&picture, against.as_deref(), window, &options, &control).await;
        explain::occlusion_to_js(&found.map_err(Thrown::from)?, Some(crop))
    }

    /// `Analysis` of pkg/src/types.ts, of a `RawPicture`.
    pub async fn analyze(
        &self,
        picture: JsValue,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let settings: analysis::Settings = serde_wasm_bindgen::from_value(settings).map_err(malformed)?;
        let picture = decode(&picture).map_err(Thrown::from)?;
        let crop = self.0.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let found = self.0.analyze(&picture, &settings.options(), &control).await.map_err(Thrown::from)?;
        analysis::to_js(&found, Some(crop))
    }
}

/// `RawPicture` of pkg/src/protocol.ts: `{ bytes }` of a file, or `{ width, height, data }` as an `ImageData`.
fn decode(raw: &JsValue) -> Result<Picture, Error> {
    let field = |name: &str| Reflect::get(raw, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let options = DecodeOptions::default();
    let bytes = field("bytes");
    if !bytes.is_undefined() {
        return Ok(Picture::decode(&Uint8Array::new(&bytes).to_vec(), &options)?);
    }
    let side = |name: &str| field(name).as_f64().unwrap_or(0.0) as u32;
    let rgba = Uint8Array::new(&field("data")).to_vec();
    Ok(Picture::from_rgba(side("width"), side("height"), &rgba, options.alpha)?)
}
