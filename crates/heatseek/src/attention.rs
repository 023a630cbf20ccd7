//! What a model looked at: the attention of any layer and head, from the weights that embed.

use heatseek_model::PatchGrid;
use heatseek_ops::{Batch, HeadFusion};
use heatseek_text::Encoding;

use crate::device::Encoder;
use crate::runner::Runner;
use crate::{Control, EmbedOptions, Error, ImageModel, Model, Picture, Pixels};

/// Which maps, and what becomes of their heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttentionOptions {
    /// Layers, counted from 0, in the order wanted; `None` is all of them.
    pub layers: Option<Vec<usize>>,
    /// Heads, counted from 0, in the order wanted; `None` is all of them. Where heads are fused it must be
    /// `None`: all take part.
    pub heads: Option<Vec<usize>>,
    /// What becomes of the heads.
    pub fusion: HeadFusion,
}

/// What the rows and columns of a map are.
#[derive(Clone, Debug, PartialEq)]
pub enum MapLayout {
    /// The tokens of a text.
    Text {
        /// The text they were made of: the prompt, if there is one, and what was given.
        text: String,
        /// Their ids.
        ids: Vec<u32>,
        /// First and last (exclusive) byte of `text` that each covers; both 0 for special tokens.
        offsets: Vec<(usize, usize)>,
        /// Whether each was added and does not come from the text.
        special: Vec<bool>,
    },
    /// The tokens of a picture: first prefix tokens, then patches from left to right and down.
    Picture {
        /// `cls`, `distillation` or `register` each.
        prefix_tokens: Vec<&'static str>,
        /// The patches.
        grid: PatchGrid,
    },
}

/// Attention probabilities of one input: each row is what one token looked at, and sums to 1 unless heads were
/// fused by their maximum or minimum.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMaps {
    /// `shape` row-major.
    pub data: Vec<f32>,
    /// Layers, heads (1 where fused), tokens that look, tokens looked at.
    pub shape: [usize; 4],
    /// Which layers.
    pub layers: Vec<usize>,
    /// Which heads; empty where they are fused.
    pub heads: Vec<usize>,
    /// What rows and columns are.
    pub layout: MapLayout,
}

impl AttentionMaps {
    /// The map `[tokens, tokens]` of the layer and head at these places of `layers` and `heads`.
    pub fn map(&self, layer: usize, head: usize) -> &[f32] {
        let [_, heads, tokens, _] = self.shape;
        &self.data[(layer * heads + head) * tokens * tokens..][..tokens * tokens]
    }
}

impl Model {
    /// The attention of `text`, with the prompt and length that `embed` says. Nothing is computed for maps
    /// that are not asked for, and embedding costs nothing more.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a layer or head that is not there, or none; otherwise as [`Model::embed`].
    /// A map too large for the device is an [`Error::Executor`] that says so.
    pub async fn attention(
        &self,
        text: &str,
        options: &AttentionOptions,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<AttentionMaps, Error> {
        let (text, encoding) = self.encoding(text, embed)?;
        let mut batch = Batch::new();
        let model = self.text_model();
        model.push_sequence(&mut batch, &encoding.ids, &encoding.type_ids)?;
        let spec = model.spec();
        let wanted = Wanted::new(options, spec.num_hidden_layers, spec.num_attention_heads)?;
        let name = |layer| model.attention_output(layer, options.fusion);
        let Encoding { ids, offsets, special, .. } = encoding;
        let layout = MapLayout::Text { text, ids, offsets, special };
        wanted.run(&self.runner, &batch, &name, layout, control).await
    }
}

impl ImageModel {
    /// The attention of `picture`, prepared as the model's files say.
    ///
    /// # Errors
    /// As [`Model::attention`] and [`ImageModel::embed`].
    pub async fn attention(
        &self,
        picture: &Picture,
        options: &AttentionOptions,
        control: &dyn Control,
    ) -> Result<AttentionMaps, Error> {
        self.attention_of_pixels(&self.preprocessor().pixels(picture)?, options, control).await
    }

    /// The same for a picture that is already what the model takes.
    ///
    /// # Errors
    /// As [`ImageModel::attention`].
    pub async fn attention_of_pixels(
        &self,
        pixels: &Pixels,
        options: &AttentionOptions,
        control: &dyn Control,
    ) -> Result<AttentionMaps, Error> {
        let model = self.model();
        let mut batch = Batch::new();
        let [width, height] = [pixels.width, pixels.height].map(|n| n as usize);
        let grid = model.push_picture(&mut batch, width, height, &pixels.data)?;
        let spec = model.spec();
        let wanted = Wanted::new(options, spec.num_hidden_layers, spec.num_attention_heads)?;
        let name = |layer| model.attention_output(layer, options.fusion);
        let layout = MapLayout::Picture { prefix_tokens: spec.prefix_tokens.clone(), grid };
        wanted.run(&self.runner, &batch, &name, layout, control).await
    }
}

/// Options checked against a model.
struct Wanted {
    layers: Vec<usize>,
    /// All heads of the model, or 1 where they are fused.
    computed: usize,
    heads: Vec<usize>,
    fused: bool,
}

impl Wanted {
    fn new(options: &AttentionOptions, layers: usize, heads: usize) -> Result<Self, Error> {
        let fused = options.fusion != HeadFusion::Each;
        if fused && options.heads.is_some() {
            return Err(Error::InvalidInput {
                what: "heads".into(),
                got: format!("a choice of heads together with their {}", options.fusion.name()),
                expected: "either, since all heads take part when they are fused".into(),
            });
        }
        Ok(Self {
            layers: chosen("layers", options.layers.as_deref(), layers)?,
            computed: if fused { 1 } else { heads },
            heads: if fused { vec![0] } else { chosen("heads", options.heads.as_deref(), heads)? },
            fused,
        })
    }

    async fn run<E: Encoder>(
        self,
        runner: &Runner<E>,
        batch: &Batch,
        name: &dyn Fn(usize) -> String,
        layout: MapLayout,
        control: &dyn Control,
    ) -> Result<AttentionMaps, Error> {
        control.checkpoint().await?;
        let names: Vec<String> = self.layers.iter().map(|&layer| name(layer)).collect();
        let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let values = runner.run(batch, &outputs, control).await?;
        let tokens = batch.rows();
        let mut data = Vec::with_capacity(self.layers.len() * self.heads.len() * tokens * tokens);
        // The device writes `[query, head, key]`; one map after another is what people read.
        for layer in &values {
            for &head in &self.heads {
                for query in 0..tokens {
                    data.extend_from_slice(&layer[(query * self.computed + head) * tokens..][..tokens]);
                }
            }
        }
        let shape = [self.layers.len(), self.heads.len(), tokens, tokens];
        let heads = if self.fused { Vec::new() } else { self.heads };
        Ok(AttentionMaps { data, shape, layers: self.layers, heads, layout })
    }
}

/// The wanted ones of `count` layers or heads.
fn chosen(what: &str, wanted: Option<&[usize]>, count: usize) -> Result<Vec<usize>, Error> {
    let Some(wanted) = wanted else { return Ok((0..count).collect()) };
    let got = match wanted.iter().find(|&&index| index >= count) {
        Some(index) => index.to_string(),
        None if wanted.is_empty() => "none".to_owned(),
        None => return Ok(wanted.to_vec()),
    };
    let expected = format!("one or more of 0 to {}, counted from 0", count - 1);
    Err(Error::InvalidInput { what: what.to_owned(), got, expected })
}
