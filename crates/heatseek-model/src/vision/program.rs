//! The Program of a vision transformer: LayerNorms before attention and before the feed-forward block.

use heatseek_ops::{BufferId, Gemm, Program, ProgramError, Residual, Rows};

use crate::builder::{Builder, Encoded, Norm};
use crate::fold::stack;
use crate::modules::Pipeline;
use crate::vision::VisionConfig;
use crate::vision::weights::{VisionLayer, VisionWeights};
use crate::weights::{Linear, zeros};

/// Builds the Program. Its float inputs are `patches [tokens, 3 · patch_size²]`, zeros for prefix tokens, and
/// `offsets [tokens, hidden_size]`, added to the projected patches.
pub(crate) fn build(
    config: &VisionConfig,
    weights: &VisionWeights,
    pipeline: &Pipeline,
    norm: Norm,
) -> Result<Program, ProgramError> {
    let mut builder = Builder::new(config.sizes());
    builder.project_patches(&weights.patches)?;
    match norm {
        Norm::Folded => builder.pre_norm_folded(&weights.layers)?,
        Norm::Plain => builder.pre_norm_plain(&weights.layers)?,
    }
    let norm = builder.affine("layernorm", &weights.norm);
    let encoded = Encoded { rows: builder.z, norm: Some(norm) };
    builder.pool(pipeline, &[], &encoded)?;
    Ok(builder.program)
}

impl Builder {
    fn project_patches(&mut self, patches: &Linear) -> Result<(), ProgramError> {
        let (width, k) = (self.sizes.hidden_size, patches.weight.len() / patches.bias.len().max(1));
        let x = self.program.input("patches", k);
        let offsets = self.program.input("offsets", width);
        // The bias is part of the offsets: prefix tokens have none.
        let linear = Linear { weight: patches.weight.clone(), bias: zeros(&[width]) };
        let op = Gemm { residual: Residual::Add, ..Gemm::linear(k, width) };
        self.gemm("patch_embeddings", &linear, op, x, Some(offsets), self.z, Rows::Tokens)
    }

    /// Five steps a layer: both LayerNorms are folded into the GEMMs behind them.
    fn pre_norm_folded(&mut self, layers: &[VisionLayer]) -> Result<(), ProgramError> {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        // The GEMMs with a folded LayerNorm write them; nothing reads them here.
        let stats = self.program.activation("stats", Rows::Tokens, 2);
        for (index, layer) in layers.iter().enumerate() {
            let at = |part: &str| format!("layer.{index}.{part}");
            let qkv = self.linear(width, 3 * width);
            self.folded(&at("qkv"), &layer.attention_norm, &layer.qkv, qkv, [self.z, self.qkv, stats])?;
            self.attend(index)?;
            let out = &layer.attention_output;
            self.add(&at("attention.output"), out, [self.attention, self.z, self.z_mid])?;
            let up = Gemm { activation: self.sizes.activation, ..self.linear(width, inner) };
            let intermediate = std::slice::from_ref(&layer.intermediate);
            let buffers = [self.z_mid, self.ffn, stats];
            self.folded(&at("intermediate"), &layer.ffn_norm, intermediate, up, buffers)?;
            self.add(&at("output"), &layer.output, [self.ffn, self.z_mid, self.z])?;
        }
        Ok(())
    }

    /// Seven steps a layer.
    fn pre_norm_plain(&mut self, layers: &[VisionLayer]) -> Result<(), ProgramError> {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        let h = self.program.activation("h", Rows::Tokens, width);
        for (index, layer) in layers.iter().enumerate() {
            let at = |part: &str| format!("layer.{index}.{part}");
            self.layer_norm(&at("attention.norm"), &layer.attention_norm, [self.z, h])?;
            let (qkv, op) = (stack(&layer.qkv), Gemm::linear(width, 3 * width));
            self.gemm(&at("qkv"), &qkv, op, h, None, self.qkv, Rows::Tokens)?;
            self.attend(index)?;
            let out = &layer.attention_output;
            self.add(&at("attention.output"), out, [self.attention, self.z, self.z_mid])?;
            self.layer_norm(&at("ffn.norm"), &layer.ffn_norm, [self.z_mid, h])?;
            let op = Gemm { activation: self.sizes.activation, ..Gemm::linear(width, inner) };
            self.gemm(&at("intermediate"), &layer.intermediate, op, h, None, self.ffn, Rows::Tokens)?;
            self.add(&at("output"), &layer.output, [self.ffn, self.z_mid, self.z])?;
        }
        Ok(())
    }

    /// A GEMM of `x` back to the residual stream: `y = x W + bias + residual`.
    fn add(
        &mut self,
        name: &str,
        linear: &Linear,
        [x, residual, y]: [BufferId; 3],
    ) -> Result<(), ProgramError> {
        let k = linear.weight.len() / linear.bias.len().max(1);
        let op = Gemm { residual: Residual::Add, ..Gemm::linear(k, self.sizes.hidden_size) };
        self.gemm(name, linear, op, x, Some(residual), y, Rows::Tokens)
    }
}
