//! `attention`: scaled dot-product attention over packed sequences.

use std::ops::Range;

use crate::{Batch, Binding, Dim};

/// `y = softmax(q kᵀ · scale + bias) v` per head, each sequence among itself, on packed `qkv` rows
/// (`q`, `k`, `v` of all heads one after the other), with an online softmax.
///
/// A row sees the rows of its sequence that neither `causal` nor `window` hides, itself always. With a relative bias, the
/// score of the query at place i and the key at place j has `relative_bias[head][clamp(j − i) + max_distance]` added to it:
/// ALiBi's slopes, or T5's and MPNet's buckets written out offset by offset.
///
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `qkv` | `[rows, 3 · num_attention_heads · head_dim]` | always |
/// | `tiles` | the attention tile table, `[tiles, 4]` u32 | always |
/// | `relative_bias` | `[num_attention_heads, 2 · max_distance + 1]` | a relative bias |
/// | out `y` | `[rows, num_attention_heads · head_dim]` | always |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Heads.
    pub num_attention_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Whether a row sees only itself and the rows before it.
    pub causal: bool,
    /// How far a row sees, in rows to either side of itself: half of ModernBERT's `local_attention`. `None` is any
    /// distance.
    pub window: Option<usize>,
    /// `max_distance` if there is a relative bias: farther offsets have the bias of this one.
    pub relative_bias: Option<usize>,
}

impl Attention {
    /// Attention of every row to every row of its sequence, without a bias.
    pub fn new(num_attention_heads: usize, head_dim: usize) -> Self {
        Self { num_attention_heads, head_dim, causal: false, window: None, relative_bias: None }
    }

    /// Width of `y`.
    pub fn width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// What scores are multiplied with: `1/√head_dim`.
    pub fn scale(&self) -> f32 {
        (1.0 / (self.head_dim as f64).sqrt()) as f32
    }

    /// How many rows before itself, and how many after, a row sees at most.
    pub fn reach(&self) -> [usize; 2] {
        let window = self.window.unwrap_or(usize::MAX);
        [window, if self.causal { 0 } else { window }]
    }

    /// Which of `keys` the row `query` sees.
    pub fn seen(&self, query: usize, keys: Range<usize>) -> Range<usize> {
        within(query, self.reach(), keys)
    }

    /// Which of `queries` see the row `key`.
    pub fn seeing(&self, key: usize, queries: Range<usize>) -> Range<usize> {
        let [before, after] = self.reach();
        within(key, [after, before], queries)
    }

    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        self.bind(
            Binding::input("qkv", &[Dim::Rows, Dim::Fixed(3 * self.width())]),
            Binding::table("tiles", Dim::Tiles, 4),
            Binding::output("y", &[Dim::Rows, Dim::Fixed(self.width())]),
        )
    }

    /// The buffers of it, or of its map.
    pub(super) fn bind(&self, qkv: Binding, table: Binding, y: Binding) -> Vec<Binding> {
        let mut all = vec![qkv, table];
        if let Some(max_distance) = self.relative_bias {
            let shape = [Dim::Fixed(self.num_attention_heads), Dim::Fixed(2 * max_distance + 1)];
            all.push(Binding::input("relative_bias", &shape));
        }
        all.push(y);
        all
    }

    pub(crate) fn flops(&self, _: usize, batch: &Batch) -> u64 {
        // Σ min(place, reach) over the places of a sequence.
        let side = |len: usize, reach: usize| {
            let reach = reach.min(len.saturating_sub(1));
            reach * reach.saturating_sub(1) / 2 + reach * (len - reach)
        };
        let pairs = |len: usize| len + self.reach().map(|reach| side(len, reach)).iter().sum::<usize>();
        let pairs: usize = batch.sequences().iter().map(|s| pairs(s.len)).sum();
        4 * (pairs * self.width()) as u64
    }
}

/// Of `rows`, those that are at most so many before and after `middle`. Never inlined: kernels ask for it row by row, and
/// browsers would download it for each of them.
#[inline(never)]
fn within(middle: usize, [before, after]: [usize; 2], rows: Range<usize>) -> Range<usize> {
    let end = middle.saturating_add(after).saturating_add(1);
    middle.saturating_sub(before).clamp(rows.start, rows.end)..end.clamp(rows.start, rows.end)
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    use heatseek_testkit::Tolerance;
    let mut all = Vec::new();
    let case = |heads: usize, head_dim: usize, lengths: &[usize], scale: f32| {
        let name = format!("{heads}x{head_dim}_{lengths:?}_scale_{scale}");
        Case::new(&name, Attention::new(heads, head_dim), Rows::Tokens, lengths).with_scale("qkv", scale)
    };
    // Query tiles hold 64, key tiles 16: both sides of each, and sequences that must not see each other.
    for lengths in [&[0][..], &[1], &[15], &[16], &[17], &[63], &[64], &[65], &[3, 0, 130, 1, 16]] {
        all.push(case(2, 32, lengths, 1.0));
    }
    // The CPU's blocks of keys hold 96, and with more they are of equal sizes.
    for lengths in [&[95][..], &[96], &[97], &[192, 193]] {
        all.push(case(2, 32, lengths, 1.0));
    }
    for head_dim in [4, 12, 16, 20, 32, 36, 64, 68, 80, 96, 100, 128] {
        all.push(case(3, head_dim, &[5, 33], 1.0));
    }
    // Of heads that are in two parts, key tiles hold 8.
    all.push(case(2, 128, &[1, 7, 8, 9, 65], 1.0));
    all.push(case(12, 32, &[7, 70], 1.0));
    let op = Attention { causal: true, ..Attention::new(1, 128) };
    all.push(Case::new("causal_1x128", op, Rows::Tokens, &[9, 66]));
    // Both sides of the key tiles of 16 and the groups of 4 in them, and a sequence that does not begin a tile.
    for lengths in [&[1][..], &[4], &[5], &[16], &[17], &[64], &[65], &[97, 193], &[3, 0, 130, 1, 16]] {
        let op = Attention { causal: true, ..Attention::new(2, 32) };
        let name = format!("causal_2x32_{lengths:?}");
        all.push(Case::new(&name, op, Rows::Tokens, lengths));
    }
    // Scores of ±100 and beyond: an exponential without the maximum subtracted overflows. A score of 150 is
    // itself only good to 150 · 2⁻²⁴, which moves a weight by 1e-5 of itself and a value of 12 by 1e-4.
    let tolerance = Tolerance::RelAbs { rel: 1e-5, abs: 4e-4 };
    all.push(case(2, 32, &[40], 12.0).with_tolerance(tolerance));
    all.extend(masked());
    all
}

