//! NVIDIA's run-time compiler, found when it is asked for: building needs no CUDA, and compiling needs no GPU.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;
use thiserror::Error;

/// The environment variable that names NVRTC's library, or the folder that it is in.
pub const PATH_VARIABLE: &str = "HEATSEEK_NVRTC";

/// `nvrtcResult`: 0 is success.
type Status = c_int;
/// `nvrtcProgram`.
type Program = *mut c_void;

/// What is wrong with NVRTC, or with what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NvrtcError {
    /// It is not on this machine.
    #[error(
        "NVRTC was not found ({tried}): install the CUDA toolkit, or `pip install nvidia-cuda-nvrtc-cu12` and set \
         {PATH_VARIABLE} to the folder of its libnvrtc.so.12"
    )]
    Missing {
        /// Where it was looked for.
        tried: String,
    },
    /// A library of that name lacks one of NVRTC's functions.
    #[error("{path} is no NVRTC of version 11.1 or later: {why}")]
    NotNvrtc {
        /// Which.
        path: String,
        /// The loader's words.
        why: String,
    },
    /// The source does not compile.
    #[error("NVRTC does not compile `{name}` for {arch}:\n{log}")]
    Compile {
        /// The kernel.
        name: String,
        /// The architecture.
        arch: String,
        /// What the compiler says.
        log: String,
    },
    /// NVRTC itself fails.
    #[error("{function} fails with status {status}")]
    Failed {
        /// The function of NVRTC.
        function: &'static str,
        /// `nvrtcResult`.
        status: i32,
    },
}

/// A compiled kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cubin {
    /// Machine code, to be loaded with `cuModuleLoadData`.
    pub image: Vec<u8>,
    /// What the compiler said: warnings, and what options asked for.
    pub log: String,
}

/// The functions that are used. They are valid as long as the library is loaded, which is until the process ends.
struct Functions {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status,
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Status,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status,
    destroy: unsafe extern "C" fn(*mut Program) -> Status,
    log_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    log: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    cubin_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    cubin: unsafe extern "C" fn(Program, *mut c_char) -> Status,
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
    /// [`NvrtcError::Missing`] and [`NvrtcError::NotNvrtc`].
    pub fn get() -> Result<&'static Self, NvrtcError> {
        static NVRTC: OnceLock<Result<Nvrtc, NvrtcError>> = OnceLock::new();
        NVRTC.get_or_init(Self::find).as_ref().map_err(Clone::clone)
    }

    fn find() -> Result<Self, NvrtcError> {
        let mut tried = Vec::new();
        for candidate in candidates() {
            // SAFETY: loading NVRTC runs no code but its own initialisers.
            match unsafe { Library::new(&candidate) } {
                Ok(library) => return Self::of(library, &candidate),
                Err(_) => tried.push(candidate.display().to_string()),
            }
        }
        Err(NvrtcError::Missing { tried: tried.join(", ") })
    }

    fn of(library: Library, path: &Path) -> Result<Self, NvrtcError> {
        let path = path.display().to_string();
        // The functions outlive this value, so the library is never closed.
        let library: &'static Library = Box::leak(Box::new(library));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the signatures are those of nvrtc.h, which have not changed since 11.1.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .map_err(|error| NvrtcError::NotNvrtc { path: path.clone(), why: error.to_string() })?
            };
        }
        let functions = Functions {
            version: function!("nvrtcVersion"),
            create: function!("nvrtcCreateProgram"),
            compile: function!("nvrtcCompileProgram"),
            destroy: function!("nvrtcDestroyProgram"),
            log_size: function!("nvrtcGetProgramLogSize"),
            log: function!("nvrtcGetProgramLog"),
            cubin_size: function!("nvrtcGetCUBINSize"),
            cubin: function!("nvrtcGetCUBIN"),
        };
        Ok(Self { functions, path })
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
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both pointers are to integers of this function.
        succeeded("nvrtcVersion", unsafe { (self.functions.version)(&mut major, &mut minor) })?;
        Ok((major.unsigned_abs(), minor.unsigned_abs()))
    }

    /// Compiles a translation unit called `name` to machine code of `arch`, such as `sm_80`, as C++17 with `options`
    /// on top. Blocks, for tenths of a second.
    ///
    /// # Errors
    /// [`NvrtcError::Compile`], which has the compiler's words, and [`NvrtcError::Failed`].
    pub fn compile(
        &self,
        source: &str,
        name: &str,
        arch: &str,
        options: &[&str],
    ) -> Result<Cubin, NvrtcError> {
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
        Ok(Cubin { image: program.cubin()?, log })
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

    fn cubin(&self) -> Result<Vec<u8>, NvrtcError> {
        let functions = &self.nvrtc.functions;
        self.bytes("nvrtcGetCUBIN", functions.cubin_size, functions.cubin)
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

fn succeeded(function: &'static str, status: Status) -> Result<(), NvrtcError> {
    if status == 0 { Ok(()) } else { Err(NvrtcError::Failed { function, status }) }
}

/// Text for C, which ends at the first zero.
fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

/// Where NVRTC may be, best first.
fn candidates() -> Vec<PathBuf> {
    const NAMES: &[&str] = if cfg!(windows) {
        &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
    } else {
        &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"]
    };
    let within = |folder: PathBuf| NAMES.iter().map(move |name| folder.join(name));
    let mut found = Vec::new();
    if let Some(place) = std::env::var_os(PATH_VARIABLE).map(PathBuf::from) {
        if place.is_file() {
            return vec![place];
        }
        return within(place).collect();
    }
    found.extend(NAMES.iter().map(PathBuf::from));
    if let Some(toolkit) = std::env::var_os("CUDA_PATH").map(PathBuf::from) {
        found.extend(within(toolkit.join(if cfg!(windows) { "bin" } else { "lib64" })));
    }
    found.extend(within(PathBuf::from("/usr/local/cuda/lib64")));
    found
}
