//! A vision transformer, read and checked.

use heatseek_ops::{Activation, Batch, HIDDEN, HeadFusion, Pooling, Program};
use serde::Serialize;

use crate::ablation::Kept;
use crate::builder::{
    Norm, Source, attention_output, hidden_output, qkv_output, rollout_output, rollout_switch, vector_output,
};
use crate::modules::{DenseConfig, Pipeline, PipelineStep};
use crate::readout::{Readout, STATES, TOKEN_VECTORS, pool_weights};
use crate::tail::Tail;
use crate::tower::Tower;
use crate::vision::VisionConfig;
use crate::vision::positions::interpolate;
use crate::vision::program::{build, build_ablated};
use crate::vision::weights::VisionWeights;
use crate::{HostTail, ModelError, ModelFiles};

const CONFIG: &str = "config.json";

/// What a picture's patches are: `rows × columns` of them, from left to right and then down, behind the
/// prefix tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PatchGrid {
    /// Patches from top to bottom.
    pub rows: usize,
    /// Patches from left to right.
    pub columns: usize,
}

/// Everything the files say about a vision model. Sizes are named as in `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VisionSpec {
    /// `model_type`, e.g. `dinov2`.
    pub model_type: String,
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// The feed-forward block's activation.
    pub hidden_act: String,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// Side, in pixels, of the pictures the position embeddings were made for.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// The tokens before the patches, in order.
    pub prefix_tokens: Vec<&'static str>,
    /// Width of a picture's vector.
    pub embedding_dim: usize,
    /// How tokens become one vector: the name of a pooling, or `attention` for SigLIP's head.
    pub pooling: String,
    /// Whether vectors have unit length.
    pub normalize: bool,
    /// Weights, counted one by one.
    pub parameters: usize,
}

/// A vision transformer: its configuration and its weights, ready to be made a Program.
#[derive(Clone, Debug)]
pub struct VisionModel {
    config: VisionConfig,
    pipeline: Pipeline,
    weights: VisionWeights,
    spec: VisionSpec,
}

impl VisionModel {
    /// Reads a model. Costs one pass over its weights.
    ///
    /// # Errors
    /// [`ModelError`], for whatever is missing, broken, contradictory or not implemented.
    pub fn load(files: &ModelFiles) -> Result<Self, ModelError> {
        let config = read_config(files)?;
        let weights = VisionWeights::read(&files.checkpoint("")?, &config)?;
        let pipeline = pipeline(&config);
        let spec = describe(&config, &pipeline, weights.parameters);
        Ok(Self { config, pipeline, weights, spec })
    }

    /// What the model is.
    pub fn spec(&self) -> &VisionSpec {
        &self.spec
    }

    /// The encoder's configuration.
    pub fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// The Program, with outputs as those of [`TextModel::program`](crate::TextModel::program).
    ///
    /// # Errors
    /// [`ModelError::Program`], a bug.
    pub fn program(&self, norm: Norm) -> Result<Program, ModelError> {
        Ok(self.program_and_tail(norm)?.0)
    }

    /// The same, with what [`append_pooler`](crate::append_pooler) needs to know of it.
    ///
    /// # Errors
    /// [`ModelError::Program`], a bug.
    pub fn program_and_tail(&self, norm: Norm) -> Result<(Program, Tail), ModelError> {
        Ok(build(&self.config, &self.weights, &self.pipeline, norm)?)
    }

    /// The Program of what is `kept` of the layers: outputs are the hidden states behind 0 and more layers, of
    /// [`VisionModel::hidden_output`], `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// [`ModelError::Program`], a bug.
    pub fn ablated(&self, kept: Kept) -> Result<Program, ModelError> {
        Ok(build_ablated(&self.config, &self.weights, kept)?)
    }

    /// The output that holds vectors pooled and normalised in this way. `None` is the model's own: the class
    /// token behind the last LayerNorm, as it is; of CLIP that projected, of SigLIP what its head makes of all
    /// tokens, and of both scaled to unit length.
    pub fn vector_output(&self, pooling: Option<Pooling>, normalize: Option<bool>) -> String {
        let own = (source(&self.config, &self.pipeline), self.pipeline.ends_normalized());
        vector_output(own, pooling, normalize)
    }

    /// The output that holds the attention of layer `layer`, counted from 0: of each query of the batch
    /// `[queries, heads, longest]`, as [`heatseek_ops::AttentionMap`] writes it.
    pub fn attention_output(&self, layer: usize, fusion: HeadFusion) -> String {
        attention_output(layer, fusion)
    }

