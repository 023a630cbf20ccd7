//! What poolers of sets promise: tokens that do not count are as if they were not there, order is nothing, and the
//! special cases that equations fall back to.

mod levels;

use heatseek_pool::{Layers, Params, Pooled, Pooler, PoolerSpec, Sizes, States};
use heatseek_testkit::{Tolerance, assert_close, values};

const WIDTH: usize = 12;
const SIZES: Sizes = Sizes { hidden_size: WIDTH, num_hidden_layers: 4, num_attention_heads: 4 };
const CLOSE: Tolerance = Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 };

/// Layers `[T, D]` from the embeddings on, by seed.
fn layers(tokens: usize) -> Vec<Vec<f32>> {
    (0..5).map(|layer| values(10 + layer, tokens * WIDTH, 1.0)).collect()
}

fn pooled(spec: &str, params: Option<&Params>, layers: &[Vec<f32>], skip: usize) -> Pooled {
    let pooler = Pooler::new(&PoolerSpec::parse(spec).unwrap(), params, SIZES).unwrap();
    let these = match pooler.needs().layers {
        Layers::Last => vec![4],
        Layers::These(these) => these,
    };
    let tokens = layers[0].len() / WIDTH;
    let map: Vec<f32> = values(30, tokens * tokens, 1.0).iter().map(|v| v.abs()).collect();
    let states = States {
        hidden: these.iter().map(|layer| &layers[*layer][..]).collect(),
        tokens,
        width: WIDTH,
        skip,
        maps: pooler.needs().maps.iter().map(|_| &map[..]).collect(),
        landmarks: &[1, 3, 6],
        ..States::default()
    };
    pooler.pool(&states).unwrap()
}

/// None of these asks for the class token.
const SETS: [&str; 9] = [
    "none",
    "span",
    "landmark",
    "cluster:k=3",
    "layer",
    "layer:layers=last_3,mix=max,tokens=max",
    "layer:order=layers_first,mix=max",
    "gram:r=4",
    "multi_source",
];

#[test]
fn tokens_that_do_not_count_change_nothing() {
    let whole = layers(8);
    let mut changed = whole.clone();
    changed.iter_mut().for_each(|layer| layer[..2 * WIDTH].fill(77.0));
    for spec in SETS {
        let (before, after) = (pooled(spec, None, &whole, 2), pooled(spec, None, &changed, 2));
        assert_eq!(before, after, "{spec}");
        for row in before.weights.iter().flat_map(|weights| weights.chunks(8)) {
            assert_eq!(row[..2], [0.0; 2], "{spec}");
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{spec}");
        }
        assert_ne!(before, pooled(spec, None, &changed, 0), "{spec}");
    }
    for spec in ["map_weighted", "cluster:k=3,weight=significance", "max_seq_mha"] {
        let mut behind_cls = whole.clone();
        behind_cls.iter_mut().for_each(|layer| layer[WIDTH..2 * WIDTH].fill(77.0));
        assert_eq!(pooled(spec, None, &whole, 2), pooled(spec, None, &behind_cls, 2), "{spec}");
    }
}

#[test]
fn order_is_nothing() {
    let whole = layers(8);
    let turned: Vec<Vec<f32>> =
        whole.iter().map(|layer| layer.chunks(WIDTH).rev().flatten().copied().collect()).collect();
    for spec in ["span", "layer", "layer:mix=max,tokens=max", "gram:r=4", "multi_source"] {
        let (there, back) = (pooled(spec, None, &whole, 0), pooled(spec, None, &turned, 0));
        assert_close(&there.vectors, &back.vectors, &[there.vectors.len()], CLOSE);
    }
}

#[test]
fn special_cases() {
    let whole = layers(8);
    let same = |a: &str, b: &str| {
        let (a, b) = (pooled(a, None, &whole, 0).vectors, pooled(b, None, &whole, 0).vectors);
        assert_close(&a, &b, &[a.len()], CLOSE);
    };
    same("span", "mean");
    same("span:pool=max", "max");
    same("max_cls:k=1", "cls");
    same("cluster:k=8", "none");
    same("layer:layers=4", "mean");
    same("layer:layers=2+4,mix=-1000+0", "mean");
    same("layer:order=layers_first", "layer");
}

#[test]
fn max_cls_never_falls_with_more_layers() {
    let whole = layers(8);
    for k in 1..4 {
        let (some, more) = (format!("max_cls:k={k}"), format!("max_cls:k={}", k + 1));
        let (some, more) = (pooled(&some, None, &whole, 0).vectors, pooled(&more, None, &whole, 0).vectors);
        assert!(some.iter().zip(&more).all(|(some, more)| some <= more) && some != more);
    }
}

