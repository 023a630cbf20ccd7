//! Against numpy in f64: `tests/golden/make_poolers.py` and `make_pooler_sets.py` made the files.

mod cases;

use heatseek_pool::rows;
use heatseek_testkit::{Tolerance, compare, run_all};

const CLOSE: Tolerance = Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 };

#[test]
fn vectors_and_weights_are_those_of_python() {
    run_all(&cases::all(), |case| {
        let (pooler, states) = (case.pooler(), case.states());
        let pooled = pooler.pool(&states).map_err(|why| why.to_string())?;
        let (vectors, weights) = (&case.vectors, &case.weights);
        if [pooled.width, pooler.width()] != [vectors.shape[1]; 2] {
            return Err(format!("vectors are {} wide, and say {}", pooled.width, pooler.width()));
        }
        if vectors.shape[0] > 1 && !pooler.gives_several() {
            return Err("it gives several vectors without saying so".into());
        }
        compare(&pooled.vectors, &vectors.values, &vectors.shape, CLOSE).map_err(|why| why.to_string())?;
        match (&pooled.weights, weights) {
            (None, None) => Ok(()),
            (Some(got), Some(expected)) => compare(got, &expected.values, &expected.shape, CLOSE)
                .map(drop)
                .map_err(|why| format!("weights: {why}")),
            (got, _) => Err(format!("weights are {got:?}")),
        }
    });
}

#[test]
fn every_pooler_has_a_case() {
    let names: Vec<String> = cases::all().iter().map(|case| case.pooler().row().name.to_owned()).collect();
    for row in rows() {
        assert!(names.iter().any(|name| name == row.name), "{}", row.name);
    }
}
