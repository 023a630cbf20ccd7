use crate::entry_point::kernel_name;
use crate::parse::parse;
use crate::prelude;
use crate::writer::Writer;

use crate::error::TranslateError;

/// A compute shader as CUDA C++. Launch `name` with a pointer for every [`Argument::Buffer`] and a `u32` for every
/// [`Argument::Length`], in the order of `arguments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaKernel {
    /// A whole translation unit: it includes nothing.
    pub source: String,
    /// The `extern "C" __global__` function: the entry point's name and `_kernel`.
    pub name: String,
    /// What it takes.
    pub arguments: Vec<Argument>,
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of shared memory that it declares. None is asked for at launch.
    pub shared_bytes: u32,
}

/// One parameter of a [`CudaKernel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The device address of the buffer bound at `binding` of group 0, storage and uniform alike, aligned to 16 bytes.
    Buffer {
        /// `@binding`.
        binding: u32,
        /// Whether the shader may write it: the variable is `read_write`. No other buffer of the same launch may
        /// overlap one that is written, nor one that is read while another writes it.
        writable: bool,
    },
    /// The bytes of the buffer bound at `binding`, where the shader asks for an array's length. It follows the buffer.
    Length {
        /// `@binding`.
        binding: u32,
    },
}

/// What WGSL demands and a careful kernel can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Shared memory is zeros when a block starts, as WGSL has it. Without it, it is whatever was there: for kernels
    /// that write before they read.
    pub zero_workgroup_memory: bool,
}

impl Default for Options {
    /// What WGSL says.
    fn default() -> Self {
        Self { zero_workgroup_memory: true }
    }
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
    translate_with(wgsl, entry_point, constants, &Options::default())
}

/// As [`translate`], with options.
///
/// # Errors
/// [`TranslateError`].
pub fn translate_with(
    wgsl: &str,
    entry_point: &str,
    constants: &[(&str, f64)],
    options: &Options,
) -> Result<CudaKernel, TranslateError> {
    let parsed = parse(wgsl, entry_point, constants)?;
    let (entry, info) = (&parsed.module.entry_points[0], parsed.info.get_entry_point(0));
    let writer = Writer::new(&parsed.module, &parsed.info, options, wgsl)?;
    let (arguments, shared_bytes) = (writer.arguments(info)?, writer.shared_bytes(info));
    let body = writer.write(entry, info)?;
    Ok(CudaKernel {
        source: prelude::before(&body),
        name: kernel_name(entry_point),
        arguments,
        block: entry.workgroup_size,
        shared_bytes,
    })
}
