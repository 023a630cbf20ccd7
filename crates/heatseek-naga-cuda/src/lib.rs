#![doc = include_str!("../README.md")]

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
