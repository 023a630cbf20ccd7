//! The Program of a BERT encoder and what follows it.

use heatseek_ops::{
    Attention, BufferId, Embed, Gemm, HIDDEN, L2Normalize, LayerNorm, Op, POOLED, Pool, Pooling, Program,
    ProgramError, Residual, Rows, Table,
};

use crate::fold::{affine, fold, stack};
use crate::modules::{Pipeline, PipelineStep};
use crate::weights::{BertWeights, LayerWeights, Linear, NormWeights};
use crate::{Config, DenseConfig};

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

/// The output that holds vectors pooled in this way, whatever the model's own is; that one is
/// [`POOLED`](heatseek_ops::POOLED) instead.
pub(crate) fn vector_output(pooling: Pooling, normalize: bool) -> String {
    format!("{POOLED}.{}.{}", pooling.name(), if normalize { "normalized" } else { "raw" })
}

/// Everything a Program is made of.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) weights: &'a BertWeights,
    pub(crate) pipeline: &'a Pipeline,
    /// The Dense layers of `pipeline`, in order.
    pub(crate) dense: &'a [Linear],
}

/// Builds the Program.
pub(crate) fn build(parts: &Parts<'_>, norm: Norm) -> Result<Program, ProgramError> {
    let mut builder = Builder::new(parts.config);
    let encoded = match norm {
        Norm::Folded => builder.encode_folded(parts.weights)?,
        Norm::Plain => builder.encode_plain(parts.weights)?,
    };
    builder.pool(parts, &encoded)?;
    Ok(builder.program)
}

/// The encoder's output: rows, and the LayerNorm still to be applied to them, if any.
struct Encoded {
    rows: BufferId,
    norm: Option<BufferId>,
}

struct Builder<'a> {
    program: Program,
    config: &'a Config,
    tiles: BufferId,
    /// The residual stream, before its LayerNorms.
    z: BufferId,
    qkv: BufferId,
    attention: BufferId,
    ffn: BufferId,
}

impl<'a> Builder<'a> {
    fn new(config: &'a Config) -> Self {
        let mut program = Program::new();
        let width = config.hidden_size;
        let tiles = program.table(Table::AttentionTiles);
        let z = program.activation("z", Rows::Tokens, width);
        let qkv = program.activation("qkv", Rows::Tokens, 3 * width);
        let attention = program.activation("attention", Rows::Tokens, width);
        let ffn = program.activation("ffn", Rows::Tokens, config.intermediate_size);
        Self { program, config, tiles, z, qkv, attention, ffn }
    }

    /// Per layer: `layer_norm` is left to whoever reads `z`, from the statistics its first reader wrote.
    fn encode_folded(&mut self, weights: &BertWeights) -> Result<Encoded, ProgramError> {
        let width = self.config.hidden_size;
        let z_mid = self.program.activation("z_mid", Rows::Tokens, width);
        let stats = self.program.activation("z.stats", Rows::Tokens, 2);
        let stats_mid = self.program.activation("z_mid.stats", Rows::Tokens, 2);
        self.embed(weights)?;
        let mut norm = &weights.norm;
        let mut norm_affine = self.affine("embeddings.LayerNorm", norm);
        for (index, layer) in weights.layers.iter().enumerate() {
            let at = |part: &str| format!("layer.{index}.{part}");
            let (n, inner) = (3 * width, self.config.intermediate_size);
            self.folded(&at("qkv"), norm, &layer.qkv, self.linear(width, n), [self.z, self.qkv, stats])?;
            self.attend()?;
            let residual = [self.z, stats, norm_affine];
            self.normalized(
                &at("attention.output"),
                &layer.attention_output,
                self.attention,
                residual,
                z_mid,
            )?;
            let mid_affine = self.affine(&at("attention.output.LayerNorm"), &layer.attention_norm);
            let ffn1 = Gemm { activation: self.config.activation, ..self.linear(width, inner) };
            let up = std::slice::from_ref(&layer.intermediate);
            self.folded(&at("intermediate"), &layer.attention_norm, up, ffn1, [z_mid, self.ffn, stats_mid])?;
            self.normalized(&at("output"), &layer.output, self.ffn, [z_mid, stats_mid, mid_affine], self.z)?;
            norm = &layer.output_norm;
            norm_affine = self.affine(&at("output.LayerNorm"), norm);
        }
        Ok(Encoded { rows: self.z, norm: Some(norm_affine) })
    }

    /// Per layer: `h` holds the normalised rows, `z` the sums before a LayerNorm.
    fn encode_plain(&mut self, weights: &BertWeights) -> Result<Encoded, ProgramError> {
        let width = self.config.hidden_size;
        let h = self.program.activation("h", Rows::Tokens, width);
        self.embed(weights)?;
        self.layer_norm("embeddings.LayerNorm", &weights.norm, h)?;
        for (index, layer) in weights.layers.iter().enumerate() {
            self.plain_layer(index, layer, h)?;
        }
        Ok(Encoded { rows: h, norm: None })
    }

    fn plain_layer(&mut self, index: usize, layer: &LayerWeights, h: BufferId) -> Result<(), ProgramError> {
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let at = |part: &str| format!("layer.{index}.{part}");
        let add = |k: usize| Gemm { residual: Residual::Add, ..Gemm::linear(k, width) };
        let qkv = stack(&layer.qkv);
        self.gemm(&at("qkv"), &qkv, Gemm::linear(width, 3 * width), h, None, self.qkv, Rows::Tokens)?;
        self.attend()?;
        let (out, attention) = (&layer.attention_output, self.attention);
        self.gemm(&at("attention.output"), out, add(width), attention, Some(h), self.z, Rows::Tokens)?;
        self.layer_norm(&at("attention.output.LayerNorm"), &layer.attention_norm, h)?;
        let ffn1 = Gemm { activation: self.config.activation, ..Gemm::linear(width, inner) };
        self.gemm(&at("intermediate"), &layer.intermediate, ffn1, h, None, self.ffn, Rows::Tokens)?;
        self.gemm(&at("output"), &layer.output, add(inner), self.ffn, Some(h), self.z, Rows::Tokens)?;
        self.layer_norm(&at("output.LayerNorm"), &layer.output_norm, h)
    }

