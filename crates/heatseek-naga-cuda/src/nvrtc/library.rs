//! NVRTC's library: where it may be, and the functions in it.

use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use libloading::Library;

use super::{NvrtcError, PATH_VARIABLE};

/// `nvrtcResult`: 0 is success.
pub(super) type Status = c_int;
/// `nvrtcProgram`.
pub(super) type Program = *mut c_void;

/// The first version that says which architectures it knows.
pub(super) const OLDEST: (u32, u32) = (11, 2);

/// The functions that are used. They are valid as long as the library is loaded, which is until the process ends.
pub(super) struct Functions {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status,
    pub(super) count_architectures: unsafe extern "C" fn(*mut c_int) -> Status,
    pub(super) architectures: unsafe extern "C" fn(*mut c_int) -> Status,
    pub(super) create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Status,
    pub(super) compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status,
    pub(super) destroy: unsafe extern "C" fn(*mut Program) -> Status,
    pub(super) log_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    pub(super) log: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    pub(super) cubin_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    pub(super) cubin: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    pub(super) ptx_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    pub(super) ptx: unsafe extern "C" fn(Program, *mut c_char) -> Status,
}

impl Functions {
    /// Those of the library at `path`.
    pub(super) fn load(path: &Path) -> Result<Self, NvrtcError> {
        let shown = path.display().to_string();
        // SAFETY: loading NVRTC runs no code but its own initialisers.
        let library = unsafe { Library::new(path) }.map_err(|error| match path.is_file() {
            true => NvrtcError::NoLibrary { path: shown.clone(), why: error.to_string() },
            false => NvrtcError::Missing { tried: shown.clone() },
        })?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the signatures are those of nvrtc.h, which have not changed since 11.2.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .map_err(|error| NvrtcError::NotNvrtc { path: shown.clone(), why: error.to_string() })?
            };
        }
        // First, as older ones lack some of the others.
        let version = function!("nvrtcVersion");
        let of_this = version_by(version)?;
        if of_this < OLDEST {
            return Err(NvrtcError::TooOld { path: shown, version: of_this });
        }
        let functions = Self {
            version,
            count_architectures: function!("nvrtcGetNumSupportedArchs"),
            architectures: function!("nvrtcGetSupportedArchs"),
            create: function!("nvrtcCreateProgram"),
            compile: function!("nvrtcCompileProgram"),
            destroy: function!("nvrtcDestroyProgram"),
            log_size: function!("nvrtcGetProgramLogSize"),
            log: function!("nvrtcGetProgramLog"),
            cubin_size: function!("nvrtcGetCUBINSize"),
            cubin: function!("nvrtcGetCUBIN"),
            ptx_size: function!("nvrtcGetPTXSize"),
            ptx: function!("nvrtcGetPTX"),
        };
        // The functions outlive this value, so the library is never closed.
        std::mem::forget(library);
        Ok(functions)
    }

    /// Major and minor.
    pub(super) fn version(&self) -> Result<(u32, u32), NvrtcError> {
        version_by(self.version)
    }
}

fn version_by(
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status,
) -> Result<(u32, u32), NvrtcError> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both pointers are to integers of this function.
    succeeded("nvrtcVersion", unsafe { version(&mut major, &mut minor) })?;
    Ok((major.unsigned_abs(), minor.unsigned_abs()))
}

pub(super) fn succeeded(function: &'static str, status: Status) -> Result<(), NvrtcError> {
    if status == 0 { Ok(()) } else { Err(NvrtcError::Failed { function, status }) }
}

/// Where NVRTC may be, best first.
pub(super) fn candidates() -> Vec<PathBuf> {
    const NAMES: &[&str] = if cfg!(windows) {
        &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
    } else {
        &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"]
    };
    let within = |folder: PathBuf| NAMES.iter().map(move |name| folder.join(name));
    let mut found = Vec::new();
    if let Some(place) = std::env::var_os(PATH_VARIABLE).map(PathBuf::from) {
        // A name without a folder would be looked for where libraries are.
        let place = std::path::absolute(&place).unwrap_or(place);
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
