//! CUDA C++ from WGSL compute shaders, through naga's IR.

mod kernel;

pub use kernel::{Argument, CudaKernel, TranslateError, translate};
