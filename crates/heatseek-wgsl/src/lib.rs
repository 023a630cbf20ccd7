//! Heatseek's GPU kernels in WGSL, without any GPU API.
//!
//! Each op is one template in `shaders/<op>.wgsl`; `build/` renders the shipped variants, validates
//! them with naga and reflects their bindings into [`kernels`], so nothing is typed twice. An executor
//! says what its device offers ([`Target`]), learns what a Program's buffers are stored as ([`Storage`]),
//! asks [`select`] which kernel runs an [`Op`](heatseek_ops::Op) and with which pipeline constants,
//! lays weights out with [`pack`], binds the op's buffers in the order of its bindings followed by
//! [`Params`], all in bind group 0, and dispatches [`Selection::grid`].

mod kernel;
mod pack;
mod params;
mod scan;
mod select;
mod storage;
mod target;

pub use kernel::{Access, Kernel, KernelBinding, kernels};
pub use pack::{COLUMN_TILE, Packed, pack};
pub use params::Params;
pub use scan::{SCAN_TILE, SIGN_PLANES, ScanQuery, ScanStorage, topk_scan};
pub use select::{Selection, Unsupported, candidates, select, shape};
pub use storage::Storage;
pub use target::{AdapterClass, RowBand, RowClass, Target};
