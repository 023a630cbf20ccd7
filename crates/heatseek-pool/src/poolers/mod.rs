//! The poolers: a file each, with its rows of the table.

pub(crate) mod attn_stats;
pub(crate) mod basic;
pub(crate) mod bottleneck;
pub(crate) mod branch_mha;
pub(crate) mod cluster;
pub(crate) mod gauss;
pub(crate) mod gem;
pub(crate) mod gram;
pub(crate) mod gram_cls;
pub(crate) mod landmark;
pub(crate) mod latent;
pub(crate) mod layer;
pub(crate) mod levels;
pub(crate) mod map_weighted;
pub(crate) mod max_seq;
pub(crate) mod mix;
pub(crate) mod multi_source;
pub(crate) mod none;
pub(crate) mod pma;
pub(crate) mod qkv_pool;
pub(crate) mod random_attention;
pub(crate) mod score_pool;
pub(crate) mod simpool;
pub(crate) mod span;
pub(crate) mod stats;
pub(crate) mod tree;

use crate::pooler::Sizes;
use crate::{DeviceForm, Needs, PoolError, Pooled, States};

/// What a pooler does. States have been checked against what it needs.
pub(crate) trait Pool {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError>;

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn width(&self, sizes: Sizes) -> usize {
        sizes.hidden_size
    }

    fn gives_several(&self) -> bool {
        false
    }

    fn device_form(&self, _: Sizes) -> Option<DeviceForm> {
        None
    }
}
