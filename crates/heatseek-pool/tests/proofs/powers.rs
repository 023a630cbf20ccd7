//! Powers, moments, mixtures and Gaussians.

use super::*;

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
    // Without the class token, as if it were not there.
    let x = values(3, T * D, 1.0);
    same(&of("gem:positive=signed,class=drop", &[]), &pool("gem:positive=signed", &[], &x[D..], D).vectors);
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
    // Within windows: no gate is a half, and without doubt the maximum or the mean.
    for (bias, a) in [(0.0, 0.5), (1e4, 1.0), (-1e4, 0.0)] {
        for outputs in [1, D] {
            let (weight, bias) = (vec![0.0; outputs * 2], vec![bias; outputs]);
            let gate: Tensors<'_> =
                &[("gate.weight", &[outputs, 2], &weight), ("gate.bias", &[outputs], &bias)];
            same(&of("gated_mix:gate=window", gate), &of(&format!("mixed:a={a},window=2"), &[]));
        }
    }
    // By the first token of each window alone, and of 5 and of the mean it is filled with.
    let got = pool(
        "gated_mix:gate=window",
        &[("gate.weight", &[1, 2], &[1e4, 0.0])],
        &[-1.0, 2.0, 1.0, 3.0, 5.0],
        1,
    );
    same(&got.vectors, &[(2.0 * 0.5 + 2.0 * 3.0 + 5.0) / 5.0]);
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
    // One group is the softmax of products with one query.
    let (query, scaled) = (values(21, D, 1.0), values(21, D, 1.0 / (D as f32).sqrt()));
    let scored = of("score_pool:kind=linear", &[("score.weight", &[1, D], &scaled)]);
    same(&of("group_query:groups=1", &[("query", &[1, D], &query)]), &scored);
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
    // Each group of channels has its own.
    let tensors: Tensors<'_> = &[("delta", &[2, 1], &[0.2, -0.5]), ("c", &[2, 1], &[0.7, 2.0])];
    let halves = [&of("gauss:delta=0.2,c=0.7", &[])[..2], &of("gauss:delta=-0.5,c=2", &[])[2..]];
    same(&of("gauss", tensors), &halves.concat());
}
