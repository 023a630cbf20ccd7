//! Any pooler of the last hidden state, on another one.

use crate::options::Options;
use crate::pooler::Sizes;
use crate::poolers::Pool;
use crate::{Layers, Needs, PoolError, Pooled, States};

/// A pooler that is given the hidden state of `layer`. Papers that pool an intermediate layer (rows 1 and 4) differ in
/// nothing else. It is computed here, as every pooler of several layers.
struct OfLayer {
    pool: Box<dyn Pool>,
    layer: usize,
}

/// `pool` by option `of_layer`, 0 the embeddings, if it pools the last hidden state alone and the option was given.
pub(crate) fn of_layer(
    pool: Box<dyn Pool>,
    options: &mut Options<'_>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    if pool.needs().layers != Layers::Last {
        return Ok(pool);
    }
    let most = sizes.num_hidden_layers;
    let read =
        |value: &serde_json::Value| value.as_u64().map(|layer| layer as usize).filter(|layer| *layer <= most);
    Ok(match options.take("of_layer", &format!("a layer from 0 to {most}"), read)? {
        None => pool,
        Some(layer) => Box::new(OfLayer { pool, layer }),
    })
}

impl Pool for OfLayer {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        self.pool.pool(states)
    }

    fn needs(&self) -> Needs {
        Needs { layers: Layers::These(vec![self.layer]), ..self.pool.needs() }
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.pool.width(sizes)
    }

    fn gives_several(&self) -> bool {
        self.pool.gives_several()
    }
}
