//! Weights in few bits, for smaller files: what [`crate::Checkpoint`] reads back (see `quantized.rs`).

use std::fmt;

use half::bf16;
use serde_json::{Value, json};

use crate::json::parse;
use crate::modules::read_modules;
use crate::{Checkpoint, ModelError, ModelFiles};

/// Bits of a stored weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightBits {
    /// One byte, and a scale for each row: a quarter of f32.
    Eight,
    /// Half a byte, and a scale for each group of columns of a row.
    Four,
}

/// How to quantise a model's weights. Only matrices are; biases, norms and convolutions stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantization {
    /// Of linear layers.
    pub linear: WeightBits,
    /// Of tables of embeddings.
    pub embeddings: WeightBits,
    /// Columns that share a scale in four bits; a matrix whose width it does not divide is stored in eight.
    pub group_size: usize,
}

/// A tensor as a safetensors file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// Its type by the format's name, e.g. `I8`.
    pub dtype: &'static str,
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its elements, little-endian.
    pub data: Vec<u8>,
}

/// Shares of the largest magnitude that are tried as the end of four bits' range: cutting a few large weights off can
/// round all the others better.
const ENDS: [f32; 8] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65];

impl Quantization {
    /// A model of the same files, its encoder's weights quantised: one `model.safetensors` in place of all of its shards,
    /// and a `config.json` that says how.
    ///
    /// # Errors
    /// [`ModelError`] if the weights or `config.json` cannot be read.
    pub fn files(&self, files: &ModelFiles) -> Result<ModelFiles, ModelError> {
        let modules = read_modules(files)?;
        let folder = modules.first().map_or("", |module| &module.folder);
        let config_file = format!("{folder}config.json");
        let mut config = parse(&config_file, files.require(&config_file, "the model's sizes")?)?;
        let tensors = self.tensors(&files.checkpoint(folder)?)?;
        if let Some(fields) = config.as_object_mut() {
            fields.insert("quantization_config".into(), self.config(&tensors));
        }
        let mut quantised = ModelFiles::new();
        let is_weights = |path: &str| {
            path.strip_prefix(folder).is_some_and(|name| !name.contains('/') && name.contains(".safetensors"))
        };
        for path in files.paths().filter(|path| !is_weights(path)) {
            if let Some(bytes) = files.get(path) {
                quantised.insert(path, bytes.clone());
            }
        }
        quantised.insert(&config_file, format!("{config:#}\n").into_bytes());
        quantised.insert(&format!("{folder}model.safetensors"), safetensors(&tensors));
        Ok(quantised)
    }

    /// The tensors of `checkpoint`, matrices quantised.
    ///
    /// # Errors
    /// Those of [`Checkpoint::tensor`].
    pub fn tensors(&self, checkpoint: &Checkpoint) -> Result<Vec<StoredTensor>, ModelError> {
        let mut all = Vec::new();
        for name in checkpoint.names() {
            let (Some(dtype), Some(shape)) = (checkpoint.dtype(name), checkpoint.shape(name)) else {
                continue;
            };
            let data = checkpoint.bytes(name);
            match *shape {
                // What is quantised already is a matrix, whatever its name.
                [n, k] if k > 0 && (name.ends_with(".weight") || data.is_none()) => {
                    let Some(tensor) = checkpoint.tensor(name)? else { continue };
                    match self.bits(name, k) {
                        WeightBits::Eight => all.extend(eight(name, &tensor.values(), [n, k])),
                        WeightBits::Four => {
                            all.extend(four(name, &tensor.values(), [n, k], self.group_size));
                        }
                    }
                }
                // Buffers of integers, and what is too small to matter, stay what they are.
                _ => {
                    let (name, shape, data) =
                        (name.to_owned(), shape.to_vec(), data.unwrap_or_default().to_vec());
                    all.push(StoredTensor { name, dtype, shape, data });
                }
            }
        }
        Ok(all)
    }

    fn wanted(&self, name: &str) -> WeightBits {
        if is_embedding(name) { self.embeddings } else { self.linear }
    }

    fn bits(&self, name: &str, k: usize) -> WeightBits {
        match self.wanted(name) {
            WeightBits::Four if self.group_size == 0 || !k.is_multiple_of(self.group_size) => {
                WeightBits::Eight
            }
            wanted => wanted,
        }
    }

