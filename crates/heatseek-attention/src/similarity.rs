//! How alike two representations of the same tokens are (Kornblith et al., "Similarity of Neural Network
//! Representations Revisited", 2019).

use crate::AnalysisError;
use crate::error::check_shape;

/// Linear CKA of `x` and `y`, `[tokens, width]` each with a width of its own: 1 where they are the same up to
/// rotation and scale, 0 where they share nothing, and for one that is the same for every token.
/// `tokens² × (widths)` steps.
///
/// # Errors
/// [`AnalysisError::Length`] where rows are not whole.
pub fn cka(x: &[f32], y: &[f32], tokens: usize) -> Result<f64, AnalysisError> {
    let (x, y) = (gram(x, tokens)?, gram(y, tokens)?);
    let hsic = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (hsic(&x, &x) * hsic(&y, &y)).sqrt();
    Ok(if scale > 0.0 { hsic(&x, &y) / scale } else { 0.0 })
}

/// Products of all tokens with all, of columns that were centred.
fn gram(x: &[f32], tokens: usize) -> Result<Vec<f64>, AnalysisError> {
    let width = x.len() / tokens.max(1);
    check_shape("a representation", x.len(), &[("tokens", tokens), ("wide", width)])?;
    let mut centred: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    for column in 0..width {
        let mean = (0..tokens).map(|t| centred[t * width + column]).sum::<f64>() / tokens as f64;
        (0..tokens).for_each(|t| centred[t * width + column] -= mean);
    }
    let row = |t: usize| &centred[t * width..][..width];
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    Ok((0..tokens * tokens).map(|place| dot(row(place / tokens), row(place % tokens))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::values;

    #[test]
    fn it_is_one_for_the_same_and_for_what_is_turned_and_scaled() {
        let x = values(1, 20 * 6, 1.0);
        assert!((cka(&x, &x, 20).unwrap() - 1.0).abs() < 1e-12);
        // Two axes turned by an angle, two exchanged, all scaled.
        let (sin, cos) = 0.7f32.sin_cos();
        let turn = |r: &[f32]| [cos * r[0] - sin * r[1], sin * r[0] + cos * r[1], r[3], r[2], -r[4], r[5]];
        let turned: Vec<f32> = x.chunks_exact(6).flat_map(turn).map(|v| 3.0 * v).collect();
        assert!((cka(&x, &turned, 20).unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn it_is_less_for_others_and_zero_for_a_constant() {
        let (x, y) = (values(1, 20 * 6, 1.0), values(2, 20 * 3, 1.0));
        let found = cka(&x, &y, 20).unwrap();
        assert!(found > 0.0 && found < 0.9, "{found}");
        assert_eq!(cka(&x, &[1.0; 40], 20).unwrap(), 0.0);
        assert!(cka(&x, &y[1..], 20).is_err());
    }
}
