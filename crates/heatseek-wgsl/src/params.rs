use bytemuck::{Pod, Zeroable};
use heatseek_ops::{Batch, Rows};

/// The one uniform of every kernel, bound after the op's own buffers as `params`. It holds what changes
/// from call to call, so that a new batch never compiles a shader. The WGSL twin is
/// `shaders/shared/params.wgsl`; a test holds their layouts together.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Params {
    /// Rows the op works on: tokens of the batch or its sequences.
    pub rows: u32,
    /// Sequences of the batch.
    pub sequences: u32,
    /// Attention tiles of the batch.
    pub tiles: u32,
    /// Rows of the longest sequence of the batch.
    pub longest: u32,
    /// Share of the residual connection in a step of a rollout.
    pub residual: f32,
}

impl Params {
    /// The kinds of rows that steps have, each with parameters of its own.
    pub const OF: [Rows; 4] = [Rows::Tokens, Rows::Sequences, Rows::Queries, Rows::QueryPairs];

    /// Those of each kind of [`Params::OF`].
    pub fn all(batch: &Batch) -> [Self; 4] {
        Self::OF.map(|rows| Self::new(rows.count(batch), batch))
    }

    /// The parameters of an op over `rows` rows of `batch`.
    pub fn new(rows: usize, batch: &Batch) -> Self {
        Self {
            rows: rows as u32,
            sequences: batch.sequences().len() as u32,
            tiles: batch.attention_tiles().len() as u32,
            longest: batch.longest() as u32,
            residual: batch.residual(),
        }
    }
}
