//! Windows of tokens and patches.

use crate::States;
use crate::tokens::Tokens;

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
