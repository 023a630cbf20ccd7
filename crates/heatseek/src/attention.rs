//! What a model looked at: the attention of any layer and head, from the weights that embed.

use heatseek_model::PatchGrid;
use heatseek_ops::{Batch, HeadFusion};
use heatseek_text::Encoding;

use crate::look::look;
use crate::{Control, EmbedOptions, Error, ImageModel, Model, Picture, Pixels};

/// What becomes of heads and layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduce {
    /// Each head of each layer is a map.
    #[default]
    None,
    /// The mean of a layer's heads.
    Mean,
    /// The largest of them.
    Max,
    /// The smallest of them.
    Min,
    /// Attention rollout through all layers (Abnar & Zuidema, 2020).
    Rollout,
    /// Attention flow through all layers, of one query (the same authors).
    Flow,
}

impl Reduce {
    /// All of them.
    pub const ALL: [Reduce; 6] = [Self::None, Self::Mean, Self::Max, Self::Min, Self::Rollout, Self::Flow];

    /// The name, as the command line and JavaScript spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rollout => "rollout",
            Self::Flow => "flow",
            Self::None => HeadFusion::Each.name(),
            Self::Mean => HeadFusion::Mean.name(),
            Self::Max => HeadFusion::Max.name(),
            Self::Min => HeadFusion::Min.name(),
        }
    }

    /// The reduction of this name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the valid ones.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|reduce| reduce.name() == name).ok_or_else(|| Error::InvalidInput {
            what: "reduce".into(),
            got: format!("`{name}`"),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Which maps, and what becomes of their heads.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionOptions {
    /// Layers, counted from 0, in the order wanted; `None` is all of them. Those of a rollout or flow take part in
    /// their own order.
    pub layers: Option<Vec<usize>>,
    /// Heads, counted from 0, in the order wanted; `None` is all of them. Where heads are reduced it must be
    /// `None`: all take part.
    pub heads: Option<Vec<usize>>,
    /// What becomes of heads and layers.
    pub reduce: Reduce,
    /// The only token, counted from 0, whose row is wanted; the others never leave the device. Flow needs it.
    pub query: Option<usize>,
    /// Of rollout and flow: how heads are fused; not [`HeadFusion::Each`].
    pub fusion: HeadFusion,
    /// Of rollout and flow: the share of the residual connection, 0 or more, less than 1.
    pub residual: f64,
    /// Of rollout and flow: the share of each layer's fused map, its lowest values, that is set to 0 before; 0 or
    /// more, less than 1.
    pub discard_ratio: f64,
}

impl Default for AttentionOptions {
    fn default() -> Self {
        Self {
            layers: None,
            heads: None,
            reduce: Reduce::None,
            query: None,
            fusion: HeadFusion::Mean,
            residual: 0.5,
            discard_ratio: 0.0,
        }
    }
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

/// Attention of one input: each row is what one token looked at, and sums to 1 unless heads were fused by their
/// maximum or minimum, or it is a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMaps {
    /// `shape` row-major.
    pub data: Vec<f32>,
    /// Layers (1 of a rollout or flow), heads (1 where fused), tokens that look (1 of a query), tokens looked at.
    pub shape: [usize; 4],
    /// Which layers, or those that took part.
    pub layers: Vec<usize>,
    /// Which heads; empty where they are fused.
    pub heads: Vec<usize>,
    /// What rows and columns are.
    pub layout: MapLayout,
}

impl AttentionMaps {
    /// The map `[tokens that look, tokens]` of the layer and head at these places of the shape.
    pub fn map(&self, layer: usize, head: usize) -> &[f32] {
        let [_, heads, queries, tokens] = self.shape;
        &self.data[(layer * heads + head) * queries * tokens..][..queries * tokens]
    }
}

impl Model {
    /// The attention of `text`, with the prompt and length that `embed` says. Nothing is computed for maps
    /// that are not asked for, and embedding costs nothing more.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a layer, head or query that is not there, or options that exclude each other;
    /// otherwise as [`Model::embed`]. A map too large for the device is an [`Error::Executor`] that says so.
    pub async fn attention(
        &self,
        text: &str,
        options: &AttentionOptions,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<AttentionMaps, Error> {
        let (batch, layout) = self.looked_at(text, embed)?;
        look(&self.runner, batch, layout, options, control).await
    }

    /// `text` as a batch, and what its tokens are.
    pub(crate) fn looked_at(&self, text: &str, embed: &EmbedOptions) -> Result<(Batch, MapLayout), Error> {
        let (text, encoding) = self.encoding(text, embed)?;
        let mut batch = Batch::new();
        self.text_model().push_sequence(&mut batch, &encoding.ids, &encoding.type_ids)?;
        let Encoding { ids, offsets, special, .. } = encoding;
        Ok((batch, MapLayout::Text { text, ids, offsets, special }))
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
        let (batch, layout) = self.looked_at(pixels)?;
        look(&self.runner, batch, layout, options, control).await
    }

    /// A picture as a batch, and what its tokens are.
    pub(crate) fn looked_at(&self, pixels: &Pixels) -> Result<(Batch, MapLayout), Error> {
        let model = self.model();
        let mut batch = Batch::new();
        let [width, height] = [pixels.width, pixels.height].map(|n| n as usize);
        let grid = model.push_picture(&mut batch, width, height, &pixels.data)?;
        let prefix_tokens = model.spec().prefix_tokens.clone();
        Ok((batch, MapLayout::Picture { prefix_tokens, grid }))
    }
}
