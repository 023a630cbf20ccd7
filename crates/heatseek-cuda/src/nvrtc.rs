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

#[cfg(test)]
mod tests {
    use heatseek_naga_cuda::translate;

    use super::*;

    const COPY: &str = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64) fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
            if (id.x < arrayLength(&x)) { y[id.x] = x[id.x]; }
        }";

    fn compiler(capability: (u32, u32)) -> Option<NvrtcCompiler> {
        let compiler = NvrtcCompiler::new(capability);
        compiler.inspect_err(|why| println!("NOT RUN: {why}")).ok()
    }

    #[test]
    fn a_kernel_becomes_machine_code_of_the_architecture() {
        let Some(compiler) = compiler((9, 0)) else { return };
        let kernel = translate(COPY, "copy", &[]).unwrap();
        let image = compiler.compile(&kernel).unwrap();
        assert!(image.starts_with(b"\x7fELF"), "a cubin is an ELF file");
        assert!(compiler.identity().ends_with("sm_90"), "{}", compiler.identity());
    }

    #[test]
    fn gpus_that_are_too_old_or_too_new_are_told_so() {
        let old = NvrtcCompiler::new((5, 2)).err().unwrap();
        assert!(old.contains("5.2 is below 7.0"), "{old}");
        let Some(compiler) = compiler((99, 0)) else { return };
        let new = compiler.compile(&translate(COPY, "copy", &[]).unwrap()).unwrap_err();
        assert!(new.contains("does not know sm_990") && new.contains("install a newer"), "{new}");
    }
}
