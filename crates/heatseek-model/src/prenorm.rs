//! Encoder layers with a LayerNorm before attention and one before the feed-forward block: those of vision
//! transformers and of both halves of CLIP and SigLIP.

use heatseek_ops::{BufferId, Gemm, ProgramError, Residual, Rows};

use crate::ModelError;
use crate::builder::{Builder, Norm};
use crate::fold::stack;
use crate::reader::Reader;
use crate::weights::{Linear, NormWeights};

/// One encoder layer; LayerNorms stand before what they are named for.
#[derive(Clone, Debug)]
pub(crate) struct PreNormLayer {
    pub(crate) attention_norm: NormWeights,
    /// Query, key, value.
    pub(crate) qkv: [Linear; 3],
    /// With the layer scale, if there is one, multiplied in.
    pub(crate) attention_output: Linear,
    pub(crate) ffn_norm: NormWeights,
    pub(crate) intermediate: Linear,
    /// With the layer scale, if there is one, multiplied in.
    pub(crate) output: Linear,
}

impl PreNormLayer {
    /// One of the right shapes and no values.
    pub(crate) fn outline(width: usize, inner: usize) -> Self {
        Self {
            attention_norm: NormWeights::outline(width),
            qkv: [(); 3].map(|()| Linear::outline(width, width)),
            attention_output: Linear::outline(width, width),
            ffn_norm: NormWeights::outline(width),
            intermediate: Linear::outline(inner, width),
            output: Linear::outline(width, inner),
        }
    }

    /// Layer `index` by the names that CLIP and SigLIP have.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        index: usize,
        width: usize,
        inner: usize,
    ) -> Result<Self, ModelError> {
        let at = |part: &str| format!("encoder.layers.{index}.{part}");
        let square = "num_hidden_layers, hidden_size";
        let wide = "num_hidden_layers, intermediate_size, hidden_size";
        let mut project =
            |part: &str| reader.linear(&at(&format!("self_attn.{part}_proj")), width, width, square);
        Ok(Self {
            qkv: [project("q")?, project("k")?, project("v")?],
            attention_output: project("out")?,
            attention_norm: reader.norm(&at("layer_norm1"), width)?,
            ffn_norm: reader.norm(&at("layer_norm2"), width)?,
            intermediate: reader.linear(&at("mlp.fc1"), inner, width, wide)?,
            output: reader.linear(&at("mlp.fc2"), width, inner, wide)?,
        })
    }
}

/// How the LayerNorm before a GEMM is computed, and the buffer that takes.
#[derive(Clone, Copy)]
pub(crate) enum NormBefore {
    /// In the GEMM, which writes statistics that nothing reads here.
    Folded { stats: BufferId },
    /// As a step of its own, into this buffer.
    Plain { h: BufferId },
}

impl Builder {
    pub(crate) fn norm_before(&mut self, norm: Norm) -> NormBefore {
        match norm {
            Norm::Folded => NormBefore::Folded { stats: self.program.activation("stats", Rows::Tokens, 2) },
            Norm::Plain => {
                let h = self.program.activation("h", Rows::Tokens, self.sizes.hidden_size);
                NormBefore::Plain { h }
            }
        }
    }

    /// The layers, from and to the residual stream: five steps each, or seven with plain LayerNorms.
    pub(crate) fn pre_norm(
        &mut self,
        layers: &[PreNormLayer],
        before: NormBefore,
    ) -> Result<(), ProgramError> {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        let (z, z_mid, qkv, ffn) = (self.z, self.z_mid, self.qkv, self.ffn);
        for (index, layer) in layers.iter().enumerate() {
            self.keep_hidden(index, z, None)?;
            let at = |part: &str| format!("layer.{index}.{part}");
            let op = Gemm::linear(width, 3 * width);
            self.normed(&at("qkv"), before, &layer.attention_norm, &layer.qkv, op, [z, qkv])?;
            self.attend(index)?;
            self.add(&at("attention.output"), &layer.attention_output, [self.attention, z, z_mid])?;
            let op = Gemm { activation: self.sizes.activation, ..Gemm::linear(width, inner) };
            let up = std::slice::from_ref(&layer.intermediate);
            self.normed(&at("intermediate"), before, &layer.ffn_norm, up, op, [z_mid, ffn])?;
            self.add(&at("output"), &layer.output, [ffn, z_mid, z])?;
        }
        self.keep_hidden(layers.len(), z, None)
    }

    /// A GEMM of the normalised rows of `x` into `y`.
    pub(crate) fn normed(
        &mut self,
        name: &str,
        before: NormBefore,
        norm: &NormWeights,
        parts: &[Linear],
        op: Gemm,
        [x, y]: [BufferId; 2],
    ) -> Result<(), ProgramError> {
        match before {
            NormBefore::Folded { stats } => {
                let op = Gemm { norm_in: Some(self.sizes.layer_norm_eps), ..op };
                self.folded(name, norm, parts, op, [x, y, stats])
            }
            NormBefore::Plain { h } => {
                self.layer_norm(&format!("{name}.norm"), norm, [x, h])?;
                self.gemm(name, &stack(parts), op, h, None, y, Rows::Tokens)
            }
        }
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
