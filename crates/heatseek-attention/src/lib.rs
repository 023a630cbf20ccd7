//! What attention maps say: arithmetic over maps that were captured, and nothing else.
//!
//! A [`Map`] is what every token looked at in one head, or in several that were fused. Sums are in f64. Nothing
//! here knows a model or a device, and nothing keeps more than the map it is given: large pictures go through
//! layer by layer.
//!
//! Attention says where information was taken from. It is not an explanation of the result.

mod clusters;
mod distances;
mod eigen;
mod error;
mod flow;
mod graph;
mod grid;
mod map;
mod neuron;
mod rank;
mod rollout;
mod similarity;
mod sinks;
mod stats;
mod words;

pub use clusters::cluster;
pub use distances::{JensenShannon, positions};
pub use error::AnalysisError;
pub use flow::flow;
pub use graph::{Frame, GraphStats, graph_stats};
pub use grid::{Grid, Offset};
pub use map::Map;
pub use neuron::{Neuron, neuron};
pub use rank::relative_residual;
pub use rollout::{Mixing, Rollout};
pub use similarity::cka;
pub use sinks::{Sink, life_cycles, massive_channels, massiveness, sink_scores, sink_threshold};
pub use stats::{HeadStats, head_stats};
pub use words::{word_map, words};
