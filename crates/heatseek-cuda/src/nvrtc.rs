//! NVRTC as the compiler of one GPU.

use heatseek_naga_cuda::CudaKernel;
use heatseek_naga_cuda::nvrtc::Nvrtc;

use crate::compiler::Compiler;

/// The oldest GPUs whose instructions kernels use: Volta has independent threads and int8 dot products.
const OLDEST: (u32, u32) = (7, 0);

/// NVRTC for one architecture.
pub(crate) struct NvrtcCompiler {
    nvrtc: &'static Nvrtc,
    version: (u32, u32),
    architecture: String,
}

impl NvrtcCompiler {
    /// That of this machine, for GPUs of this compute capability.
    ///
    /// # Errors
    /// What to install, or which GPUs are too old.
    pub(crate) fn new(capability: (u32, u32)) -> Result<Self, String> {
        let (major, minor) = capability;
        if capability < OLDEST {
            return Err(format!(
                "its compute capability {major}.{minor} is below {}.{}; use the gpu or cpu device",
                OLDEST.0, OLDEST.1
            ));
        }
        let nvrtc = Nvrtc::get().map_err(|error| error.to_string())?;
        let version = nvrtc.version().map_err(|error| format!("{}: {error}", nvrtc.path()))?;
        Ok(Self { nvrtc, version, architecture: format!("sm_{major}{minor}") })
    }
}

impl Compiler for NvrtcCompiler {
    fn identity(&self) -> String {
        let (major, minor) = self.version;
        format!("NVRTC {major}.{minor} {}", self.architecture)
    }

    fn compile(&self, kernel: &CudaKernel) -> Result<Vec<u8>, String> {
        let compiled = self.nvrtc.compile(&kernel.source, &kernel.name, &self.architecture, &[]);
        compiled.map(|cubin| cubin.image).map_err(|error| {
            let (major, minor) = self.version;
            // NVRTC's words for an architecture that it does not know.
            match error.to_string() {
                message if message.contains("gpu-architecture") => format!(
                    "NVRTC {major}.{minor} ({}) does not know {}; install a newer CUDA toolkit: {message}",
                    self.nvrtc.path(),
                    self.architecture
                ),
                message => message,
            }
        })
    }
}
