//! Attention maps as weights: a heatmap made a vector.

use super::Pool;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Map, Needs, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "map_weighted",
    aliases: &["attention_weighted"],
    papers: &[
        (41, "See What You Are Told: Visual Attention Sink in Large Multimodal Models"),
        (88, "Quantifying Attention Flow in Transformers"),
        (95, "Interaction-aware Joint Attention Estimation Using People Attributes"),
    ],
    equation: "Σ m_t x_t / Σ m_t, m what the class token looks at",
    options: "source=cls (or rollout), layer=last (of cls, from 0), drop_sinks=false (true: without tokens that get more than 8 times the even share)",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "what a heatmap shows, searched for; sinks spoil it unless they are dropped",
    make: |options, _, sizes| {
        let rollout = options.word("source", false, &[("cls", false), ("rollout", true)])?;
        let layer = layer(options, sizes)?;
        let drop_sinks = options.yes("drop_sinks")?.unwrap_or(false);
        let map = if rollout { Map::Rollout } else { Map::Layer(layer) };
        Ok(Box::new(MapWeighted { map, drop_sinks }))
    },
}];

/// What a token may get, as a multiple of the even share, before it is a sink.
const SINK: f64 = 8.0;

/// Option `layer` of an attention map, counted from 0.
pub(crate) fn layer(options: &mut Options<'_>, sizes: Sizes) -> Result<usize, PoolError> {
    let layers = sizes.num_hidden_layers;
    let layer = options.whole("layer", layers.saturating_sub(1))?;
    match layer < layers {
        true => Ok(layer),
        false => Err(options.wrong("layer", layer.to_string(), &format!("less than {layers}"))),
    }
}

struct MapWeighted {
    map: Map,
    drop_sinks: bool,
}

impl Pool for MapWeighted {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (tokens, n, map) = (Tokens::counted(states), states.tokens, states.maps[0]);
        let sink = |token: usize| {
            let got: f64 = map.iter().skip(token).step_by(n).map(|&a| f64::from(a)).sum();
            // Rows sum to 1, so the even share of all rows together is 1.
            got > SINK
        };
        let mut weights: Vec<f64> = states
            .counted()
            .map(|token| if self.drop_sinks && sink(token) { 0.0 } else { f64::from(map[token]) })
            .collect();
        let sum: f64 = weights.iter().sum();
        if sum <= 0.0 {
            return Ok(tokens.nothing(states.width));
        }
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(tokens.pooled(&tokens.weighted(&weights), Some(&weights)))
    }

    fn needs(&self) -> Needs {
        Needs { maps: vec![self.map], ..Needs::default() }
    }
}
