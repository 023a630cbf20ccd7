//! `l2_normalize`: scales each row to unit length.

use crate::{Batch, Binding, Dim};

/// `y = x / max(‖x‖₂, 1e-12)` per row, as PyTorch's `functional.normalize`.
///
/// | binding | shape |
/// | --- | --- |
/// | `x` | `[rows, width]` |
/// | out `y` | `[rows, width]` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2Normalize {
    /// Width of a row.
    pub width: usize,
}

impl L2Normalize {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let shape = [Dim::Rows, Dim::Fixed(self.width)];
        vec![Binding::input("x", &shape), Binding::output("y", &shape)]
    }

    pub(crate) fn flops(&self, rows: usize, _: &Batch) -> u64 {
        3 * (rows * self.width) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let mut all: Vec<Case> = [(1, 4), (3, 20), (2, 256), (5, 260), (2, 1024)]
        .iter()
        .map(|&(rows, width)| {
            Case::new(&format!("{rows}x{width}"), L2Normalize { width }, Rows::Tokens, &[rows])
        })
        .collect();
    // The zero vector stays zero instead of becoming NaN.
    all.push(Case::new("zeros", L2Normalize { width: 8 }, Rows::Tokens, &[3]).with_scale("x", 0.0));
    all
}
