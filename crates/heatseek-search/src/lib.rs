//! Exact vector search.
//!
//! [`FlatIndex`] holds f32 vectors in one block and finds the best `k` by scanning all of them: at the
//! sizes a browser holds this takes milliseconds and is never wrong. [`max_sim`] compares texts of several vectors,
//! [`quantize`] makes vectors of fewer bits, [`store`] keeps documents and their vectors in files. It knows no model.

mod flat;
mod max_sim;
mod multi;
mod quantize;
pub mod store;
mod top_k;

pub use flat::{FlatIndex, Metric, SearchError};
pub use max_sim::max_sim;
pub use multi::MultiIndex;
pub use quantize::{Precision, Quantized, Ranges, quantize};
pub use top_k::{Scored, TopK};
