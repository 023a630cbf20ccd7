//! Poolers as devices run them: fused into the Program of the model.

use heatseek_ops::{Pooling, Tensor};

/// How a pooler is computed on a device, in one of two ops. Both take only tokens that count, and give zeros where
/// there are none.
#[derive(Clone, Debug)]
pub enum DeviceForm {
    /// Op `pool`, once for each of these, whose vectors follow each other in the result. `parameters` are `[D]`
    /// where the pooling has any: the exponent of a generalised mean, the share of the maximum in a mixed one.
    Rows(Vec<(Pooling, Option<Tensor>)>),
    /// Op `attention_pool`.
    Attention(Box<AttentionForm>),
}

/// A softmax over the tokens of the products of a query with their keys, and the sum of values so weighted.
/// `d` is the width of keys over `num_heads`; values are split into as many parts.
#[derive(Clone, Debug)]
pub struct AttentionForm {
    /// Which layer the tokens are of; `None` is the last. 0 are the embeddings.
    pub layer: Option<usize>,
    /// The query, before `query_projection`.
    pub query: Query,
    /// `[K, D]`; `None` leaves the query as it is.
    pub query_projection: Option<Projection>,
    /// `[K, D]`; `None` takes the tokens.
    pub key_projection: Option<Projection>,
    /// `[V, D]`; `None` takes the tokens.
    pub value_projection: Option<Projection>,
    /// `[D', V]`, of the result.
    pub output_projection: Option<Projection>,
    /// Heads.
    pub num_heads: usize,
    /// What products are multiplied with.
    pub scale: f32,
    /// What is added to the result, before `output_projection`.
    pub skip: Skip,
}

/// The query of an [`AttentionForm`].
#[derive(Clone, Debug)]
pub enum Query {
    /// The same for every text: `[K]`, which is not projected.
    Constant(Tensor),
    /// A pooling of the tokens.
    Pooled(Pooling),
}

/// What goes around the attention of an [`AttentionForm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    /// Nothing.
    #[default]
    None,
    /// The query as it was before its projection.
    Raw,
    /// The projected query.
    Projected,
}

/// A linear map `x W^T + b`, with an activation behind it.
#[derive(Clone, Debug)]
pub struct Projection {
    /// `[n, k]`.
    pub weight: Tensor,
    /// `[n]`.
    pub bias: Tensor,
    /// Applied last.
    pub activation: heatseek_ops::Activation,
}
