//! Embedding pictures, and seeing where a model looked in them.

use heatseek::{DecodeOptions, Error, ImageOptions, Picture, PoolerSpec};
use js_sys::{Array, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::analysis;
use crate::attention;
use crate::control::JsControl;
use crate::error::{Thrown, malformed};
use crate::explain;
use crate::extras;
use crate::model;
use crate::pooling::{self, Storage, Vectors, Weights};
use crate::tuning;

/// A model of pictures.
#[wasm_bindgen]
pub struct ImageModel {
    model: heatseek::ImageModel,
    weights: Weights,
}

/// `EmbedSettings` of pkg/src/protocol.ts, as far as pictures go.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    pooling: PoolerSpec,
    normalize: Option<bool>,
    truncate_dim: Option<usize>,
    #[serde(default)]
    weights: bool,
    hidden: bool,
}

impl ImageModel {
    pub fn new(model: heatseek::ImageModel) -> Self {
        Self { model, weights: Weights::default() }
    }

    fn options(&self, settings: &JsValue) -> Result<ImageOptions, JsValue> {
        let pooling_weights = self.weights.of(settings)?;
        let settings: Settings = serde_wasm_bindgen::from_value(settings.clone()).map_err(malformed)?;
        Ok(ImageOptions {
            pooling: pooling::chosen(settings.pooling),
            pooling_weights,
            normalize: settings.normalize,
            truncate_dim: settings.truncate_dim,
            weights: settings.weights,
            hidden: settings.hidden,
        })
    }
}

#[wasm_bindgen]
impl ImageModel {
    /// What it is and where it runs.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        Ok(self.model.info().serialize(&plain).map_err(malformed)?)
    }

    /// `PoolerInfo[]` of pkg/src/pooling.ts.
    pub fn poolers(&self) -> Result<JsValue, JsValue> {
        pooling::table(|spec| self.model.pooler(spec, None))
    }

    /// See `heatseek::Tuner::step`: `more`, `waiting`, `chosen` or `done`.
    pub async fn tune(&self, usual: bool) -> Result<String, JsValue> {
        Ok(tuning::step(&self.model.tuner(), usual).await?)
    }

    /// See `heatseek::Tuner::table`.
    pub fn tuned(&self, kept: Option<String>) -> Option<String> {
        self.model.tuner().table(kept.as_deref())
    }

    /// `Embeddings` of pkg/src/types.ts but for `truncated`, of `RawPicture[]`.
    pub async fn embed(
        &self,
        pictures: Array,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let (options, storage) = (self.options(&settings)?, Storage::of(&settings)?);
        // One after another, when its turn comes: decoded pictures are large.
        let decode = |index: usize| decode(&pictures.get(index as u32));
        let total = pictures.length() as usize;
        let found = self.model.embed_with(total, &decode, &options, &control).await.map_err(Thrown::from)?;
        let vectors = Vectors {
            data: &found.data,
            shape: found.shape,
            counts: found.counts.as_deref(),
            weights: found.weights.as_deref(),
            warning: found.warning.as_deref(),
            tokens: &found.tokens,
            hidden: found.hidden.as_deref(),
        };
        let result = pooling::to_js(&vectors, &storage)?;
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        Reflect::set(&result, &"grids".into(), &found.grids.serialize(&plain).map_err(malformed)?)?;
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
        let crop = self.model.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let maps =
            self.model.attention(&picture, &settings.options()?, &control).await.map_err(Thrown::from)?;
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
        let crop = self.model.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let view = self.model.neuron(&picture, settings.options(), &control).await.map_err(Thrown::from)?;
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
        let options = explain::options(&settings, |side| model::options(side, &self.weights))?;
        let passage = decode(&passage).map_err(Thrown::from)?;
        let crop =
            |picture: &Picture| self.model.preprocessor().crop_in_source(picture).map_err(Thrown::from);
        let shown = Some(crop(&passage)?);
        if let Some(vector) = explain::vector(&query) {
            let found = self.model.explain_vector(&vector, &passage, &options, &control).await;
            return explain::to_js(&found.map_err(Thrown::from)?, [None, shown]);
        }
        let query = decode(&query).map_err(Thrown::from)?;
        let crops = [Some(crop(&query)?), shown];
        let found = self.model.explain(&query, &passage, &options, &control).await;
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
        let crop = self.model.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let options = ImageOptions::default();
        let found = self.model.occlusion(&picture, against.as_deref(), window, &options, &control).await;
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
        let crop = self.model.preprocessor().crop_in_source(&picture).map_err(Thrown::from)?;
        let found =
            self.model.analyze(&picture, &settings.options(), &control).await.map_err(Thrown::from)?;
        analysis::to_js(&found, Some(crop))
    }
}

/// `RawPicture` of pkg/src/protocol.ts: `{ bytes }` of a file, or `{ width, height, data }` as an `ImageData`.
fn decode(raw: &JsValue) -> Result<Picture, Error> {
    let field = |name: &str| Reflect::get(raw, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let bytes = field("bytes");
    if !bytes.is_undefined() {
        return extras::decode(&Uint8Array::new(&bytes));
    }
    let side = |name: &str| field(name).as_f64().unwrap_or(0.0) as u32;
    let rgba = Uint8Array::new(&field("data")).to_vec();
    Ok(Picture::from_rgba(side("width"), side("height"), &rgba, DecodeOptions::default().alpha)?)
}
