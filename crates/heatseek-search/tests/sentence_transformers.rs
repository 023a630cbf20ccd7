//! Quantized vectors against those of sentence-transformers, bit for bit.

use std::path::Path;

use heatseek_search::{Precision, Quantized, quantize};
use safetensors::SafeTensors;
use serde_json::Value;

#[test]
fn every_precision_is_the_same_bytes() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sentence_transformers.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let metadata = SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
    let cases: Vec<Value> = serde_json::from_str(&metadata["cases"]).unwrap();
    let (mut vectors, mut width, mut compared) = (Vec::new(), 0, 0);
    for case in &cases {
        let golden = file.tensor(case["tensor"].as_str().unwrap()).unwrap();
        let precision: Precision = case["precision"].as_str().unwrap().parse().unwrap();
        // The precisions of some vectors follow each other, float32 first.
        if precision == Precision::Float32 {
            width = golden.shape()[1];
            vectors = golden.data().as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        }
        let got = match quantize(&vectors, width, precision, None).unwrap() {
            Quantized::Float32(values) => values.into_iter().flat_map(f32::to_le_bytes).collect(),
            Quantized::Int8(values) => values.into_iter().map(i8::cast_unsigned).collect(),
            Quantized::Uint8(values) => values,
        };
        assert_eq!(golden.shape(), [vectors.len() / width, precision.width(width)], "{case}");
        assert!(got == golden.data(), "{case}");
        compared += 1;
    }
    assert!(compared > 500, "{compared}");
}
