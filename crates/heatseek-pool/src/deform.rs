//! A convolution whose 3 × 3 taps go where the picture says: the spatial attention of Dynamic Head (row 112).

use crate::linear::Linear;
use crate::math::sigmoid;
use crate::{Params, PoolError};

/// `Σ_l Σ_k W_lk F_l[p + k + Δ_k] m_k` (modulated deformable convolution, DCNv2), the offsets Δ and masks m of each
/// patch by a plain convolution of one of the levels. Outside the picture all is 0.
#[derive(Clone, Debug)]
pub(crate) struct Deformable {
    /// `[27, D · 9]`: down and right of each tap in turn, then what σ makes their masks.
    offset: Linear,
    /// `[D, D · 9]`, one for all levels or one each.
    convs: Vec<Linear>,
}

/// Rows and columns of patches.
pub(crate) type Grid = (usize, usize);

/// Patches row by row, `[rows · columns][D]`.
pub(crate) type Patches = Vec<Vec<f64>>;

/// Where a tap is moved, down and right, and what it is multiplied with.
type Tap = (f64, f64, f64);

impl Deformable {
    /// `offset.weight` `[27, D, 3, 3]` and `offset.bias` `[27]` as in the authors' file, `conv.weight` `[D, D, 3, 3]` or
    /// `[n, D, D, 3, 3]`.
    pub(crate) fn read(params: &Params, levels: usize, width: usize) -> Result<Self, PoolError> {
        let own = params.get("conv.weight").is_some_and(|(shape, _)| shape.len() == 5);
        let shape = [levels, width, width, 3, 3];
        let weight = params.require("conv.weight", if own { &shape } else { &shape[1..] })?;
        let conv = |weight: &[f32]| Linear::plain(weight.to_vec(), vec![0.0; width]);
        Ok(Self {
            offset: Linear::plain(
                params.require("offset.weight", &[27, width, 3, 3])?.to_vec(),
                params.or_zeros("offset.bias", &[27])?,
            ),
            convs: weight.chunks_exact(width * width * 9).map(conv).collect(),
        })
    }

    /// Of `levels`, the offsets by `guide`.
    pub(crate) fn apply(&self, guide: &Patches, levels: &[Patches], grid: Grid) -> Patches {
        let width = guide.first().map_or(0, Vec::len);
        // One convolution of all is that of their sum.
        let summed = match self.convs.len() {
            1 => vec![sum(levels)],
            _ => levels.to_vec(),
        };
        let patch = |p: usize| {
            let place = (p / grid.1, p % grid.1);
            let said = self.offset.apply(&seen(guide, grid, place, &[(0.0, 0.0, 1.0); 9]));
            let taps: [Tap; 9] =
                std::array::from_fn(|k| (said[2 * k], said[2 * k + 1], sigmoid(said[18 + k])));
            let mut out = vec![0.0; width];
            for (map, conv) in summed.iter().zip(&self.convs) {
                let one = conv.apply(&seen(map, grid, place, &taps));
                out.iter_mut().zip(one).for_each(|(out, v)| *out += v);
            }
            out
        };
        (0..guide.len()).map(patch).collect()
    }
}

fn sum(levels: &[Patches]) -> Patches {
    let mut sum = levels[0].clone();
    for level in &levels[1..] {
        let pairs = sum.iter_mut().flatten().zip(level.iter().flatten());
        pairs.for_each(|(sum, v)| *sum += v);
    }
    sum
}

/// What a kernel at `place` sees, `[D · 9]`, taps of a channel next to each other; between patches it is bilinear.
fn seen(map: &Patches, (rows, columns): Grid, (row, column): Grid, taps: &[Tap; 9]) -> Vec<f64> {
    let mut seen = vec![0.0; map[0].len() * 9];
    for (k, (down, right, mask)) in taps.iter().enumerate() {
        let y = (row + k / 3) as f64 - 1.0 + down;
        let x = (column + k % 3) as f64 - 1.0 + right;
        for (near_y, near_x) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let (at_y, at_x) = (y.floor() + near_y, x.floor() + near_x);
            let inside = (0.0..rows as f64).contains(&at_y) && (0.0..columns as f64).contains(&at_x);
            let weight = mask * (1.0 - (y - at_y).abs()) * (1.0 - (x - at_x).abs());
            if inside && weight != 0.0 {
                let patch = &map[at_y as usize * columns + at_x as usize];
                seen.iter_mut().skip(k).step_by(9).zip(patch).for_each(|(seen, v)| *seen += weight * v);
            }
        }
    }
    seen
}
