//! Gaussian weights of each channel: row 100.

use super::Pool;
use crate::math::softmax;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "gauss",
    aliases: &["gaam"],
    papers: &[(100, "Gaussian Adaptive Attention")],
    equation: "z_c = Σ_t w_tc x_tc, w_tc ∝ Π_g exp(−((x_tc − μ_c − δ_g) / √(var_c + 1e-8))² / (2 c_g²)) over the tokens; μ and the unbiased variance of the tokens that count",
    options: "delta and c: a number or one of each Gaussian (0 and 1)",
    tensors: "delta and c [H, G]: of G Gaussians for each of H groups of channels; without them options delta and c",
    kind: Kind::Either,
    expect: "outlying values count less; a token's weight is the mean over its channels",
    make: gauss,
}];

/// The authors', of the variance.
const EPS: f64 = 1e-8;

/// (δ, c) of the Gaussians of each group of channels.
struct Gauss(Vec<Vec<(f64, f64)>>);

fn gauss(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let delta = options.numbers("delta", "a number or a list", |_| true)?.unwrap_or_else(|| vec![0.0]);
    let c = options
        .numbers("c", "a number above 0 or a list", |c| c > 0.0)?
        .unwrap_or_else(|| vec![1.0; delta.len()]);
    if delta.len() != c.len() {
        let expected = format!("{} numbers, as many as `delta` has", delta.len());
        return Err(options.wrong("c", format!("{} numbers", c.len()), &expected));
    }
    let Some(params) = params else { return Ok(Box::new(Gauss(vec![delta.into_iter().zip(c).collect()]))) };
    let shape = params.get("delta").map_or(vec![1, 1], |(shape, _)| shape.to_vec());
    let (delta, c) = (params.require("delta", &shape)?, params.require("c", &shape)?);
    let wrong = |tensor: &str, got: String, expected: &str| {
        Err(PoolError::Tensor { tensor: tensor.to_owned(), got, expected: expected.to_owned() })
    };
    let (&[heads, gaussians], false) = (&shape[..], shape.contains(&0)) else {
        return wrong("delta", format!("F32 {shape:?}"), "F32 [H, G]");
    };
    if !sizes.hidden_size.is_multiple_of(heads) {
        return wrong(
            "delta",
            format!("F32 {shape:?}"),
            &format!("F32 [H, G], H a divisor of {}", sizes.hidden_size),
        );
    }
    if c.contains(&0.0) {
        return wrong("c", "0 somewhere".into(), "other than 0");
    }
    let pairs: Vec<(f64, f64)> = delta.iter().zip(c).map(|(&d, &c)| (d.into(), c.into())).collect();
    Ok(Box::new(Gauss(pairs.chunks(gaussians).map(<[_]>::to_vec).collect())))
}

impl Pool for Gauss {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let n = tokens.rows.len() as f64;
        let (mean, mut vector) = (tokens.mean(), vec![0.0; states.width]);
        let mut weights = vec![0.0; tokens.rows.len()];
        for (c, out) in vector.iter_mut().enumerate() {
            let column: Vec<f64> = tokens.rows.iter().map(|row| row[c]).collect();
            let squares: f64 = column.iter().map(|x| (x - mean[c]).powi(2)).sum();
            // Of one token the variance is 0.
            let deviation = (squares / (n - 1.0).max(1.0) + EPS).sqrt();
            let centre = mean[c];
            let gaussians = &self.0[c * self.0.len() / states.width];
            let exponent = |x: &f64| {
                let of_one =
                    |(delta, width): &(f64, f64)| -((x - centre - delta) / (deviation * width)).powi(2) / 2.0;
                gaussians.iter().map(of_one).sum::<f64>()
            };
            // Factors that all tokens share fall out, so this is a softmax, which cannot underflow to nothing.
            let mut shares: Vec<f64> = column.iter().map(exponent).collect();
            softmax(&mut shares);
            *out = shares.iter().zip(&column).map(|(w, x)| w * x).sum();
            weights.iter_mut().zip(shares).for_each(|(w, share)| *w += share / states.width as f64);
        }
        Ok(tokens.pooled(&vector, Some(&weights)))
    }
}
