//! What no pooler may depend on, on the states of all golden cases.

mod cases;

use cases::Case;
use heatseek_pool::{Pooled, States};
use heatseek_testkit::{Tolerance, compare, run_all, values};

const CLOSE: Tolerance = Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 };

/// Whether the equation has an order of tokens, or a first or last one.
fn ordered(case: &Case) -> bool {
    let option = |name: &str| case.spec.options.get(name);
    match case.pooler().row().name {
        "cls" | "last" | "weightedmean" | "tree" | "cls_mha" | "bottleneck" | "simpool" => true,
        "max_cls" | "max_seq_mha" => true,
        "layer" => option("tokens").is_some_and(|tokens| tokens == "cls"),
        "qkv_pool" => option("query").is_some_and(|query| query != "mean"),
        "attn_stats" => option("segment").is_some_and(|segment| segment != 1),
        "mixed" => option("window").is_some(),
        "gated_mix" => option("gate").is_some(),
        "gem" | "cluster" => option("class").is_some(),
        _ => false,
    }
}

fn pool(case: &Case, hidden: &[Vec<f32>], tokens: usize, skip: usize) -> Result<Pooled, String> {
    let hidden = hidden.iter().map(|layer| &layer[..]).collect();
    let states = States { hidden, tokens, skip, ..case.states() };
    case.pooler().pool(&states).map_err(|why| why.to_string())
}

fn width_of(case: &Case) -> usize {
    case.layers[0].shape[1]
}

fn layers(case: &Case) -> Vec<Vec<f32>> {
    case.layers.iter().map(|layer| layer.values.clone()).collect()
}

fn same(got: &[f32], expected: &[f32]) -> Result<(), String> {
    compare(got, expected, &[expected.len()], CLOSE).map(drop).map_err(|why| why.to_string())
}

/// Cases without anything that belongs to a place: maps, characters, separators, patches.
fn placeless() -> Vec<Case> {
    let mut all = cases::all();
    all.retain(|case| case.grid.is_none() && case.maps.is_empty());
    all.retain(|case| case.offsets.is_empty() && case.landmarks.is_empty());
    all
}

fn unordered() -> Vec<Case> {
    let mut all = placeless();
    all.retain(|case| !ordered(case));
    all
}

#[test]
fn tokens_left_out_change_nothing() {
    let mut all = cases::all();
    all.retain(|case| case.skip > 0 && !ordered(case));
    run_all(&all, |case| {
        let mut hidden = layers(case);
        for layer in &mut hidden {
            let first = case.skip * width_of(case);
            layer[..first].copy_from_slice(&values(7, first, 50.0));
        }
        let got = pool(case, &hidden, case.tokens(), case.skip)?;
        same(&got.vectors, &case.vectors.values)
    });
}

/// The same as not to have been there: padding on the left.
#[test]
fn tokens_left_out_are_as_if_they_were_not_there() {
    run_all(&unordered(), |case| {
        let (width, ahead) = (width_of(case), 3);
        let padded = |layer: Vec<f32>| [values(9, ahead * width, 50.0), layer].concat();
        let hidden: Vec<Vec<f32>> = layers(case).into_iter().map(padded).collect();
        let got = pool(case, &hidden, case.tokens() + ahead, case.skip + ahead)?;
        same(&got.vectors, &case.vectors.values)
    });
}

#[test]
fn tokens_in_another_order_give_the_same_vector_and_their_own_weights() {
    let mut all = unordered();
    // Their vectors follow the tokens, or groups that begin with the first of tokens that weigh the same.
    all.retain(|case| !["none", "cluster"].contains(&case.pooler().row().name));
    run_all(&all, |case| {
        let (width, skip, tokens) = (width_of(case), case.skip, case.tokens());
        let mut hidden = layers(case);
        for layer in &mut hidden {
            let rows: Vec<Vec<f32>> =
                layer[skip * width..].chunks(width).rev().map(<[f32]>::to_vec).collect();
            layer[skip * width..].copy_from_slice(&rows.concat());
        }
        let got = pool(case, &hidden, tokens, skip)?;
        same(&got.vectors, &case.vectors.values)?;
        let (Some(got), Some(expected)) = (got.weights, &case.weights) else { return Ok(()) };
        got.chunks(tokens).zip(expected.values.chunks(tokens)).try_for_each(|(got, expected)| {
            let back: Vec<f32> = got[skip..].iter().rev().copied().collect();
            same(&back, &expected[skip..])
        })
    });
}

#[test]
fn no_tokens_give_zeros() {
    let mut all = placeless();
    // The class token and the last one count even if the prompt is all there is.
    all.retain(|case| !["cls", "last", "max_cls", "layer"].contains(&case.pooler().row().name));
    // An edit is for a number of tokens.
    all.retain(|case| !case.spec.options.contains_key("edit"));
    run_all(&all, |case| {
        for (tokens, skip) in [(0, 0), (case.tokens(), case.tokens())] {
            let hidden: Vec<Vec<f32>> =
                layers(case).into_iter().map(|layer| layer[..tokens * width_of(case)].to_vec()).collect();
            let got = pool(case, &hidden, tokens, skip)?;
            if got.vectors.iter().any(|v| *v != 0.0) || got.width != case.vectors.shape[1] {
                return Err(format!("{got:?}"));
            }
        }
        Ok(())
    });
}
