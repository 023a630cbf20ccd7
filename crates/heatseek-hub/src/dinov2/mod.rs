//! DINOv2 weights out of the ONNX graph of a network that was built on them, into the files in which
//! Hugging Face publishes the model.
//!
//! The exporter left three kinds of weights, and dropped one:
//! * biases, norms, layer scales, the class token and the patch projection are constants called
//!   `backbone.` and their name in the checkpoint;
//! * matrices of linear layers are constants without a telling name, `[in, out]`. Each is found by the
//!   name of the MatMul node that reads it — their order in the file is key, value, query — and transposed
//!   to the `[out, in]` of the checkpoint;
//! * the position embeddings are two constants, because the model treats the first position (the class
//!   token's) and the others (which it resizes to the image) differently. Together they are what they were;
//! * the mask token is used in training only and is not in the graph. It is written as zeros, because
//!   loaders demand it.

use std::fs;
use std::path::Path;

use prost::bytes::Bytes;
use safetensors::{Dtype, tensor::TensorView};

use crate::onnx::GraphProto;
use crate::{ConversionError, Error};

/// The settings of DINOv2-small, in the words of `transformers`.
const CONFIG: &str = include_str!("config.json");
const PREPROCESSOR_CONFIG: &str = include_str!("preprocessor_config.json");

/// The sizes that decide the shapes of the weights, named as in config.json.
struct Sizes {
    hidden_size: usize,
    mlp_size: usize,
    num_hidden_layers: usize,
    num_channels: usize,
    patch_size: usize,
    /// Patches of the image the model was trained on.
    num_patches: usize,
}

/// Those of config.json beside this file: 4 × 384 wide MLPs, and images of 518 × 518 pixels in patches of 14.
const SMALL: Sizes = Sizes {
    hidden_size: 384,
    mlp_size: 4 * 384,
    num_hidden_layers: 12,
    num_channels: 3,
    patch_size: 14,
    num_patches: (518 / 14) * (518 / 14),
};

/// Writes config.json, preprocessor_config.json and model.safetensors of DINOv2-small into `folder`, with
/// the weights in the file `onnx`. Holds about three times the weights (3 × 88 MB) in memory.
pub(crate) fn convert(onnx: &Path, folder: &Path) -> Result<(), Error> {
    let graph = fs::read(onnx).map_err(Error::io("read", onnx))?;
    let weights = checkpoint(graph.into(), &SMALL)
        .map_err(|source| Error::Conversion { path: onnx.to_owned(), source: Box::new(source) })?;
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    for (name, bytes) in [
        ("config.json", CONFIG.as_bytes()),
        ("preprocessor_config.json", PREPROCESSOR_CONFIG.as_bytes()),
        ("model.safetensors", &weights),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(Error::io("write", path))?;
    }
    Ok(())
}

/// The bytes of model.safetensors. The same graph gives the same bytes, always.
fn checkpoint(onnx: Bytes, sizes: &Sizes) -> Result<Vec<u8>, ConversionError> {
    let mut weights = Weights { graph: &GraphProto::read(onnx)?, found: Vec::new() };
    weights.embeddings(sizes)?;
    for layer in 0..sizes.num_hidden_layers {
        weights.layer(&format!("encoder.layer.{layer}"), sizes)?;
    }
    weights.scale_and_bias("layernorm", &[sizes.hidden_size])?;

    let views = weights
        .found
        .iter()
        .map(|(name, shape, values)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), values)?)))
        .collect::<Result<Vec<_>, ConversionError>>()?;
    // One entry: the order of a map of several would change from run to run.
    let metadata = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The weights found so far: name in the checkpoint, shape, values.
struct Weights<'a> {
    graph: &'a GraphProto,
    found: Vec<(String, Vec<usize>, Bytes)>,
}

impl Weights<'_> {
    fn embeddings(&mut self, sizes: &Sizes) -> Result<(), ConversionError> {
        let &Sizes { hidden_size, num_channels, patch_size, num_patches, .. } = sizes;
        self.named("embeddings.cls_token", &[1, 1, hidden_size])?;
        let projection = "embeddings.patch_embeddings.projection";
        self.scale_and_bias(projection, &[hidden_size, num_channels, patch_size, patch_size])?;

        let of_class = self.graph.input("/backbone/embeddings/Concat_6", "Concat", 0)?;
        let of_class = self.graph.constant(of_class, &[1, 1, hidden_size])?;
        let of_patches = self.graph.input("/backbone/embeddings/Reshape_1", "Reshape", 0)?;
        let of_patches = self.graph.constant(of_patches, &[1, num_patches, hidden_size])?;
        let positions = [of_class, of_patches].concat();
        self.push("embeddings.position_embeddings", &[1, 1 + num_patches, hidden_size], positions);
        self.push("embeddings.mask_token", &[1, hidden_size], vec![0; size_of::<f32>() * hidden_size]);
        Ok(())
    }

    fn layer(&mut self, at: &str, sizes: &Sizes) -> Result<(), ConversionError> {
        let &Sizes { hidden_size, mlp_size, .. } = sizes;
        for half in [1, 2] {
            self.scale_and_bias(&format!("{at}.norm{half}"), &[hidden_size])?;
            self.named(&format!("{at}.layer_scale{half}.lambda1"), &[hidden_size])?;
        }
        for name in ["attention.query", "attention.key", "attention.value", "output.dense"] {
            self.linear(at, &format!("attention.{name}"), hidden_size, hidden_size)?;
        }
        self.linear(at, "mlp.fc1", hidden_size, mlp_size)?;
        self.linear(at, "mlp.fc2", mlp_size, hidden_size)
    }

    /// A weight of `shape` with its output channels first, and the bias of those channels.
    fn scale_and_bias(&mut self, name: &str, shape: &[usize]) -> Result<(), ConversionError> {
        self.named(&format!("{name}.weight"), shape)?;
        self.named(&format!("{name}.bias"), &shape[..1])
    }

    /// The matrix and bias of the linear layer called `name` in the encoder layer `at`.
    fn linear(&mut self, at: &str, name: &str, inputs: usize, outputs: usize) -> Result<(), ConversionError> {
        // The node's path has a slash between modules, but the layer number keeps its dot.
        let node = format!("/backbone/{}/{}/MatMul", at.replacen('.', "/", 1), name.replace('.', "/"));
        let matrix = self.graph.input(&node, "MatMul", 1)?;
        let matrix = self.graph.constant(matrix, &[inputs, outputs])?;
        self.push(&format!("{at}.{name}.weight"), &[outputs, inputs], transposed(&matrix, inputs, outputs));
        self.named(&format!("{at}.{name}.bias"), &[outputs])
    }

    /// A constant that kept its name.
    fn named(&mut self, name: &str, shape: &[usize]) -> Result<(), ConversionError> {
        let values = self.graph.constant(&format!("backbone.{name}"), shape)?;
        self.push(name, shape, values);
        Ok(())
    }

    fn push(&mut self, name: &str, shape: &[usize], values: impl Into<Bytes>) {
        self.found.push((name.to_owned(), shape.to_vec(), values.into()));
    }
}

/// `matrix`: `[rows, cols]` f32, row-major; the result is `[cols, rows]`. Moves bytes, so every bit is kept.
fn transposed(matrix: &[u8], rows: usize, cols: usize) -> Vec<u8> {
    let (values, _) = matrix.as_chunks::<{ size_of::<f32>() }>();
    let mut out = Vec::with_capacity(matrix.len());
    for col in 0..cols {
        for row in 0..rows {
            out.extend_from_slice(&values[row * cols + col]);
        }
    }
    out
}

#[cfg(test)]
mod tests;
