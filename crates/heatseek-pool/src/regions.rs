//! Windows of tokens and patches.

use crate::tokens::Tokens;
use crate::{PoolError, States};

/// Places in `tokens`: of texts each `window` tokens in a row, of pictures `window` × `window` patches without the
/// tokens before them. What is left at the end makes a smaller one. Tokens that do not count are in none.
pub(crate) fn regions(states: &States<'_>, tokens: &Tokens, window: usize) -> Vec<Vec<usize>> {
    let all = tokens.rows.len();
    let Some((prefix, rows, columns)) = states.grid else {
        let places: Vec<usize> = (0..all).collect();
        return places.chunks(window).map(<[usize]>::to_vec).collect();
    };
    let mut regions = Vec::new();
    for top in (0..rows).step_by(window) {
        for left in (0..columns).step_by(window) {
            let patches = (top..rows.min(top + window)).flat_map(|row| {
                (left..columns.min(left + window)).map(move |column| prefix + row * columns + column)
            });
            let counted = patches.filter_map(|token| token.checked_sub(tokens.start).filter(|&t| t < all));
            regions.push(counted.collect::<Vec<_>>());
        }
    }
    regions.retain(|region| !region.is_empty());
    regions
}

/// The side of windows of `size` tokens: of texts `size`, of pictures, whose windows are squares, its root.
pub(crate) fn side(pooler: &'static str, states: &States<'_>, size: usize) -> Result<usize, PoolError> {
    let side = if states.grid.is_some() { size.isqrt() } else { size };
    match states.grid.is_some() && side * side != size {
        false => Ok(side),
        true => Err(PoolError::States {
            pooler,
            what: "K, the patches of a window,".into(),
            got: size.to_string(),
            expected: "a square".into(),
        }),
    }
}

/// Channel `c` of the tokens of a region, `[size]`: one that is not full is filled with its mean.
pub(crate) fn filled(tokens: &Tokens, region: &[usize], c: usize, size: usize) -> Vec<f64> {
    let mut x: Vec<f64> = region.iter().map(|&token| tokens.rows[token][c]).collect();
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.resize(size, mean);
    x
}
