//! Search by meaning and by words, and the files an index is kept in.
//!
//! [`FlatIndex`] holds vectors in one block and finds the best `k` by scanning all of them, on all threads: at the
//! sizes a browser holds this takes milliseconds, and but for binary vectors is never wrong. [`Storage`] says how many
//! bits of them it keeps. [`max_sim`] compares texts of several vectors, [`quantize`] makes vectors of fewer bits.
//! [`TextIndex`] finds texts by their [`words`] (BM25), [`fuse`] makes one ranking of several, [`Filter`] chooses by
//! metadata and [`facets`] counts it, [`diversify`] and [`group`] thin out what is alike. [`store`] keeps documents and
//! their vectors in files. It knows no model.

mod bm25;
mod error;
mod facets;
mod filter;
mod flat;
mod folding;
mod fuse;
mod group;
mod max_sim;
mod metadata;
mod mmr;
mod multi;
mod postings;
mod quantize;
mod query;
mod ranking_error;
mod signs;
mod storage;
pub mod store;
mod top_k;
mod words;

pub use bm25::{TextIndex, TextOptions, WordScore};
pub use error::SearchError;
pub use facets::{Facet, facets};
pub use filter::{Filter, FilterError};
pub use flat::{FlatIndex, Metric, SearchOptions};
pub use fuse::{Fusion, fuse};
pub use group::{Group, at_least, group};
pub use max_sim::max_sim;
pub use mmr::diversify;
pub use multi::MultiIndex;
pub use quantize::{Precision, Quantized, Ranges, quantize};
pub use ranking_error::RankingError;
pub use storage::{Rescore, Storage, Vectors};
pub use top_k::{Scored, TopK};
pub use words::words;