    /// What `config.json` says of `tensors` that were made so: its `quantization_config`. Matrices whose width made them
    /// stay in eight bits are named.
    fn config(&self, tensors: &[StoredTensor]) -> Value {
        let group = |targets: &[&str], bits: WeightBits| {
            let weights = match bits {
                WeightBits::Eight => {
                    json!({ "num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel" })
                }
                WeightBits::Four => json!({
                    "num_bits": 4, "type": "int", "symmetric": true, "strategy": "group",
                    "group_size": self.group_size,
                }),
            };
            json!({ "targets": targets, "weights": weights, "format": bits.format() })
        };
        let wider: Vec<&str> = tensors
            .iter()
            .filter(|tensor| tensor.dtype == "I8" && self.wanted(&tensor.name) == WeightBits::Four)
            .map(|tensor| tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name))
            .collect();
        let mut groups = json!({
            "group_0": group(&["Linear"], self.linear),
            "group_1": group(&["Embedding"], self.embeddings),
        });
        if !wider.is_empty() {
            groups["group_2"] = group(&wider, WeightBits::Eight);
        }
        let format = match self.linear == self.embeddings && wider.is_empty() {
            true => self.linear.format(),
            false => "mixed-precision",
        };
        json!({
            "quant_method": "compressed-tensors",
            "format": format,
            "quantization_status": "compressed",
            "config_groups": groups,
        })
    }
}

impl WeightBits {
    fn format(self) -> &'static str {
        match self {
            Self::Eight => "int-quantized",
            Self::Four => "pack-quantized",
        }
    }
}

impl fmt::Display for WeightBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eight => "int8",
            Self::Four => "int4",
        })
    }
}

/// A safetensors file of `tensors` (the format is described in `safetensors.rs`).
fn safetensors(tensors: &[StoredTensor]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for StoredTensor { name, dtype, shape, data } in tensors {
        let begin = end;
        end += data.len();
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] }));
    }
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut text = Value::Object(header).to_string();
    // Data that starts at a multiple of 8 can be read in place.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    let mut file = Vec::with_capacity(8 + text.len() + end);
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.into_bytes());
    tensors.iter().for_each(|tensor| file.extend(&tensor.data));
    file
}

fn is_embedding(name: &str) -> bool {
    name.contains("_embeddings.") || name.contains("_embedding.")
}

/// A row's largest magnitude is 127.
fn eight(name: &str, values: &[f32], [n, k]: [usize; 2]) -> [StoredTensor; 2] {
    let (mut integers, mut scales) = (Vec::with_capacity(values.len()), Vec::with_capacity(4 * n));
    for row in values.chunks_exact(k) {
        let scale = largest(row) / 127.0;
        integers.extend(row.iter().map(|&v| integer(v, scale, 127).cast_unsigned()));
        scales.extend(scale.to_le_bytes());
    }
    [
        StoredTensor { name: name.to_owned(), dtype: "I8", shape: vec![n, k], data: integers },
        StoredTensor { name: format!("{name}_scale"), dtype: "F32", shape: vec![n, 1], data: scales },
    ]
}

/// Of each group, the scale with the least squared error.
fn four(name: &str, values: &[f32], [n, k]: [usize; 2], group: usize) -> [StoredTensor; 3] {
    let (mut words, mut scales) = (Vec::new(), Vec::new());
    for row in values.chunks_exact(k) {
        let mut nibbles = Vec::with_capacity(k.next_multiple_of(8));
        for part in row.chunks_exact(group) {
            let scale = best_scale(part);
            scales.extend(scale.to_le_bytes());
            nibbles.extend(part.iter().map(|&v| (integer(v, scale.to_f32(), 7) + 8).cast_unsigned()));
        }
        nibbles.resize(k.next_multiple_of(8), 0);
        words.extend(nibbles.as_chunks::<2>().0.iter().map(|[low, high]| low | high << 4));
    }
    let sizes = [n as i64, k as i64];
    let shape = sizes.iter().flat_map(|n| n.to_le_bytes()).collect();
    let part = |suffix: &str, dtype, shape, data| StoredTensor {
        name: format!("{name}{suffix}"),
        dtype,
        shape,
        data,
    };
    [
        part("_packed", "I32", vec![n, k.div_ceil(8)], words),
        part("_shape", "I64", vec![2], shape),
        part("_scale", "BF16", vec![n, k / group], scales),
    ]
}

fn best_scale(part: &[f32]) -> bf16 {
    let whole = largest(part) / 7.0;
    let candidates = ENDS.map(|share| bf16::from_f32(whole * share));
    let error = |scale: &bf16| -> f32 {
        let scale = scale.to_f32();
        part.iter().map(|&v| (v - scale * f32::from(integer(v, scale, 7))).powi(2)).sum()
    };
    candidates.into_iter().min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or_default()
}

/// `value` in units of `scale`, from `-most - 1` (in four bits only) to `most`.
fn integer(value: f32, scale: f32, most: i8) -> i8 {
    let least = if most == 7 { -8.0 } else { -f32::from(most) };
    if scale > 0.0 { (value / scale).round().clamp(least, f32::from(most)) as i8 } else { 0 }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}