fn params(tensors: &[(&str, &[usize], f32)]) -> Params {
    let tensor = |(name, shape, value): &(&str, &[usize], f32)| {
        ((*name).to_owned(), shape.to_vec(), vec![*value; shape.iter().product()])
    };
    Params::from_tensors(tensors.iter().map(tensor).collect())
}

#[test]
fn gates_of_zeros_are_means() {
    let whole = layers(8);
    let zero = params(&[("w_tok", &[2, WIDTH], 0.0), ("w_lay", &[WIDTH], 0.0), ("w", &[WIDTH], 0.0)]);
    let mean = pooled("layer", None, &whole, 1).vectors;
    assert_close(
        &pooled("layer:tokens=gate,mix=gate", Some(&zero), &whole, 1).vectors,
        &mean,
        &[WIDTH],
        CLOSE,
    );
    // Hard sigmoid of 0 is a half, on every level.
    let half: Vec<f32> = mean.iter().map(|v| v / 2.0).collect();
    let levels = pooled("levels:layers=first_last", Some(&zero), &whole, 1).vectors;
    assert_close(&levels, &half, &[WIDTH], CLOSE);
    let even = params(&[("W", &[2, WIDTH], 0.0), ("w", &[2, WIDTH], 0.0)]);
    let scales = pooled("levels:kind=scales,layers=first_last", Some(&even), &whole, 1).vectors;
    assert_close(&scales, &half, &[WIDTH], CLOSE);
}

#[test]
fn a_query_of_zeros_attends_evenly() {
    let whole = layers(8);
    let mut weight = vec![0.0; 3 * WIDTH * WIDTH];
    (0..WIDTH).for_each(|i| weight[(2 * WIDTH + i) * WIDTH + i] = 1.0);
    let out: Vec<f32> = (0..WIDTH * WIDTH).map(|i| f32::from(i / WIDTH == i % WIDTH)).collect();
    let zero = Params::from_tensors(vec![
        ("in_proj_weight".into(), vec![3 * WIDTH, WIDTH], weight),
        ("out_proj.weight".into(), vec![WIDTH, WIDTH], out),
    ]);
    let got = pooled("max_seq_mha:k=1", Some(&zero), &whole, 1).vectors;
    assert_close(&got, &pooled("mean", None, &whole, 1).vectors, &[WIDTH], CLOSE);
}

/// Latents of an attention over all layers; `query` is what all of `W_q` is.
fn latent(query: f32, layers: &[usize]) -> Params {
    let d = WIDTH;
    let tensor = |name: &str, seed, shape: [usize; 2]| {
        (name.to_owned(), shape.to_vec(), values(seed, shape[0] * shape[1], 0.5))
    };
    // The embedding of a layer goes with it, wherever it stands.
    let embeddings = layers.iter().flat_map(|layer| values(60 + *layer as u64, d, 0.5)).collect();
    Params::from_tensors(vec![
        tensor("R", 50, [2, d]),
        ("E".into(), vec![layers.len(), d], embeddings),
        ("W_q".into(), vec![d, 8], values(51, d * 8, 1.0).iter().map(|v| v * query).collect()),
        tensor("W_kv", 52, [d, 16]),
        tensor("W_o", 53, [8, d]),
        tensor("W_1", 54, [d, 8 * d]),
        tensor("W_2", 55, [4 * d, d]),
    ])
}

#[test]
fn latents_know_layers_by_their_embedding_and_without_a_query_attend_evenly() {
    let whole = layers(8);
    let there = pooled("latent_layers:layers=1+2+4", Some(&latent(1.0, &[1, 2, 4])), &whole, 1);
    let turned = pooled("latent_layers:layers=4+1+2", Some(&latent(1.0, &[4, 1, 2])), &whole, 1);
    assert_close(&there.vectors, &turned.vectors, &[WIDTH], CLOSE);
    let even = pooled("latent_tokens", Some(&latent(0.0, &[])), &whole, 0).weights.unwrap();
    assert_close(&even, &[0.125; 8], &[8], CLOSE);
    assert_ne!(pooled("latent_tokens", Some(&latent(1.0, &[])), &whole, 0).weights.unwrap(), even);
    // Of one layer all latents take all, whatever the query.
    let one = |query| pooled("latent_layers:layers=4", Some(&latent(query, &[4])), &whole, 0).vectors;
    assert_close(&one(0.0), &one(1.0), &[WIDTH], CLOSE);
}

#[test]
fn what_is_missing_is_said() {
    for spec in [
        "levels",
        "latent_layers",
        "latent_tokens",
        "layer:mix=gate",
        "layer:layers=9",
        "max_cls:k=5",
        "gram:r=13",
        "cluster:layer=4",
    ] {
        assert!(Pooler::new(&PoolerSpec::parse(spec).unwrap(), None, SIZES).is_err(), "{spec}");
    }
}
