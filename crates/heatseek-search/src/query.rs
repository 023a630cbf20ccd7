//! A query in all the forms that rows are compared with.

use heatseek_cpu::max_half;
use heatseek_ops::in_steps;

use crate::Metric;

/// Bits of an element of a query that signs are compared with. With 4 recall falls a little, with 6 it rises no more
/// (measured on sentences in MiniLM's vectors).
pub(crate) const PLANES: usize = 5;

/// A query as it is compared: of unit length under the cosine.
pub(crate) struct Query {
    pub(crate) metric: Metric,
    pub(crate) floats: Vec<f32>,
    /// As integers of 16 bits, or of as many as leave room for sums.
    pub(crate) halves: Vec<i16>,
    /// What one of these stands for.
    pub(crate) half: f64,
    /// The sum of the squares of what they stand for.
    pub(crate) square: f64,
}

impl Query {
    pub(crate) fn new(floats: Vec<f32>, metric: Metric) -> Self {
        let (integers, half) = in_steps(&floats, i32::from(max_half(floats.len())));
        let square = integers.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() * half * half;
        let halves = integers.into_iter().map(|v| v as i16).collect();
        Self { metric, floats, halves, half, square }
    }

    /// What signs are compared with.
    pub(crate) fn planes(&self) -> Planes {
        let most = (1 << (PLANES - 1)) - 1;
        let (integers, step) = in_steps(&self.floats, most);
        let words = integers.len().div_ceil(64);
        let mut bits = vec![0; PLANES * words];
        for (i, integer) in integers.iter().enumerate() {
            for plane in 0..PLANES {
                bits[plane * words + i / 64] |= u64::from(integer >> plane & 1 == 1) << (i % 64);
            }
        }
        Planes { bits, sum: integers.iter().sum(), step: step as f32 }
    }
}

/// Integers of a query as planes of bits, in two's complement.
pub(crate) struct Planes {
    /// `[PLANES, words]`.
    pub(crate) bits: Vec<u64>,
    /// The sum of the integers.
    pub(crate) sum: i32,
    /// What one stands for.
    pub(crate) step: f32,
}
