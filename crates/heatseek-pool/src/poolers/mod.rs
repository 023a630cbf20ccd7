//! The poolers: a file each, with its rows of the table.

pub(crate) mod basic;
pub(crate) mod cluster;
pub(crate) mod landmark;
pub(crate) mod layer;
pub(crate) mod map_weighted;
pub(crate) mod none;
pub(crate) mod span;

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
