//! Where patches look, in the plane (Li et al., "How Does Attention Work in Vision Transformers?", 2023; Walmer et
//! al., "Teaching Matters", 2023). Lengths are in patches: 1 is the step to a neighbour.

use crate::error::check_shape;
use crate::{AnalysisError, Map};

/// The patches of a picture, from left to right and down, behind `prefix` tokens that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Tokens before the patches: a class token, registers.
    pub prefix: usize,
    /// Patches from top to bottom.
    pub rows: usize,
    /// Patches from left to right.
    pub columns: usize,
}

/// Where a head looks, if it looks from everywhere at the same offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offset {
    /// Columns to the right.
    pub dx: isize,
    /// Rows down.
    pub dy: isize,
    /// What patches that have a patch there gave to it.
    pub share: f64,
}

impl Offset {
    /// Whether this is a head of one neighbour: at most a step away but not the patch itself, with `least` of the
    /// attention or more.
    pub fn is_local(&self, least: f64) -> bool {
        (self.dx, self.dy) != (0, 0) && self.dx.abs() <= 1 && self.dy.abs() <= 1 && self.share >= least
    }
}

impl Grid {
    /// All tokens.
    pub fn tokens(&self) -> usize {
        self.prefix + self.patches()
    }

    /// Patches.
    pub fn patches(&self) -> usize {
        self.rows * self.columns
    }

    /// How many rings [`Grid::rings`] has.
    pub fn ring_count(&self) -> usize {
        self.rows.max(self.columns)
    }

