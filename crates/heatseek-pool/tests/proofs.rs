//! What the papers' equations imply, and numbers worked out by hand.

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

#[test]
fn row_2_generalised_means() {
    let column = [0.2, 0.4, 0.9];
    for (p, expected) in [(1.0, 0.5), (3.0, 0.643_928), (10.0, 0.806_388), (5000.0, 0.9)] {
        let got = pool(&format!("gem:p={p}"), &[], &column, 1).vectors[0];
        assert!((got - expected).abs() < 3e-4 * p / (p + 100.0) + 2e-6, "{p}: {got}");
    }
    same(&of("gem:p=2,groups=4", &[]), &of("gem:p=2", &[]));
    // With signs, and what clamping makes of p = 1: the mean of what is positive.
    let x = [-1.0, 2.0, 3.0, -2.0];
    same(&pool("gem:p=1,positive=signed", &[], &x, 2).vectors, &[1.0, 0.0]);
    same(&pool("gem:p=1,positive=clamp", &[], &x, 2).vectors, &[1.5, 1.0]);
    same(&of("gem:p=1,positive=shift", &[]), &of("mean", &[]));
    assert!(make("gem:p=0", &[], D).is_err());
    assert!(make("gem:groups=3", &[], D).is_err());
}

#[test]
fn row_63_mixtures() {
    same(&of("mixed:a=0", &[]), &of("mean", &[]));
    same(&of("mixed:a=0,window=2", &[]), &of("mean", &[]));
    same(&of("mixed:a=1", &[]), &of("max", &[]));
    same(&of("gated_mix", &[("gate.weight", &[1, D], &[0.0; D])]), &of("mixed:a=0.5", &[]));
    let (up, none) = ([1e4], [0.0; D]);
    let gate: Tensors<'_> = &[("gate.weight", &[1, D], &none), ("gate.bias", &[1], &up)];
    same(&of("gated_mix", gate), &of("max", &[]));
    // Leaves that are all the mean of their window, whatever the nodes say.
    let (leaves, nodes) = ([0.5; 8], values(4, 6, 3.0));
    let tree: Tensors<'_> = &[("leaves", &[4, 2], &leaves), ("nodes", &[3, 2], &nodes)];
    same(&of("tree", tree), &of("mean", &[]));
    // A node without doubt takes its right branch, here the second token of each window.
    let tree: Tensors<'_> = &[("leaves", &[2, 2], &[1.0, 0.0, 0.0, 1.0]), ("nodes", &[1, 2], &[-1e4, 0.0])];
    same(&pool("tree", tree, &[1.0, 2.0, 3.0, 5.0], 1).vectors, &[3.5]);
    assert!(matches!(make("gated_mix", &[], D), Err(PoolError::NeedsWeights { .. })));
}

#[test]
fn rows_70_and_103_statistics() {
    same(&pool("stats", &[], &[2.0; 6], 1).vectors, &[2.0, 0.0]);
    let both = pool("attn_stats:segment=1", &[], &[1.0, 3.0], 1).vectors;
    same(&both, &[2.0, 1.0, 2.0, 1.0]);
    // Weights 0.25 and 0.75 of 1 and 3: tanh is straight near 0.
    let slope = 3f32.ln() / 2.0;
    let scorer: Tensors<'_> =
        &[("hidden.weight", &[1, 1], &[1e-4]), ("score.weight", &[1, 1], &[slope * 1e4])];
    let attended = pool("attn_stats:combine=attentive", scorer, &[1.0, 3.0], 1);
    assert_close(&attended.vectors, &[2.5, 0.866_025], &[2], Tolerance::RelAbs { rel: 1e-5, abs: 1e-5 });
    // One segment: no spread between segments, and the mean of all.
    let one = of("attn_stats:segment=5,combine=attentive", &[]);
    same(&one, &[&of("mean", &[])[..], &[0.0; D]].concat());
    same(&of("group_query:groups=2", &[("query", &[2, 2], &[0.0; 4])]), &of("mean", &[]));
    same(&of("group_query:groups=2", &[]), &of("qkv_pool:heads=2", &[]));
}

#[test]
fn rows_4_and_83_scores() {
    let (hidden, none, one) = (values(5, 2 * D, 1.0), [0.0; 2], values(6, 2, 3.0));
    let of_score = |spec: &str, score: &[f32]| {
        let branches = score.len() / 2;
        let tensors: Tensors<'_> = &[
            ("hidden.weight", &[2, D], &hidden),
            ("gate.weight", &[2, D], &hidden),
            ("score.weight", &[branches, 2], score),
        ];
        pool(spec, tensors, &values(3, T * D, 1.0), D)
    };
    same(&of_score("score_pool:kind=gated", &none).vectors, &of("mean", &[]));
    let alone = of_score("score_pool:kind=gated", &one);
    same(&of_score("score_pool:kind=gated", &one.repeat(3)).vectors, &alone.vectors);
    let (whole, weights) =
        (alone.weights.unwrap(), of_score("score_pool:kind=gated,hide_top=2", &one).weights.unwrap());
    let mut order: Vec<usize> = (0..T).collect();
    order.sort_by(|&a, &b| whole[b].total_cmp(&whole[a]));
    assert_eq!([weights[order[0]], weights[order[1]]], [0.0; 2]);
    assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6 && weights[order[2]] > 0.0);
}

