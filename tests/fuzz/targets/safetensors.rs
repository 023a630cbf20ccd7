//! Weights: any bytes are read or refused, and so is every tensor of what was read.
#![no_main]

use heatseek_fuzz::safetensors;
use heatseek_model::Checkpoint;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| {
    let Ok(checkpoint) = Checkpoint::parse("model.safetensors", data.to_vec().into()) else { return };
    for name in checkpoint.names() {
        if let Ok(Some(tensor)) = checkpoint.tensor(name) {
            let elements: usize = tensor.shape().iter().product();
            assert_eq!(tensor.values().len(), elements, "{name}");
        }
    }
    // The same file twice has every name twice, but for an empty one.
    let twice = Checkpoint::join("index", [checkpoint.clone(), checkpoint.clone()]);
    assert_eq!(twice.is_ok(), checkpoint.names().next().is_none());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    safetensors::mutate(data, size, max_size, seed)
});