    /// The patch part of a row of a map, as it is.
    pub fn of_row<'a>(&self, row: &'a [f32]) -> &'a [f32] {
        row.get(self.prefix..).unwrap_or_default()
    }

    /// What patches gave to patches, each row divided by its sum: `[patches, patches]`. A row without any stays 0.
    ///
    /// # Errors
    /// [`AnalysisError::Length`] for a map of other tokens, as of all that follow.
    pub fn patch_map(&self, map: Map<'_>) -> Result<Vec<f32>, AnalysisError> {
        self.check(map)?;
        let mut patches = Vec::with_capacity(self.patches() * self.patches());
        for row in map.rows().skip(self.prefix).map(|row| self.of_row(row)) {
            let sum: f64 = row.iter().map(|&a| f64::from(a)).sum();
            let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
            patches.extend(row.iter().map(|&a| (f64::from(a) * scale) as f32));
        }
        Ok(patches)
    }

    /// Mean distance that patches look, attention to other tokens left out.
    ///
    /// # Errors
    /// As [`Grid::patch_map`].
    pub fn distance(&self, map: Map<'_>) -> Result<f64, AnalysisError> {
        let sums = self.by_offset(&self.patch_map(map)?);
        let far = |(at, sum): (usize, &f64)| {
            let (dx, dy) = self.offset(at);
            sum * (dx as f64).hypot(dy as f64)
        };
        Ok(sums.iter().enumerate().map(far).sum::<f64>() / self.patches().max(1) as f64)
    }

    /// What patches gave to those 0, 1, 2, … steps away, diagonal steps counted as one: squares around each. The
    /// rest of 1 went to the prefix tokens.
    ///
    /// # Errors
    /// As [`Grid::patch_map`].
    pub fn rings(&self, map: Map<'_>) -> Result<Vec<f64>, AnalysisError> {
        self.check(map)?;
        let mut rings = vec![0.0; self.ring_count()];
        let patches: Vec<f32> =
            map.rows().skip(self.prefix).flat_map(|row| self.of_row(row)).copied().collect();
        for (at, sum) in self.by_offset(&patches).into_iter().enumerate() {
            let (dx, dy) = self.offset(at);
            // Without patches there is no ring.
            if let Some(ring) = rings.get_mut(dx.abs().max(dy.abs()) as usize) {
                *ring += sum;
            }
        }
        rings.iter_mut().for_each(|ring| *ring /= self.patches().max(1) as f64);
        Ok(rings)
    }

    /// What patches gave on the average to the patch at each offset, `[2·rows − 1, 2·columns − 1]` with the patch
    /// itself in the middle: the mean over the patches that have a patch there. Attention to other tokens is left
    /// out. And the offset that got most in all.
    ///
    /// # Errors
    /// As [`Grid::patch_map`].
    pub fn aligned(&self, map: Map<'_>) -> Result<(Vec<f32>, Offset), AnalysisError> {
        let sums = self.by_offset(&self.patch_map(map)?);
        let mut peak = (0.0, Offset { dx: 0, dy: 0, share: 0.0 });
        let mut aligned = vec![0.0; sums.len()];
        for (at, &sum) in sums.iter().enumerate() {
            let (dx, dy) = self.offset(at);
            let pairs =
                self.columns.saturating_sub(dx.unsigned_abs()) * self.rows.saturating_sub(dy.unsigned_abs());
            let share = if pairs > 0 { sum / pairs as f64 } else { 0.0 };
            aligned[at] = share as f32;
            // By the sum: at the corners a single patch would decide.
            if sum > peak.0 {
                peak = (sum, Offset { dx, dy, share });
            }
        }
        Ok((aligned, peak.1))
    }

    /// How much what patches look at depends on which patch looks: for each patch looked at the standard deviation
    /// over those that look, and of these the mean. Attention to other tokens is left out.
    ///
    /// # Errors
    /// As [`Grid::patch_map`].
    pub fn position_std(&self, map: Map<'_>) -> Result<f64, AnalysisError> {
        let patches = self.patch_map(map)?;
        let count = self.patches();
        let n = count.max(1) as f64;
        let mut means = vec![0.0; count];
        for row in patches.chunks_exact(count.max(1)) {
            means.iter_mut().zip(row).for_each(|(mean, &a)| *mean += f64::from(a) / n);
        }
        let mut variances = vec![0.0; count];
        for row in patches.chunks_exact(count.max(1)) {
            for ((variance, mean), &a) in variances.iter_mut().zip(&means).zip(row) {
                *variance += (f64::from(a) - mean).powi(2) / n;
            }
        }
        Ok(variances.iter().map(|v| v.sqrt()).sum::<f64>() / n)
    }

    fn check(&self, map: Map<'_>) -> Result<(), AnalysisError> {
        let tokens = self.tokens();
        check_shape("a map", map.values().len(), &[("tokens", tokens), ("tokens", tokens)])
    }

    /// Height and width of an aligned map.
    fn aligned_size(&self) -> [usize; 2] {
        [2 * self.rows.max(1) - 1, 2 * self.columns.max(1) - 1]
    }

    /// Columns to the right and rows down at place `at` of an aligned map.
    fn offset(&self, at: usize) -> (isize, isize) {
        let [height, width] = self.aligned_size().map(|side| side as isize);
        (at as isize % width - width / 2, at as isize / width - height / 2)
    }

    /// The sum of what patches gave to the patch at each offset, as an aligned map.
    fn by_offset(&self, patches: &[f32]) -> Vec<f64> {
        let [height, width] = self.aligned_size();
        let mut sums = vec![0.0; height * width];
        for (from, map) in patches.chunks_exact(self.patches().max(1)).enumerate() {
            for (row, values) in map.chunks_exact(self.columns).enumerate() {
                let down = row + self.rows - 1 - from / self.columns;
                let first = down * width + self.columns - 1 - from % self.columns;
                sums[first..].iter_mut().zip(values).for_each(|(sum, &a)| *sum += f64::from(a));
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each token looks at, all of it.
    fn looking(tokens: usize, at: impl Fn(usize) -> Option<usize>) -> Vec<f32> {
        let value = |place: usize| at(place / tokens) == Some(place % tokens);
        (0..tokens * tokens).map(|place| if value(place) { 1.0 } else { 0.0 }).collect()
    }

    const SQUARE: Grid = Grid { prefix: 0, rows: 4, columns: 4 };

    #[test]
    fn distance_of_an_even_map() {
        let even = [1.0 / 16.0; 256];
        let found = SQUARE.distance(Map::new(&even, 16).unwrap()).unwrap();
        assert!((found - 2.008_015).abs() < 1e-6, "{found}");
        // In the paper's coordinates the grid is as wide as 1.
        assert!((found / 3.0 - 0.669_338).abs() < 1e-6);
    }

    #[test]
    fn prefix_tokens_are_left_out_of_distances_and_kept_in_rings() {
        let grid = Grid { prefix: 2, rows: 1, columns: 3 };
        // Half to the prefix, the rest to the last patch.
        let map: Vec<f32> = [0.25, 0.25, 0.0, 0.0, 0.5].repeat(5);
        let map = Map::new(&map, 5).unwrap();
        assert_eq!(grid.distance(map).unwrap(), 1.0);
        let rings = grid.rings(map).unwrap();
        assert_eq!(rings.len(), 3);
        rings.iter().for_each(|ring| assert!((ring - 0.5 / 3.0).abs() < 1e-12));
    }

    #[test]
    fn rings_of_an_even_map_are_as_large_as_rings() {
        let grid = Grid { prefix: 1, rows: 3, columns: 5 };
        let even = [1.0 / 16.0; 256];
        let rings = grid.rings(Map::new(&even, 16).unwrap()).unwrap();
        // Every pair once, by hand: 15 with itself; steps right and down as many as there are.
        let mut pairs = [0.0; 5];
        for dx in -4isize..=4 {
            for dy in -2isize..=2 {
                let count = (5 - dx.abs()) * (3 - dy.abs());
                pairs[dx.abs().max(dy.abs()) as usize] += count as f64;
            }
        }
        for (ring, pairs) in rings.iter().zip(pairs) {
            assert!((ring - pairs / 15.0 / 16.0).abs() < 1e-12);
        }
        assert!((rings.iter().sum::<f64>() + 1.0 / 16.0 - 1.0).abs() < 1e-12);
        let itself = looking(16, Some);
        assert_eq!(grid.rings(Map::new(&itself, 16).unwrap()).unwrap(), [1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_shifted_map_is_one_offset() {
        let grid = Grid { prefix: 1, rows: 3, columns: 4 };
        // One to the right; those at the edge look at nothing.
        let right = |token: usize| (token > 0 && (token - 1) % 4 < 3).then_some(token + 1);
        let map = looking(13, right);
        let (aligned, offset) = grid.aligned(Map::new(&map, 13).unwrap()).unwrap();
        assert_eq!(offset, Offset { dx: 1, dy: 0, share: 1.0 });
        assert!(offset.is_local(1.0));
        assert_eq!(aligned.len(), 5 * 7);
        // A delta: nothing but the place right of the middle.
        let delta: Vec<usize> = (0..35).filter(|&at| aligned[at] != 0.0).collect();
        assert_eq!((delta, aligned[2 * 7 + 4]), (vec![2 * 7 + 4], 1.0));
    }

    #[test]
    fn local_heads_look_a_step_away() {
        let two_down = looking(16, |token| (token + 8 < 16).then_some(token + 8));
        let (_, offset) = SQUARE.aligned(Map::new(&two_down, 16).unwrap()).unwrap();
        assert_eq!((offset, offset.is_local(0.5)), (Offset { dx: 0, dy: 2, share: 1.0 }, false));
        let (_, itself) = SQUARE.aligned(Map::new(&looking(16, Some), 16).unwrap()).unwrap();
        assert_eq!((itself, itself.is_local(0.5)), (Offset { dx: 0, dy: 0, share: 1.0 }, false));
    }

    #[test]
    fn position_std_tells_whether_the_place_matters() {
        let same = looking(16, |_| Some(3));
        assert_eq!(SQUARE.position_std(Map::new(&same, 16).unwrap()).unwrap(), 0.0);
        let itself = looking(16, Some);
        let found = SQUARE.position_std(Map::new(&itself, 16).unwrap()).unwrap();
        // Of 16 values one is 1: √(1/16 · 15/16).
        assert!((found - 15f64.sqrt() / 16.0).abs() < 1e-12);
    }

    #[test]
    fn other_maps_are_refused() {
        let map = [0.5; 4];
        let map = Map::new(&map, 2).unwrap();
        assert!(SQUARE.distance(map).is_err() && SQUARE.rings(map).is_err() && SQUARE.aligned(map).is_err());
        assert!(Grid { prefix: 2, rows: 0, columns: 0 }.aligned(map).is_ok());
    }
}