#[test]
fn rows_3_4_and_106_one_query() {
    let zero: Tensors<'_> = &[("query.weight", SQUARE, &NONE)];
    let mean = of("mean", &[]);
    same(&of("qkv_pool:query=mean,heads=2", zero), &mean);
    let first = of("cls", &[]);
    let sum: Vec<f32> = mean.iter().zip(&first).map(|(a, b)| a + b).collect();
    same(&of("adapool:query=cls", zero), &sum);
    same(&of("adapool:query=0,residual=false", zero), &mean);
    // The two scales are one for one head, and two for more.
    same(&of("qkv_pool:scale=sqrt_width", &[]), &of("qkv_pool:scale=sqrt_head", &[]));
    differ(&of("qkv_pool:scale=sqrt_width,heads=2", &[]), &of("qkv_pool:scale=sqrt_head,heads=2", &[]));
    same(&pool("qkv_pool", &[], &[1.0, -2.0, 3.0, 4.0], D).vectors, &[1.0, -2.0, 3.0, 4.0]);
    let in_proj = [NONE, ONE, ONE].concat();
    let mha: Tensors<'_> = &[("in_proj_weight", &[3 * D, D], &in_proj), ("out_proj.weight", SQUARE, &ONE)];
    same(&of("cls_mha:heads=2", mha), &mean);
    assert!(make("qkv_pool:heads=3", &[], D).is_err());
    assert!(make("qkv_pool", &[("querry.weight", SQUARE, &ONE)], D).is_err());
}

#[test]
fn rows_1_and_55_seeds() {
    let pma = |spec: &str, seed: &[f32], query: &[f32], output: &[f32]| {
        let tensors: Tensors<'_> = &[
            ("seeds", &[1, D], seed),
            ("query.weight", SQUARE, query),
            ("key.weight", SQUARE, &ONE),
            ("value.weight", SQUARE, &ONE),
            ("output.weight", SQUARE, output),
        ];
        of(spec, tensors)
    };
    same(&pma("pma:kind=d2llm", &[0.0; D], &NONE, &NONE), &of("mean", &[]));
    let (seed, query) = (values(8, D, 1.0), values(9, D * D, 1.0));
    // The residual is the seed in one paper and its projection in the other.
    differ(&pma("pma:kind=d2llm", &seed, &query, &ONE), &pma("pma:kind=set", &seed, &query, &ONE));
    same(&pma("pma:kind=d2llm", &seed, &ONE, &ONE), &pma("pma:kind=set", &seed, &ONE, &ONE));
    assert!(matches!(make("pma", &[], D), Err(PoolError::NeedsWeights { .. })));
}

#[test]
fn row_37_simpool() {
    let got = pool("simpool", &[("query.weight", SQUARE, &NONE)], &values(3, T * D, 1.0), D).weights.unwrap();
    same(&got, &[0.0, 0.25, 0.25, 0.25, 0.25]);
    // γ = 1 is the plain sum less the least value of this text, of which no other text knows.
    let x = values(3, T * D, 1.0);
    let norm = |row: &[f32]| {
        let mean = row.iter().sum::<f32>() / D as f32;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / D as f32;
        row.iter().map(|v| (v - mean) / (variance + 1e-6).sqrt()).fold(f32::INFINITY, f32::min)
    };
    let least = x.chunks(D).skip(1).map(norm).fold(f32::INFINITY, f32::min);
    let expected: Vec<f32> = of("simpool", &[]).iter().map(|v| v - least + 1e-6).collect();
    same(&of("simpool:gamma=1", &[]), &expected);
}

#[test]
fn row_35_bottleneck() {
    let x = values(3, T * D, 1.0);
    same(&of("bottleneck:edit=0", &[]), &[0.0; D]);
    same(&of("bottleneck:edit=0+0+1+0+0", &[]), &x[2 * D..3 * D]);
    same(&of("bottleneck:edit=0+0+3+0+0", &[]), &x[2 * D..3 * D].iter().map(|v| 3.0 * v).collect::<Vec<_>>());
    let query: Tensors<'_> = &[("query.weight", SQUARE, &NONE)];
    // Uniform weights of 1 / 5, of which the gate lets 4 / 5 through.
    let got = pool("bottleneck", query, &x, D).weights.unwrap();
    same(&got, &[0.16; T]);
}

#[test]
fn row_100_gauss() {
    let x = [0.0, 1.0, 2.0, 3.0];
    let got = pool("gauss", &[], &x, 1).weights.unwrap();
    same(&got, &[0.177_172, 0.322_828, 0.322_828, 0.177_172]);
    same(&of("gauss:c=1e6", &[]), &of("mean", &[]));
    let (delta, c) = ([0.2; 2], [0.7; 2]);
    let tensors: Tensors<'_> = &[("delta", &[2, 1], &delta), ("c", &[2, 1], &c)];
    same(&of("gauss", tensors), &of("gauss:delta=0.2,c=0.7", &[]));
}

#[test]
fn row_36_random() {
    assert_eq!(of("random_attention:seed=5", &[]), of("random_attention:seed=5", &[]));
    differ(&of("random_attention:seed=5", &[]), &of("random_attention:seed=6", &[]));
    let spread = |features: usize| {
        let all: Vec<f32> = (0..64)
            .map(|seed| of(&format!("random_attention:seed={seed},features={features}"), &[])[0])
            .collect();
        let mean = all.iter().sum::<f32>() / 64.0;
        all.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 64.0
    };
    // The variance falls as 1 / M.
    let ratio = spread(4) / spread(64);
    assert!((6.0..40.0).contains(&ratio), "{ratio}");
}
