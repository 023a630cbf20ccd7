//! Vector search by comparison with every vector.
//!
//! [`FlatIndex`] holds vectors in one block and finds the best `k` by scanning all of them, on all threads: at the
//! sizes a browser holds this takes milliseconds, and but for binary vectors is never wrong. [`Storage`] says how many
//! bits of them it keeps. [`max_sim`] compares texts of several vectors, [`quantize`] makes vectors of fewer bits. It
//! knows no text and no model.

mod error;
mod flat;
mod max_sim;
mod multi;
mod quantize;
mod query;
mod signs;
mod storage;
mod top_k;

pub use error::SearchError;
pub use flat::{FlatIndex, Metric, SearchOptions};
pub use max_sim::max_sim;
pub use multi::MultiIndex;
pub use quantize::{Precision, Quantized, Ranges, quantize};
pub use storage::{Rescore, Storage, Vectors};
pub use top_k::{Scored, TopK};
