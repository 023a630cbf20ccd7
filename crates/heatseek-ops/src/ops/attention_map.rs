//! `attention_map`: the probabilities of an attention, for people to look at.

use crate::{Attention, Batch, Binding, Dim};

/// What becomes of the heads of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeadFusion {
    /// Each is kept.
    #[default]
    Each,
    /// Their mean.
    Mean,
    /// The largest of them, which is no distribution any more.
    Max,
    /// The smallest of them, which is no distribution any more.
    Min,
}

impl HeadFusion {
    /// All of them.
    pub const ALL: [HeadFusion; 4] = [Self::Each, Self::Mean, Self::Max, Self::Min];

    /// The name, as the command line and JavaScript spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Each => "none",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
        }
    }
}

/// `softmax(q kᵀ · scale + bias)` of [`Attention`], each sequence among itself, on the same `qkv` rows: what that op
/// multiplies the values with and never stores.
///
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `qkv` | `[tokens, 3 · num_attention_heads · head_dim]` | always |
/// | `spans` | the span table of the rows that look: of all tokens, or of the batch's queries, `[rows, 3]` u32 | always |
/// | `relative_bias` | `[num_attention_heads, 2 · max_distance + 1]` | a relative bias |
/// | out `y` | `[rows, heads, longest]` | always |
///
/// `heads` is `num_attention_heads`, or 1 where they are fused, and `longest` the length of the batch's longest
/// sequence; beside the keys that a row sees there are zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionMap {
    /// The attention looked at.
    pub attention: Attention,
    /// What becomes of its heads.
    pub fusion: HeadFusion,
    /// Whether `y` is a step of a rollout: `s·I + (1 − s)·map`, each row divided by its sum, with `s` the batch's
    /// [`residual`](Batch::residual).
    pub mixed: bool,
}

impl AttentionMap {
    /// Maps that are written.
    pub fn heads(&self) -> usize {
        if self.fusion == HeadFusion::Each { self.attention.num_attention_heads } else { 1 }
    }

    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        self.attention.bind(
            Binding::input("qkv", &[Dim::Tokens, Dim::Fixed(3 * self.attention.width())]),
            Binding::table("spans", Dim::Rows, 3),
            Binding::output("y", &[Dim::Pairs, Dim::Fixed(self.heads())]),
        )
    }

    pub(crate) fn flops(&self, rows: usize, batch: &Batch) -> u64 {
        // Scores are computed twice: for their maximum and sum, and for what is written.
        self.attention.flops(rows, batch)
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let case = |heads: usize, head_dim: usize, lengths: &[usize], fusion: HeadFusion, scale: f32| {
        let attention = Attention::new(heads, head_dim);
        let name = format!("{heads}x{head_dim}_{lengths:?}_{}_scale_{scale}", fusion.name());
        let op = AttentionMap { attention, fusion, mixed: false };
        Case::new(&name, op, Rows::Tokens, lengths).with_scale("qkv", scale)
    };
    let mut all = Vec::new();
    for fusion in HeadFusion::ALL {
        // Workgroups of 64 queries; sequences that must not see each other, and the zeros behind short ones.
        for lengths in [&[0][..], &[1], &[64], &[65], &[3, 0, 70, 1, 16]] {
            all.push(case(3, 32, lengths, fusion, 1.0));
        }
    }
    for head_dim in [4, 12, 16, 20, 36, 64, 68, 128] {
        all.push(case(2, head_dim, &[5, 33], HeadFusion::Each, 1.0));
    }
    for fusion in HeadFusion::ALL {
        let attention = Attention { causal: true, ..Attention::new(3, 32) };
        let name = format!("causal_3x32_{}", fusion.name());
        let op = AttentionMap { attention, fusion, mixed: false };
        all.push(Case::new(&name, op, Rows::Tokens, &[3, 0, 70, 1, 16]));
        // Some rows only, in any order, of sequences of any length.
        for causal in [false, true] {
            let op = AttentionMap { attention: Attention { causal, ..attention }, fusion, mixed: false };
            let queries: Vec<usize> = (0..65).map(|i| (i * 37 + 5) % 90).collect();
            for queries in [&[0][..], &[89, 2, 3, 72, 73], &queries[..64], &queries] {
                let name = format!("queries_{}_{}_causal_{causal}", queries.len(), fusion.name());
                all.push(Case::new(&name, op, Rows::Queries, &[3, 0, 70, 1, 16]).with_queries(queries));
            }
            let name = format!("mixed_{}_causal_{causal}", fusion.name());
            let op = AttentionMap { mixed: true, ..op };
            all.push(Case::new(&name, op, Rows::Tokens, &[3, 0, 70, 1, 16]).with_residual(0.3));
        }
    }
    // A window, both sides of its end; a bias, farther than its table goes; and both, in any order and fused.
    let window = Attention { window: Some(9), ..Attention::new(3, 64) };
    let both = Attention { relative_bias: Some(7), ..window };
    let bias = Attention { window: None, causal: true, ..both };
    let masked = |name: String, op: AttentionMap, rows| {
        Case::new(&name, op, rows, &[3, 0, 170, 1, 16]).with_scale("relative_bias", 2.0)
    };
    for (name, attention) in
        [("window", window), ("causal_bias", bias), ("window_bias_3x80", Attention { head_dim: 80, ..both })]
    {
        let op = AttentionMap { attention, fusion: HeadFusion::Each, mixed: false };
        all.push(masked(name.to_owned(), op, Rows::Tokens));
    }
    for fusion in HeadFusion::ALL {
        let (name, op) = (fusion.name(), AttentionMap { attention: both, fusion, mixed: false });
        all.push(masked(format!("window_bias_{name}"), op, Rows::Tokens));
        let queries: Vec<usize> = (0..65).map(|i| (i * 37 + 5) % 190).collect();
        all.push(masked(format!("window_bias_{name}_queries"), op, Rows::Queries).with_queries(&queries));
        let op = AttentionMap { mixed: true, ..op };
        all.push(masked(format!("mixed_window_bias_{name}"), op, Rows::Tokens).with_residual(0.3));
    }
    // Scores far beyond where an exponential overflows. Such a score is only good to 2⁻²⁴ of itself.
    let tolerance = heatseek_testkit::Tolerance::RelAbs { rel: 1e-4, abs: 1e-5 };
    all.push(case(2, 32, &[40], HeadFusion::Each, 12.0).with_tolerance(tolerance));
    all
}
