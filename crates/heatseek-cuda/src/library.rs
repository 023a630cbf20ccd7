//! The functions of the CUDA driver, found in its library at run time: nothing of CUDA is needed to build.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::Library;

use crate::driver::DriverError;

/// Names of the driver's library, most specific first, and where containers mount it.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvcuda.dll"]
} else {
    &[
        "libcuda.so.1",
        "libcuda.so",
        "/usr/local/nvidia/lib64/libcuda.so.1",
        "/usr/local/nvidia/lib/libcuda.so.1",
        "/usr/lib/wsl/lib/libcuda.so.1",
    ]
};

/// `CUDA_SUCCESS`.
const SUCCESS: c_int = 0;

/// An opaque handle: context, stream, module, function, event or graph.
pub(crate) type Handle = *mut c_void;

macro_rules! functions {
    ($($name:ident = $symbol:literal ($($argument:ty),*);)*) => {
        /// The driver's functions, with the signatures of cuda.h. Results are numbers and not an enum, because newer
        /// drivers answer what this list does not know.
        pub(crate) struct Functions {
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) -> c_int,)*
            // Last: it must outlive what points into it.
            _library: Library,
        }

        /// Their names.
        #[cfg(test)]
        const SYMBOLS: &[&str] = &[$($symbol),*];

        impl Functions {
            fn from_library(library: Library) -> Result<Self, String> {
                $(
                    // SAFETY: cuda.h declares the function so.
                    let $name = *unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) -> c_int>(
                            concat!($symbol, "\0").as_bytes(),
                        )
                    }
                    .map_err(|error| {
                        format!("the NVIDIA driver is too old, or another library has its name; install a newer one: {error}")
                    })?;
                )*
                Ok(Self { $($name,)* _library: library })
            }
        }
    };
}

functions! {
    init = "cuInit" (c_uint);
    driver_version = "cuDriverGetVersion" (*mut c_int);
    error_name = "cuGetErrorName" (c_int, *mut *const c_char);
    error_string = "cuGetErrorString" (c_int, *mut *const c_char);
    device_count = "cuDeviceGetCount" (*mut c_int);
    device = "cuDeviceGet" (*mut c_int, c_int);
    device_name = "cuDeviceGetName" (*mut c_char, c_int, c_int);
    device_memory = "cuDeviceTotalMem_v2" (*mut usize, c_int);
    device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, c_int);
    retain_context = "cuDevicePrimaryCtxRetain" (*mut Handle, c_int);
    release_context = "cuDevicePrimaryCtxRelease_v2" (c_int);
    set_context = "cuCtxSetCurrent" (Handle);
    allocate = "cuMemAlloc_v2" (*mut u64, usize);
    free = "cuMemFree_v2" (u64);
    allocate_host = "cuMemHostAlloc" (*mut Handle, usize, c_uint);
    free_host = "cuMemFreeHost" (Handle);
    upload = "cuMemcpyHtoDAsync_v2" (u64, *const c_void, usize, Handle);
    download = "cuMemcpyDtoHAsync_v2" (*mut c_void, u64, usize, Handle);
    fill = "cuMemsetD32Async" (u64, c_uint, usize, Handle);
    create_stream = "cuStreamCreate" (*mut Handle, c_uint);
    destroy_stream = "cuStreamDestroy_v2" (Handle);
    wait_for_stream = "cuStreamSynchronize" (Handle);
    load_module = "cuModuleLoadDataEx" (*mut Handle, *const c_void, c_uint, *mut c_int, *mut *mut c_void);
    unload_module = "cuModuleUnload" (Handle);
    function = "cuModuleGetFunction" (*mut Handle, Handle, *const c_char);
    launch = "cuLaunchKernel" (
        Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void
    );
    create_event = "cuEventCreate" (*mut Handle, c_uint);
    record_event = "cuEventRecord" (Handle, Handle);
    wait_for_event = "cuEventSynchronize" (Handle);
    elapsed_time = "cuEventElapsedTime" (*mut f32, Handle, Handle);
    destroy_event = "cuEventDestroy_v2" (Handle);
    begin_capture = "cuStreamBeginCapture_v2" (Handle, c_uint);
    end_capture = "cuStreamEndCapture" (Handle, *mut Handle);
    instantiate_graph = "cuGraphInstantiateWithFlags" (*mut Handle, Handle, u64);
    launch_graph = "cuGraphLaunch" (Handle, Handle);
    destroy_graph = "cuGraphDestroy" (Handle);
    destroy_graph_instance = "cuGraphExecDestroy" (Handle);
}

