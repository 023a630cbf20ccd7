//! Second-order pooling: how channels vary together.

use super::Pool;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "gram",
    aliases: &["second_order"],
    papers: &[(12, "Gramian Attention Heads are Strong yet Efficient Vision Learners")],
    equation: "l2(triu(XᵀX / n)), X the tokens projected to r channels, or the slices of the heads one after another",
    options: "r=16 (channels, a fixed orthonormal projection), slices=false (true: a matrix for each head's slice), signed_sqrt=false",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "style and texture rather than meaning; for cosine search usually worse than the mean",
    make: |options, _, sizes| {
        let width = sizes.hidden_size;
        let r = options.count("r", 16.min(width))?;
        if r > width {
            return Err(options.wrong("r", r.to_string(), &format!("at most {width}")));
        }
        let slices = options.yes("slices")?.unwrap_or(false);
        let signed_sqrt = options.yes("signed_sqrt")?.unwrap_or(false);
        let projection = if slices { Vec::new() } else { orthonormal(width, r) };
        let heads = if slices { sizes.num_attention_heads } else { 1 };
        Ok(Box::new(Gram { projection, r: if slices { width / heads } else { r }, heads, signed_sqrt }))
    },
}];

struct Gram {
    /// `[D][r]`; none for slices.
    projection: Vec<Vec<f64>>,
    r: usize,
    heads: usize,
    signed_sqrt: bool,
}

/// `[width][r]`: the first columns of the cosine transform, each row with a sign by a hash of its number
/// (SplitMix64), so that no channel is favoured. Columns are orthonormal.
fn orthonormal(width: usize, r: usize) -> Vec<Vec<f64>> {
    let sign = |channel: usize| {
        let mut z = (channel as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (z ^ (z >> 31)) >> 63 == 0 { 1.0 } else { -1.0 }
    };
    let value = |channel: usize, column: usize| {
        let length = if column == 0 { 1.0 } else { 2.0 };
        let angle = std::f64::consts::PI * (channel as f64 + 0.5) * column as f64 / width as f64;
        sign(channel) * (length / width as f64).sqrt() * angle.cos()
    };
    (0..width).map(|channel| (0..r).map(|column| value(channel, column)).collect()).collect()
}

/// The upper triangle of `XᵀX / n`, row by row, for rows of `r`; zeros of none.
pub(crate) fn gram(rows: &[Vec<f64>], signed_sqrt: bool, r: usize) -> Vec<f64> {
    let n = rows.len().max(1) as f64;
    let product = |(i, j): (usize, usize)| {
        let product = rows.iter().map(|x| x[i] * x[j]).sum::<f64>() / n;
        if signed_sqrt { product.signum() * product.abs().sqrt() } else { product }
    };
    (0..r).flat_map(|i| (i..r).map(move |j| (i, j))).map(product).collect()
}

/// Unit length; zeros stay.
pub(crate) fn to_unit(vector: &mut [f64]) {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

impl Pool for Gram {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let rows: Vec<Vec<f64>> = match self.projection.is_empty() {
            true => tokens.rows.clone(),
            false => {
                tokens.rows.iter().map(|x| crate::tokens::weighted(&self.projection, self.r, x)).collect()
            }
        };
        let part = |head: usize| -> Vec<Vec<f64>> {
            rows.iter().map(|x| x[head * self.r..(head + 1) * self.r].to_vec()).collect()
        };
        let mut vector: Vec<f64> =
            (0..self.heads).flat_map(|head| gram(&part(head), self.signed_sqrt, self.r)).collect();
        to_unit(&mut vector);
        Ok(tokens.pooled(&vector, None))
    }

    fn width(&self, _: Sizes) -> usize {
        self.heads * self.r * (self.r + 1) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pooler, PoolerSpec};
    use heatseek_testkit::values;

    const SIZES: Sizes = Sizes { hidden_size: 6, num_hidden_layers: 1, num_attention_heads: 2 };

    fn gram(spec: &str, hidden: &[f32]) -> Vec<f32> {
        let states = States { hidden: vec![hidden], tokens: hidden.len() / 6, width: 6, ..States::default() };
        Pooler::new(&PoolerSpec::parse(spec).unwrap(), None, SIZES).unwrap().pool(&states).unwrap().vectors
    }

    #[test]
    fn the_projection_is_orthonormal_and_whole_it_keeps_the_norm() {
        let p = orthonormal(6, 6);
        // Of the whole matrix, whose triangle has what is off the diagonal once.
        let squares = |rows: &[Vec<f64>]| {
            let triangle = super::gram(rows, false, 6);
            let places = (0..6).flat_map(|i| (i..6).map(move |j| if i == j { 1.0 } else { 2.0 }));
            triangle.iter().zip(places).map(|(v, times)| times * v * v).sum::<f64>()
        };
        let rows: Vec<Vec<f64>> = values(4, 30, 1.0).chunks(6).map(crate::math::to_f64).collect();
        let turned: Vec<Vec<f64>> = rows.iter().map(|x| crate::tokens::weighted(&p, 6, x)).collect();
        assert!((squares(&rows) / squares(&turned) - 1.0).abs() < 1e-12);
        for (i, j) in (0..6).flat_map(|i| (0..6).map(move |j| (i, j))) {
            let product: f64 = p.iter().map(|row| row[i] * row[j]).sum();
            assert!((product - f64::from(i == j)).abs() < 1e-12);
        }
    }

    #[test]
    fn one_channel_gives_one_and_a_token_many_times_rank_one() {
        assert_eq!(gram("gram:r=1", &values(1, 30, 1.0)), [1.0]);
        let token = values(2, 6, 1.0);
        let once = gram("gram:r=3", &token);
        let often = gram("gram:r=3", &token.repeat(5));
        assert!(once.iter().zip(&often).all(|(a, b)| (a - b).abs() < 1e-6));
        // [m00, m01, m02, m11, m12, m22] of an outer product: every 2 × 2 minor is 0.
        let [m00, m01, m02, m11, m12, m22] = often[..] else { panic!("{often:?}") };
        for minor in [m00 * m11 - m01 * m01, m00 * m22 - m02 * m02, m11 * m22 - m12 * m12] {
            assert!(minor.abs() < 1e-6, "{minor}");
        }
        assert_eq!(gram("gram:slices=true", &token).len(), 12);
    }
}
