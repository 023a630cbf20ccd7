//! Heatseek: find things by meaning, and see where a model looked.
//!
//! ```no_run
//! # fn main() -> Result<(), heatseek::Error> {
//! use heatseek::{EmbedOptions, LoadOptions, Model, ModelFiles, NoControl};
//!
//! let files = ModelFiles::from_dir("models/all-MiniLM-L6-v2".as_ref())?;
//! let model = heatseek::block_on(Model::load(files, LoadOptions::default(), &NoControl))?;
//! let texts = ["how do bees navigate".to_owned()];
//! let embeddings = heatseek::block_on(model.embed(&texts, &EmbedOptions::default(), &NoControl))?;
//! assert_eq!(embeddings.shape, [1, 384]);
//! # Ok(())
//! # }
//! ```
//!
//! Everything is async because GPUs in browsers are; natively [`block_on`] is all it takes. Pooling, Dense
//! layers, normalisation, prompts and lengths come from the model's own files.

mod analysis;
mod appended;
mod attention;
mod chunks;
mod control;
mod device;
mod each;
mod embed;
mod error;
mod explain;
mod image;
mod index;
mod info;
mod look;
mod model;
mod neuron;
mod occlusion;
mod options;
mod packer;
mod parts;
mod rank;
mod runner;
mod self_check;
mod tuning;
mod way;

pub use analysis::{Analysis, AnalysisOptions, Clusters, Plane};
pub use attention::{AttentionMaps, AttentionOptions, MapLayout, Reduce};
pub use chunks::ChunkEmbeddings;
pub use control::{Cancelled, Control, Mark, NoControl, Progress, Stage};
pub use each::Visit;
pub use embed::Embeddings;
pub use error::Error;
pub use explain::{ExplainOptions, ExplainedSide, Explanation};
pub use futures_lite::future::block_on;
pub use heatseek_attention::{Frame, GraphStats, Offset, Sink};
pub use heatseek_gpu::{Choice, Milestone, Watch};
pub use heatseek_image::{DecodeOptions, ImageError, Picture, Pixels, Preprocessor, Rect};
pub use heatseek_model::{
    ModelError, ModelFiles, ModelSpec, Norm, PatchGrid, VisionModel, VisionSpec, WantedFile,
};
pub use heatseek_ops::{HeadFusion, LocalFuture, Pooling, Tuning};
pub use heatseek_pool::{
    Iem, Kind, Params, PoolError, Pooled, Pooler, PoolerSpec, Row, RowInfo, Sizes, rows,
};
pub use heatseek_search::{
    Facet, Filter, FilterError, Fusion, Metric, Precision, Quantized, Ranges, RankingError, Rescore,
    SearchError, Storage, max_sim, quantize, store,
};
pub use heatseek_text::{ChunkOptions, needs_patterns};
pub use image::{ImageEmbeddings, ImageModel, ImageOptions};
pub use index::{Document, Hit, HitChunk, Hybrid, Index, IndexOptions, IndexSearch, ScanOn};
pub use info::{DeviceReport, ModelInfo};
pub use model::{Loader, Model};
pub use neuron::{NeuronOptions, NeuronView};
pub use occlusion::Occlusion;
pub use options::{
    DeviceChoice, DtypeChoice, EmbedOptions, Hook, LoadOptions, SourceTransform, Tune, pooling_from_name,
};
pub use rank::RankCurves;
pub use tuning::Tuner;

#[doc(hidden)]
pub use parts::{Parts, executor};
