//! From CUDA C++ to what a driver loads.

use heatseek_naga_cuda::CudaKernel;

/// A compiler for one kind of device.
pub trait Compiler: Send + Sync {
    /// All that, beside the source, decides what comes out: compiler, version, architecture, options.
    fn identity(&self) -> String;

    /// An image of `kernel` that the driver loads.
    ///
    /// # Errors
    /// What the compiler says.
    fn compile(&self, kernel: &CudaKernel) -> Result<Vec<u8>, String>;
}
