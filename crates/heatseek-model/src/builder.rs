//! What the Programs of all encoders have in common: their layers' steps, pooling and what follows it.

use heatseek_ops::{
    Activation, Attention, AttentionMap, BufferId, CopyRows, Gemm, HIDDEN, HeadFusion, L2Normalize,
    LayerNorm, Op, OutputId, POOLED, Pool, Pooling, Program, ProgramError, Residual, Rollout, Rows, Table,
};

use crate::DenseConfig;
use crate::fold::{affine, fold};
use crate::modules::{Pipeline, PipelineStep};
use crate::tail::Tail;
use crate::weights::{Linear, NormWeights};

/// How LayerNorms are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// Folded into the weights of the GEMM that follows: five steps a layer. Loses accuracy where the
    /// mean of a row is far larger than its deviation.
    #[default]
    Folded,
    /// As steps of their own: seven a layer.
    Plain,
}

/// The sizes of an encoder, named as in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sizes {
    pub(crate) hidden_size: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) activation: Activation,
    pub(crate) layer_norm_eps: f32,
    /// Whether a token sees only itself and those before it.
    pub(crate) causal: bool,
}

/// What makes one vector of a sequence's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Rows(Pooling),
    /// A part of the model: SigLIP's attention with one query.
    Head,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows(pooling) => pooling.name(),
            Self::Head => "attention",
        }
    }
}

/// The output that holds vectors made in this way by a model whose own is `own`; `None` is as `own` says.
pub(crate) fn vector_output(
    own: (Source, bool),
    pooling: Option<Pooling>,
    normalize: Option<bool>,
) -> String {
    let source = pooling.map_or(own.0, Source::Rows);
    let normalize = normalize.unwrap_or(own.1);
    match (source, normalize) == own {
        true => POOLED.to_owned(),
        false => format!("{POOLED}.{}.{}", source.name(), if normalize { "normalized" } else { "raw" }),
    }
}

/// The output that holds the attention of layer `index`, `[tokens, heads, longest]`.
pub(crate) fn attention_output(index: usize, fusion: HeadFusion) -> String {
    format!("attention.{index}.{}", fusion.name())
}

/// The output that holds what queries looked at through layers, `[queries, longest]`: a rollout of those layers
/// whose [`rollout_switch`] is asked for too.
pub(crate) fn rollout_output(fusion: HeadFusion) -> String {
    format!("rollout.{}", fusion.name())
}

/// The switch that has layer `index` take part in a rollout.
pub(crate) fn rollout_switch(index: usize, fusion: HeadFusion) -> String {
    format!("rollout.{}.{index}", fusion.name())
}

/// The output that holds the hidden state behind layer `index` counted from 1, or the embeddings for 0.
pub(crate) fn hidden_output(index: usize) -> String {
    format!("{HIDDEN}.{index}")
}

/// The output that holds queries, keys and values of layer `index`, `[tokens, 3 · hidden_size]`.
pub(crate) fn qkv_output(index: usize) -> String {
    format!("qkv.{index}")
}

/// The encoder's output.
pub(crate) struct Encoded {
    pub(crate) rows: BufferId,
    /// The LayerNorm still to be applied to the rows before they are pooled.
    pub(crate) norm: Option<BufferId>,
    /// Whether [`HIDDEN`] is the rows without that LayerNorm: what transformers calls the last hidden state of
    /// CLIP's vision half.
    pub(crate) hidden_before_norm: bool,
    /// What the model's own pooling head made of each sequence, if it has one.
    pub(crate) head: Option<BufferId>,
}

/// A Program being built. An encoder's own file adds the steps up to [`Encoded`].
pub(crate) struct Builder {
    pub(crate) program: Program,
    pub(crate) sizes: Sizes,
    tiles: BufferId,
    /// The hidden states kept for those who ask for them, from the embeddings on.
    kept: Vec<(OutputId, BufferId)>,
    /// The span tables of tokens and of queries.
    spans: [BufferId; 2],
    /// For each fusion that a rollout may have, what each layer adds to it: its switch and its mixed map.
    rollouts: [(HeadFusion, Vec<(OutputId, BufferId)>); 3],
    /// The residual stream.
    pub(crate) z: BufferId,
    /// The same between attention and the feed-forward block.
    pub(crate) z_mid: BufferId,
    pub(crate) qkv: BufferId,
    pub(crate) attention: BufferId,
    pub(crate) ffn: BufferId,
}

