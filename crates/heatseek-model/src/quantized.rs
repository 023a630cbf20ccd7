//! Weights stored in few bits, as the `compressed-tensors` library lays them out: integers and one scale for each row, or
//! for each group of columns of a row. They are expanded when their values are asked for.
//!
//! | stored | shape and type | of a weight `X [n, k]` |
//! | --- | --- | --- |
//! | `X` | `[n, k]` I8 | eight bits: `int-quantized` |
//! | `X_packed` | `[n, ⌈k · bits/32⌉]` I32 | 4 or 8 bits, low ones first, 2^(bits-1) added: `pack-quantized` |
//! | `X_shape` | `[2]` I32 or I64 | n and k of what is packed |
//! | `X_scale` | `[1]`, `[n]`, `[n, 1]` or `[n, groups]` F32, F16 or BF16 | what integers are multiplied by |

use std::collections::BTreeMap;

use heatseek_ops::Tensor;

use crate::ModelError;
use crate::checkpoint::{Stored, floats};
use crate::json::Object;
use crate::safetensors::Dtype;

/// How a checkpoint's integers become floats.
#[derive(Clone, Debug)]
pub(crate) struct Quantized {
    scale: Box<Stored>,
    /// Bits of an integer; 8 of a plain I8.
    bits: usize,
    packed: bool,
}

/// What says that a format is used that is not read here.
const OTHERS: [(&str, &str); 2] = [
    ("_zero_point", "asymmetric; quantise it symmetrically"),
    ("_g_idx", "ordered by activation; quantise it without `actorder`"),
];

/// Puts the parts of each quantised weight together under the weight's own name.
///
/// # Errors
/// [`ModelError::UnsupportedDtype`] for layouts that are not read, [`ModelError::TensorEntry`] for parts that do not fit.
pub(crate) fn gather(tensors: &mut BTreeMap<String, Stored>) -> Result<(), ModelError> {
    let scales: Vec<String> = tensors.keys().filter(|name| name.ends_with("_scale")).cloned().collect();
    for scale_name in scales {
        let name = scale_name.strip_suffix("_scale").unwrap_or(&scale_name).to_owned();
        let packed_name = format!("{name}_packed");
        let packed = tensors.contains_key(&packed_name);
        if !packed && tensors.get(&name).is_none_or(|weight| weight.entry.dtype != Dtype::I8) {
            continue;
        }
        for (suffix, why) in OTHERS {
            if let Some(other) = tensors.get(&format!("{name}{suffix}")) {
                return Err(ModelError::UnsupportedDtype {
                    file: other.file.to_string(),
                    tensor: name,
                    got: why.into(),
                    supported: "integers of 4 or 8 bits with a scale for each row or group of columns".into(),
                });
            }
        }
        let parts = (tensors.remove(if packed { &packed_name } else { &name }), tensors.remove(&scale_name));
        let (Some(mut weight), Some(scale)) = parts else { continue };
        let shape = match packed {
            true => packed_shape(&name, &weight, tensors.remove(&format!("{name}_shape")))?,
            false => weight.entry.shape.clone(),
        };
        let bits = match packed {
            true => packed_bits(&name, &weight, &shape)?,
            false => 8,
        };
        check_scale(&name, &scale, &shape)?;
        weight.entry.name.clone_from(&name);
        weight.entry.shape = shape;
        weight.quantized = Some(Quantized { scale: Box::new(scale), bits, packed });
        tensors.insert(name, weight);
    }
    Ok(())
}

/// Fails if `config.json` says that its weights are quantised in a way that is not read here.
pub(crate) fn reject_other_methods(json: &Object<'_>) -> Result<(), ModelError> {
    let Some(value) = json.get("quantization_config") else { return Ok(()) };
    let config = Object::new(json.file, "quantization_config", value)?;
    if config.optional_str("quant_method")? != Some("compressed-tensors") {
        return Err(config.unsupported("quant_method", "\"compressed-tensors\""));
    }
    match config.optional_str("format")? {
        None | Some("int-quantized" | "naive-quantized" | "pack-quantized" | "mixed-precision" | "dense") => {
            Ok(())
        }
        Some(_) => Err(config.unsupported("format", "\"int-quantized\", \"pack-quantized\"")),
    }
}

