//! Exact vector search.
//!
//! [`FlatIndex`] holds f32 vectors in one block and finds the best `k` by scanning all of them: at the
//! sizes a browser holds this takes milliseconds and is never wrong. It knows no text and no model.

mod flat;
mod top_k;

pub use flat::{FlatIndex, Metric, SearchError};
pub use top_k::{Scored, TopK};
