//! `layer_norm`: normalises each row.

use crate::{Batch, Binding, Dim};

/// `y = (x − mean(x)) / √(var(x) + eps) · gamma + beta` per row, biased variance, two passes.
///
/// | binding | shape |
/// | --- | --- |
/// | `x` | `[rows, width]` |
/// | `affine` | `[2, width]`: gamma, beta |
/// | out `y` | `[rows, width]` |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Width of a row.
    pub width: usize,
    /// Added to the variance; `layer_norm_eps`.
    pub eps: f32,
}

impl LayerNorm {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let width = Dim::Fixed(self.width);
        vec![
            Binding::input("x", &[Dim::Rows, width]),
            Binding::input("affine", &[Dim::Fixed(2), width]),
            Binding::output("y", &[Dim::Rows, width]),
        ]
    }

    pub(crate) fn flops(&self, rows: usize, _: &Batch) -> u64 {
        8 * (rows * self.width) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let mut all = Vec::new();
    for (rows, width) in [(0, 8), (1, 4), (3, 36), (64, 252), (65, 256), (5, 260), (7, 384), (2, 1024)] {
        let op = LayerNorm { width, eps: 1e-12 };
        all.push(Case::new(&format!("{rows}x{width}"), op, Rows::Tokens, &[rows]));
    }
    // A mean far from zero is what a one-pass variance gets wrong; two passes lose only what f32 rows
    // lose by themselves: 1e3 · 2⁻²⁴ against values of ±1.
    let offset = Case::new("offset_1000", LayerNorm { width: 384, eps: 1e-5 }, Rows::Tokens, &[9]);
    all.push(
        offset
            .with_values("x", 1.0, 1e3)
            .with_tolerance(heatseek_testkit::Tolerance::RelAbs { rel: 1e-3, abs: 1e-3 }),
    );
    all
}