impl Builder {
    pub(crate) fn new(sizes: Sizes) -> Self {
        let mut program = Program::new();
        let width = sizes.hidden_size;
        let tiles = program.table(Table::AttentionTiles);
        let spans = [Table::TokenSpans, Table::QuerySpans].map(|table| program.table(table));
        let rollouts =
            [HeadFusion::Mean, HeadFusion::Max, HeadFusion::Min].map(|fusion| (fusion, Vec::new()));
        let z = program.activation("z", Rows::Tokens, width);
        let z_mid = program.activation("z_mid", Rows::Tokens, width);
        let qkv = program.activation("qkv", Rows::Tokens, 3 * width);
        let attention = program.activation("attention", Rows::Tokens, width);
        let ffn = program.activation("ffn", Rows::Tokens, sizes.intermediate_size);
        Self { program, sizes, tiles, kept: Vec::new(), spans, rollouts, z, z_mid, qkv, attention, ffn }
    }

    /// Pooling and what follows; declares all outputs. The tail is for poolers to come.
    ///
    /// `dense` holds the Dense layers of `pipeline`, in order.
    pub(crate) fn pool(
        &mut self,
        pipeline: &Pipeline,
        dense: &[Linear],
        encoded: &Encoded,
    ) -> Result<Tail, ProgramError> {
        self.roll_out()?;
        let width = self.sizes.hidden_size;
        match encoded.norm.filter(|_| !encoded.hidden_before_norm) {
            None => {
                self.program.output(HIDDEN, encoded.rows);
            }
            Some(norm) => {
                let hidden = self.program.activation("hidden", Rows::Tokens, width);
                let output = self.program.output(HIDDEN, hidden);
                let op = LayerNorm { width, eps: self.sizes.layer_norm_eps };
                self.program.push_for(output, op, Rows::Tokens, &[encoded.rows, norm, hidden])?;
            }
        }
        let dense: Vec<[BufferId; 2]> = dense
            .iter()
            .enumerate()
            .map(|(index, linear)| self.linear_weights(&format!("dense.{index}"), linear))
            .collect();
        self.token_outputs(pipeline, &dense, encoded)?;
        let source = encoded.head.map_or(Source::Rows(pipeline.pooling), |_| Source::Head);
        let own = (source, pipeline.ends_normalized());
        let poolings = Pooling::OF_MODELS.map(Some).into_iter().chain(encoded.head.map(|_| None));
        for pooling in poolings {
            for normalize in [true, false] {
                let name = vector_output(own, pooling, Some(normalize));
                self.vector(name, pipeline, &dense, (pooling, normalize), encoded)?;
            }
        }
        Ok(Tail {
            rows: encoded.rows,
            norm: encoded.norm,
            hidden: std::mem::take(&mut self.kept),
            hidden_size: width,
            layer_norm_eps: self.sizes.layer_norm_eps,
            steps: pipeline.steps.clone(),
            dense,
        })
    }

