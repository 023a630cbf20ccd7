//! Seeded weights, written tensor by tensor: a checkpoint is never whole in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

/// A tensor of normal values.
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub mean: f32,
    pub deviation: f32,
}

/// A tensor around 0.
pub fn tensor(name: impl Into<String>, shape: &[usize], deviation: f32) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), mean: 0.0, deviation }
}

/// A linear layer. Outputs are about as wide as inputs: `1/√k`, which is 0.05 for 384, as trained models have it.
pub fn linear(name: &str, n: usize, k: usize) -> [Tensor; 2] {
    let weight = tensor(format!("{name}.weight"), &[n, k], 1.0 / (k as f32).sqrt());
    [weight, tensor(format!("{name}.bias"), &[n], 0.02)]
}

/// A LayerNorm whose scales are about 1.
pub fn norm(name: &str, width: usize) -> [Tensor; 2] {
    let scale = Tensor { mean: 1.0, ..tensor(format!("{name}.weight"), &[width], 0.05) };
    [scale, tensor(format!("{name}.bias"), &[width], 0.02)]
}

/// Writes a safetensors file of f32.
pub fn write(path: &Path, tensors: &[Tensor]) -> io::Result<()> {
    let mut header = Map::new();
    // transformers refuses a file that does not say this.
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut end = 0;
    for tensor in tensors {
        let start = end;
        end += 4 * tensor.shape.iter().product::<usize>();
        let entry = json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end] });
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string();
    // So that the data is aligned.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for (seed, tensor) in tensors.iter().enumerate() {
        let mut normal = Normal::new(seed as u64);
        for _ in 0..tensor.shape.iter().product() {
            out.write_all(&(tensor.mean + tensor.deviation * normal.next()).to_le_bytes())?;
        }
    }
    out.flush()
}

/// About normal values: four uniform ones added (Irwin and Hall), whose variance is a third.
struct Normal(u64);

impl Normal {
    fn new(seed: u64) -> Self {
        // SplitMix64's state; seeds are spread so that neighbours do not give one sequence shifted by one.
        Self((seed + 1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> f32 {
        let random = random(&mut self.0);
        let parts = (0..4).map(|part| (random >> (16 * part)) as u16);
        let sum: f32 = parts.map(|part| f32::from(part) / 65_535.0 - 0.5).sum();
        sum * 3f32.sqrt()
    }
}

/// The next number of SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_about_normal() {
        let mut normal = Normal::new(3);
        let values: Vec<f32> = (0..20_000).map(|_| normal.next()).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!(Normal::new(4).next() != Normal::new(3).next());
    }
}
