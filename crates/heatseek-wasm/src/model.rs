//! Loading a model, and embedding with it.

use std::rc::Rc;

use heatseek::{ChunkOptions, DeviceChoice, DtypeChoice, EmbedOptions, Embeddings, LoadOptions, PoolerSpec};
use js_sys::{Array, Object, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::analysis;
use crate::attention;
use crate::control::{self, JsControl};
use crate::error::{Thrown, malformed};
use crate::explain;
use crate::files::Files;
use crate::image::ImageModel;
use crate::index::RawChunk;
use crate::pooling::{self, Storage, Vectors, Weights};
use crate::tuning;

/// A model whose device is open and compiles while its weights arrive.
#[wasm_bindgen]
pub struct Loader(heatseek::Loader);

#[wasm_bindgen]
impl Loader {
    /// Opens the device, for pictures or for texts. `files` holds all but the weights; more may be put into it
    /// meanwhile. `tell` hears what the device has done while it is made ready. `start_threads` is called, and its
    /// promise awaited, before the CPU takes over from a GPU, now or later. A GPU follows the choices in `tuned`, which is
    /// what `Model::tuned` said in an earlier session.
    pub fn begin(
        files: &Files,
        device: &str,
        dtype: &str,
        images: bool,
        tuned: Option<String>,
        tell: js_sys::Function,
        start_threads: js_sys::Function,
    ) -> js_sys::Promise {
        let files = files.arrived.clone();
        let (device, dtype) = (DeviceChoice::from_name(device), DtypeChoice::from_name(dtype));
        wasm_bindgen_futures::future_to_promise(async move {
            let (device, dtype) = (device.map_err(Thrown::from)?, dtype.map_err(Thrown::from)?);
            let (watch, before_fallback) = (Some(control::watch(tell)), Some(control::hook(start_threads)));
            let options =
                LoadOptions { device, dtype, tuned, watch, before_fallback, ..LoadOptions::default() };
            let loader = match images {
                true => heatseek::Loader::begin_images(&files, options).await,
                false => heatseek::Loader::begin(&files, options).await,
            };
            Ok(Self(loader).into())
        })
    }

    /// See `heatseek::Loader::read_tokenizer`.
    pub fn read_tokenizer(&mut self, files: &Files) {
        self.0.read_tokenizer(&files.arrived);
    }

    /// See `heatseek::Loader::on_cpu`.
    pub fn on_cpu(&self) -> bool {
        self.0.on_cpu()
    }

    /// Makes the model ready. Takes the files, so that the weights are not held twice.
    pub async fn finish(self, files: Files, control: JsControl) -> Result<Model, JsValue> {
        let model = self.0.finish(files.arrived, &control).await.map_err(Thrown::from)?;
        Ok(Model { model: Rc::new(model), weights: Weights::default() })
    }

    /// The same for pictures.
    pub async fn finish_images(self, files: Files, control: JsControl) -> Result<ImageModel, JsValue> {
        Ok(ImageModel::new(self.0.finish_images(files.arrived, &control).await.map_err(Thrown::from)?))
    }
}

/// A model.
#[wasm_bindgen]
pub struct Model {
    pub(crate) model: Rc<heatseek::Model>,
    pub(crate) weights: Weights,
}

/// `EmbedSettings` of pkg/src/protocol.ts, but for what is read by `pooling`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    pooling: PoolerSpec,
    include_prompt: Option<bool>,
    normalize: Option<bool>,
    truncate_dim: Option<usize>,
    #[serde(default)]
    weights: bool,
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
        Ok(self.model.info().serialize(&plain).map_err(malformed)?)
    }

    /// `PoolerInfo[]` of pkg/src/pooling.ts.
    pub fn poolers(&self) -> Result<JsValue, JsValue> {
        pooling::table(|spec| self.model.pooler(spec, None))
    }

    /// `Embeddings` of pkg/src/types.ts.
    pub async fn embed(
        &self,
        texts: Vec<String>,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let (options, storage) = (self.options(&settings)?, Storage::of(&settings)?);
        let found = self.model.embed(&texts, &options, &control).await.map_err(Thrown::from)?;
        Ok(to_js(&found, &storage)?.into())
    }

    /// See `heatseek::Tuner::step`: `more`, `waiting`, `chosen` or `done`.
    pub async fn tune(&self, usual: bool) -> Result<String, JsValue> {
        Ok(tuning::step(&self.model.tuner(), usual).await?)
    }

    /// See `heatseek::Tuner::table`.
    pub fn tuned(&self, kept: Option<String>) -> Option<String> {
        self.model.tuner().table(kept.as_deref())
    }

    /// `ChunkEmbeddings` of pkg/src/types.ts; `chunk` is `ChunkSettings`.
    pub async fn embed_chunks(
        &self,
        text: String,
        chunk: JsValue,
        late: bool,
        settings: JsValue,
        control: JsControl,
    ) -> Result<JsValue, JsValue> {
        let chunk: ChunkOptions = serde_wasm_bindgen::from_value(chunk).map_err(malformed)?;
        let (options, storage) = (self.options(&settings)?, Storage::of(&settings)?);
        let found = self.model.embed_chunks(&text, chunk, late, &options, &control).await;
        let found = found.map_err(Thrown::from)?;
        let result = to_js(&found.embeddings, &storage)?;
        let chunks: Vec<_> = found.chunks.iter().map(|chunk| RawChunk::of(&text, chunk)).collect();
        let chunks = serde_wasm_bindgen::to_value(&chunks).map_err(malformed)?;
        Reflect::set(&result, &"chunks".into(), &chunks)?;
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
        let (maps, embed) = (settings.options()?, self.options(&embed)?);
        let maps = self.model.attention(&text, &maps, &embed, &control).await.map_err(Thrown::from)?;
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
        let (wanted, embed) = (settings.options(), self.options(&embed)?);
        let view = self.model.neuron(&text, wanted, &embed, &control).await.map_err(Thrown::from)?;
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
        let options = explain::options(&settings, |side| self.options(side))?;
        let found = match explain::vector(&query) {
            Some(vector) => self.model.explain_vector(&vector, &passage, &options, &control).await,
            None => self.model.explain(&explain::text(&query)?, &passage, &options, &control).await,
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
        let embed = self.options(&embed)?;
        let found = self.model.occlusion(&text, against.as_deref(), &embed, &control).await;
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
        let embed = self.options(&embed)?;
        let found =
            self.model.analyze(&text, &settings.options(), &embed, &control).await.map_err(Thrown::from)?;
        analysis::to_js(&found, None)
    }
}