    /// The outputs to ask for to have a rollout of these layers, the first of which holds it: of each query of the
    /// batch what it looked at through them, `[queries, longest]`.
    pub fn rollout_outputs(&self, layers: &[usize], fusion: HeadFusion) -> Vec<String> {
        let switches = layers.iter().map(|&layer| rollout_switch(layer, fusion));
        std::iter::once(rollout_output(fusion)).chain(switches).collect()
    }

    /// The output that holds the hidden state behind layer `layer` counted from 1, or for 0 the embeddings,
    /// `[tokens, hidden_size]`: those of transformers' `output_hidden_states`, without a last LayerNorm that is
    /// no layer's.
    pub fn hidden_output(&self, layer: usize) -> String {
        hidden_output(layer)
    }

    /// The output that holds queries, keys and values of layer `layer`, counted from 0, all heads of each one
    /// after the other: `[tokens, 3 · hidden_size]`.
    pub fn qkv_output(&self, layer: usize) -> String {
        qkv_output(layer)
    }

    /// The output that holds the rows that are pooled, behind the last LayerNorm: `[tokens, hidden_size]`. Of
    /// CLIP, [`HIDDEN`] is before it.
    pub fn state_output(&self) -> &'static str {
        if self.config.tower() == Some(Tower::Clip) { STATES } else { HIDDEN }
    }

    /// The output that holds each token carried into the space of vectors as if it were all of the picture, before
    /// unit length: `[tokens, embedding_dim]`. `pooling` as in [`VisionModel::vector_output`].
    pub fn token_output(&self, pooling: Option<Pooling>) -> &'static str {
        let by_head = pooling.is_none() && self.weights.head.is_some();
        match by_head || self.weights.projection.is_some() {
            true => TOKEN_VECTORS,
            false => self.state_output(),
        }
    }

    /// What follows pooling, in host memory; `normalize` as in [`VisionModel::vector_output`].
    pub fn host_tail(&self, normalize: Option<bool>) -> HostTail {
        let normalize = normalize.unwrap_or(self.spec.normalize);
        HostTail::new(&self.pipeline.steps, self.weights.projection.as_slice(), normalize)
    }

    /// How much each of `tokens` tokens weighs in a vector, before whatever follows pooling; `None` of the maximum
    /// and of SigLIP's head. `pooling` as in [`VisionModel::vector_output`].
    pub fn pool_weights(&self, pooling: Option<Pooling>, tokens: usize) -> Option<Vec<f64>> {
        pool_weights(self.pooling(pooling)?, tokens)
    }

    /// How those make a vector; `None` where that is not linear. `pooling` as in [`VisionModel::vector_output`].
    pub fn readout(&self, pooling: Option<Pooling>) -> Option<Readout> {
        Readout::new(self.pooling(pooling)?, &self.pipeline.steps, self.weights.projection.as_slice())
    }

    /// What is meant by `pooling`, unless it is SigLIP's head.
    fn pooling(&self, pooling: Option<Pooling>) -> Option<Pooling> {
        match (pooling, source(&self.config, &self.pipeline)) {
            (Some(pooling), _) | (None, Source::Rows(pooling)) => Some(pooling),
            (None, Source::Head) => None,
        }
    }

    /// The Program without the numbers of its weights, known from the configuration alone.
    ///
    /// # Errors
    /// [`ModelError`], as far as the files that are there tell.
    pub fn outline(files: &ModelFiles, norm: Norm) -> Result<Program, ModelError> {
        let config = read_config(files)?;
        Ok(build(&config, &VisionWeights::outline(&config), &pipeline(&config), norm)?.0)
    }

    /// The grid of a picture of this size; pixels that fill no patch, right and below, are not looked at.
    ///
    /// # Errors
    /// [`ModelError::PictureTooSmall`] if not a single patch fits.
    pub fn grid(&self, width: usize, height: usize) -> Result<PatchGrid, ModelError> {
        let patch_size = self.config.patch_size;
        let grid = PatchGrid { rows: height / patch_size, columns: width / patch_size };
        match grid.rows * grid.columns {
            0 => Err(ModelError::PictureTooSmall { width, height, patch_size }),
            _ => Ok(grid),
        }
    }

    /// Appends a picture to `batch`: `pixels [3, height, width]` as the model's preprocessor leaves them.
    ///
    /// # Errors
    /// [`ModelError::PictureTooSmall`]; [`ModelError::PixelCount`]; [`ModelError::Batch`].
    pub fn push_picture(
        &self,
        batch: &mut Batch,
        width: usize,
        height: usize,
        pixels: &[f32],
    ) -> Result<PatchGrid, ModelError> {
        let grid = self.grid(width, height)?;
        if pixels.len() != 3 * width * height {
            return Err(ModelError::PixelCount { width, height, got: pixels.len() });
        }
        let prefix = self.weights.prefix.len();
        let mut patches = vec![0.0; prefix * self.config.patch_width()];
        self.cut(pixels, [width, height], grid, &mut patches);
        let offsets = self.offsets(grid);
        batch.push_rows(prefix + grid.rows * grid.columns, &[&patches, &offsets])?;
        Ok(grid)
    }

    /// Appends every patch to `patches`, its values in the order channel, row, column.
    fn cut(&self, pixels: &[f32], [width, height]: [usize; 2], grid: PatchGrid, patches: &mut Vec<f32>) {
        let p = self.config.patch_size;
        for (row, column) in (0..grid.rows).flat_map(|r| (0..grid.columns).map(move |c| (r, c))) {
            for (channel, y) in (0..3).flat_map(|channel| (0..p).map(move |y| (channel, y))) {
                let start = (channel * height + row * p + y) * width + column * p;
                patches.extend_from_slice(&pixels[start..start + p]);
            }
        }
    }

    /// What is added to each projected row: prefix tokens with their positions, and for patches the
    /// projection's bias with theirs.
    fn offsets(&self, grid: PatchGrid) -> Vec<f32> {
        let Self { config, weights, .. } = self;
        let width = config.hidden_size;
        let position = weights.position.values();
        let (first, patches) = position.split_at(config.positioned_prefix() * width);
        let mut offsets: Vec<f32> = Vec::new();
        for (index, token) in weights.prefix.iter().enumerate() {
            let token = token.values();
            match first.get(index * width..(index + 1) * width) {
                Some(position) => offsets.extend(token.iter().zip(position).map(|(t, p)| t + p)),
                None => offsets.extend_from_slice(&token),
            }
        }
        let (side, to) = (config.grid(), [grid.rows, grid.columns]);
        let bias = weights.patches.bias.values();
        let resized;
        let patches = match to == [side, side] {
            true => patches,
            false => {
                resized = interpolate(patches, side, to, width, config.interpolation());
                &resized
            }
        };
        for row in patches.chunks_exact(width) {
            offsets.extend(row.iter().zip(&*bias).map(|(p, b)| p + b));
        }
        offsets
    }
}

