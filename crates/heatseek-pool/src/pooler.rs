//! A pooler ready to be used.

use std::rc::Rc;

use crate::of_layer::of_layer;
use crate::options::Options;
use crate::poolers::Pool;
use crate::registry::{self, Row};
use crate::{DeviceForm, Needs, Params, PoolError, Pooled, PoolerSpec, States};

/// The sizes of the model whose states are pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// D.
    pub hidden_size: usize,
    /// L: hidden states are 0 (the embeddings) to L.
    pub num_hidden_layers: usize,
    /// H.
    pub num_attention_heads: usize,
}

/// A pooler with its options and parameters, checked against a model.
#[derive(Clone)]
pub struct Pooler {
    row: &'static Row,
    spec: PoolerSpec,
    pool: Rc<dyn Pool>,
    sizes: Sizes,
}

impl Pooler {
    /// The pooler that `spec` asks for.
    ///
    /// # Errors
    /// [`PoolError`]: an unknown name or option, learned weights that are missing or do not fit.
    pub fn new(spec: &PoolerSpec, params: Option<&Params>, sizes: Sizes) -> Result<Self, PoolError> {
        let row = registry::find(&spec.name)?;
        let mut options = Options::new(row.name, &spec.options);
        let pool = of_layer((row.make)(&mut options, params, sizes)?, &mut options, sizes)?;
        options.finish()?;
        Ok(Self { row, spec: spec.clone(), pool: pool.into(), sizes })
    }

    /// What the table says of it.
    pub fn row(&self) -> &'static Row {
        self.row
    }

    /// What it was made from, the name in our spelling.
    pub fn spec(&self) -> PoolerSpec {
        PoolerSpec { name: self.row.name.to_owned(), options: self.spec.options.clone() }
    }

    /// What it needs of the model.
    pub fn needs(&self) -> Needs {
        self.pool.needs()
    }

    /// D', the width of its vectors.
    pub fn width(&self) -> usize {
        self.pool.width(self.sizes)
    }

    /// Whether a text may get several vectors, to be compared by MaxSim.
    pub fn gives_several(&self) -> bool {
        self.pool.gives_several()
    }

    /// How a device computes it; `None` if it is computed here, from states read back.
    pub fn device_form(&self) -> Option<DeviceForm> {
        self.pool.device_form(self.sizes)
    }

    /// Pools one text or picture. Without tokens that count the vectors are zeros.
    ///
    /// # Errors
    /// [`PoolError::States`] if `states` are not what it needs.
    pub fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        states.check(self.row.name, &self.needs())?;
        self.pool.pool(states)
    }
}

impl std::fmt::Debug for Pooler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pooler({})", self.spec)
    }
}
