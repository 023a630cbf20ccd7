//! `attention_pool`: one vector per sequence, by attention of one query to its rows.

use crate::{Batch, Binding, Dim};

/// `y = softmax(query · keysᵀ · scale) values + residual` per head, over the rows of each sequence that are not skipped, which
/// give zeros if there are none. Heads split keys and values evenly.
///
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `keys` | `[tokens, keys]` | always |
/// | `values` | `[tokens, values]` | always |
/// | `query` | `[keys]`, or `[sequences, keys]` with `own_queries` | always |
/// | `residual` | `[values]`, or `[sequences, values]` with `own_queries` | `residual` |
/// | `sequences` | the sequence table, `[sequences, 3]` u32 | always |
/// | out `y` | `[sequences, values]` | always |
/// | out `weights` | `[tokens, num_heads]`: the softmax, 0 of skipped rows | `weights` |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionPool {
    /// Width of a key, a multiple of `num_heads`.
    pub keys: usize,
    /// Width of a value, a multiple of `num_heads`.
    pub values: usize,
    /// Heads.
    pub num_heads: usize,
    /// What products are multiplied with.
    pub scale: f32,
    /// Whether each sequence has a query of its own.
    pub own_queries: bool,
    /// Whether something is added to `y`.
    pub residual: bool,
    /// Whether the softmax is written too.
    pub weights: bool,
}

impl AttentionPool {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let keys = Dim::Fixed(self.keys);
        let own =
            |width: usize| [Dim::Sequences, Dim::Fixed(width)][usize::from(!self.own_queries)..].to_vec();
        let mut all = vec![
            Binding::input("keys", &[Dim::Tokens, keys]),
            Binding::input("values", &[Dim::Tokens, Dim::Fixed(self.values)]),
            Binding::input("query", &own(self.keys)),
        ];
        if self.residual {
            all.push(Binding::input("residual", &own(self.values)));
        }
        all.push(Binding::table("sequences", Dim::Sequences, 3));
        all.push(Binding::output("y", &[Dim::Sequences, Dim::Fixed(self.values)]));
        if self.weights {
            all.push(Binding::output("weights", &[Dim::Tokens, Dim::Fixed(self.num_heads)]));
        }
        all
    }

    pub(crate) fn flops(&self, _: usize, batch: &Batch) -> u64 {
        2 * (batch.rows() * (self.keys + self.values)) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    use heatseek_testkit::Tolerance;
    let mut all = Vec::new();
    let op = AttentionPool {
        keys: 24,
        values: 36,
        num_heads: 1,
        scale: 0.25,
        own_queries: false,
        residual: false,
        weights: false,
    };
    // A chunk holds 64 rows: both sides of it, and sequences that must not see each other.
    for num_heads in [1, 3, 12] {
        for (own_queries, weights) in [(false, true), (true, false), (true, true)] {
            for skip in [0, 2, 64] {
                let residual = skip == 2;
                let op = AttentionPool { num_heads, own_queries, residual, weights, ..op };
                let name = format!("{num_heads}_own_{own_queries}_weights_{weights}_skip_{skip}");
                let lengths = [0, 1, 2, 63, 64, 65, 200];
                all.push(Case::new(&name, op, Rows::Sequences, &lengths).with_skip(skip));
            }
        }
    }
    // An invocation takes every 64th value of a head.
    for (keys, values) in [(1, 1), (5, 63), (64, 64), (7, 65), (384, 384), (3, 1030)] {
        let op = AttentionPool { keys, values, ..op };
        all.push(Case::new(&format!("{keys}_to_{values}"), op, Rows::Sequences, &[5, 70]));
    }
    // Scores far beyond where an exponential overflows. Such a score is only good to 2⁻²⁴ of its products.
    let op = AttentionPool { weights: true, scale: 1.0, ..op };
    let case = Case::new("large_scores", op, Rows::Sequences, &[3, 70]).with_scale("keys", 60.0);
    all.push(case.with_tolerance(Tolerance::RelAbs { rel: 1e-4, abs: 1e-4 }));
    all
}
