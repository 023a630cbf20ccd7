//! What tells models from each other.

use heatseek_model::ModelFiles;
use heatseek_pool::Params;
use sha2::{Digest, Sha256};

/// Files of up to so many bytes count whole, of larger ones as many samples of `SAMPLE` bytes: reading all weights would
/// take as long as laying them out.
const WHOLE: usize = 1 << 20;
const SAMPLES: usize = 1024;
const SAMPLE: usize = 256;

/// The same for the same model's files, 16 hexadecimal digits. Weights count by their length, their header and a
/// thousand places of them, so that training and quantising change it; it is no proof against forgery.
pub(crate) fn fingerprint(files: &ModelFiles) -> String {
    let mut sum = Sha256::new();
    for path in files.paths() {
        let Some(bytes) = files.get(path) else { continue };
        sum.update(path.as_bytes());
        sum.update((bytes.len() as u64).to_le_bytes());
        if bytes.len() <= WHOLE {
            sum.update(&bytes[..]);
            continue;
        }
        for sample in 0..SAMPLES {
            let at = (bytes.len() - SAMPLE) / (SAMPLES - 1) * sample;
            sum.update(&bytes[at..at + SAMPLE]);
        }
    }
    shown(sum)
}

/// The same for the same weights of a pooler.
pub(super) fn fingerprint_of_weights(weights: &Params) -> String {
    let mut sum = Sha256::new();
    for (name, shape, values) in weights.iter() {
        sum.update(format!("{name} {shape:?}"));
        values.iter().for_each(|value| sum.update(value.to_le_bytes()));
    }
    shown(sum)
}

fn shown(sum: Sha256) -> String {
    sum.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, Vec<u8>)]) -> String {
        let mut all = ModelFiles::new();
        files.iter().for_each(|(path, bytes)| all.insert(path, bytes.clone()));
        fingerprint(&all)
    }

    #[test]
    fn every_file_counts() {
        let weights: Vec<u8> = (0..3 << 20).map(|i| (i * 7 % 251) as u8).collect();
        let same = of(&[("config.json", b"{}".to_vec()), ("model.safetensors", weights.clone())]);
        assert_eq!(same.len(), 16);
        assert_eq!(of(&[("model.safetensors", weights.clone()), ("config.json", b"{}".to_vec())]), same);
        assert_ne!(of(&[("config.json", b"[]".to_vec()), ("model.safetensors", weights.clone())]), same);
        assert_ne!(of(&[("config.json", b"{}".to_vec()), ("model.safetensor", weights.clone())]), same);
        // Trained further: all weights are others. The last byte is among the samples.
        let trained = weights.iter().map(|byte| byte ^ 1).collect();
        assert_ne!(of(&[("config.json", b"{}".to_vec()), ("model.safetensors", trained)]), same);
        let mut longer = weights.clone();
        longer.push(0);
        assert_ne!(of(&[("config.json", b"{}".to_vec()), ("model.safetensors", longer)]), same);
    }
}
