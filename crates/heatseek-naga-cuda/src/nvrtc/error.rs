use thiserror::Error;

use super::PATH_VARIABLE;
use super::library::OLDEST;

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
    /// There is a file, but it is no library of this system.
    #[error(
        "{path} does not load ({why}): install the CUDA toolkit anew, or set {PATH_VARIABLE} to the folder of another \
         NVRTC"
    )]
    NoLibrary {
        /// Which.
        path: String,
        /// The loader's words.
        why: String,
    },
    /// A library of that name lacks one of NVRTC's functions.
    #[error("{path} is not NVRTC ({why}): set {PATH_VARIABLE} to the folder of a libnvrtc, or unset it")]
    NotNvrtc {
        /// Which.
        path: String,
        /// The loader's words.
        why: String,
    },
    /// It is from before what is used here.
    #[error(
        "{path} is NVRTC {}.{}, and {}.{} or later is needed: install a newer CUDA toolkit, or `pip install \
         nvidia-cuda-nvrtc-cu12` and set {PATH_VARIABLE} to its folder",
        version.0, version.1, OLDEST.0, OLDEST.1
    )]
    TooOld {
        /// Which.
        path: String,
        /// Major and minor.
        version: (u32, u32),
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
