//! Several layers, and gates of layers, of patches and of channels.

use heatseek_pool::PoolError;

use super::*;

/// The network of the task gate says nothing but these four, of all channels.
fn task(theta: [f32; 4], more: &[(&str, &[usize], f32)]) -> Params {
    let zeros: [(&str, &[usize], f32); 2] =
        [("fc.0.weight", &[2, WIDTH], 0.0), ("fc.2.weight", &[4 * WIDTH, 2], 0.0)];
    let named = |(name, shape, value): &(&str, &[usize], f32)| {
        ((*name).to_owned(), shape.to_vec(), vec![*value; shape.iter().product()])
    };
    let mut tensors: Vec<_> = zeros.iter().chain(more).map(named).collect();
    let bias = theta.iter().flat_map(|v| [*v; WIDTH]).collect();
    tensors.push(("fc.2.bias".into(), vec![4 * WIDTH], bias));
    Params::from_tensors(tensors)
}

#[test]
fn row_112_task_gates() {
    let whole = layers(8);
    let levels = |kind: &str, params: &Params| {
        pooled(&format!("levels:layers=first_last,kind={kind}"), Some(params), &whole, 1).vectors
    };
    let mean = pooled("layer", None, &whole, 1).vectors;
    let affine = |a: f32, b: f32| mean.iter().map(|v| a * v + b).collect::<Vec<_>>();
    let same = |got: &[f32], expected: &[f32]| assert_close(got, expected, &[WIDTH], CLOSE);
    // hσ(0) = ½ and hσ(3) = 1: α = (1, 1), β = 0 is the identity.
    same(&levels("task", &task([0.0, 0.0, 3.0, 0.0], &[])), &mean);
    // A network that says nothing is ReLU: α = (1, 0), β = 0.
    let relu = pooled("levels:layers=4,kind=task", Some(&task([0.0; 4], &[])), &whole, 1).vectors;
    let plain: Vec<f32> = (0..WIDTH)
        .map(|c| whole[4].chunks(WIDTH).skip(1).map(|row| row[c].max(0.0)).sum::<f32>() / 7.0)
        .collect();
    same(&relu, &plain);
    // α and β go no further than from −1 to 1 (α_1 from 0 to 2) and −½ to ½.
    same(&levels("task", &task([99.0, 99.0, 99.0, -99.0], &[])), &{
        let map = |t: usize, c: usize| (whole[1][t * WIDTH + c] + whole[4][t * WIDTH + c]) / 2.0;
        let most = |t: usize, c: usize| (2.0 * map(t, c) + 0.5).max(map(t, c) - 0.5);
        (0..WIDTH).map(|c| (1..8).map(|t| most(t, c)).sum::<f32>() / 7.0).collect::<Vec<_>>()
    });
    // The level gate of ½ comes first: β is not halved.
    let half: [(&str, &[usize], f32); 1] = [("w", &[WIDTH], 0.0)];
    same(&levels("gate_task", &task([0.0, 0.0, 3.0, 0.0], &half)), &levels("gate", &params(&half)));
    same(&levels("gate_task", &task([0.0, 99.0, 3.0, 99.0], &half)), &affine(0.5, 0.5));
    for kind in ["gate_task", "gate"] {
        let spec = PoolerSpec::parse(&format!("levels:kind={kind}")).unwrap();
        assert!(Pooler::new(&spec, Some(&task([0.0; 4], &[])), SIZES).is_err(), "{kind}: no w");
    }
}

