//! Position embeddings for grids other than the one they were trained on.

/// How the grid of position embeddings is resized: `torch.nn.functional.interpolate(mode="bicubic",
/// align_corners=False)`, as each model's `interpolate_pos_encoding` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interpolation {
    /// Four taps a side, Keys' cubic with a = −0.75.
    Bicubic,
    /// `antialias=True`: a = −0.5, and as many taps as a smaller grid covers.
    BicubicAntialias,
}

/// `from [side, side, width]` resized to `[rows, columns, width]`, summed in f64.
pub(crate) fn interpolate(
    from: &[f32],
    side: usize,
    [rows, columns]: [usize; 2],
    width: usize,
    how: Interpolation,
) -> Vec<f32> {
    let (down, across) = (how.taps(side, rows), how.taps(side, columns));
    let mut all = Vec::with_capacity(rows * columns * width);
    for row in &down {
        for column in &across {
            let mut sum = vec![0.0f64; width];
            for (y, wy) in row {
                for (x, wx) in column {
                    let source = &from[(y * side + x) * width..][..width];
                    sum.iter_mut().zip(source).for_each(|(s, &v)| *s += wy * wx * f64::from(v));
                }
            }
            all.extend(sum.into_iter().map(|v| v as f32));
        }
    }
    all
}

impl Interpolation {
    /// For each of `to` places along a side: the places of `from` that it is made of, and their weights.
    fn taps(self, from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
        let scale = from as f64 / to as f64;
        let last = from as i64 - 1;
        let one = |i: usize| -> Vec<(usize, f64)> {
            let centre = scale * (i as f64 + 0.5);
            match self {
                Self::Bicubic => {
                    let first = (centre - 0.5).floor();
                    let offset = centre - 0.5 - first;
                    // Places beyond the edge are those at the edge.
                    (-1i64..=2)
                        .map(|t| {
                            let place = (first as i64 + t).clamp(0, last) as usize;
                            (place, cubic(offset - t as f64, -0.75))
                        })
                        .collect()
                }
                Self::BicubicAntialias => {
                    let stretch = scale.max(1.0);
                    let support = 2.0 * stretch;
                    // Truncated as PyTorch's conversion to an integer does.
                    let first = ((centre - support + 0.5) as i64).max(0);
                    let end = ((centre + support + 0.5) as i64).min(last + 1);
                    let weight = |x: i64| cubic((x as f64 + 0.5 - centre) / stretch, -0.5);
                    let total: f64 = (first..end).map(weight).sum();
                    (first..end).map(|x| (x as usize, weight(x) / total)).collect()
                }
            }
        };
        (0..to).map(one).collect()
    }
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Interpolation; 2] = [Interpolation::Bicubic, Interpolation::BicubicAntialias];

    #[test]
    fn the_trained_grid_stays_as_it_is() {
        let from: Vec<f32> = (0..5 * 5 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
        for how in BOTH {
            let same = interpolate(&from, 5, [5, 5], 3, how);
            assert!(same.iter().zip(&from).all(|(a, b)| (a - b).abs() < 1e-6), "{how:?}");
        }
    }

    #[test]
    fn a_constant_stays_constant_on_every_grid() {
        for how in BOTH {
            for grid in [[1, 1], [2, 7], [9, 4], [16, 16]] {
                let values = interpolate(&[0.25; 6 * 6 * 2], 6, grid, 2, how);
                assert_eq!(values.len(), grid[0] * grid[1] * 2);
                assert!(values.iter().all(|v| (v - 0.25).abs() < 1e-6), "{how:?} {grid:?}");
            }
        }
    }
}
