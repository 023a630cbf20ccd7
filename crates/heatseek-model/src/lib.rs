//! Embedding models of texts and pictures: from files to Programs.
//!
//! [`ModelFiles`] holds a model's files by relative path, [`TextModel::load`] or [`VisionModel::load`] reads
//! and checks all of them, and [`TextModel::program`] or [`VisionModel::program`] makes the [`heatseek_ops::Program`] that an executor runs. What a
//! sentence-transformers folder says (pooling, Dense, Normalize, prompts, maximum length) is followed;
//! what it says that we cannot do is an error, never ignored. No device and no shader is known here, and
//! nothing but [`ModelFiles::from_dir`] touches a file system.

mod ablation;
mod builder;
mod bytes;
mod checkpoint;
mod config;
mod convert;
mod error;
mod files;
mod fold;
mod host_tail;
mod json;
mod limits;
mod model;
mod modules;
mod prenorm;
mod program;
mod prompts;
mod quantized;
mod reader;
mod readout;
mod rounding;
mod safetensors;
mod spec;
#[cfg(feature = "synthetic")]
pub mod synthetic;
mod tail;
mod text_tower;
mod tower;
mod vision;
mod weights;

pub use ablation::Kept;
pub use builder::Norm;
pub use bytes::SharedBytes;
pub use checkpoint::Checkpoint;
pub use config::{Config, SUPPORTED_MODEL_TYPES};
pub use convert::{Conversion, Rounded, StoredTensor, WeightDtype};
pub use error::{ErrorKind, ModelError};
pub use files::{ModelFiles, WantedFile};
pub use host_tail::HostTail;
pub use limits::TextPadding;
pub use model::TextModel;
pub use modules::{DenseConfig, Pipeline, PipelineStep};
pub use prompts::Prompts;
pub use readout::Readout;
pub use spec::ModelSpec;
pub use tail::{PoolerOutputs, Tail, append_pooler};
pub use text_tower::TextEnd;
pub use vision::{PatchGrid, VISION_MODEL_TYPES, VisionConfig, VisionModel, VisionSpec};