#[test]
fn row_28_masks() {
    let whole = layers(8);
    let scales = |spec: &str, open: f32, shape: &[usize], scores: [f32; 2]| {
        let mut tensors = vec![
            ("W".to_owned(), shape.to_vec(), vec![0.0; shape.iter().product()]),
            ("b".to_owned(), vec![2, WIDTH], vec![open; 2 * WIDTH]),
            ("w".to_owned(), vec![2, WIDTH], vec![0.0; 2 * WIDTH]),
        ];
        tensors.push(("k".to_owned(), vec![2], scores.to_vec()));
        pooled(&format!("levels:kind=scales,layers={spec}"), Some(&Params::from_tensors(tensors)), &whole, 1)
            .vectors
    };
    for shape in [&[2, WIDTH][..], &[2, WIDTH, WIDTH]] {
        let same = |got: &[f32], expected: &[f32]| assert_close(got, expected, &[WIDTH], CLOSE);
        // Masks wide open and no scores are the mean of the layers; one score far above, that layer.
        same(&scales("first_last", 1e4, shape, [0.0; 2]), &pooled("layer", None, &whole, 1).vectors);
        same(&scales("2+4", 1e4, shape, [0.0, 1e4]), &pooled("mean", None, &whole, 1).vectors);
        let third: Vec<f32> =
            pooled("mean", None, &whole, 1).vectors.iter().map(|v| v / (1.0 + 0.5f32.exp())).collect();
        same(&scales("2+4", -0.5, shape, [0.0, 1e4]), &third);
    }
}

/// Patches `rows` × `columns` behind a class token, of all layers.
fn picture(
    spec: &str,
    params: &Params,
    layers: &[Vec<f32>],
    grid: [usize; 2],
) -> Result<Vec<f32>, PoolError> {
    let pooler = Pooler::new(&PoolerSpec::parse(spec).unwrap(), Some(params), SIZES).unwrap();
    let Layers::These(these) = pooler.needs().layers else { panic!("{spec}") };
    let states = States {
        hidden: these.iter().map(|layer| &layers[*layer][..]).collect(),
        tokens: 1 + grid[0] * grid[1],
        width: WIDTH,
        grid: Some((1, grid[0], grid[1])),
        ..States::default()
    };
    pooler.pool(&states).map(|pooled| pooled.vectors)
}

