//! Learned scores and branches.

use super::*;

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

/// The hottest tokens hidden, for any attention of one head: the others weigh what they did, made to sum to 1.
#[test]
fn row_83_hottest_tokens_hidden() {
    let (x, query) = (values(3, T * D, 1.0), values(15, D, 1.0));
    let seeds: Tensors<'_> = &[
        ("seeds", &[1, D], &query),
        ("query.weight", SQUARE, &ONE),
        ("key.weight", SQUARE, &ONE),
        ("value.weight", SQUARE, &ONE),
        ("output.weight", SQUARE, &NONE),
    ];
    for (name, tensors) in [
        ("qkv_pool:heads=1", &[][..]),
        ("cls_mha:heads=1", &[]),
        ("group_query:groups=1", &[]),
        ("simpool:heads=1", &[]),
        ("max_seq_mha:k=1,heads=1", &[]),
        ("pma:heads=1", seeds),
    ] {
        let weights =
            |hidden: usize| pool(&format!("{name},hide_top={hidden}"), tensors, &x, D).weights.unwrap();
        let whole = pool(name, tensors, &x, D).weights.unwrap();
        assert_eq!(weights(0), whole, "{name}");
        let mut order: Vec<usize> = (0..T).collect();
        order.sort_by(|&a, &b| whole[b].total_cmp(&whole[a]));
        let mut left = whole.clone();
        order[..2].iter().for_each(|token| left[*token] = 0.0);
        let sum: f32 = left.iter().sum();
        same(&weights(2), &left.iter().map(|weight| weight / sum).collect::<Vec<_>>());
        assert!(make(&format!("{name},hide_top=1"), tensors, D).unwrap().device_form().is_none(), "{name}");
    }
}

#[test]
fn row_83_branches() {
    let (hidden, scores) = (values(5, 2 * D, 1.0), values(6, 3 * 2, 3.0));
    let gated: Tensors<'_> = &[
        ("hidden.weight", &[2, D], &hidden),
        ("gate.weight", &[2, D], &hidden),
        ("score.weight", &[3, 2], &scores),
    ];
    // A vector for each branch, of which the bag's is the mean.
    let each = of("branches:kind=gated,combine=each", gated);
    let mean: Vec<f32> = (0..D).map(|c| (each[c] + each[D + c] + each[2 * D + c]) / 3.0).collect();
    same(&of("branches:kind=gated", gated), &mean);
    let norm: Tensors<'_> = &[gated[0], gated[1], gated[2], ("norm.weight", &[D], &[1.0; D])];
    same(&of("branches:kind=gated", norm), &unit_variance(&mean));
    // Multi-head attention of branches that ask the same, or nothing.
    let mha = |spec: &str, queries: &[f32], branches: usize| {
        let (q, k) = (values(11, D * D, 1.0), values(12, D * D, 1.0));
        let (v, o) = (values(13, D * D, 1.0), values(14, D * D, 1.0));
        let names: Vec<[String; 2]> =
            (0..branches).map(|b| ["q", "k"].map(|p| format!("sub_attention.{b}.{p}_proj.weight"))).collect();
        let mut tensors: Vec<(&str, &[usize], &[f32])> = Vec::new();
        let shape = [branches, D];
        tensors.push(("q", &shape, queries));
        for [query, key] in &names {
            tensors.extend([(&query[..], SQUARE, &q[..]), (&key[..], SQUARE, &k[..])]);
        }
        tensors.push(("bag_attention.v_proj.weight", SQUARE, if queries[0] == 0.0 { &ONE } else { &v }));
        tensors.push(("bag_attention.out_proj.weight", SQUARE, if queries[0] == 0.0 { &ONE } else { &o }));
        pool(spec, &tensors, &values(3, T * D, 1.0), D)
    };
    let spec = "score_pool:kind=mha,heads=2";
    same(&mha(spec, &[0.0; 2 * D], 2).vectors, &unit_variance(&of("mean", &[])));
    let query = values(15, D, 1.0);
    let one = mha(spec, &query, 1);
    same(&mha(spec, &query.repeat(3), 3).vectors, &one.vectors);
    same(&mha(&format!("{spec},hide_top=0"), &query, 1).vectors, &one.vectors);
    // Of one head the hottest tokens are known: they weigh nothing, the others all.
    let spec = "score_pool:kind=mha,heads=1";
    let whole = mha(spec, &query, 1).weights.unwrap();
    let hidden = mha(&format!("{spec},hide_top=2"), &query, 1).weights.unwrap();
    let mut order: Vec<usize> = (0..T).collect();
    order.sort_by(|&a, &b| whole[b].total_cmp(&whole[a]));
    assert_eq!([hidden[order[0]], hidden[order[1]]], [0.0; 2]);
    assert!((hidden.iter().sum::<f32>() - 1.0).abs() < 1e-6 && hidden[order[2]] > whole[order[2]]);
    assert!(make("score_pool:kind=mha,combine=concat", gated, D).is_err());
    assert!(make("score_pool:kind=mha", gated, D).is_err());
}
