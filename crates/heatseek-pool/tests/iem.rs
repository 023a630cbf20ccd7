//! The pair scorer against numpy, pair by pair what Python computed at once.

use std::path::Path;

use heatseek_pool::{Iem, Params};
use heatseek_testkit::{Tolerance, assert_close};
use safetensors::SafeTensors;

#[test]
fn scores_are_those_of_python() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pooler_sets.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let f32s = |name: &str| -> Vec<f32> {
        file.tensor(name).unwrap().data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    let tensors = ["W_1", "b_1", "P_sym", "c_sym", "P_asym", "c_asym", "W_2", "b_2"].map(|name| {
        let golden = format!("iem.{name}");
        (name.to_owned(), file.tensor(&golden).unwrap().shape().to_vec(), f32s(&golden))
    });
    let iem = Iem::read(&Params::from_tensors(tensors.to_vec())).unwrap();
    let pairs = f32s("iem.pairs");
    let (first, second) = pairs.split_at(pairs.len() / 2);
    let mut scores = Vec::new();
    for (a, b) in first.chunks(iem.width()).zip(second.chunks(iem.width())) {
        scores.extend(iem.score(a, b).unwrap());
    }
    let golden = file.tensor("iem.scores").unwrap();
    let expected: Vec<f32> =
        golden.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect();
    assert_close(&scores, &expected, golden.shape(), Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 });
}