#[test]
fn row_112_still_taps_are_a_plain_convolution() {
    let (rows, columns) = (2, 3);
    let whole = layers(1 + rows * columns);
    let kernel = values(70, WIDTH * WIDTH * 9, 0.3);
    // Identity as the task gate, so that the convolution is all; masks of σ(1e4) = 1.
    let with = |kernel: &[f32], down: f32, right: f32| {
        let mut bias = [[down, right]; 9].as_flattened().to_vec();
        bias.resize(27, 1e4);
        let theta = [[0.0; WIDTH], [0.0; WIDTH], [3.0; WIDTH], [0.0; WIDTH]].concat();
        Params::from_tensors(vec![
            ("fc.0.weight".into(), vec![1, WIDTH], vec![0.0; WIDTH]),
            ("fc.2.weight".into(), vec![4 * WIDTH, 1], vec![0.0; 4 * WIDTH]),
            ("fc.2.bias".into(), vec![4 * WIDTH], theta),
            ("offset.weight".into(), vec![27, WIDTH, 3, 3], vec![0.0; 27 * WIDTH * 9]),
            ("offset.bias".into(), vec![27], bias),
            ("conv.weight".into(), vec![WIDTH, WIDTH, 3, 3], kernel.to_vec()),
        ])
    };
    let spec = "levels:kind=task,spatial=true,layers=4";
    let of = |params: &Params| picture(spec, params, &whole, [rows, columns]).unwrap();
    let at = |y: i32, x: i32, c: usize| match (0..2).contains(&y) && (0..3).contains(&x) {
        true => whole[4][(1 + y as usize * columns + x as usize) * WIDTH + c],
        false => 0.0,
    };
    // The mean over patches of what `of` gives each.
    let mean = |of: &dyn Fn(i32, i32) -> f32| {
        (0..2).flat_map(|y| (0..3).map(move |x| (y, x))).map(|(y, x)| of(y, x)).sum::<f32>() / 6.0
    };
    let plain: Vec<f32> = (0..WIDTH)
        .map(|out| {
            mean(&|y, x| {
                let tap = |c: usize, k: usize| {
                    kernel[(out * WIDTH + c) * 9 + k] * at(y + k as i32 / 3 - 1, x + k as i32 % 3 - 1, c)
                };
                (0..WIDTH).flat_map(|c| (0..9).map(move |k| (c, k))).map(|(c, k)| tap(c, k)).sum()
            })
        })
        .collect();
    assert_close(&of(&with(&kernel, 0.0, 0.0)), &plain, &[WIDTH], Tolerance::RelAbs { rel: 1e-5, abs: 1e-5 });
    // A tap in the middle is the picture; moved half a patch to the right, between each and the next.
    let mut middle = vec![0.0; WIDTH * WIDTH * 9];
    (0..WIDTH).for_each(|c| middle[(c * WIDTH + c) * 9 + 4] = 1.0);
    let between = |right: f32| -> Vec<f32> {
        (0..WIDTH).map(|c| mean(&|y, x| (1.0 - right) * at(y, x, c) + right * at(y, x + 1, c))).collect()
    };
    assert_close(&of(&with(&middle, 0.0, 0.0)), &between(0.0), &[WIDTH], CLOSE);
    assert_close(&of(&with(&middle, 0.0, 0.5)), &between(0.5), &[WIDTH], CLOSE);
    assert_eq!(of(&with(&middle, 5.0, 0.0)), [0.0; WIDTH]);
    // Half masks, half the picture.
    let (mut half, expected) =
        (with(&middle, 0.0, 0.0), between(0.0).iter().map(|v| v / 2.0).collect::<Vec<_>>());
    half = Params::from_tensors(
        ["fc.0.weight", "fc.2.weight", "fc.2.bias", "offset.weight", "conv.weight"]
            .map(|name| {
                (name.to_owned(), half.get(name).unwrap().0.to_vec(), half.get(name).unwrap().1.to_vec())
            })
            .to_vec(),
    );
    assert_close(&of(&half), &expected, &[WIDTH], CLOSE);
    let texts = Pooler::new(&PoolerSpec::parse(spec).unwrap(), Some(&half), SIZES).unwrap();
    let text = States { hidden: vec![&whole[4]], tokens: 7, width: WIDTH, ..States::default() };
    assert!(matches!(texts.pool(&text), Err(PoolError::States { .. })));
}

#[test]
fn row_76_gates_and_attention_of_layers() {
    let whole = layers(8);
    let same = |got: &[f32], expected: &[f32]| assert_close(got, expected, &[WIDTH], CLOSE);
    // Mean over layers of means over tokens, either way round, is the mean over all.
    let all: Vec<f32> = (0..WIDTH)
        .map(|c| [2, 4].iter().flat_map(|l| whole[*l].chunks(WIDTH)).map(|row| row[c]).sum::<f32>() / 16.0)
        .collect();
    same(&pooled("layer:layers=2+4", None, &whole, 0).vectors, &all);
    // A gate far above the others is one layer alone: `w_lay` along the difference of the two.
    let means = ["layer:layers=2", "layer:layers=4"].map(|spec| pooled(spec, None, &whole, 0).vectors);
    let far = means[0].iter().zip(&means[1]).map(|(a, b)| 1e4 * (a - b)).collect();
    let hot = Params::from_tensors(vec![("w_lay".into(), vec![WIDTH], far)]);
    same(&pooled("layer:layers=2+4,mix=gate", Some(&hot), &whole, 0).vectors, &means[0]);
    // Attention that asks nothing, in as many channels, is the mean.
    let one: Vec<f32> = (0..WIDTH * WIDTH).map(|i| f32::from(i / WIDTH == i % WIDTH)).collect();
    let none = vec![0.0; WIDTH * WIDTH];
    let at = |name: &str| {
        let square = |part: &str| (format!("{name}.{part}"), vec![WIDTH, WIDTH], one.clone());
        let in_proj = [&none[..], &one, &one].concat();
        let in_proj = (format!("{name}.in_proj_weight"), vec![3 * WIDTH, WIDTH], in_proj);
        vec![square("down.weight"), in_proj, square("out_proj.weight"), square("up.weight")]
    };
    let params = Params::from_tensors([at("tok_mha"), at("lay_mha")].concat());
    for spec in
        ["tokens=mha,mix=mha,heads=3", "tokens=mha", "mix=mha,heads=4", "tokens=mha,order=layers_first"]
    {
        same(&pooled(&format!("layer:layers=2+4,{spec}"), Some(&params), &whole, 0).vectors, &all);
    }
    let spec = PoolerSpec::parse("layer:mix=mha,heads=5").unwrap();
    assert!(Pooler::new(&spec, Some(&params), SIZES).is_err());
    assert!(Pooler::new(&PoolerSpec::parse("layer:tokens=mha").unwrap(), None, SIZES).is_err());
}

