//! What Heatseek can compute.
//!
//! A model is a [`Program`]: a short list of fused [`Op`]s over named buffers, built once from its
//! configuration and weights. An [`Executor`] (reference, CPU, wgpu, CUDA) runs the same Program over
//! a packed [`Batch`]. This crate holds the definitions, one scalar [`mod@reference`] per op that
//! accumulates in f64, and (feature `cases`) the case tables that every backend is tested with.
//!
//! Adding an op touches four files of the same stem: `heatseek-ops/src/ops/<op>.rs` (definition and
//! cases), `heatseek-ops/src/reference/<op>.rs`, `heatseek-wgsl/shaders/<op>.wgsl`,
//! `heatseek-cpu/src/<op>.rs`, and one line in [`Op`].

mod activations;
mod batch;
pub mod bf16;
mod buffer;
mod capacity;
mod executor;
mod host;
pub mod int8;
pub mod ops;
mod program;
pub mod reference;
mod steps;

#[cfg(feature = "cases")]
pub mod cases;

pub use batch::{ATTENTION_TILE_QUERIES, Batch, BatchError, Sequence};
pub use buffer::{Binding, Dim, Direction, Element, Tensor};
pub use capacity::Capacity;
pub use executor::{
    DeviceInfo, DeviceKind, Dtype, Executor, ExecutorError, LocalFuture, Plan, PlanOptions, RunControl,
    Tuning, UNWRITTEN,
};
pub use host::{HostExecutor, HostKernels, HostPlan, Operand, Operands, PackedOperand};
pub use ops::{
    Activation, Attention, AttentionMap, AttentionPool, CopyRows, Embed, Gemm, HeadFusion, L2Normalize,
    LayerNorm, Op, Pool, Pooling, Residual, Rollout,
};
pub use program::{Buffer, BufferId, HIDDEN, OutputId, POOLED, Program, ProgramError, Rows, Step, Table};
pub use reference::ReferenceExecutor;
pub use steps::in_steps;
