use thiserror::Error;

/// A compute shader as CUDA C++. Launch `name` with a pointer for every [`Argument::Buffer`] and a `u32` for every
/// [`Argument::Length`], in the order of `arguments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaKernel {
    /// A whole translation unit: it includes nothing.
    pub source: String,
    /// The `extern "C" __global__` function.
    pub name: String,
    /// What it takes.
    pub arguments: Vec<Argument>,
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of shared memory that it declares.
    pub shared_bytes: u32,
}

/// One parameter of a [`CudaKernel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The device address of the buffer bound at `binding` of group 0, storage and uniform alike, aligned to 16 bytes.
    Buffer {
        /// `@binding`.
        binding: u32,
        /// Whether the shader writes it.
        writable: bool,
    },
    /// The bytes of the buffer bound at `binding`, where the shader asks for an array's length.
    Length {
        /// `@binding`.
        binding: u32,
    },
}

/// Why a shader has no translation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TranslateError {
    /// The shader is no valid WGSL, or a pipeline constant does not suit it.
    #[error("{0}")]
    Invalid(String),
    /// It uses what this back-end does not write.
    #[error("line {line}: {construct} has no CUDA translation here")]
    Unsupported {
        /// What.
        construct: String,
        /// The line of the WGSL, from 1; 0 where it is not known.
        line: u32,
    },
}

/// Translates `entry_point` of `wgsl`, with its pipeline constants set.
///
/// # Errors
/// [`TranslateError`].
pub fn translate(
    wgsl: &str,
    entry_point: &str,
    constants: &[(&str, f64)],
) -> Result<CudaKernel, TranslateError> {
    let _ = (wgsl, constants);
    Err(TranslateError::Unsupported { construct: format!("`{entry_point}`"), line: 0 })
}
