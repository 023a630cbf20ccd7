//! `attention`: scaled dot-product attention over packed sequences.

use crate::{Batch, Binding, Dim};

/// `y = softmax(q kᵀ · scale) v` per head, each sequence among itself, on packed `qkv` rows
/// (`q`, `k`, `v` of all heads one after the other), with an online softmax. With `causal` a row sees no row of
/// its sequence that comes after it.
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
    /// Whether a row sees only itself and the rows before it.
    pub causal: bool,
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
        let pairs = |len: usize| if self.causal { len * (len + 1) / 2 } else { len * len };
        let pairs: usize = batch.sequences().iter().map(|s| pairs(s.len)).sum();
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
        let op = Attention { num_attention_heads: heads, head_dim, causal: false };
        let name = format!("{heads}x{head_dim}_{lengths:?}_scale_{scale}");
        Case::new(&name, op, Rows::Tokens, lengths).with_scale("qkv", scale)
    };
    // Query tiles hold 64, key tiles 16: both sides of each, and sequences that must not see each other.
    for lengths in [&[0][..], &[1], &[15], &[16], &[17], &[63], &[64], &[65], &[3, 0, 130, 1, 16]] {
        all.push(case(2, 32, lengths, 1.0));
    }
    // The CPU's blocks of keys hold 96, and with more they are of equal sizes.
    for lengths in [&[95][..], &[96], &[97], &[192, 193]] {
        all.push(case(2, 32, lengths, 1.0));
    }
    for head_dim in [4, 12, 16, 20, 32, 36, 64, 68, 100, 128] {
        all.push(case(3, head_dim, &[5, 33], 1.0));
    }
    // Of heads that are in two parts, key tiles hold 8.
    all.push(case(2, 128, &[1, 7, 8, 9, 65], 1.0));
    all.push(case(12, 32, &[7, 70], 1.0));
    let op = Attention { num_attention_heads: 1, head_dim: 128, causal: true };
    all.push(Case::new("causal_1x128", op, Rows::Tokens, &[9, 66]));
    // Both sides of the key tiles of 16 and the groups of 4 in them, and a sequence that does not begin a tile.
    for lengths in [&[1][..], &[4], &[5], &[16], &[17], &[64], &[65], &[97, 193], &[3, 0, 130, 1, 16]] {
        let op = Attention { num_attention_heads: 2, head_dim: 32, causal: true };
        let name = format!("causal_2x32_{lengths:?}");
        all.push(Case::new(&name, op, Rows::Tokens, lengths));
    }
    // Scores of ±100 and beyond: an exponential without the maximum subtracted overflows. A score of 150 is
    // itself only good to 150 · 2⁻²⁴, which moves a weight by 1e-5 of itself and a value of 12 by 1e-4.
    let tolerance = Tolerance::RelAbs { rel: 1e-5, abs: 4e-4 };
    all.push(case(2, 32, &[40], 12.0).with_tolerance(tolerance));
    all
}
