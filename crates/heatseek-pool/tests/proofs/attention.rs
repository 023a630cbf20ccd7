//! One query, seeds and bottlenecks.

use super::*;

#[test]
fn rows_3_4_and_106_one_query() {
    let zero: Tensors<'_> = &[("query.weight", SQUARE, &NONE)];
    let mean = of("mean", &[]);
    same(&of("qkv_pool:query=mean,heads=2", zero), &mean);
    let first = of("cls", &[]);
    let sum: Vec<f32> = mean.iter().zip(&first).map(|(a, b)| a + b).collect();
    same(&of("adapool:query=cls", zero), &sum);
    same(&of("adapool:query=0,residual=false", zero), &mean);
    // One head that asks with the mean is the same in both papers, and so is it of more by the one's scale.
    same(&of("adapool:query=mean,scale=sqrt_width,residual=false", &[]), &of("qkv_pool:query=mean", &[]));
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

/// Vectors of seeds in another order are the same vectors in that order, also behind a set attention block.
#[test]
fn row_55_seeds_in_another_order() {
    let (seeds, maps) = (values(31, 3 * D, 1.0), values(32, 8 * D * D, 0.7));
    let names = ["query", "key", "value", "output"];
    let names: Vec<String> =
        ["", "sab."].iter().flat_map(|at| names.map(|name| format!("{at}{name}.weight"))).collect();
    let of_seeds = |seeds: &[f32], blocks: usize| {
        let maps = names.iter().zip(maps.chunks(D * D)).take(4 * blocks);
        let mut tensors: Vec<(&str, &[usize], &[f32])> =
            maps.map(|(name, map)| (&name[..], SQUARE, map)).collect();
        tensors.push(("seeds", &[3, D], seeds));
        of("pma:heads=2", &tensors)
    };
    let turned: Vec<f32> = seeds.chunks(D).rev().flatten().copied().collect();
    for blocks in [1, 2] {
        let back: Vec<f32> = of_seeds(&turned, blocks).chunks(D).rev().flatten().copied().collect();
        same(&of_seeds(&seeds, blocks), &back);
    }
    differ(&of_seeds(&seeds, 1), &of_seeds(&seeds, 2));
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
    // A class token that gives itself nothing: an ordinary attention.
    let far = [&[1e3f32; D][..], &x[D..]].concat();
    let away: Tensors<'_> = &[("query.weight", SQUARE, &ONE.map(|v| -1e-3 * v))];
    let ordinary = pool("qkv_pool:query=cls,residual=false", away, &far, D);
    let gated = pool("bottleneck", away, &far, D);
    same(&gated.vectors, &ordinary.vectors);
    assert!(gated.weights.unwrap()[0] == 0.0 && ordinary.weights.unwrap()[1] < 0.9);
    // Uniform weights of 1 / 5, of which the gate lets 4 / 5 through.
    let got = pool("bottleneck", query, &x, D).weights.unwrap();
    same(&got, &[0.16; T]);
}

#[test]
fn row_36_random() {
    assert_eq!(of("random_attention:seed=5", &[]), of("random_attention:seed=5", &[]));
    differ(&of("random_attention:seed=5", &[]), &of("random_attention:seed=6", &[]));
    // Of one token there is nothing to choose; of many, weights sum to 1 with softmax alone.
    same(
        &pool("random_attention:activation=softmax", &[], &[1.0, -2.0, 3.0, 4.0], D).vectors,
        &[1.0, -2.0, 3.0, 4.0],
    );
    let sum = |spec: &str| pool(spec, &[], &values(3, T * D, 1.0), D).weights.unwrap().iter().sum::<f32>();
    assert!((sum("random_attention:activation=softmax") - 1.0).abs() < 1e-6);
    assert!((sum("random_attention") - 1.0).abs() > 1e-2);
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
