//! Ways of looking at attention, and whether their answers are right.

use heatseek::{AttentionMaps, AttentionOptions, ImageModel, NoControl, Pixels, Reduce, block_on};

use crate::cases::Outcome;

/// The layer that is captured: one in the middle.
const LAYER: usize = 5;
/// What a row of a map may differ from 1 by, and a rollout from the one computed here.
const MAX_ERROR: f64 = 1e-5;

/// Options, by the names of their cases.
pub fn all() -> Vec<(&'static str, AttentionOptions)> {
    let layer = AttentionOptions { layers: Some(vec![LAYER]), ..AttentionOptions::default() };
    let rollout = AttentionOptions { reduce: Reduce::Rollout, ..AttentionOptions::default() };
    let one = AttentionOptions { query: Some(0), ..rollout.clone() };
    vec![("one layer captured", layer), ("rollout, one query", one), ("rollout", rollout)]
}

/// The maps of one look.
pub fn look(model: &ImageModel, pixels: &Pixels, options: &AttentionOptions) -> Outcome<AttentionMaps> {
    Ok(block_on(model.attention_of_pixels(pixels, options, &NoControl))?)
}

/// Fails unless every row of every map sums to 1 and rollouts are the product of the maps.
pub fn check(model: &ImageModel, pixels: &Pixels) -> Outcome<()> {
    let mean = AttentionOptions { reduce: Reduce::Mean, ..AttentionOptions::default() };
    let expected = rollout(&look(model, pixels, &mean)?);
    for (name, options) in all() {
        let maps = look(model, pixels, &options)?;
        for (index, row) in maps.data.chunks_exact(maps.shape[3]).enumerate() {
            let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
            if !((sum - 1.0).abs() <= MAX_ERROR) {
                return Err(format!("{name}: row {index} sums to {sum}; nothing was timed").into());
            }
        }
        let errors = maps.data.iter().zip(&expected).map(|(actual, expected)| f64::from(*actual) - expected);
        let worst = errors.map(f64::abs).fold(0.0, f64::max);
        if options.reduce == Reduce::Rollout && !(worst <= MAX_ERROR) {
            return Err(format!("{name}: {worst:.1e} from the product of the maps; nothing was timed").into());
        }
    }
    Ok(())
}

/// Abnar & Zuidema's attention rollout in double precision: the product of (map + identity) / 2 of all layers.
fn rollout(maps: &AttentionMaps) -> Vec<f64> {
    let [layers, _, tokens, _] = maps.shape;
    let mut product: Vec<f64> =
        (0..tokens * tokens).map(|i| f64::from(u8::from(i % (tokens + 1) == 0))).collect();
    for layer in 0..layers {
        let mut next: Vec<f64> = product.iter().map(|value| value / 2.0).collect();
        let rows = next.chunks_exact_mut(tokens).zip(maps.map(layer, 0).chunks_exact(tokens));
        for (next, weights) in rows {
            for (weight, below) in weights.iter().zip(product.chunks_exact(tokens)) {
                let weight = f64::from(*weight) / 2.0;
                next.iter_mut().zip(below).for_each(|(next, below)| *next += weight * below);
            }
        }
        product = next;
    }
    product
}
