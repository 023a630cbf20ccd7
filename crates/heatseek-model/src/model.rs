//! A text embedding model, read and checked.

use heatseek_ops::{Batch, HIDDEN, HeadFusion, Pooling, Program};

use crate::ablation::Kept;
use crate::builder::{
    Norm, Source, attention_output, hidden_output, qkv_output, rollout_output, rollout_switch, vector_output,
};
use crate::files::SENTENCE_TRANSFORMERS;
use crate::limits::Limits;
use crate::modules::read_modules;
use crate::program::{Parts, build, build_ablated};
use crate::readout::{TOKEN_VECTORS, pool_weights};
use crate::tail::Tail;
use crate::weights::{Linear, TextWeights, read_dense};
use crate::{
    Config, HostTail, ModelError, ModelFiles, ModelSpec, Pipeline, PipelineStep, Prompts, Readout,
    TextPadding,
};

/// How the names of token embeddings end.
const TOKEN_TABLES: [&str; 2] = ["word_embeddings.weight", "token_embedding.weight"];

/// A text embedding model: its configuration, its pipeline and its weights, ready to be made a Program.
#[derive(Clone, Debug)]
pub struct TextModel {
    config: Config,
    pipeline: Pipeline,
    prompts: Prompts,
    weights: TextWeights,
    dense: Vec<Linear>,
    padding: Option<TextPadding>,
    spec: ModelSpec,
}

impl TextModel {
    /// Reads a model. Costs one pass over its weights.
    ///
    /// # Errors
    /// [`ModelError`], for whatever is missing, broken, contradictory or not implemented.
    pub fn load(files: &ModelFiles) -> Result<Self, ModelError> {
        let modules = read_modules(files)?;
        let folder = modules.first().map_or("", |m| &m.folder);
        let config_file = format!("{folder}config.json");
        let config = Config::parse(&config_file, files.require(&config_file, "the model's sizes")?)?;
        let pipeline = Pipeline::read(files, &config)?;
        let prompts = match files.get(SENTENCE_TRANSFORMERS) {
            Some(bytes) => Prompts::parse(SENTENCE_TRANSFORMERS, bytes)?,
            None => Prompts::default(),
        };
        let limits = Limits::read(files, folder, &config)?;
        let checkpoint = files.checkpoint(folder)?;
        let weights = TextWeights::read(&checkpoint, &config)?;
        let mut dense = Vec::from_iter(weights.projection().cloned());
        let mut parameters = weights.parameters();
        for step in &pipeline.steps {
            // A tower's is part of its own file.
            if let (PipelineStep::Dense(layer), TextWeights::Bert(_)) = (step, &weights) {
                let (linear, read) = read_dense(&files.checkpoint(&layer.folder)?, layer)?;
                dense.push(linear);
                parameters += read;
            }
        }
        let dtype = checkpoint
            .names()
            .find(|name| name.ends_with(TOKEN_TABLES[0]) || name.ends_with(TOKEN_TABLES[1]));
        let dtype = dtype.and_then(|name| checkpoint.dtype(name)).unwrap_or("F32");
        let spec = describe(&config, &pipeline, &prompts, &limits, dtype);
        let spec = ModelSpec { parameters, ..spec };
        Ok(Self { config, pipeline, prompts, weights, dense, padding: limits.padding, spec })
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The encoder's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a token sees only itself and those before it.
    pub fn is_causal(&self) -> bool {
        self.config.sizes().causal
    }

    /// What follows the encoder.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The model's prompts.
    pub fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// How texts are filled up to the length limit, if they are.
    pub fn padding(&self) -> Option<&TextPadding> {
        self.padding.as_ref()
    }

    /// How many tokens of a text count: of CLIP those up to the one it takes the vector from, for none of them
    /// looks at a later one; of other models all.
    ///
    /// # Errors
    /// [`ModelError::NoTextEnd`] if a text for CLIP has no end.
    pub fn counted_tokens(&self, ids: &[u32]) -> Result<usize, ModelError> {
        match self.config.text_end {
            None => Ok(ids.len()),
            Some(end) => end.length(ids).ok_or(ModelError::NoTextEnd { file: self.config.file.clone() }),
        }
    }

    /// The Program, with outputs [`heatseek_ops::POOLED`] and those of [`TextModel::vector_output`]
    /// `[sequences, embedding_dim]`, and [`heatseek_ops::HIDDEN`] `[tokens, hidden_size]`; a run computes
    /// those it is asked for. Weights stay where they are until an executor asks for them, so it costs
    /// next to nothing.
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
        let Self { config, pipeline, weights, dense, .. } = self;
        Ok(build(&Parts { config, weights, pipeline, dense }, norm)?)
    }

    /// The Program of what is `kept` of the layers: outputs are the hidden states behind 0 and more layers, of
    /// [`TextModel::hidden_output`], `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// [`ModelError::Program`], a bug.
    pub fn ablated(&self, kept: Kept) -> Result<Program, ModelError> {
        Ok(build_ablated(&self.config, &self.weights, kept)?)
    }

