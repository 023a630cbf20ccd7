use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::host::buffer::{HostBuffer, lock};
use crate::host::compile::compiled;
use crate::{Argument, CudaKernel};

/// Why kernels do not run on the CPU.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is no C++ compiler.
    #[error("{compiler} does not start ({why}): install g++ or clang++, or set CXX to one")]
    NoCompiler {
        /// What was tried.
        compiler: String,
        /// The system's words.
        why: String,
    },
    /// The C++ does not compile.
    #[error("{} does not compile:\n{log}", unit.display())]
    Compile {
        /// The file, which is kept.
        unit: PathBuf,
        /// The compiler's words.
        log: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {why}", path.display())]
    Files {
        /// Which, or the folder it is in.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// There is no such kernel in the library.
    #[error("kernel {kernel} of {kernels}")]
    NoKernel {
        /// Which was asked for.
        kernel: usize,
        /// How many there are.
        kernels: usize,
    },
    /// A launch lacks a buffer.
    #[error("`{kernel}` needs a buffer for binding {binding}")]
    NotBound {
        /// The kernel.
        kernel: String,
        /// Its binding.
        binding: u32,
    },
    /// The kernel does what no GPU can.
    #[error("`{kernel}`: {why}")]
    Launch {
        /// The kernel.
        kernel: String,
        /// What.
        why: String,
    },
}

/// Kernels below which a second compiler is not worth starting: reading the prelude costs as much as a few of them.
const LEAST: usize = 8;

/// `naga_cuda_launch` of the translation unit.
type Launch = unsafe extern "C" fn(u32, *const u32, *mut *mut c_void) -> *const c_char;

/// Kernels, compiled for the CPU.
pub struct Library {
    kernels: Vec<(String, Vec<Argument>)>,
    /// How many kernels each part has, but the last, which has the rest.
    per_part: usize,
    parts: Vec<Part>,
}

/// One shared library.
struct Part {
    launch: Launch,
    // Last: `launch` is in it.
    _library: libloading::Library,
}

impl Part {
    fn open(path: &Path) -> Result<Self, HostError> {
        let failed =
            |error: libloading::Error| HostError::Files { path: path.to_owned(), why: error.to_string() };
        // SAFETY: the library is of our own source, and has no initialisers.
        let library = unsafe { libloading::Library::new(path) }.map_err(failed)?;
        // SAFETY: this is its signature.
        let launch = *unsafe { library.get::<Launch>(b"naga_cuda_launch\0") }.map_err(failed)?;
        Ok(Self { launch, _library: library })
    }
}

impl Library {
    /// Compiles `kernels`, as many at once as the machine has cores, into shared libraries in the folder `cache`, unless
    /// they are there from another time. Costs about 0.2 s of CPU time a kernel.
    ///
    /// # Errors
    /// [`HostError`], if there is no compiler or it complains.
    pub fn compile(kernels: &[&CudaKernel], cache: &Path) -> Result<Self, HostError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let per_part = kernels.len().div_ceil(cores).max(LEAST);
        let parts: Vec<&[&CudaKernel]> = kernels.chunks(per_part).collect();
        let paths: Vec<Result<PathBuf, HostError>> = std::thread::scope(|scope| {
            let compiling: Vec<_> = parts.iter().map(|part| scope.spawn(|| compiled(part, cache))).collect();
            compiling
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        let parts = paths.into_iter().map(|path| Part::open(&path?)).collect::<Result<_, _>>()?;
        let kernels = kernels.iter().map(|kernel| (kernel.name.clone(), kernel.arguments.clone())).collect();
        Ok(Self { kernels, per_part, parts })
    }

    /// Runs the kernel of this number, in the order they were given, over a grid of blocks, with a buffer for each of
    /// its bindings. Returns when it is done.
    ///
    /// # Errors
    /// [`HostError::NoKernel`], [`HostError::NotBound`], and [`HostError::Launch`] where threads of a warp wait for
    /// different things.
    pub fn launch(
        &self,
        kernel: usize,
        grid: [u32; 3],
        buffers: &[(u32, &HostBuffer)],
    ) -> Result<(), HostError> {
        let (name, arguments) = self.kernel(kernel)?;
        let buffers: HashMap<u32, &HostBuffer> = buffers.iter().copied().collect();
        let mut values: Vec<u64> = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let (Argument::Buffer { binding, .. } | Argument::Length { binding }) = *argument;
            let buffer =
                buffers.get(&binding).ok_or_else(|| HostError::NotBound { kernel: name.clone(), binding })?;
            values.push(match argument {
                Argument::Buffer { .. } => buffer.address() as u64,
                Argument::Length { .. } => buffer.size() as u64,
            });
        }
        let mut pointers: Vec<*mut c_void> =
            values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
        // SAFETY: every parameter is an address of a live buffer or a length, of 8 bytes, of which a little-endian
        // machine reads the lower 4. That the kernel stays within its buffers is its own promise, as on a GPU.
        unsafe { self.launch_raw(kernel, grid, &mut pointers) }
    }

    /// As [`launch`](Self::launch), with parameters as `cuLaunchKernel` takes them: a pointer to each value.
    ///
    /// # Safety
    /// There are as many as the kernel takes; each points to an address, aligned to 16 bytes, of memory that the kernel
    /// stays within, or to a `u32`.
    ///
    /// # Errors
    /// [`HostError::NoKernel`] and [`HostError::Launch`].
    pub unsafe fn launch_raw(
        &self,
        kernel: usize,
        grid: [u32; 3],
        parameters: &mut [*mut c_void],
    ) -> Result<(), HostError> {
        let (name, _) = self.kernel(kernel)?;
        let part = &self.parts[kernel / self.per_part];
        let within = (kernel % self.per_part) as u32;
        let _lock = lock();
        // SAFETY: the kernel exists, and the caller answers for its parameters.
        let wrong = unsafe { (part.launch)(within, grid.as_ptr(), parameters.as_mut_ptr()) };
        if wrong.is_null() {
            return Ok(());
        }
        // SAFETY: what the library returns is text of its own.
        let why = unsafe { CStr::from_ptr(wrong) }.to_string_lossy().into_owned();
        Err(HostError::Launch { kernel: name.clone(), why })
    }

    fn kernel(&self, kernel: usize) -> Result<&(String, Vec<Argument>), HostError> {
        let kernels = self.kernels.len();
        self.kernels.get(kernel).ok_or(HostError::NoKernel { kernel, kernels })
    }
}
