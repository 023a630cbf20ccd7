//! Weights by name, from one safetensors file or several.

use std::collections::BTreeMap;
use std::sync::Arc;

use heatseek_ops::Tensor;

use crate::bytes::FloatView;
use crate::quantized::{Quantized, gather};
use crate::safetensors::{Dtype, Entry, read_header};
use crate::{ModelError, SharedBytes};

/// The tensors of a model's safetensors files. Nothing is copied but what is misaligned.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    file: String,
    tensors: BTreeMap<String, Stored>,
}

/// One tensor and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) file: Arc<str>,
    pub(crate) bytes: SharedBytes,
    /// With the name and shape of the weight, if that is quantised.
    pub(crate) entry: Entry,
    pub(crate) quantized: Option<Quantized>,
}

impl Checkpoint {
    /// Reads the header of a safetensors file; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ModelError::Safetensors`], [`ModelError::TensorEntry`] if the file lies about itself in any way,
    /// [`ModelError::UnsupportedDtype`] for a type of unknown size.
    pub fn parse(file: &str, bytes: SharedBytes) -> Result<Self, ModelError> {
        let name: Arc<str> = file.into();
        let entries = read_header(file, &bytes)?;
        let stored =
            |entry: Entry| Stored { file: name.clone(), bytes: bytes.clone(), entry, quantized: None };
        let mut tensors = entries.into_iter().map(|e| (e.name.clone(), stored(e))).collect();
        gather(&mut tensors)?;
        Ok(Self { file: file.to_owned(), tensors })
    }

    /// Joins the shards of one checkpoint; `file` is what errors call the whole.
    ///
    /// # Errors
    /// [`ModelError::TensorEntry`] if two shards hold one name.
    pub fn join(file: &str, shards: impl IntoIterator<Item = Self>) -> Result<Self, ModelError> {
        let mut all = Self { file: file.to_owned(), tensors: BTreeMap::new() };
        for (name, stored) in shards.into_iter().flat_map(|s| s.tensors) {
            let here = stored.file.clone();
            if let Some(other) = all.tensors.insert(name.clone(), stored) {
                return Err(ModelError::TensorEntry {
                    file: here.to_string(),
                    tensor: name,
                    expected: "a name no other shard has".into(),
                    got: format!("one that `{}` has too", other.file),
                });
            }
        }
        // Its parts may have been in two of them.
        gather(&mut all.tensors)?;
        Ok(all)
    }

    /// What errors call this checkpoint.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The file that holds `name`.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|s| &*s.file)
    }

    /// The shape of `name`.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|s| &s.entry.shape[..])
    }

    /// How `name` is stored, e.g. `F16`, or `I4` if it is quantised.
    pub fn dtype(&self, name: &str) -> Option<&'static str> {
        let stored = self.tensors.get(name)?;
        Some(stored.quantized.as_ref().map_or(stored.entry.dtype.name(), Quantized::name))
    }

    /// The elements of `name` as they are stored, of whatever type; `None` if there is none or it is quantised.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let stored = self.tensors.get(name)?;
        stored.quantized.is_none().then(|| &stored.bytes[stored.entry.range.clone()])
    }

    /// The tensor `name` as f32, or `None` if there is none. Costs one pass over its bytes, which
    /// makes sure that every element is finite; F16, BF16 and quantised ones are converted each time values are asked
    /// for.
    ///
    /// # Errors
    /// [`ModelError::UnsupportedDtype`], [`ModelError::NotFinite`].
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        let Some(stored) = self.tensors.get(name) else { return Ok(None) };
        match &stored.quantized {
            Some(quantized) => quantized.tensor(stored).map(Some),
            None => floats(stored).map(Some),
        }
    }
}

/// Makes floats of their bytes.
type Decode = fn(&[u8]) -> Vec<f32>;

/// The floats that are stored.
pub(crate) fn floats(Stored { file, bytes, entry, .. }: &Stored) -> Result<Tensor, ModelError> {
    let data = &bytes[entry.range.clone()];
    let (decode, finite): (Decode, bool) = match entry.dtype {
        Dtype::F32 => {
            (decode_f32, all_finite::<4>(data, |b| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000))
        }
        Dtype::F16 => (decode_f16, all_finite::<2>(data, |b| u16::from_le_bytes(b) & 0x7c00 == 0x7c00)),
        Dtype::Bf16 => (decode_bf16, all_finite::<2>(data, |b| u16::from_le_bytes(b) & 0x7f80 == 0x7f80)),
        other => {
            return Err(ModelError::UnsupportedDtype {
                file: file.to_string(),
                tensor: entry.name.clone(),
                got: format!("of type `{}`", other.name()),
                supported: "F32, F16, BF16, and I8 or I32 with scales as compressed-tensors has them".into(),
            });
        }
    };
    if !finite {
        let values = decode(data);
        let index = values.iter().position(|v| !v.is_finite()).unwrap_or_default();
        return Err(ModelError::NotFinite {
            file: file.to_string(),
            tensor: entry.name.clone(),
            index,
            got: values.get(index).copied().unwrap_or(f32::NAN),
        });
    }
    if entry.dtype != Dtype::F32 {
        let (bytes, range) = (bytes.clone(), entry.range.clone());
        return Ok(Tensor::computed(&entry.shape, move || decode(&bytes[range.clone()])));
    }
    Ok(match FloatView::new(bytes, entry.range.clone()) {
        Some(view) => Tensor::shared(&entry.shape, Arc::new(view)),
        None => Tensor::new(&entry.shape, decode(data)),
    })
}

/// Whether no element has an exponent of all ones. Branch-free within a block, so that the compiler
/// makes it vector code, and 90 MB take milliseconds.
fn all_finite<const SIZE: usize>(data: &[u8], exponent_full: impl Fn([u8; SIZE]) -> bool) -> bool {
    let (elements, _) = data.as_chunks::<SIZE>();
    elements.chunks(4096).all(|block| !block.iter().fold(false, |any, &e| any | exponent_full(e)))
}

fn decode_f32(data: &[u8]) -> Vec<f32> {
    data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn decode_f16(data: &[u8]) -> Vec<f32> {
    data.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
}

fn decode_bf16(data: &[u8]) -> Vec<f32> {
    data.as_chunks().0.iter().map(|&b| half::bf16::from_le_bytes(b).to_f32()).collect()
}