    /// One way from rows to vectors, run only when its output is asked for; without a pooling from the head's.
    fn vector(
        &mut self,
        name: String,
        pipeline: &Pipeline,
        dense: &[[BufferId; 2]],
        (pooling, normalize): (Option<Pooling>, bool),
        encoded: &Encoded,
    ) -> Result<(), ProgramError> {
        let mut steps: Vec<&PipelineStep> = pipeline.steps.iter().collect();
        while steps.last() == Some(&&PipelineStep::Normalize) {
            steps.pop();
        }
        if normalize {
            steps.push(&PipelineStep::Normalize);
        }
        let at_once = pooling.is_some() && steps.first() == Some(&&PipelineStep::Normalize);
        let mut width = self.sizes.hidden_size;
        let mut y = encoded.head.unwrap_or(encoded.rows);
        let mut ops: Vec<(Op, Vec<BufferId>)> = Vec::new();
        if let Some(pooling) = pooling {
            let norm_in = encoded.norm.map(|_| self.sizes.layer_norm_eps);
            y = self.program.activation(format!("{name}.pool"), Rows::Sequences, width);
            let mut buffers = vec![encoded.rows];
            buffers.extend(encoded.norm);
            buffers.extend([self.program.table(Table::Sequences), y]);
            ops.push((Pool { width, pooling, norm_in, normalize: at_once }.into(), buffers));
        }
        let mut dense = dense.iter();
        for step in &steps[usize::from(at_once)..] {
            let x = y;
            match step {
                PipelineStep::Normalize => {
                    y = self.program.activation(format!("{name}.normalized"), Rows::Sequences, width);
                    ops.push((L2Normalize { width }.into(), vec![x, y]));
                }
                PipelineStep::Dense(DenseConfig { in_features, out_features, activation, .. }) => {
                    let Some(&[weight, bias]) = dense.next() else { continue };
                    width = *out_features;
                    y = self.program.activation(format!("{name}.dense"), Rows::Sequences, width);
                    let op = Gemm { activation: *activation, ..Gemm::linear(*in_features, width) };
                    ops.push((op.into(), vec![x, weight, bias, y]));
                }
            }
        }
        let output = self.program.output(name, y);
        ops.into_iter()
            .try_for_each(|(op, buffers)| self.program.push_for(output, op, Rows::Sequences, &buffers))
    }

    /// Rollouts from the last layer down, for those who ask for them: each layer brings the rows of the queries one
    /// step further, into a buffer of their own and back.
    fn roll_out(&mut self) -> Result<(), ProgramError> {
        let [_, spans] = self.spans;
        let program = &mut self.program;
        for (fusion, layers) in &self.rollouts {
            let name = rollout_output(*fusion);
            let state = program.capture(&name, Rows::QueryPairs, 1);
            let next = program.capture(format!("{name}.next"), Rows::QueryPairs, 1);
            let output = program.output(name, state);
            program.push_for(output, Rollout { first: true }, Rows::Queries, &[spans, state])?;
            for (switch, layer) in layers.iter().rev() {
                let op = Rollout { first: false };
                program.push_for(*switch, op, Rows::Queries, &[state, *layer, spans, next])?;
                program.push_for(*switch, CopyRows::of_width(1), Rows::QueryPairs, &[next, state])?;
            }
        }
        Ok(())
    }

    pub(crate) fn linear_weights(&mut self, name: &str, linear: &Linear) -> [BufferId; 2] {
        let weight = self.program.weight(format!("{name}.weight"), linear.weight.clone());
        [weight, self.program.weight(format!("{name}.bias"), linear.bias.clone())]
    }

    /// Attention of layer `index`, and for those who ask for them its maps and what it reads.
    pub(crate) fn attend(&mut self, index: usize) -> Result<(), ProgramError> {
        let attention = self.attention_of_rows()?;
        for fusion in HeadFusion::ALL {
            let op = AttentionMap { attention, fusion, mixed: false };
            let name = attention_output(index, fusion);
            let map = self.program.capture(&name, Rows::QueryPairs, op.heads());
            let output = self.program.output(name, map);
            self.program.push_for(output, op, Rows::Queries, &[self.qkv, self.spans[1], map])?;
        }
        for (fusion, layers) in &mut self.rollouts {
            let op = AttentionMap { attention, fusion: *fusion, mixed: true };
            let name = rollout_switch(index, *fusion);
            let map = self.program.capture(&name, Rows::TokenPairs, 1);
            let switch = self.program.switch(name);
            self.program.push_for(switch, op, Rows::Tokens, &[self.qkv, self.spans[0], map])?;
            layers.push((switch, map));
        }
        let kept = self.program.capture(qkv_output(index), Rows::Tokens, 3 * self.sizes.hidden_size);
        let output = self.program.output(qkv_output(index), kept);
        let op = CopyRows::of_width(3 * self.sizes.hidden_size);
        self.program.push_for(output, op, Rows::Tokens, &[self.qkv, kept])
    }