impl Functions {
    /// Loads the driver's library and initialises the driver.
    ///
    /// # Errors
    /// Why there is no CUDA here, and what to do.
    pub(crate) fn load() -> Result<Self, String> {
        let mut reasons = Vec::new();
        for name in NAMES {
            // SAFETY: the driver's library may be loaded by anyone; its initialisation does nothing but for itself.
            match unsafe { Library::new(name) } {
                Ok(library) => return Self::ready(library),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(format!(
            "the NVIDIA driver's library was not found ({}); install the NVIDIA driver, and in a container make its \
             GPU visible (e.g. `--gpus all`)",
            reasons.first().map_or("", String::as_str)
        ))
    }

    /// The functions of `library`, with the driver initialised.
    fn ready(library: Library) -> Result<Self, String> {
        let functions = Self::from_library(library)?;
        // SAFETY: it takes no pointer.
        functions.check("cuInit", unsafe { (functions.init)(0) }).map_err(|error| {
            format!("{error}; `nvidia-smi` says whether the NVIDIA driver works and sees a GPU")
        })?;
        Ok(functions)
    }

    /// `code` as a result.
    pub(crate) fn check(&self, call: &'static str, code: c_int) -> Result<(), DriverError> {
        match code {
            SUCCESS => Ok(()),
            code => Err(DriverError { call, code, meaning: self.meaning(code) }),
        }
    }

    fn meaning(&self, code: c_int) -> String {
        let text = |function: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text: *const c_char = std::ptr::null();
            // SAFETY: the function writes a pointer to a string that lives as long as the library.
            let known = unsafe { function(code, &raw mut text) } == SUCCESS && !text.is_null();
            // SAFETY: as above.
            known.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        match (text(self.error_name), text(self.error_string)) {
            (Some(name), Some(string)) => format!("{name}: {string}"),
            _ => "an error that this driver has no name for".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A library with these functions, each of which answers `code`, but for those that say what a code means.
    fn library(name: &str, symbols: &[&str], code: i32) -> Library {
        let folder = std::env::temp_dir().join(format!("heatseek-cuda-library-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (unit, path) = (folder.join(format!("{name}.cpp")), folder.join(format!("lib{name}.so")));
        let meaning = |symbol: &str| symbol.starts_with("cuGetError");
        let others = symbols.iter().filter(|symbol| !meaning(symbol));
        let mut source: String =
            others.map(|symbol| format!("extern \"C\" int {symbol}() {{ return {code}; }}\n")).collect();
        for symbol in symbols.iter().filter(|symbol| meaning(symbol)) {
            source += &format!(
                "extern \"C\" int {symbol}(int, const char** text) {{ *text = \"by {symbol}\"; return 0; }}\n"
            );
        }
        std::fs::write(&unit, source).unwrap();
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let run = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&path).arg(&unit).status();
        assert!(run.unwrap().success());
        // SAFETY: it has no initialisers.
        let library = unsafe { Library::new(&path) }.unwrap();
        std::fs::remove_file(unit).unwrap();
        std::fs::remove_file(path).unwrap();
        library
    }

    #[test]
    fn a_driver_without_a_gpu_says_so_and_what_to_try() {
        let why = Functions::ready(library("cuda-no-gpu", SYMBOLS, 100)).err().unwrap();
        assert!(why.contains("cuInit answered by cuGetErrorName: by cuGetErrorString (100)"), "{why}");
        assert!(why.contains("nvidia-smi"), "{why}");
        assert!(Functions::ready(library("cuda-with-gpu", SYMBOLS, 0)).is_ok());
    }

    #[test]
    fn a_driver_that_lacks_a_function_is_too_old() {
        let fewer: Vec<&str> = SYMBOLS.iter().copied().filter(|symbol| *symbol != "cuGraphLaunch").collect();
        let why = Functions::ready(library("cuda-old", &fewer, 0)).err().unwrap();
        assert!(why.contains("too old") && why.contains("cuGraphLaunch"), "{why}");
        assert!(why.contains("install a newer one"), "{why}");
    }
}
