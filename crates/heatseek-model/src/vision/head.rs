//! SigLIP's pooling head: attention with one learned query, a LayerNorm and a feed-forward block.

use heatseek_ops::{
    BufferId, Gemm, LayerNorm, Op, Pool, Pooling, ProgramError, Residual, Rows, Table, Tensor,
};

use crate::ModelError;
use crate::builder::Builder;
use crate::prenorm::NormBefore;
use crate::reader::Reader;
use crate::readout::TOKEN_VECTORS;
use crate::vision::VisionConfig;
use crate::weights::{Linear, NormWeights, zeros};

/// The head's weights.
#[derive(Clone, Debug)]
pub(crate) struct PoolingHead {
    /// Query, key, value. The query does not depend on the rows: it is all bias.
    qkv: [Linear; 3],
    attention_output: Linear,
    norm: NormWeights,
    intermediate: Linear,
    output: Linear,
}

impl PoolingHead {
    /// One of the right shapes and no values.
    pub(crate) fn outline(width: usize, inner: usize) -> Self {
        Self {
            qkv: [(); 3].map(|()| Linear::outline(width, width)),
            attention_output: Linear::outline(width, width),
            norm: NormWeights::outline(width),
            intermediate: Linear::outline(inner, width),
            output: Linear::outline(width, inner),
        }
    }

    /// Its names are those of `torch.nn.MultiheadAttention` and of `SiglipMLP`.
    pub(crate) fn read(reader: &mut Reader<'_>, config: &VisionConfig) -> Result<Self, ModelError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (square, wide) = ("vision_use_head, hidden_size", "intermediate_size, hidden_size");
        let probe = reader.tensor(&["head.probe"], &[1, 1, width], square)?;
        let weight = reader.tensor(&["head.attention.in_proj_weight"], &[3 * width, width], square)?;
        let bias = reader.tensor(&["head.attention.in_proj_bias"], &[3 * width], square)?;
        let [query, key, value] = [0, 1, 2].map(|part| Linear {
            weight: part_of(&weight, &[width, width], part),
            bias: part_of(&bias, &[width], part),
        });
        Ok(Self {
            qkv: [constant(&query, probe), key, value],
            attention_output: reader.linear("head.attention.out_proj", width, width, square)?,
            norm: reader.norm("head.layernorm", width)?,
            intermediate: reader.linear("head.mlp.fc1", inner, width, wide)?,
            output: reader.linear("head.mlp.fc2", width, inner, wide)?,
        })
    }
}

/// Part `part` of a tensor that stacks some of this shape.
fn part_of(tensor: &Tensor, shape: &[usize], part: usize) -> Tensor {
    let (tensor, len) = (tensor.clone(), shape.iter().product::<usize>());
    Tensor::computed(shape, move || tensor.values()[part * len..][..len].to_vec())
}

/// A linear layer that gives, whatever its input is, what `linear` gives for `x`.
fn constant(linear: &Linear, x: Tensor) -> Linear {
    let (n, linear) = (linear.bias.len(), linear.clone());
    let values = move || {
        let (x, weight, bias) = (x.values(), linear.weight.values(), linear.bias.values());
        let rows = weight.chunks_exact(x.len()).zip(&*bias);
        rows.map(|(row, &b)| {
            let dot: f64 = row.iter().zip(&*x).map(|(&w, &v)| f64::from(w) * f64::from(v)).sum();
            (dot + f64::from(b)) as f32
        })
        .collect()
    };
    Linear { weight: zeros(&[n, n]), bias: Tensor::computed(&[n], values) }
}

/// The head's weights behind its attention, in a Program.
struct Tail {
    attention_output: [BufferId; 2],
    norm: BufferId,
    intermediate: [BufferId; 2],
    output: [BufferId; 2],
}

impl Builder {
    /// One row for each sequence of the residual stream, of which `norm` is the last LayerNorm; and for those who
    /// ask, what the head makes of each token alone.
    ///
    /// Attention works on rows, so every row asks the same question, and the first one's answer is taken: the
    /// price of half a layer, for no kernel of its own.
    pub(crate) fn pooling_head(
        &mut self,
        head: &PoolingHead,
        norm: &NormWeights,
        before: NormBefore,
    ) -> Result<BufferId, ProgramError> {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        let op = Gemm::linear(width, 3 * width);
        self.normed("head.qkv", before, norm, &head.qkv, op, [self.z, self.qkv])?;
        self.attention_of_rows()?;
        let tail = Tail {
            attention_output: self.linear_weights("head.attention.output", &head.attention_output),
            norm: self.affine("head.layernorm", &head.norm),
            intermediate: self.linear_weights("head.intermediate", &head.intermediate),
            output: self.linear_weights("head.output", &head.output),
        };
        let rows = Rows::Sequences;
        let [first, attended, normed, y] = ["attention", "attention.output", "norm", "output"]
            .map(|name| self.program.activation(format!("head.{name}"), rows, width));
        let pool = Pool { width, pooling: Pooling::Cls, norm_in: None, normalize: false };
        let sequences = self.program.table(Table::Sequences);
        self.program.push(pool, rows, &[self.attention, sequences, first])?;
        let ffn = self.program.activation("head.ffn", rows, inner);
        for (op, buffers) in self.tail(&tail, [first, attended, normed, ffn, y]) {
            self.program.push(op, rows, &buffers)?;
        }
        self.head_of_tokens(head, norm, &tail)?;
        Ok(y)
    }

    /// A token that is all there is gets all of the attention: its value goes through the rest of the head, in
    /// buffers that the layers no longer need.
    fn head_of_tokens(
        &mut self,
        head: &PoolingHead,
        norm: &NormWeights,
        tail: &Tail,
    ) -> Result<(), ProgramError> {
        let width = self.sizes.hidden_size;
        let [_, _, value] = &head.qkv;
        let affine = self.affine("head.value.norm", norm);
        let [weight, bias] = self.linear_weights("head.value", value);
        let [a, b] = [self.z_mid, self.attention];
        let output = self.program.output(TOKEN_VECTORS, b);
        let op = LayerNorm { width, eps: self.sizes.layer_norm_eps };
        let mut ops: Vec<(Op, Vec<BufferId>)> = vec![
            (op.into(), vec![self.z, affine, a]),
            (Gemm::linear(width, width).into(), vec![a, weight, bias, b]),
        ];
        ops.extend(self.tail(tail, [b, a, b, self.ffn, b]));
        ops.into_iter()
            .try_for_each(|(op, buffers)| self.program.push_for(output, op, Rows::Tokens, &buffers))
    }

    /// From what attention gathered to what the head gives.
    fn tail(
        &self,
        tail: &Tail,
        [first, attended, normed, ffn, y]: [BufferId; 5],
    ) -> [(Op, Vec<BufferId>); 4] {
        let (width, inner) = (self.sizes.hidden_size, self.sizes.intermediate_size);
        let norm = LayerNorm { width, eps: self.sizes.layer_norm_eps };
        let up = Gemm { activation: self.sizes.activation, ..Gemm::linear(width, inner) };
        let down = Gemm { residual: Residual::Add, ..Gemm::linear(inner, width) };
        let [out_weight, out_bias] = tail.attention_output;
        let [up_weight, up_bias] = tail.intermediate;
        let [down_weight, down_bias] = tail.output;
        [
            (Gemm::linear(width, width).into(), vec![first, out_weight, out_bias, attended]),
            (norm.into(), vec![attended, tail.norm, normed]),
            (up.into(), vec![normed, up_weight, up_bias, ffn]),
            (down.into(), vec![ffn, down_weight, down_bias, attended, y]),
        ]
    }
}