/// Windows, biases and what they are together. GPUs compile each reach and each table anew, so there are few of them, and
/// lengths vary around these.
#[cfg(feature = "cases")]
fn masked() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let case = |op: Attention, lengths: &[usize]| {
        let Attention { num_attention_heads: heads, head_dim, causal, window, relative_bias } = op;
        let causal = if causal { "causal_" } else { "" };
        let window = window.map_or(String::new(), |window| format!("window_{window}_"));
        let bias = relative_bias.map_or(String::new(), |distance| format!("bias_{distance}_"));
        let name = format!("{causal}{window}{bias}{heads}x{head_dim}_{lengths:?}");
        // Biases as large as scores, so that both count.
        Case::new(&name, op, Rows::Tokens, lengths).with_scale("relative_bias", 2.0)
    };
    let mut all = Vec::new();
    let window = Attention { window: Some(19), ..Attention::new(2, 32) };
    let bias = Attention { relative_bias: Some(7), ..Attention::new(2, 64) };
    for causal in [false, true] {
        // Shorter than a window to one side, as long, longer, and the same with both sides; tiles of queries that see none
        // of the first keys, or none of the last, and queries that see none of a step's keys.
        let window = Attention { causal, ..window };
        for lengths in [&[1][..], &[19], &[20], &[21], &[38], &[39], &[40], &[64, 65], &[3, 0, 230, 1, 16]] {
            all.push(case(window, lengths));
        }
        // Farther than the table goes, and not.
        let bias = Attention { causal, ..bias };
        for lengths in [&[1][..], &[7, 8, 9], &[3, 0, 130, 1, 16]] {
            all.push(case(bias, lengths));
        }
        all.push(case(Attention { window: Some(19), ..bias }, &[5, 33]));
        all.push(case(Attention { window: Some(19), ..bias }, &[3, 0, 230, 1, 16]));
    }
    // A row alone; farther than anything.
    for rows in [0, 1000] {
        all.push(case(Attention { window: Some(rows), ..window }, &[1, 2, 64, 193]));
    }
    // One value for all offsets, and a table that no sequence needs whole.
    for max_distance in [0, 300] {
        all.push(case(Attention { relative_bias: Some(max_distance), ..bias }, &[1, 2, 70]));
    }
    // Wide heads, which are in two parts; 80 does not fill them.
    for head_dim in [80, 128] {
        let window = Attention { head_dim, ..window };
        all.push(case(window, &[5, 70]));
        all.push(case(Attention { relative_bias: Some(7), ..window }, &[5, 70]));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_as_they_are_seen() {
        for (causal, window) in
            [false, true].into_iter().flat_map(|c| [None, Some(0), Some(3), Some(9)].map(|w| (c, w)))
        {
            let op = Attention { causal, window, ..Attention::new(1, 1) };
            for len in 0..12 {
                let seen: usize = (0..len).map(|query| op.seen(query, 0..len).len()).sum();
                let seeing: usize = (0..len).map(|key| op.seeing(key, 0..len).len()).sum();
                assert_eq!(seen, seeing, "{op:?} of {len}");
                assert_eq!(op.flops(len, &Batch::of_lengths(&[len])), 4 * seen as u64, "{op:?} of {len}");
            }
        }
    }

    #[test]
    fn a_row_sees_as_far_as_its_window() {
        let op = Attention { window: Some(2), ..Attention::new(1, 1) };
        assert_eq!(op.seen(5, 3..20), 3..8);
        assert_eq!(op.seen(5, 0..7), 3..7);
        assert_eq!(op.seen(5, 8..9).len(), 0);
        assert_eq!(op.seen(5, 0..3).len(), 0);
        let causal = Attention { causal: true, ..op };
        assert_eq!(causal.seen(5, 0..20), 3..6);
        assert_eq!(causal.seeing(5, 0..20), 5..8);
    }
}
