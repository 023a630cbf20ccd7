//! The Programs of encoders of texts, and that of BERT: LayerNorms after the residual sums.

use heatseek_ops::{BufferId, Embed, Gemm, Program, ProgramError, Residual, Rows, Table, Tensor};

use crate::Config;
use crate::ablation::Kept;
use crate::builder::{Builder, Encoded, Norm};
use crate::fold::stack;
use crate::modules::Pipeline;
use crate::tail::Tail;
use crate::weights::{BertWeights, LayerWeights, Linear, TextWeights};

/// Everything a Program is made of.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) weights: &'a TextWeights,
    pub(crate) pipeline: &'a Pipeline,
    /// The Dense layers of `pipeline`, in order.
    pub(crate) dense: &'a [Linear],
}

/// Builds the Program.
pub(crate) fn build(parts: &Parts<'_>, norm: Norm) -> Result<(Program, Tail), ProgramError> {
    let mut builder = Builder::new(parts.config.sizes());
    let encoded = match (parts.weights, norm) {
        (TextWeights::Bert(weights), Norm::Folded) => builder.encode_folded(weights)?,
        (TextWeights::Bert(weights), Norm::Plain) => builder.encode_plain(weights)?,
        (TextWeights::Tower(weights), norm) => builder.encode_tower(weights, norm)?,
    };
    let tail = builder.pool(parts.pipeline, parts.dense, &encoded)?;
    Ok((builder.program, tail))
}

/// Builds the Program of what is kept of the layers.
pub(crate) fn build_ablated(
    config: &Config,
    weights: &TextWeights,
    kept: Kept,
) -> Result<Program, ProgramError> {
    let mut builder = Builder::new(config.sizes());
    match weights {
        TextWeights::Bert(weights) => builder.ablated_bert(weights, kept),
        TextWeights::Tower(weights) => {
            builder.embed_tower(weights)?;
            builder.ablated_pre_norm(&weights.layers, kept)
        }
    }
}

impl Builder {
    /// Per layer: `layer_norm` is left to whoever reads `z`, from the statistics its first reader wrote.
    fn encode_folded(&mut self, weights: &BertWeights) -> Result<Encoded, ProgramError> {
        let (width, z_mid) = (self.sizes.hidden_size, self.z_mid);
        let stats = self.program.activation("z.stats", Rows::Tokens, 2);
        let stats_mid = self.program.activation("z_mid.stats", Rows::Tokens, 2);
        self.embed([&weights.word, &weights.position, &weights.token_type])?;
        let mut norm = &weights.norm;
        let mut norm_affine = self.affine("embeddings.LayerNorm", norm);
        for (index, layer) in weights.layers.iter().enumerate() {
            self.keep_hidden(index, self.z, Some(norm_affine))?;
            let at = |part: &str| format!("layer.{index}.{part}");
            let (n, inner) = (3 * width, self.sizes.intermediate_size);
            self.folded(&at("qkv"), norm, &layer.qkv, self.linear(width, n), [self.z, self.qkv, stats])?;
            self.attend(index)?;
            let residual = [self.z, stats, norm_affine];
            self.normalized(
                &at("attention.output"),
                &layer.attention_output,
                self.attention,
                residual,
                z_mid,
            )?;
            let mid_affine = self.affine(&at("attention.output.LayerNorm"), &layer.attention_norm);
            let ffn1 = Gemm { activation: self.sizes.activation, ..self.linear(width, inner) };
            let up = std::slice::from_ref(&layer.intermediate);
            self.folded(&at("intermediate"), &layer.attention_norm, up, ffn1, [z_mid, self.ffn, stats_mid])?;
            self.normalized(&at("output"), &layer.output, self.ffn, [z_mid, stats_mid, mid_affine], self.z)?;
            norm = &layer.output_norm;
            norm_affine = self.affine(&at("output.LayerNorm"), norm);
        }
        self.keep_hidden(weights.layers.len(), self.z, Some(norm_affine))?;
        Ok(Encoded { rows: self.z, norm: Some(norm_affine), hidden_before_norm: false, head: None })
    }

    /// Per layer: `h` holds the normalised rows, `z` the sums before a LayerNorm.
    fn encode_plain(&mut self, weights: &BertWeights) -> Result<Encoded, ProgramError> {
        let width = self.sizes.hidden_size;
        let h = self.program.activation("h", Rows::Tokens, width);
        self.embed([&weights.word, &weights.position, &weights.token_type])?;
        self.layer_norm("embeddings.LayerNorm", &weights.norm, [self.z, h])?;
        for (index, layer) in weights.layers.iter().enumerate() {
            self.keep_hidden(index, h, None)?;
            self.plain_layer(index, layer, h)?;
        }
        self.keep_hidden(weights.layers.len(), h, None)?;
        Ok(Encoded { rows: h, norm: None, hidden_before_norm: false, head: None })
    }

    fn plain_layer(&mut self, index: usize, layer: &LayerWeights, h: BufferId) -> Result<(), ProgramError> {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        let at = |part: &str| format!("layer.{index}.{part}");
        let add = |k: usize| Gemm { residual: Residual::Add, ..Gemm::linear(k, width) };
        let qkv = stack(&layer.qkv);
        self.gemm(&at("qkv"), &qkv, Gemm::linear(width, 3 * width), h, None, self.qkv, Rows::Tokens)?;
        self.attend(index)?;
        let (out, attention) = (&layer.attention_output, self.attention);
        self.gemm(&at("attention.output"), out, add(width), attention, Some(h), self.z, Rows::Tokens)?;
        self.layer_norm(&at("attention.output.LayerNorm"), &layer.attention_norm, [self.z, h])?;
        let ffn1 = Gemm { activation: self.sizes.activation, ..Gemm::linear(width, inner) };
        self.gemm(&at("intermediate"), &layer.intermediate, ffn1, h, None, self.ffn, Rows::Tokens)?;
        self.gemm(&at("output"), &layer.output, add(inner), self.ffn, Some(h), self.z, Rows::Tokens)?;
        self.layer_norm(&at("output.LayerNorm"), &layer.output_norm, [self.z, h])
    }

    pub(crate) fn embed(&mut self, [word, position, token_type]: [&Tensor; 3]) -> Result<(), ProgramError> {
        let op = Embed { hidden_size: self.sizes.hidden_size };
        let buffers = [
            self.program.table(Table::Tokens),
            self.program.weight("embeddings.word", word.clone()),
            self.program.weight("embeddings.position", position.clone()),
            self.program.weight("embeddings.token_type", token_type.clone()),
            self.z,
        ];
        self.program.push(op, Rows::Tokens, &buffers)
    }
}