impl Quantized {
    /// How errors and reports name the type.
    pub(crate) fn name(&self) -> &'static str {
        if self.bits == 4 { "I4" } else { "I8" }
    }

    /// The weight that `stored` is.
    pub(crate) fn tensor(&self, stored: &Stored) -> Result<Tensor, ModelError> {
        let scale = floats(&self.scale)?.values().into_owned();
        let columns = stored.entry.shape[1];
        let (bits, packed) = (self.bits, self.packed);
        let (bytes, range) = (stored.bytes.clone(), stored.entry.range.clone());
        let rows = stored.entry.shape[0];
        let groups = if scale.len() == 1 { 1 } else { scale.len() / rows.max(1) };
        Ok(Tensor::computed(&stored.entry.shape, move || {
            let data = &bytes[range.clone()];
            let mut values = Vec::with_capacity(rows * columns);
            let row_bytes = if packed { (columns * bits).div_ceil(32) * 4 } else { columns };
            for (row, data) in data.chunks_exact(row_bytes.max(1)).enumerate() {
                let scales = if scale.len() == 1 { &scale[..] } else { &scale[row * groups..][..groups] };
                let of_group = columns.div_ceil(groups).max(1);
                let integer = |column: usize| match (packed, bits) {
                    (false, _) => i32::from(data[column].cast_signed()),
                    (true, 4) => i32::from(data[column / 2] >> (4 * (column % 2)) & 15) - 8,
                    (true, _) => i32::from(data[column]) - 128,
                };
                values.extend((0..columns).map(|c| integer(c) as f32 * scales[c / of_group]));
            }
            values
        }))
    }
}

/// `[n, k]` as the tensor beside the packed one says it.
fn packed_shape(name: &str, packed: &Stored, shape: Option<Stored>) -> Result<Vec<usize>, ModelError> {
    let wrong = |got: String| entry_error(packed, name, "`_shape` of two sizes beside `_packed`".into(), got);
    let Some(shape) = shape else { return Err(wrong("none".into())) };
    let data = &shape.bytes[shape.entry.range.clone()];
    let sizes: Vec<i64> = match shape.entry.dtype {
        Dtype::I64 => data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect(),
        Dtype::I32 => data.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect(),
        other => return Err(wrong(format!("one of type {}", other.name()))),
    };
    let sizes: Option<Vec<usize>> = sizes.iter().map(|&n| usize::try_from(n).ok()).collect();
    match sizes {
        Some(sizes) if sizes.len() == 2 => Ok(sizes),
        other => Err(wrong(format!("{other:?}"))),
    }
}

/// Bits of an integer, from how many words a row has.
fn packed_bits(name: &str, packed: &Stored, shape: &[usize]) -> Result<usize, ModelError> {
    let words = |bits: usize| shape[1].checked_mul(bits).map(|all| all.div_ceil(32));
    let bits = [4, 8].into_iter().find(|&bits| {
        packed.entry.dtype == Dtype::I32
            && packed.entry.shape.len() == 2
            && packed.entry.shape[0] == shape[0]
            && words(bits) == Some(packed.entry.shape[1])
    });
    bits.ok_or_else(|| {
        let expected = format!("`_packed` of {shape:?} in 4 or 8 bits, as I32");
        entry_error(packed, name, expected, format!("{} {:?}", packed.entry.dtype.name(), packed.entry.shape))
    })
}

/// Fails unless there is a scale for the whole, for each row, or for each group of columns of a row.
fn check_scale(name: &str, scale: &Stored, shape: &[usize]) -> Result<(), ModelError> {
    let fits = match (shape, &scale.entry.shape[..]) {
        ([_, _], [1]) => true,
        ([n, _], [rows]) => rows == n,
        ([n, k], [rows, groups]) => rows == n && *groups > 0 && k.is_multiple_of(*groups),
        _ => false,
    };
    match fits {
        true => Ok(()),
        false => {
            let expected = format!("a matrix, with a scale for each row or group of columns of {shape:?}");
            Err(entry_error(scale, name, expected, format!("scales {:?}", scale.entry.shape)))
        }
    }
}

fn entry_error(stored: &Stored, tensor: &str, expected: String, got: String) -> ModelError {
    ModelError::TensorEntry { file: stored.file.to_string(), tensor: tensor.to_owned(), expected, got }
}