    /// Pooling and what follows; declares all outputs.
    fn pool(&mut self, parts: &Parts<'_>, encoded: &Encoded) -> Result<(), ProgramError> {
        let width = self.config.hidden_size;
        match encoded.norm {
            None => {
                self.program.output(HIDDEN, encoded.rows);
            }
            Some(norm) => {
                let hidden = self.program.activation("hidden", Rows::Tokens, width);
                let output = self.program.output(HIDDEN, hidden);
                let op = LayerNorm { width, eps: self.config.layer_norm_eps };
                self.program.push_for(output, op, Rows::Tokens, &[encoded.rows, norm, hidden])?;
            }
        }
        let dense: Vec<[BufferId; 2]> =
            parts.dense.iter().enumerate().map(|(i, l)| self.dense(i, l)).collect();
        let own = (parts.pipeline.pooling, parts.pipeline.ends_normalized());
        for pooling in Pooling::ALL {
            for normalize in [true, false] {
                let name = vector_output(pooling, normalize);
                let name = if (pooling, normalize) == own { POOLED.to_owned() } else { name };
                self.vector(name, parts.pipeline, &dense, (pooling, normalize), encoded)?;
            }
        }
        Ok(())
    }

    /// One way from rows to vectors, run only when its output is asked for.
    fn vector(
        &mut self,
        name: String,
        pipeline: &Pipeline,
        dense: &[[BufferId; 2]],
        (pooling, normalize): (Pooling, bool),
        encoded: &Encoded,
    ) -> Result<(), ProgramError> {
        let mut steps: Vec<&PipelineStep> = pipeline.steps.iter().collect();
        while steps.last() == Some(&&PipelineStep::Normalize) {
            steps.pop();
        }
        if normalize {
            steps.push(&PipelineStep::Normalize);
        }
        let at_once = steps.first() == Some(&&PipelineStep::Normalize);
        let mut width = self.config.hidden_size;
        let norm_in = encoded.norm.map(|_| self.config.layer_norm_eps);
        let mut y = self.program.activation(format!("{name}.pool"), Rows::Sequences, width);
        let mut buffers = vec![encoded.rows];
        buffers.extend(encoded.norm);
        buffers.extend([self.program.table(Table::Sequences), y]);
        let mut ops: Vec<(Op, Vec<BufferId>)> =
            vec![(Pool { width, pooling, norm_in, normalize: at_once }.into(), buffers)];
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

    fn dense(&mut self, index: usize, linear: &Linear) -> [BufferId; 2] {
        let weight = self.program.weight(format!("dense.{index}.weight"), linear.weight.clone());
        [weight, self.program.weight(format!("dense.{index}.bias"), linear.bias.clone())]
    }

    fn embed(&mut self, weights: &BertWeights) -> Result<(), ProgramError> {
        let op = Embed { hidden_size: self.config.hidden_size };
        let buffers = [
            self.program.table(Table::Tokens),
            self.program.weight("embeddings.word", weights.word.clone()),
            self.program.weight("embeddings.position", weights.position.clone()),
            self.program.weight("embeddings.token_type", weights.token_type.clone()),
            self.z,
        ];
        self.program.push(op, Rows::Tokens, &buffers)
    }

    fn attend(&mut self) -> Result<(), ProgramError> {
        let num_attention_heads = self.config.num_attention_heads;
        let op = Attention { num_attention_heads, head_dim: self.config.head_dim() };
        self.program.push(op, Rows::Tokens, &[self.qkv, self.tiles, self.attention])
    }

    fn affine(&mut self, name: &str, norm: &NormWeights) -> BufferId {
        self.program.weight(name, affine(norm))
    }

    /// `z` normalised into `y`.
    fn layer_norm(&mut self, name: &str, norm: &NormWeights, y: BufferId) -> Result<(), ProgramError> {
        let op = LayerNorm { width: self.config.hidden_size, eps: self.config.layer_norm_eps };
        let affine = self.affine(name, norm);
        self.program.push(op, Rows::Tokens, &[self.z, affine, y])
    }

    fn linear(&self, k: usize, n: usize) -> Gemm {
        Gemm { norm_in: Some(self.config.layer_norm_eps), ..Gemm::linear(k, n) }
    }

    /// A GEMM with `norm` folded in; `buffers` are its input, output and the statistics it writes.
    fn folded(
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
    fn normalized(
        &mut self,
        name: &str,
        linear: &Linear,
        x: BufferId,
        [z, stats, affine]: [BufferId; 3],
        y: BufferId,
    ) -> Result<(), ProgramError> {
        let k = linear.weight.len() / linear.bias.len().max(1);
        let op = Gemm { residual: Residual::AddNormalized, ..Gemm::linear(k, self.config.hidden_size) };
        let weight = self.program.weight(format!("{name}.weight"), linear.weight.clone());
        let bias = self.program.weight(format!("{name}.bias"), linear.bias.clone());
        self.program.push(op, Rows::Tokens, &[x, weight, bias, z, stats, affine, y])
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "an op, its name and its buffers; a struct would only rename them"
    )]
    fn gemm(
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