    /// The output that holds vectors pooled and normalised in this way; `None` is as the model's files
    /// say.
    pub fn vector_output(&self, pooling: Option<Pooling>, normalize: Option<bool>) -> String {
        let own = (Source::Rows(self.pipeline.pooling), self.pipeline.ends_normalized());
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

    /// The output that holds each token carried into the space of vectors as if it were all of the text, before
    /// unit length: `[tokens, embedding_dim]`.
    pub fn token_output(&self) -> &'static str {
        if self.dense.is_empty() { HIDDEN } else { TOKEN_VECTORS }
    }

    /// The output that holds the rows that are pooled: `[tokens, hidden_size]`.
    pub fn state_output(&self) -> &'static str {
        HIDDEN
    }

    /// What follows pooling, in host memory; `normalize` as in [`TextModel::vector_output`].
    pub fn host_tail(&self, normalize: Option<bool>) -> HostTail {
        HostTail::new(&self.pipeline.steps, &self.dense, normalize.unwrap_or(self.spec.normalize))
    }

    /// How much each of `tokens` tokens weighs in a vector, before whatever follows pooling; `None` of the maximum,
    /// which weighs none. `pooling` as in [`TextModel::vector_output`].
    pub fn pool_weights(&self, pooling: Option<Pooling>, tokens: usize) -> Option<Vec<f64>> {
        pool_weights(pooling.unwrap_or(self.pipeline.pooling), tokens)
    }

    /// How those make a vector; `None` where that is not linear. `pooling` as in [`TextModel::vector_output`].
    pub fn readout(&self, pooling: Option<Pooling>) -> Option<Readout> {
        Readout::new(pooling.unwrap_or(self.pipeline.pooling), &self.pipeline.steps, &self.dense)
    }

    /// The Program without the numbers of its weights, known from the configuration alone: pipelines can compile
    /// while the weights are still on their way.
    ///
    /// # Errors
    /// [`ModelError`], as far as the files that are there tell.
    pub fn outline(files: &ModelFiles, norm: Norm) -> Result<Program, ModelError> {
        let modules = read_modules(files)?;
        let config_file = format!("{}config.json", modules.first().map_or("", |m| &m.folder));
        let config = Config::parse(&config_file, files.require(&config_file, "the model's sizes")?)?;
        let pipeline = Pipeline::read(files, &config)?;
        let dense: Vec<Linear> = pipeline
            .steps
            .iter()
            .filter_map(|step| match step {
                PipelineStep::Dense(dense) => Some(Linear::outline(dense.out_features, dense.in_features)),
                PipelineStep::Normalize => None,
            })
            .collect();
        let weights = TextWeights::outline(&config);
        let parts = Parts { config: &config, weights: &weights, pipeline: &pipeline, dense: &dense };
        Ok(build(&parts, norm)?.0)
    }

    /// Appends a sequence to `batch`, checking what the kernels will index with.
    ///
    /// # Errors
    /// [`ModelError::IdOutOfRange`], [`ModelError::TooLong`], [`ModelError::Batch`].
    pub fn push_sequence(&self, batch: &mut Batch, ids: &[u32], type_ids: &[u32]) -> Result<(), ModelError> {
        let limit = self.config.max_position_embeddings;
        if ids.len() > limit {
            return Err(ModelError::TooLong { got: ids.len(), limit });
        }
        in_range("token id", ids, self.config.vocab_size)?;
        in_range("token type id", type_ids, self.config.type_vocab_size)?;
        // Positions of all of them count from 0.
        Ok(batch.push(ids, type_ids, 0)?)
    }
}

fn in_range(what: &'static str, ids: &[u32], limit: usize) -> Result<(), ModelError> {
    match ids.iter().position(|&id| id as usize >= limit) {
        Some(position) => Err(ModelError::IdOutOfRange { what, got: ids[position], position, limit }),
        None => Ok(()),
    }
}

fn describe(
    config: &Config,
    pipeline: &Pipeline,
    prompts: &Prompts,
    limits: &Limits,
    dtype: &str,
) -> ModelSpec {
    let mut modules = vec!["Transformer".to_owned(), format!("Pooling({})", pipeline.pooling.name())];
    let mut embedding_dim = config.hidden_size;
    for step in &pipeline.steps {
        modules.push(match step {
            PipelineStep::Normalize => "Normalize".to_owned(),
            PipelineStep::Dense(dense) => {
                embedding_dim = dense.out_features;
                format!("Dense({} -> {})", dense.in_features, dense.out_features)
            }
        });
    }
    ModelSpec {
        model_type: config.model_type.clone(),
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        intermediate_size: config.intermediate_size,
        hidden_act: config.hidden_act.clone(),
        layer_norm_eps: config.layer_norm_eps,
        vocab_size: config.vocab_size,
        type_vocab_size: config.type_vocab_size,
        max_position_embeddings: config.max_position_embeddings,
        max_length: limits.max_length,
        do_lower_case: limits.do_lower_case,
        embedding_dim,
        pooling: pipeline.pooling.name().to_owned(),
        include_prompt: pipeline.include_prompt,
        normalize: pipeline.ends_normalized(),
        modules,
        prompts: prompts.prompts.clone(),
        default_prompt_name: prompts.default_prompt_name.clone(),
        similarity: prompts.similarity_fn_name.clone(),
        parameters: 0,
        weights_dtype: dtype.to_owned(),
    }
}
