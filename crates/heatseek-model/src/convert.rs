//! Weights in fewer bits, for smaller files: what [`crate::Checkpoint`] reads back (see `quantized.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use half::f16;
use serde_json::{Map, Value, json};

use crate::json::parse;
use crate::modules::read_modules;
use crate::rounding::{eight, four};
use crate::{Checkpoint, ModelError, ModelFiles};

/// What weights are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightDtype {
    /// 16-bit floats, all tensors of floats: half of f32. One that holds a number beyond 65 504 stays what it is.
    F16,
    /// Matrices in a byte an element and a scale for each row: a quarter. Biases, norms and convolutions stay.
    Int8,
    /// Matrices in half a byte an element and a scale for each group of columns of a row: a seventh, where no
    /// [`wider`](Conversion::wider) part takes more.
    Q4,
}

/// How to store a model's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// What they are stored as.
    pub dtype: WeightDtype,
    /// Columns that share a scale in four bits; a matrix whose width it does not divide is stored in eight.
    pub group_size: usize,
    /// Of [`WeightDtype::Q4`]: the [`parts`](Self::parts) that are stored in eight bits.
    pub wider: BTreeSet<String>,
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

/// Matrices as they were rounded, for the next conversion of the same files that differs only in what is
/// [`wider`](Conversion::wider).
#[derive(Default)]
pub struct Rounded(BTreeMap<(String, bool), Vec<StoredTensor>>);

/// What a tensor becomes.
enum Storage {
    Kept,
    F16,
    Eight([usize; 2]),
    Four([usize; 2]),
}

impl Conversion {
    /// Columns that share a scale in four bits, unless it is said otherwise: 4.5 bits an element with the scale.
    pub const GROUP_SIZE: usize = 32;

    /// To `dtype`, nothing wider.
    pub fn new(dtype: WeightDtype) -> Self {
        Self { dtype, group_size: Self::GROUP_SIZE, wider: BTreeSet::new() }
    }

    /// A model of the same files, its encoder's weights converted: one `model.safetensors` in place of all of its shards,
    /// and a `config.json` that says how.
    ///
    /// # Errors
    /// [`ModelError`] if the weights or `config.json` cannot be read.
    pub fn files(&self, files: &ModelFiles) -> Result<ModelFiles, ModelError> {
        self.files_again(files, &mut Rounded::default())
    }

    /// The same as [`files`](Self::files), for many conversions of one model that differ in what is wider.
    ///
    /// # Errors
    /// Those of [`files`](Self::files).
    pub fn files_again(&self, files: &ModelFiles, rounded: &mut Rounded) -> Result<ModelFiles, ModelError> {
        let modules = read_modules(files)?;
        let folder = modules.first().map_or("", |module| &module.folder);
        let config_file = format!("{folder}config.json");
        let mut config = parse(&config_file, files.require(&config_file, "the model's sizes")?)?;
        let tensors = self.tensors(&files.checkpoint(folder)?, rounded)?;
        if let Some(fields) = config.as_object_mut() {
            self.describe(fields, &tensors);
        }
        let mut converted = ModelFiles::new();
        let is_weights = |path: &str| {
            path.strip_prefix(folder).is_some_and(|name| !name.contains('/') && name.contains(".safetensors"))
        };
        for path in files.paths().filter(|path| !is_weights(path)) {
            if let Some(bytes) = files.get(path) {
                converted.insert(path, bytes.clone());
            }
        }
        converted.insert(&config_file, format!("{config:#}\n").into_bytes());
        converted.insert(&format!("{folder}model.safetensors"), safetensors(tensors));
        Ok(converted)
    }

    /// The tensors of `checkpoint`, converted; those that are in `rounded` are not rounded again.
    ///
    /// # Errors
    /// Those of [`Checkpoint::tensor`].
    pub fn tensors(
        &self,
        checkpoint: &Checkpoint,
        rounded: &mut Rounded,
    ) -> Result<Vec<StoredTensor>, ModelError> {
        let mut all = Vec::new();
        for name in checkpoint.names() {
            let (Some(dtype), Some(shape)) = (checkpoint.dtype(name), checkpoint.shape(name)) else {
                continue;
            };
            let storage = self.storage(checkpoint, name);
            let key = (name.to_owned(), matches!(storage, Storage::Four(_)));
            if let Some(known) = rounded.0.get(&key) {
                all.extend_from_slice(known);
                continue;
            }
            let mut matrix = |all: &mut Vec<StoredTensor>, tensors: &[StoredTensor]| {
                all.extend_from_slice(tensors);
                rounded.0.insert(key.clone(), tensors.to_vec());
            };
            let tensor = match storage {
                Storage::Kept => None,
                _ => checkpoint.tensor(name)?,
            };
            let half = |values: &[f32]| -> Vec<f16> { values.iter().map(|&v| f16::from_f32(v)).collect() };
            match (storage, tensor) {
                (Storage::Eight(extents), Some(tensor)) => {
                    matrix(&mut all, &eight(name, &tensor.values(), extents))
                }
                (Storage::Four(extents), Some(tensor)) => {
                    matrix(&mut all, &four(name, &tensor.values(), extents, self.group_size));
                }
                (Storage::F16, Some(tensor)) if half(&tensor.values()).iter().all(|v| v.is_finite()) => {
                    let data = half(&tensor.values()).iter().flat_map(|v| v.to_le_bytes()).collect();
                    all.push(StoredTensor {
                        name: name.to_owned(),
                        dtype: "F16",
                        shape: shape.to_vec(),
                        data,
                    });
                }
                (_, tensor) => {
                    let (name, shape) = (name.to_owned(), shape.to_vec());
                    all.push(match (checkpoint.bytes(name.as_str()), tensor) {
                        (Some(bytes), _) => StoredTensor { name, dtype, shape, data: bytes.to_vec() },
                        // Quantised, and too large for f16.
                        (None, tensor) => {
                            let values = tensor.map_or_else(Vec::new, |tensor| tensor.values().into_owned());
                            let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                            StoredTensor { name, dtype: "F32", shape, data }
                        }
                    });
                }
            }
        }
        Ok(all)
    }

