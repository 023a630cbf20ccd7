//! Kernels on a CPU, for tests where there is no GPU: the same C++, compiled by the C++ compiler of the machine.
//!
//! Blocks run one after another. The threads of a block are fibers that take turns at barriers and at what a warp does
//! together, in an order that is always the same; so a missing barrier shows, if it shows at all, every time. Warps
//! have 32 lanes. Matrix units and f16 compute what a GPU's do, but for the order of sums.

mod buffer;
mod compile;
mod library;

pub use buffer::HostBuffer;
pub use library::{HostError, Library};
