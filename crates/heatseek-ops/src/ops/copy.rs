//! `copy`: keeps rows that a later step will overwrite.

use crate::{Batch, Binding, Dim};

/// `y = x`.
///
/// | binding | shape |
/// | --- | --- |
/// | `x` | `[rows, width]` |
/// | out `y` | `[rows, width]` |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CopyRows {
    /// Width of a row.
    pub width: usize,
}

impl CopyRows {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let shape = [Dim::Rows, Dim::Fixed(self.width)];
        vec![Binding::input("x", &shape), Binding::output("y", &shape)]
    }

    pub(crate) fn flops(&self, _: usize, _: &Batch) -> u64 {
        0
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let case = |rows: usize, width: usize| {
        Case::new(&format!("{rows}x{width}"), CopyRows { width }, Rows::Tokens, &[rows])
            .with_tolerance(heatseek_testkit::Tolerance::Exact)
    };
    // A workgroup takes 64 elements.
    [(0, 8), (1, 1), (1, 63), (1, 64), (1, 65), (9, 7), (33, 384)].map(|(r, w)| case(r, w)).to_vec()
}