#[test]
fn rows_1_and_4_another_layer() {
    let whole = layers(8);
    for (of, as_is) in
        [("mean:of_layer=2", "layer:layers=2"), ("max:of_layer=0", "layer:layers=0,tokens=max")]
    {
        assert_close(
            &pooled(of, None, &whole, 1).vectors,
            &pooled(as_is, None, &whole, 1).vectors,
            &[WIDTH],
            CLOSE,
        );
    }
    for name in ["qkv_pool", "gem", "none", "gram", "cluster:k=3", "stats"] {
        let with = |option: &str| format!("{name}{}{option}", if name.contains(':') { ',' } else { ':' });
        let third = vec![whole[3].clone(); 5];
        let (got, expected) = (pooled(&with("of_layer=3"), None, &whole, 1), pooled(name, None, &third, 1));
        assert_eq!(got, expected, "{name}");
        assert_ne!(got, pooled(name, None, &whole, 1), "{name}");
        assert_eq!(pooled(&with("of_layer=4"), None, &whole, 1), pooled(name, None, &whole, 1), "{name}");
    }
    for wrong in ["mean:of_layer=5", "mean:of_layer=last", "layer:of_layer=2", "max_cls:of_layer=2"] {
        assert!(Pooler::new(&PoolerSpec::parse(wrong).unwrap(), None, SIZES).is_err(), "{wrong}");
    }
}

#[test]
fn row_3_layers_by_their_maximum_mean_or_sum() {
    let whole = layers(8);
    let of = |spec: &str| pooled(spec, None, &whole, 0).vectors;
    assert_eq!(of("max_seq_mha:k=1,over=sum"), of("max_seq_mha:k=1"));
    // Of the same state k times the mean is that state, the sum k times it.
    let same: Vec<Vec<f32>> = vec![whole[4].clone(); 5];
    let of_same = |spec: &str| pooled(spec, None, &same, 0).vectors;
    assert_close(&of_same("max_seq_mha:k=3,over=mean"), &of("max_seq_mha:k=1"), &[WIDTH], CLOSE);
    assert_ne!(of("max_seq_mha:k=3,over=mean"), of("max_seq_mha:k=3"));
}

#[test]
fn row_50_the_class_token_apart() {
    let whole = layers(8);
    let kept = pooled("cluster:k=3,class=keep", None, &whole, 0);
    assert_eq!(kept.vectors[..WIDTH], whole[4][..WIDTH]);
    let rest: Vec<Vec<f32>> = whole.iter().map(|layer| layer[WIDTH..].to_vec()).collect();
    assert_eq!(kept.vectors[WIDTH..], pooled("cluster:k=3", None, &rest, 0).vectors);
    // Where it does not count there is nothing to keep.
    assert_eq!(pooled("cluster:k=3,class=keep", None, &whole, 2), pooled("cluster:k=3", None, &whole, 2));
}
