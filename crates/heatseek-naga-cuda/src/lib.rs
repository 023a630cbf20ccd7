//! CUDA C++ from WGSL compute shaders, through naga's IR.
//!
//! [`translate`] parses a shader, sets its pipeline constants and writes one kernel as a translation unit that includes
//! nothing, for NVRTC to compile. It knows naga and nothing of what its callers compute. With feature `nvrtc` there is a
//! wrapper of that compiler (`nvrtc`), and with feature `host` kernels run on the CPU (`host`), for tests where there
//! is no GPU.
//!
//! ```
//! let wgsl = "
//!     @group(0) @binding(0) var<storage, read> x: array<f32>;
//!     @group(0) @binding(1) var<storage, read_write> y: array<f32>;
//!     override scale: f32;
//!     @compute @workgroup_size(64)
//!     fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = scale * x[id.x]; }";
//! let kernel = heatseek_naga_cuda::translate(wgsl, "main", &[("scale", 2.0)])?;
//! assert_eq!((kernel.name.as_str(), kernel.block), ("main_kernel", [64, 1, 1]));
//! assert!(kernel.source.contains("(2.0f * "));
//! # Ok::<(), heatseek_naga_cuda::TranslateError>(())
//! ```
//!
//! # What it covers
//!
//! Compute entry points over storage and uniform buffers of bind group 0. Scalars i32, u32, f32, f16 and bool, their
//! vectors, fixed arrays, structs, runtime-sized arrays that are a whole buffer; functions, pointers to what is not
//! runtime-sized, all control flow; the builtin functions of numbers and bits, packed 4-byte dot products among them;
//! atomics of 32 bits; barriers and `workgroupUniformLoad`; subgroup operations; and cooperative matrices of 16 by 16,
//! f16 factors and f32 sums, in both orders, from storage and workgroup memory. Anything else, such as textures,
//! matrices of WGSL's own, f64 or an array at the end of a struct, is [`TranslateError::Unsupported`], with its line.
//!
//! # How WGSL's meaning is kept
//!
//! - Signed integers wrap around: their arithmetic is written as calls that compute without sign. `x / 0` is `x`, `x % 0`
//!   is 0; shifts take the lowest five bits of their distance.
//! - `min`, `max` and `clamp` of a number and a NaN give the number. f32 becomes the nearest integer in range towards
//!   zero, where the range is that of f32 within the integer's, as in naga's other back-ends.
//! - Variables are zero unless they say otherwise. So is workgroup memory, which the block zeroes when it starts, at the
//!   price of a barrier; [`Options`] leaves that out for kernels that write before they read.
//! - Structs and arrays lie as WGSL says: padding is written out, alignment too, and the compiler asserts the size.
//! - Expressions that read memory are evaluated where WGSL evaluates them; `continuing` blocks run at the end of a round,
//!   to which `continue` jumps.
//! - Indices are not checked, as where naga's checks are off: an index outside of a buffer is the shader's fault.
//!   `arrayLength` is the buffer's size at launch. Buffers that are written may not overlap others of the launch.
//! - Accuracy is what WGSL asks and more: `log`, `pow` and trigonometry are CUDA's accurate functions; `exp`, division and
//!   square roots are the GPU's instructions, `exp` within 2 + |x| units in the last place and the others within 2;
//!   `a * b + c` may be contracted, as WGSL allows. No fast-math flag is wanted.
//! - Subgroups are warps of 32, of threads in the order of their index. Their operations want the whole warp there, as
//!   WGSL's uniformity rules have it; a last warp that the block does not fill counts only its threads. Cooperative
//!   matrices want addresses and strides of 16 bytes, which SPIR-V wants too.
//!
//! # Words
//!
//! | WGSL | CUDA |
//! | --- | --- |
//! | invocation | thread |
//! | subgroup | warp |
//! | workgroup | block |
//! | workgroup memory | shared memory |
//! | dispatch | launch of a grid |

mod constants;
mod control_flow;
mod entry_point;
mod error;
mod expressions;
mod fetch_ahead;
mod function;
#[cfg(feature = "host")]
pub mod host;
mod kernel;
mod lines;
mod math;
mod matrix;
mod memory;
mod names;
#[cfg(feature = "nvrtc")]
pub mod nvrtc;
mod operators;
mod parse;
mod prelude;
mod statements;
mod subgroup;
mod types;
mod writer;

pub use error::TranslateError;
pub use kernel::{Argument, CudaKernel, Options, translate, translate_with};