    /// The rows as they are before layer `index`, and behind the last one, for those who ask for them; `norm`
    /// is the LayerNorm still to be applied.
    pub(crate) fn keep_hidden(
        &mut self,
        index: usize,
        rows: BufferId,
        norm: Option<BufferId>,
    ) -> Result<(), ProgramError> {
        let Sizes { hidden_size: width, layer_norm_eps: eps, .. } = self.sizes;
        let kept = self.program.capture(hidden_output(index), Rows::Tokens, width);
        let output = self.program.output(hidden_output(index), kept);
        self.kept.push((output, kept));
        match norm {
            None => self.program.push_for(output, CopyRows::of_width(width), Rows::Tokens, &[rows, kept]),
            Some(norm) => {
                self.program.push_for(output, LayerNorm { width, eps }, Rows::Tokens, &[rows, norm, kept])
            }
        }
    }

    /// The attention of the rows of `qkv`.
    pub(crate) fn attention_of_rows(&mut self) -> Result<Attention, ProgramError> {
        let Sizes { hidden_size, num_attention_heads, causal, .. } = self.sizes;
        let head_dim = hidden_size / num_attention_heads;
        let attention = Attention { causal, ..Attention::new(num_attention_heads, head_dim) };
        self.program.push(attention, Rows::Tokens, &[self.qkv, self.tiles, self.attention])?;
        Ok(attention)
    }

    pub(crate) fn affine(&mut self, name: &str, norm: &NormWeights) -> BufferId {
        self.program.weight(name, affine(norm))
    }

    /// `x` normalised into `y`.
    pub(crate) fn layer_norm(
        &mut self,
        name: &str,
        norm: &NormWeights,
        [x, y]: [BufferId; 2],
    ) -> Result<(), ProgramError> {
        let op = LayerNorm { width: self.sizes.hidden_size, eps: self.sizes.layer_norm_eps };
        let affine = self.affine(name, norm);
        self.program.push(op, Rows::Tokens, &[x, affine, y])
    }

    /// A GEMM with a LayerNorm folded in.
    pub(crate) fn linear(&self, k: usize, n: usize) -> Gemm {
        Gemm { norm_in: Some(self.sizes.layer_norm_eps), ..Gemm::linear(k, n) }
    }

    /// A GEMM with `norm` folded in; `buffers` are its input, output and the statistics it writes.
    pub(crate) fn folded(
        &mut self,
        name: &str,
        norm: &NormWeights,
        parts: &[Linear],
        op: Gemm,
        [x, y, stats]: [BufferId; 3],
    ) -> Result<(), ProgramError> {
        let folded = fold(norm, parts);
        let weight = self.program.weight(format!("{name}.weight"), folded.weight);
        let bias = self.program.weight(format!("{name}.bias"), folded.bias);
        let colsum = self.program.weight(format!("{name}.colsum"), folded.colsum);
        self.program.push(op, Rows::Tokens, &[x, weight, bias, colsum, y, stats])
    }

    /// A GEMM back to the residual stream, to which the LayerNorm of the stream is added; `residual` is
    /// the stream, its statistics and the LayerNorm's gamma and beta.
    pub(crate) fn normalized(
        &mut self,
        name: &str,
        linear: &Linear,
        x: BufferId,
        [z, stats, affine]: [BufferId; 3],
        y: BufferId,
    ) -> Result<(), ProgramError> {
        let k = linear.weight.len() / linear.bias.len().max(1);
        let op = Gemm { residual: Residual::AddNormalized, ..Gemm::linear(k, self.sizes.hidden_size) };
        let weight = self.program.weight(format!("{name}.weight"), linear.weight.clone());
        let bias = self.program.weight(format!("{name}.bias"), linear.bias.clone());
        self.program.push(op, Rows::Tokens, &[x, weight, bias, z, stats, affine, y])
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "an op, its name and its buffers; a struct would only rename them"
    )]
    pub(crate) fn gemm(
        &mut self,
        name: &str,
        linear: &Linear,
        op: Gemm,
        x: BufferId,
        residual: Option<BufferId>,
        y: BufferId,
        rows: Rows,
    ) -> Result<(), ProgramError> {
        let mut buffers = vec![
            x,
            self.program.weight(format!("{name}.weight"), linear.weight.clone()),
            self.program.weight(format!("{name}.bias"), linear.bias.clone()),
        ];
        buffers.extend(residual);
        buffers.push(y);
        self.program.push(op, rows, &buffers)
    }
}
