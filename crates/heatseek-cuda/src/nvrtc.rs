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
        let failed = |error| format!("{}: {error}", nvrtc.path());
        let (version, known) = (nvrtc.version().map_err(failed)?, nvrtc.architectures().map_err(failed)?);
        let architecture = architecture(capability, &known).ok_or_else(|| {
            format!(
                "NVRTC {}.{} ({}) compiles for no GPU as old as this one, of compute capability {major}.{minor}; \
                 install an older one, such as `pip install nvidia-cuda-nvrtc-cu12`, or use the gpu or cpu device",
                version.0,
                version.1,
                nvrtc.path()
            )
        })?;
        Ok(Self { nvrtc, version, architecture })
    }
}

/// What to compile to for a GPU of this compute capability, by an NVRTC that knows the architectures `known`: machine
/// code of its own architecture, or else, as for GPUs that are newer than NVRTC, PTX of the newest one before it, which the
/// driver translates. `None` if NVRTC knows later ones alone.
fn architecture((major, minor): (u32, u32), known: &[u32]) -> Option<String> {
    let own = 10 * major + minor;
    match known.iter().copied().filter(|&number| number <= own).max()? {
        number if number == own => Some(format!("sm_{own}")),
        number => Some(format!("compute_{number}")),
    }
}

impl Compiler for NvrtcCompiler {
    fn identity(&self) -> String {
        let (major, minor) = self.version;
        format!("NVRTC {major}.{minor} {}", self.architecture)
    }

    fn compile(&self, kernel: &CudaKernel) -> Result<Vec<u8>, String> {
        let compiled = self.nvrtc.compile_kernel(kernel, &self.architecture);
        compiled.map(|compiled| compiled.image).map_err(|error| error.to_string())
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
        match NvrtcCompiler::new(capability) {
            Ok(compiler) => Some(compiler),
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "{why}");
                println!("NOT RUN: {why}");
                None
            }
        }
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
    fn gpus_that_are_too_old_are_told_so() {
        let old = NvrtcCompiler::new((5, 2)).err().unwrap();
        assert!(old.contains("5.2 is below 7.0"), "{old}");
    }

    #[test]
    fn what_nvrtc_knows_decides_what_is_compiled_to() {
        // NVRTC 12.4 and 13.0, as far as it matters.
        let (older, newer) = ([70, 75, 80, 86, 87, 89, 90], [75, 80, 86, 89, 90, 100, 103, 120]);
        let choice = |capability, known: &[u32]| architecture(capability, known);
        assert_eq!(choice((9, 0), &older).as_deref(), Some("sm_90"));
        assert_eq!(choice((12, 0), &newer).as_deref(), Some("sm_120"));
        // Blackwell before NVRTC knew it, and a GPU between two that are known.
        assert_eq!(choice((10, 0), &older).as_deref(), Some("compute_90"));
        assert_eq!(choice((8, 8), &older).as_deref(), Some("compute_87"));
        // Volta after NVRTC has forgotten it.
        assert_eq!(choice((7, 0), &newer), None);
        assert_eq!(choice((7, 0), &[]), None);
    }

    /// A GPU that no NVRTC knows: PTX for the newest one that this does, of a plain kernel and of one on matrix units.
    #[test]
    fn a_gpu_newer_than_nvrtc_gets_ptx_that_the_driver_translates() {
        let Some(compiler) = compiler((99, 0)) else { return };
        let newest = *compiler.nvrtc.architectures().unwrap().last().unwrap();
        assert!(newest >= 80 && compiler.identity().ends_with(&format!("compute_{newest}")));
        let matrix =
            heatseek_wgsl::kernels().iter().find(|kernel| kernel.name == "gemm_f16_matrix_m128").unwrap();
        let constants: Vec<_> = matrix.overrides.iter().map(|name| (*name, 64.0)).collect();
        for (kernel, instruction) in [
            (translate(COPY, "copy", &[]).unwrap(), "ld.global"),
            (translate(matrix.source, matrix.entry_point, &constants).unwrap(), "mma.sync"),
        ] {
            let image = compiler.compile(&kernel).unwrap();
            let text = std::ffi::CStr::from_bytes_until_nul(&image).unwrap().to_str().unwrap();
            assert!(text.contains(&format!(".target sm_{newest}")), "{text}");
            assert!(
                text.contains(&format!(".entry {}(", kernel.name)) && text.contains(instruction),
                "{text}"
            );
        }
    }
}
