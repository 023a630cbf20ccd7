//! NVIDIA's run-time compiler, found when it is asked for: building needs no CUDA, and compiling needs no GPU.

mod error;
mod library;
mod usage;

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::sync::OnceLock;

pub use error::NvrtcError;
use library::{Functions, Program, Status, succeeded};
pub use usage::Usage;

use crate::CudaKernel;

/// The environment variable that names NVRTC's library, or the folder that it is in.
pub const PATH_VARIABLE: &str = "HEATSEEK_NVRTC";

/// A compiled kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What `cuModuleLoadData` loads: machine code, or PTX as text with a zero at its end.
    pub image: Vec<u8>,
    /// What the compiler said: warnings, and what options asked for.
    pub log: String,
}

/// NVRTC. It may be used from several threads at once.
pub struct Nvrtc {
    functions: Functions,
    path: String,
}

impl Nvrtc {
    /// The NVRTC of this machine, loaded once: the one that [`PATH_VARIABLE`] names, or else that of the CUDA toolkit.
    ///
    /// # Errors
    /// As [`Nvrtc::open`].
    pub fn get() -> Result<&'static Self, NvrtcError> {
        static NVRTC: OnceLock<Result<Nvrtc, NvrtcError>> = OnceLock::new();
        NVRTC.get_or_init(Self::find).as_ref().map_err(Clone::clone)
    }

    fn find() -> Result<Self, NvrtcError> {
        let (mut tried, mut wrong) = (Vec::new(), None);
        for candidate in library::candidates() {
            match Self::open(&candidate) {
                Err(NvrtcError::Missing { tried: path }) => tried.push(path),
                // Behind an old one there may be a newer one.
                Err(error) => drop(wrong.get_or_insert(error)),
                opened => return opened,
            }
        }
        Err(wrong.unwrap_or_else(|| NvrtcError::Missing { tried: tried.join(", ") }))
    }

    /// The NVRTC in the file `path`, or that the system's loader finds by this name.
    ///
    /// # Errors
    /// [`NvrtcError::Missing`], [`NvrtcError::NoLibrary`], [`NvrtcError::NotNvrtc`] and [`NvrtcError::TooOld`].
    pub fn open(path: &Path) -> Result<Self, NvrtcError> {
        let functions = Functions::load(path)?;
        Ok(Self { functions, path: path.display().to_string() })
    }

    /// The library that was loaded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Major and minor version.
    ///
    /// # Errors
    /// [`NvrtcError::Failed`].
    pub fn version(&self) -> Result<(u32, u32), NvrtcError> {
        self.functions.version()
    }

    /// The architectures that it compiles for, by their numbers, such as 80, ascending.
    ///
    /// # Errors
    /// [`NvrtcError::Failed`].
    pub fn architectures(&self) -> Result<Vec<u32>, NvrtcError> {
        let mut count: c_int = 0;
        // SAFETY: the pointer is to an integer of this function.
        succeeded("nvrtcGetNumSupportedArchs", unsafe { (self.functions.count_architectures)(&mut count) })?;
        let mut all: Vec<c_int> = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: there is room for as many as NVRTC said.
        succeeded("nvrtcGetSupportedArchs", unsafe { (self.functions.architectures)(all.as_mut_ptr()) })?;
        let mut all: Vec<u32> = all.into_iter().map(c_int::unsigned_abs).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// Compiles a translation unit called `name`, as C++17 with `options` on top, for `arch`: to machine code for one such
    /// as `sm_80`, and to PTX, which drivers translate for that and all later GPUs, for one such as `compute_80`. Blocks,
    /// for tenths of a second.
    ///
    /// # Errors
    /// [`NvrtcError::Compile`], which has the compiler's words, and [`NvrtcError::Failed`].
    pub fn compile(
        &self,
        source: &str,
        name: &str,
        arch: &str,
        options: &[&str],
    ) -> Result<Compiled, NvrtcError> {
        let program = self.program(source, name)?;
        let mut all = vec![c_string(&format!("--gpu-architecture={arch}")), c_string("--std=c++17")];
        all.extend(options.iter().map(|option| c_string(option)));
        let pointers: Vec<*const c_char> = all.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program is valid until dropped, and the options are strings that outlive the call.
        let status =
            unsafe { (self.functions.compile)(program.handle, pointers.len() as c_int, pointers.as_ptr()) };
        let log = program.log()?;
        if status != 0 {
            return Err(NvrtcError::Compile { name: name.to_owned(), arch: arch.to_owned(), log });
        }
        let functions = &self.functions;
        let image = match arch.starts_with("compute_") {
            true => program.bytes("nvrtcGetPTX", functions.ptx_size, functions.ptx)?,
            false => program.bytes("nvrtcGetCUBIN", functions.cubin_size, functions.cubin)?,
        };
        Ok(Compiled { image, log })
    }

    /// Compiles a translated kernel for `arch`, as [`Nvrtc::compile`], so that it stays in registers. ptxas puts some of
    /// them into memory where one more block then runs at once. Where it did, it is asked again: to fetch what is only read
    /// behind barriers, and if that does not help for fewer and fewer blocks. What it used is in the log, as [`Usage::of`]
    /// reads it, but for PTX.
    ///
    /// # Errors
    /// As [`Nvrtc::compile`].
    pub fn compile_kernel(&self, kernel: &CudaKernel, arch: &str) -> Result<Compiled, NvrtcError> {
        const REPORT: &str = "--ptxas-options=-v";
        let compiled = self.compile(&kernel.source, &kernel.name, arch, &[REPORT])?;
        let Some(usage) = Usage::of(&compiled.log).filter(|usage| usage.spilled > 0) else {
            return Ok(compiled);
        };
        let fewer = usage.fewer_blocks(kernel.block.iter().product());
        let fewer = fewer.map(|blocks| format!("--define-macro=BLOCKS={blocks}"));
        for asked in std::iter::once("--define-macro=READ_ONLY=".to_owned()).chain(fewer) {
            let other = self.compile(&kernel.source, &kernel.name, arch, &[REPORT, &asked])?;
            if Usage::of(&other.log).is_some_and(|usage| usage.spilled == 0) {
                return Ok(other);
            }
        }
        Ok(compiled)
    }

    fn program(&self, source: &str, name: &str) -> Result<ProgramHandle<'_>, NvrtcError> {
        let (source, name) = (c_string(source), c_string(name));
        let mut handle = std::ptr::null_mut();
        let none = std::ptr::null();
        // SAFETY: NVRTC copies both strings; there are no headers.
        succeeded("nvrtcCreateProgram", unsafe {
            (self.functions.create)(&mut handle, source.as_ptr(), name.as_ptr(), 0, none, none)
        })?;
        Ok(ProgramHandle { nvrtc: self, handle })
    }
}