impl Model {
    fn options(&self, settings: &JsValue) -> Result<EmbedOptions, JsValue> {
        options(settings, &self.weights)
    }
}

/// `EmbedSettings` of pkg/src/protocol.ts.
pub fn options(settings: &JsValue, weights: &Weights) -> Result<EmbedOptions, JsValue> {
    let pooling_weights = weights.of(settings)?;
    let settings: Settings = serde_wasm_bindgen::from_value(settings.clone()).map_err(malformed)?;
    Ok(EmbedOptions {
        pooling: pooling::chosen(settings.pooling),
        pooling_weights,
        include_prompt: settings.include_prompt,
        normalize: settings.normalize,
        truncate_dim: settings.truncate_dim,
        weights: settings.weights,
        prompt_name: settings.prompt_name,
        prompt: settings.prompt,
        max_length: settings.max_length,
        hidden: settings.hidden,
    })
}

fn to_js(found: &Embeddings, storage: &Storage) -> Result<Object, JsValue> {
    let vectors = Vectors {
        data: &found.data,
        shape: found.shape,
        counts: found.counts.as_deref(),
        weights: found.weights.as_deref(),
        warning: found.warning.as_deref(),
        tokens: &found.tokens,
        hidden: found.hidden.as_deref(),
    };
    let result = pooling::to_js(&vectors, storage)?;
    let truncated: Array = found.truncated.iter().copied().map(JsValue::from).collect();
    Reflect::set(&result, &"truncated".into(), &truncated)?;
    Ok(result)
}

pub fn numbers(values: &[usize]) -> Array {
    values.iter().map(|&value| JsValue::from(value as f64)).collect()
}
