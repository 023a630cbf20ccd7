//! What the papers' equations imply, and numbers worked out by hand.

mod attention;
mod powers;
mod scores;
mod sources;

use heatseek_pool::{Params, PoolError, Pooled, Pooler, PoolerSpec, Sizes, States};
use heatseek_testkit::{Tolerance, assert_close, compare, values};

const CLOSE: Tolerance = Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 };
const D: usize = 4;
const T: usize = 5;

type Tensors<'a> = &'a [(&'a str, &'a [usize], &'a [f32])];

fn make(spec: &str, tensors: Tensors<'_>, width: usize) -> Result<Pooler, PoolError> {
    let sizes = Sizes { hidden_size: width, num_hidden_layers: 1, num_attention_heads: 1 };
    let tensors: Vec<_> = tensors.iter().map(|(n, s, v)| (n.to_string(), s.to_vec(), v.to_vec())).collect();
    let params = (!tensors.is_empty()).then(|| Params::from_tensors(tensors));
    Pooler::new(&PoolerSpec::parse(spec).unwrap(), params.as_ref(), sizes)
}

fn pool(spec: &str, tensors: Tensors<'_>, x: &[f32], width: usize) -> Pooled {
    let states = States { hidden: vec![x], tokens: x.len() / width, width, ..States::default() };
    make(spec, tensors, width).unwrap().pool(&states).unwrap()
}

/// Of `T` tokens, `D` wide.
fn of(spec: &str, tensors: Tensors<'_>) -> Vec<f32> {
    pool(spec, tensors, &values(3, T * D, 1.0), D).vectors
}

#[track_caller]
fn same(got: &[f32], expected: &[f32]) {
    assert_close(got, expected, &[expected.len()], CLOSE);
}

#[track_caller]
fn differ(a: &[f32], b: &[f32]) {
    assert!(compare(a, b, &[b.len()], Tolerance::RelAbs { rel: 1e-3, abs: 1e-3 }).is_err(), "{a:?}");
}

const ONE: [f32; D * D] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
const NONE: [f32; D * D] = [0.0; D * D];
const SQUARE: &[usize] = &[D, D];

/// LayerNorm without weights.
fn unit_variance(x: &[f32]) -> Vec<f32> {
    let mean = x.iter().sum::<f32>() / x.len() as f32;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / x.len() as f32;
    x.iter().map(|v| (v - mean) / (variance + 1e-6).sqrt()).collect()
}