/// A program of NVRTC, destroyed when dropped.
struct ProgramHandle<'a> {
    nvrtc: &'a Nvrtc,
    handle: Program,
}

impl ProgramHandle<'_> {
    fn log(&self) -> Result<String, NvrtcError> {
        let functions = &self.nvrtc.functions;
        let bytes = self.bytes("nvrtcGetProgramLog", functions.log_size, functions.log)?;
        let text = CStr::from_bytes_until_nul(&bytes).map(CStr::to_string_lossy).unwrap_or_default();
        Ok(text.trim().to_owned())
    }

    fn bytes(
        &self,
        name: &'static str,
        size_of: unsafe extern "C" fn(Program, *mut usize) -> Status,
        copy: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    ) -> Result<Vec<u8>, NvrtcError> {
        let mut size = 0;
        // SAFETY: the program is valid, and `size` is of this function.
        succeeded(name, unsafe { size_of(self.handle, &mut size) })?;
        let mut bytes = vec![0_u8; size];
        // SAFETY: the buffer has the size that NVRTC asked for.
        succeeded(name, unsafe { copy(self.handle, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for ProgramHandle<'_> {
    fn drop(&mut self) {
        // SAFETY: it was created by the same library, and is not used again.
        unsafe { (self.nvrtc.functions.destroy)(&mut self.handle) };
    }
}

/// Text for C, which ends at the first zero.
fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}
