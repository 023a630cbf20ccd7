//! Programs of a model with parts of its layers left out, which give the hidden state of every layer: what tells
//! what those parts are for.

use heatseek_ops::{BufferId, Gemm, Program, ProgramError, Residual, Rows};

use crate::builder::{Builder, Norm, hidden_output};
use crate::fold::stack;
use crate::prenorm::PreNormLayer;
use crate::weights::{BertWeights, Linear};

/// What is kept of every layer beside its attention. LayerNorms always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The residual connections: that a block's input is added to its output.
    pub residual: bool,
    /// The feed-forward block.
    pub feed_forward: bool,
}

impl Builder {
    /// Buffers of all hidden states, `first` and one for each of `layers`, named as outputs.
    fn states(&mut self, first: BufferId, layers: usize) -> Vec<BufferId> {
        let mut states = vec![first];
        for layer in 1..=layers {
            let width = self.sizes.hidden_size;
            states.push(self.program.activation(format!("state.{layer}"), Rows::Tokens, width));
        }
        for (layer, &state) in states.iter().enumerate() {
            self.program.output(hidden_output(layer), state);
        }
        states
    }

    /// BERT's layers, with a LayerNorm behind each sum.
    pub(crate) fn ablated_bert(mut self, weights: &BertWeights, kept: Kept) -> Result<Program, ProgramError> {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        let (z, z_mid) = (self.z, self.z_mid);
        self.embed([&weights.word, &weights.position, &weights.token_type])?;
        let first = self.program.activation("state.0", Rows::Tokens, width);
        self.layer_norm("embeddings.LayerNorm", &weights.norm, [z, first])?;
        let states = self.states(first, weights.layers.len());
        for (index, layer) in weights.layers.iter().enumerate() {
            let at = |part: &str| format!("layer.{index}.{part}");
            let (x, y) = (states[index], states[index + 1]);
            let op = Gemm::linear(width, 3 * width);
            self.gemm(&at("qkv"), &stack(&layer.qkv), op, x, None, self.qkv, Rows::Tokens)?;
            self.attention_of_rows()?;
            self.back(&at("attention.output"), &layer.attention_output, [self.attention, x, z], kept)?;
            let mid = if kept.feed_forward { z_mid } else { y };
            self.layer_norm(&at("attention.output.LayerNorm"), &layer.attention_norm, [z, mid])?;
            if kept.feed_forward {
                let op = Gemm { activation: self.sizes.activation, ..Gemm::linear(width, inner) };
                self.gemm(&at("intermediate"), &layer.intermediate, op, z_mid, None, self.ffn, Rows::Tokens)?;
                self.back(&at("output"), &layer.output, [self.ffn, z_mid, z], kept)?;
                self.layer_norm(&at("output.LayerNorm"), &layer.output_norm, [z, y])?;
            }
        }
        Ok(self.program)
    }

    /// Layers with a LayerNorm before each block, behind embeddings in `z`.
    pub(crate) fn ablated_pre_norm(
        mut self,
        layers: &[PreNormLayer],
        kept: Kept,
    ) -> Result<Program, ProgramError> {
        let (width, inner, z_mid) = (self.sizes.hidden_size, self.sizes.intermediate_size, self.z_mid);
        let before = self.norm_before(Norm::Plain);
        let states = self.states(self.z, layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let at = |part: &str| format!("layer.{index}.{part}");
            let (x, y) = (states[index], states[index + 1]);
            let op = Gemm::linear(width, 3 * width);
            self.normed(&at("qkv"), before, &layer.attention_norm, &layer.qkv, op, [x, self.qkv])?;
            self.attention_of_rows()?;
            let mid = if kept.feed_forward { z_mid } else { y };
            self.back(&at("attention.output"), &layer.attention_output, [self.attention, x, mid], kept)?;
            if kept.feed_forward {
                let op = Gemm { activation: self.sizes.activation, ..Gemm::linear(width, inner) };
                let up = std::slice::from_ref(&layer.intermediate);
                self.normed(&at("intermediate"), before, &layer.ffn_norm, up, op, [z_mid, self.ffn])?;
                self.back(&at("output"), &layer.output, [self.ffn, z_mid, y], kept)?;
            }
        }
        Ok(self.program)
    }

    /// A block's last GEMM, to which its input is added if that is kept.
    fn back(
        &mut self,
        name: &str,
        linear: &Linear,
        [x, input, y]: [BufferId; 3],
        kept: Kept,
    ) -> Result<(), ProgramError> {
        let k = linear.weight.len() / linear.bias.len().max(1);
        let residual = if kept.residual { Residual::Add } else { Residual::None };
        let op = Gemm { residual, ..Gemm::linear(k, self.sizes.hidden_size) };
        self.gemm(name, linear, op, x, kept.residual.then_some(input), y, Rows::Tokens)
    }
}
