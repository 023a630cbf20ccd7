//! Multi-head attention in fewer channels: rows brought down, attended to and brought back (row 76).

use crate::attn::{Attention, Projections, Scale};
use crate::linear::Linear;
use crate::math::to_f64;
use crate::options::Options;
use crate::{Params, PoolError};

/// `W_up MHA(q, K = V = x W_down)`, q learned or the mean of what was brought down.
pub(crate) struct Downcast {
    down: Linear,
    attention: Attention,
    up: Linear,
    /// `[p]`; `None` for the mean.
    query: Option<Vec<f64>>,
}

impl Downcast {
    /// Tensors `{name}.down.weight` `[p, D]`, `in_proj_weight` `[3p, p]` and `out_proj.weight` `[p, p]` as PyTorch's
    /// MultiheadAttention, `up.weight` `[D, p]`, and optionally their biases and `query` `[p]`.
    pub(crate) fn read(
        options: &Options<'_>,
        params: &Params,
        name: &str,
        width: usize,
        heads: usize,
    ) -> Result<Self, PoolError> {
        let at = |part: &str| format!("{name}.{part}");
        let down = Linear::read(params, &at("down"), None, width)?;
        let p = down.outputs;
        if p % heads != 0 {
            return Err(options.wrong("heads", heads.to_string(), &format!("a divisor of {p}")));
        }
        let all = Linear::of(params, &at("in_proj_weight"), &at("in_proj_bias"), 3 * p, p)?;
        let [query, key, value] = [0, p, 2 * p].map(|first| Some(all.part(first, p)));
        let output = Some(Linear::read(params, &at("out_proj"), Some(p), p)?);
        let projections = Projections { query, key, value, output };
        let own = params.get(&at("query")).map(|_| params.require(&at("query"), &[p]).map(to_f64));
        Ok(Self {
            down,
            attention: Attention { projections, heads, scale: Scale::SqrtHead, hide_top: 0 },
            up: Linear::read(params, &at("up"), Some(width), p)?,
            query: own.transpose()?,
        })
    }

    /// Of at least one row: `[D]`, and what each row weighed.
    pub(crate) fn apply(&self, rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| self.down.apply(row)).collect();
        let mean = || {
            let sum = |c: usize| rows.iter().map(|row| row[c]).sum::<f64>() / rows.len() as f64;
            (0..self.down.outputs).map(sum).collect()
        };
        let query = self.attention.query(&self.query.clone().unwrap_or_else(mean));
        let (vector, weights) = self.attention.attend(&query, &rows);
        (self.up.apply(&self.attention.output(vector)), weights)
    }
}
