//! Several sources.

use super::*;

#[test]
fn row_116_each_source_its_own_projection() {
    let x = values(3, T * D, 1.0);
    let offsets: Vec<_> = (0..T).map(|t| (t, t + 1)).collect();
    let of_sources = |spec: &str, tensors: Tensors<'_>, order: [usize; T]| {
        let x: Vec<f32> = order.iter().flat_map(|&t| x[t * D..][..D].to_vec()).collect();
        let (hidden, tokens, width) = (vec![&x[..]], T, D);
        let states = States { hidden, tokens, width, offsets: &offsets, lines: &[0, 2], ..States::default() };
        make(spec, tensors, D).unwrap().pool(&states)
    };
    let (straight, twice) = ([0, 1, 2, 3, 4], ONE.map(|v| 2.0 * v));
    let vector = |spec: &str, tensors: Tensors<'_>| of_sources(spec, tensors, straight).unwrap().vectors;
    // Of one source both are the attention of the mean, projected.
    let doubled: Vec<f32> = of("qkv_pool", &[]).iter().map(|v| 2.0 * v).collect();
    for kind in ["flat", "hierarchical"] {
        let spec = format!("multi_source:ranges=0+5,kind={kind}");
        same(&vector(&spec, &[("U_c", SQUARE, &twice)]), &doubled);
        // The second source is projected to nothing, the first as it is, and each the other way round.
        let spec = format!("multi_source:kind={kind}");
        let [first, second] = [[ONE, NONE].concat(), [NONE, ONE].concat()]
            .map(|own| vector(&spec, &[("U_c", &[2, D, D], &own)]));
        differ(&first, &second);
        let sum: Vec<f32> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
        same(&sum, &vector(&spec, &[]));
        same(&sum, &vector(&spec, &[("U_c", SQUARE, &ONE)]));
        // Order within sources is nothing, which source a token is in is much.
        let own = [ONE, twice].concat();
        let turned = |order| of_sources(&spec, &[("U_c", &[2, D, D], &own)], order).unwrap().vectors;
        same(&turned([1, 0, 4, 2, 3]), &turned(straight));
        differ(&turned([2, 1, 0, 3, 4]), &turned(straight));
    }
    let concat = "multi_source:ranges=0+2+2+5,kind=concat";
    assert_eq!(vector(concat, &[]).len(), 2 * D);
    same(&vector(concat, &[("U_c", SQUARE, &ONE)]), &vector(concat, &[]));
    // Energies of each source: one that hides behind a score of zeros weighs its tokens evenly.
    let (w, v) = (values(8, D * 3, 1.0), [&[0.0; 3][..], &values(9, 3, 9.0)].concat());
    let own: Tensors<'_> = &[("W", &[D, 3], &w), ("U", &[D, 3], &w), ("v", &[2, 3], &v)];
    let weights = of_sources(concat, own, straight).unwrap().weights.unwrap();
    same(&weights[..2], &[0.25; 2]);
    differ(&weights[2..], &[1.0 / 6.0; 3]);
    // Weights of two sources are not for three.
    let three = of_sources("multi_source:ranges=0+1+1+2+2+5", own, straight);
    assert!(matches!(three, Err(PoolError::States { .. })));
    assert!(make("multi_source:kind=concat", &[], D).is_err());
    assert!(make("multi_source:ranges=0+5,kind=concat,sentinel=1", &[], D).is_err());
}
