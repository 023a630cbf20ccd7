//! Poolers: from the hidden states of tokens to vectors, with the weight each token had.
//!
//! A [`PoolerSpec`] names a pooler and its options; [`Pooler::new`] checks them and reads learned parameters. What
//! it needs of the model, [`Pooler::needs`] tells; with that in a [`States`], [`Pooler::pool`] answers. Sums are in
//! f64, so this is the reference of those poolers that devices run too ([`Pooler::device_form`]).
//!
//! Tokens that do not count (a prompt left out) never change a vector; neither does anything outside the text.

mod additive;
mod attn;
mod deform;
mod device;
mod downcast;
mod dyrelu;
mod error;
mod iem;
mod info;
mod linear;
mod math;
mod matrix;
mod norm;
mod of_layer;
mod options;
mod params;
mod pooler;
mod poolers;
mod regions;
mod registry;
mod scorer;
mod spans;
mod spec;
mod states;
mod table;
mod tokens;

pub use device::{AttentionForm, DeviceForm, Projection, Query, Skip};
pub use error::PoolError;
pub use iem::Iem;
pub use info::{Paper, RowInfo};
pub use params::Params;
pub use pooler::{Pooler, Sizes};
pub use registry::{Kind, Row, rows};
pub use spans::{LabelledSpan, detect_spans, merge_labels, smooth_labels};
pub use spec::PoolerSpec;
pub use states::{Layers, Map, Needs, Pooled, States};
pub use table::table;
