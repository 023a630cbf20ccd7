//! `attention`: scaled dot-product attention over packed sequences.

use crate::{Batch, Binding, Dim};

/// `y = softmax(q kᵀ · scale) v` per head, each sequence among itself, on packed `qkv` rows
/// (`q`, `k`, `v` of all heads one after the other), with an online softmax.
///
/// | binding | shape |
/// | --- | --- |
/// | `qkv` | `[rows, 3 · num_attention_heads · head_dim]` |
/// | `tiles` | the attention tile table, `[tiles, 4]` u32 |
/// | out `y` | `[rows, num_attention_heads · head_dim]` |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Heads.
    pub num_attention_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
}

impl Attention {
    /// Width of `y`.
    pub fn width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// What scores are multiplied with: `1/√head_dim`.
    pub fn scale(&self) -> f32 {
        (1.0 / (self.head_dim as f64).sqrt()) as f32
    }

    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::input("qkv", &[Dim::Rows, Dim::Fixed(3 * self.width())]),
            Binding::table("tiles", Dim::Tiles, 4),
            Binding::output("y", &[Dim::Rows, Dim::Fixed(self.width())]),
        ]
    }

    pub(crate) fn flops(&self, _: usize, batch: &Batch) -> u64 {
        let pairs: usize = batch.sequences().iter().map(|s| s.len * s.len).sum();
        4 * (pairs * self.width()) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    use heatseek_testkit::Tolerance;
    let mut all = Vec::new();
    let case = |heads: usize, head_dim: usize, lengths: &[usize], scale: f32| {
        let op = Attention { num_attention_heads: heads, head_dim };
        let name = format!("{heads}x{head_dim}_{lengths:?}_scale_{scale}");
        Case::new(&name, op, Rows::Tokens, lengths).with_scale("qkv", scale)
    };
    // Query tiles hold 64, key tiles 16: both sides of each, and sequences that must not see each other.
    for lengths in [&[0][..], &[1], &[15], &[16], &[17], &[63], &[64], &[65], &[3, 0, 130, 1, 16]] {
        all.push(case(2, 32, lengths, 1.0));
    }
    for head_dim in [4, 12, 16, 20, 32, 36, 64, 68, 128] {
        all.push(case(3, head_dim, &[5, 33], 1.0));
    }
    all.push(case(12, 32, &[7, 70], 1.0));
    // Scores of ±100 and beyond: an exponential without the maximum subtracted overflows. A score of 150 is
    // itself only good to 150 · 2⁻²⁴, which moves a weight by 1e-5 of itself and a value of 12 by 1e-4.
    let tolerance = Tolerance::RelAbs { rel: 1e-5, abs: 4e-4 };
    all.push(case(2, 32, &[40], 12.0).with_tolerance(tolerance));
    all
}