    /// The parts of a model that [`wider`](Self::wider) can name, modules that hold matrices directly, such as
    /// `encoder.layer.0.attention.self`: each with the elements of its matrices.
    ///
    /// # Errors
    /// [`ModelError`] if the weights cannot be read.
    pub fn parts(&self, files: &ModelFiles) -> Result<BTreeMap<String, usize>, ModelError> {
        let modules = read_modules(files)?;
        let checkpoint = files.checkpoint(modules.first().map_or("", |module| &module.folder))?;
        let mut parts = BTreeMap::new();
        for name in checkpoint.names() {
            if let Storage::Four([n, k]) = self.storage(&checkpoint, name) {
                *parts.entry(part_of(name).to_owned()).or_default() += n * k;
            }
        }
        Ok(parts)
    }

    fn storage(&self, checkpoint: &Checkpoint, name: &str) -> Storage {
        let is_quantized = checkpoint.bytes(name).is_none();
        let is_float = is_quantized || matches!(checkpoint.dtype(name), Some("F32" | "BF16"));
        match (self.dtype, checkpoint.shape(name)) {
            (WeightDtype::F16, _) => {
                if is_float {
                    Storage::F16
                } else {
                    Storage::Kept
                }
            }
            // What is quantised already is a matrix, whatever its name.
            (_, Some(&[n, k])) if k > 0 && (name.ends_with(".weight") || is_quantized) => {
                let whole_groups = self.group_size > 0 && k.is_multiple_of(self.group_size);
                match self.dtype == WeightDtype::Q4 && whole_groups && !self.wider.contains(part_of(name)) {
                    true => Storage::Four([n, k]),
                    false => Storage::Eight([n, k]),
                }
            }
            // Buffers of integers, and what is too small to matter, stay what they are.
            _ => Storage::Kept,
        }
    }

    /// Has `config.json` say how `tensors` are stored, and nothing of how they were.
    fn describe(&self, config: &mut Map<String, Value>, tensors: &[StoredTensor]) {
        config.remove("quantization_config");
        if self.dtype == WeightDtype::F16 {
            // What transformers calls it since 4.56, and before.
            let field = if config.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
            config.insert(field.into(), "float16".into());
            return;
        }
        config.insert("quantization_config".into(), self.quantization_config(tensors));
    }

    /// As compressed-tensors reads it. Where most are in four bits, those in eight are named.
    fn quantization_config(&self, tensors: &[StoredTensor]) -> Value {
        const INT: &str = "int-quantized";
        const PACK: &str = "pack-quantized";
        let eight = json!({ "num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel" });
        let four = json!({
            "num_bits": 4, "type": "int", "symmetric": true, "strategy": "group", "group_size": self.group_size,
        });
        let (weights, own) = if self.dtype == WeightDtype::Q4 { (four, PACK) } else { (eight.clone(), INT) };
        let mut groups = json!({
            "group_0": { "targets": ["Linear", "Embedding"], "weights": weights, "format": own },
        });
        let wider: Vec<&str> = tensors
            .iter()
            .filter(|tensor| tensor.dtype == "I8" && self.dtype == WeightDtype::Q4)
            .map(|tensor| tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name))
            .collect();
        let format = if wider.is_empty() { own } else { "mixed-precision" };
        if !wider.is_empty() {
            groups["group_1"] = json!({ "targets": wider, "weights": eight, "format": INT });
        }
        json!({
            "quant_method": "compressed-tensors",
            "format": format,
            "quantization_status": "compressed",
            "config_groups": groups,
        })
    }
}

impl fmt::Display for WeightDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Q4 => "q4",
        })
    }
}

/// The module that holds the module of this tensor; that one itself if none does.
fn part_of(name: &str) -> &str {
    let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
    module.rsplit_once('.').map_or(module, |(part, _)| part)
}

/// A safetensors file of `tensors` (the format is described in `safetensors.rs`). Those of wide elements come first, so
/// that all can be read where they lie.
fn safetensors(mut tensors: Vec<StoredTensor>) -> Vec<u8> {
    let size_of = |dtype: &str| match dtype {
        "I64" | "U64" | "F64" => 8,
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" | "I16" | "U16" => 2,
        _ => 1,
    };
    tensors.sort_by_key(|tensor| std::cmp::Reverse(size_of(tensor.dtype)));
    let mut header = Map::new();
    let mut end = 0;
    for StoredTensor { name, dtype, shape, data } in &tensors {
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