/// What the model was trained to describe a picture with: the class token, as it is, or a vector to compare with
/// those of texts by their cosine.
fn pipeline(config: &VisionConfig) -> Pipeline {
    let mut steps = Vec::new();
    steps.extend(config.projection_dim.map(|n| {
        PipelineStep::Dense(DenseConfig {
            folder: String::new(),
            in_features: config.hidden_size,
            out_features: n,
            bias: false,
            activation: Activation::Identity,
        })
    }));
    steps.extend(config.tower().map(|_| PipelineStep::Normalize));
    Pipeline { transformer: String::new(), pooling: Pooling::Cls, include_prompt: true, steps }
}

fn source(config: &VisionConfig, pipeline: &Pipeline) -> Source {
    match config.tower() {
        Some(Tower::Siglip) => Source::Head,
        _ => Source::Rows(pipeline.pooling),
    }
}

fn read_config(files: &ModelFiles) -> Result<VisionConfig, ModelError> {
    VisionConfig::parse(CONFIG, files.require(CONFIG, "the model's sizes")?)
}

fn describe(config: &VisionConfig, pipeline: &Pipeline, parameters: usize) -> VisionSpec {
    VisionSpec {
        model_type: config.model_type.clone(),
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        intermediate_size: config.intermediate_size,
        hidden_act: config.hidden_act.clone(),
        layer_norm_eps: config.layer_norm_eps,
        image_size: config.image_size,
        patch_size: config.patch_size,
        prefix_tokens: config.prefix_tokens(),
        embedding_dim: config.projection_dim.unwrap_or(config.hidden_size),
        pooling: source(config, pipeline).name().to_owned(),
        normalize: pipeline.ends_normalized(),
        parameters,
    }
}
