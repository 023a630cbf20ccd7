//! The attention bottleneck: row 35.

use super::Pool;
use crate::attn::{Attention, Projections, Scale, Source, sum_by_head};
use crate::linear::each;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::{Tokens, prefix};
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "bottleneck",
    aliases: &["tab"],
    papers: &[(35, "Transformer Attention Bottlenecks")],
    equation: "a = softmax_t(W_Q x_0 · W_K x_t / √D), a' = a · Σ_{t not class} a_t, z = W_O Σ a'_t W_V x_t; an edit takes the place of a'",
    options: "edit: a number for each token, or one for all (none)",
    tensors: "query.weight [K, D], key.weight [K, D], value.weight [V, D], output.weight [D', V], each with .bias if it has one; a missing one is the identity",
    kind: Kind::Either,
    expect: "the map is all that reaches the vector, so that it can be edited; without weights it is little more than the class token",
    make: bottleneck,
}];

struct Bottleneck {
    attention: Attention,
    edit: Option<Vec<f64>>,
}

fn bottleneck(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let projections = Projections::read(params, sizes.hidden_size)?;
    let edit = options.numbers("edit", "a number or a list of numbers", |_| true)?;
    let attention = Attention { projections, heads: 1, scale: Scale::SqrtHead, hide_top: 0 };
    Ok(Box::new(Bottleneck { attention, edit }))
}

impl Bottleneck {
    fn weights(&self, states: &States<'_>, tokens: &Tokens) -> Result<Vec<f64>, PoolError> {
        let Some(edit) = &self.edit else {
            let query = self.attention.query(&Source::Cls.of("bottleneck", states, tokens)?);
            let mut weights = self.attention.weights(&query, &tokens.rows).remove(0);
            let class = prefix(states).saturating_sub(tokens.start);
            let gate: f64 = weights.iter().skip(class).sum();
            weights.iter_mut().for_each(|weight| *weight *= gate);
            return Ok(weights);
        };
        match edit.len() {
            1 => Ok(vec![edit[0]; tokens.rows.len()]),
            all if all == states.tokens => Ok(edit[tokens.start..].to_vec()),
            other => Err(PoolError::States {
                pooler: "bottleneck",
                what: "the number of tokens that `edit` is for".into(),
                got: other.to_string(),
                expected: states.tokens.to_string(),
            }),
        }
    }
}

impl Pool for Bottleneck {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(self.attention.projections.width(states.width)));
        }
        let weights = self.weights(states, &tokens)?;
        let values = each(self.attention.projections.value.as_ref(), &tokens.rows);
        let vector = self.attention.output(sum_by_head(std::slice::from_ref(&weights), &values));
        Ok(tokens.pooled(&vector, Some(&weights)))
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.attention.projections.width(sizes.hidden_size)
    }
}
