//! `copy`: keeps rows that a later step will overwrite, or puts two of them behind each other.

use crate::{Batch, Binding, Dim};

/// `y = x`, with `behind` behind it in each row.
///
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `x` | `[rows, width]` | always |
/// | `behind` | `[rows, behind]` | `behind` is not 0 |
/// | out `y` | `[rows, width + behind]` | always |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CopyRows {
    /// Width of a row of `x`.
    pub width: usize,
    /// Width of a row of what comes behind it; 0 if nothing does.
    pub behind: usize,
}

impl CopyRows {
    /// `y = x`.
    pub fn of_width(width: usize) -> Self {
        Self { width, behind: 0 }
    }

    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let shape = |width| [Dim::Rows, Dim::Fixed(width)];
        let mut all = vec![Binding::input("x", &shape(self.width))];
        if self.behind > 0 {
            all.push(Binding::input("behind", &shape(self.behind)));
        }
        all.push(Binding::output("y", &shape(self.width + self.behind)));
        all
    }

    pub(crate) fn flops(&self, _: usize, _: &Batch) -> u64 {
        0
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let case = |rows: usize, width: usize, behind: usize| {
        Case::new(&format!("{rows}x{width}+{behind}"), CopyRows { width, behind }, Rows::Tokens, &[rows])
            .with_tolerance(heatseek_testkit::Tolerance::Exact)
    };
    // A workgroup takes 64 elements.
    let shapes = [(0, 8), (1, 1), (1, 63), (1, 64), (1, 65), (9, 7), (33, 384)];
    let each = |(rows, width)| [0, 1, 4, 66].map(|behind| case(rows, width, behind));
    shapes.into_iter().flat_map(each).collect()
}
