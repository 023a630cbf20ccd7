//! Runs [`heatseek_ops::Program`]s on NVIDIA GPUs.
//!
//! The kernels are those of `heatseek-wgsl`, translated to CUDA C++ by `heatseek-naga-cuda` and compiled by NVRTC for
//! the GPU that is there; what was compiled is kept in a cache on disk. Driver and NVRTC are libraries found at run
//! time: nothing of CUDA is needed to build, and where there is none, [`CudaDevice::request`] says what to install.
//!
//! A [`CudaDevice`] owns a GPU's context, its stream and the compiled kernels; a [`CudaExecutor`] makes Programs ready
//! on it; a [`CudaPlan`] holds the weights and the activations of one Program. A run is one copy of the batch's tables,
//! one launch of a recorded graph, and one copy of the outputs that were asked for.
//!
//! Nothing here knows a model, and no kernel is written here.

mod arena;
mod cache;
mod checked;
mod compiler;
mod cuda;
mod device;
mod driver;
mod executor;
mod faults;
#[cfg(all(test, feature = "host"))]
mod faulty;
mod graphs;
#[cfg(feature = "host")]
mod host;
mod kernels;
mod library;
mod memory;
mod nvrtc;
mod plan;
mod run;
mod tables;
mod weights;

pub use cache::Cache;
pub use device::{CudaDevice, CudaOptions, CudaReport, SourceTransform};
pub use executor::CudaExecutor;
#[cfg(feature = "host")]
pub use host::HOST;
pub use plan::CudaPlan;
