//! The Program of a vision transformer: LayerNorms before attention and before the feed-forward block.

use heatseek_ops::{BufferId, Gemm, Program, ProgramError, Residual, Rows};

use crate::ablation::Kept;
use crate::builder::{Builder, Encoded, Norm};
use crate::modules::Pipeline;
use crate::tail::Tail;
use crate::tower::Tower;
use crate::vision::VisionConfig;
use crate::vision::weights::VisionWeights;
use crate::weights::{Linear, zeros};

/// Builds the Program. Its float inputs are `patches [tokens, 3 · patch_size²]`, zeros for prefix tokens, and
/// `offsets [tokens, hidden_size]`, added to the projected patches.
pub(crate) fn build(
    config: &VisionConfig,
    weights: &VisionWeights,
    pipeline: &Pipeline,
    norm: Norm,
) -> Result<(Program, Tail), ProgramError> {
    let mut builder = Builder::new(config.sizes());
    let before = builder.norm_before(norm);
    builder.embed_patches(weights)?;
    builder.pre_norm(&weights.layers, before)?;
    let head = weights.head.as_ref();
    let encoded = Encoded {
        rows: builder.z,
        head: head.map(|head| builder.pooling_head(head, &weights.norm, before)).transpose()?,
        norm: Some(builder.affine("layernorm", &weights.norm)),
        hidden_before_norm: config.tower() == Some(Tower::Clip),
    };
    let tail = builder.pool(pipeline, weights.projection.as_slice(), &encoded)?;
    Ok((builder.program, tail))
}

/// Builds the Program of what is kept of the layers, with the same inputs.
pub(crate) fn build_ablated(
    config: &VisionConfig,
    weights: &VisionWeights,
    kept: Kept,
) -> Result<Program, ProgramError> {
    let mut builder = Builder::new(config.sizes());
    builder.embed_patches(weights)?;
    builder.ablated_pre_norm(&weights.layers, kept)
}

impl Builder {
    fn embed_patches(&mut self, weights: &VisionWeights) -> Result<(), ProgramError> {
        match &weights.first_norm {
            None => self.project_patches(&weights.patches, self.z),
            Some(first) => {
                self.project_patches(&weights.patches, self.z_mid)?;
                self.layer_norm("embeddings.norm", first, [self.z_mid, self.z])
            }
        }
    }

    fn project_patches(&mut self, patches: &Linear, y: BufferId) -> Result<(), ProgramError> {
        let (width, k) = (self.sizes.hidden_size, patches.weight.len() / patches.bias.len().max(1));
        let x = self.program.input("patches", k);
        let offsets = self.program.input("offsets", width);
        // The bias is part of the offsets: prefix tokens have none.
        let linear = Linear { weight: patches.weight.clone(), bias: zeros(&[width]) };
        let op = Gemm { residual: Residual::Add, ..Gemm::linear(k, width) };
        self.gemm("patch_embeddings", &linear, op, x, Some(offsets), y, Rows::Tokens)
    }
}
