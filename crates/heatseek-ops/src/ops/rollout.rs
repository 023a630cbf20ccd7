//! `rollout`: what tokens looked at through several layers.

use crate::{Batch, Binding, Dim};

/// `y = state · layer`: rows of a rollout, each of one query, brought one layer further down. `layer` is what
/// [`AttentionMap`](crate::AttentionMap) writes with `mixed`. The first has no state yet: it writes a 1 where the
/// query itself is, and 0 elsewhere.
///
/// | binding | shape |
/// | --- | --- |
/// | `state` (not of the first) | `[rows, longest]` |
/// | `layer` (not of the first) | `[tokens, longest]` |
/// | `spans` | the span table of the batch's queries, `[rows, 3]` u32 |
/// | out `y` | `[rows, longest]` |
///
/// `longest` is the length of the batch's longest sequence; behind a row's own sequence there are zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollout {
    /// Whether it begins the rollout.
    pub first: bool,
}

impl Rollout {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let one = Dim::Fixed(1);
        let mut all = Vec::new();
        if !self.first {
            all.push(Binding::input("state", &[Dim::Pairs, one]));
            all.push(Binding::input("layer", &[Dim::TokenPairs, one]));
        }
        all.extend([Binding::table("spans", Dim::Rows, 3), Binding::output("y", &[Dim::Pairs, one])]);
        all
    }

    pub(crate) fn flops(&self, rows: usize, batch: &Batch) -> u64 {
        if self.first { 0 } else { 2 * (rows * batch.longest() * batch.longest()) as u64 }
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let mut all = Vec::new();
    for first in [true, false] {
        let case = |lengths: &[usize]| {
            let name = format!("{}{lengths:?}", if first { "first_" } else { "" });
            // Shares, which are small: sums in another order are then as close as elsewhere.
            Case::new(&name, Rollout { first }, Rows::Queries, lengths).with_scale("layer", 0.25)
        };
        // A workgroup takes 64 columns.
        all.extend([&[0][..], &[1], &[63], &[64], &[65], &[3, 0, 70, 1, 16]].map(case));
        let some = Case::new(
            &format!("{}queries", if first { "first_" } else { "" }),
            Rollout { first },
            Rows::Queries,
            &[3, 0, 70, 1, 16],
        );
        all.push(some.with_queries(&[89, 2, 3, 72, 73]));
    }
    all
}
