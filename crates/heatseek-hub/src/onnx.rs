//! What of ONNX is needed to get constants out of a graph: tensors by name, and which node reads them.
//!
//! Fields and their numbers: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>. Whatever is not
//! listed here is skipped when a file is read.

use prost::Message;
use prost::bytes::Bytes;

use crate::ConversionError;

/// `TensorProto.DataType.FLOAT`.
pub(crate) const FLOAT: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ModelProto {
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    /// The values, where `raw_data` is empty.
    #[prost(float, repeated, tag = "4")]
    pub(crate) float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    /// The values, little-endian and row-major. A view of the file, not a copy.
    #[prost(bytes = "bytes", tag = "9")]
    pub(crate) raw_data: Bytes,
}

impl GraphProto {
    /// The graph of the model that `file` holds.
    pub(crate) fn read(file: Bytes) -> Result<Self, ConversionError> {
        ModelProto::decode(file)?.graph.ok_or(ConversionError::NoGraph)
    }

    /// The name of what the node called `node` reads as its input number `index`.
    pub(crate) fn input(&self, node: &str, op_type: &str, index: usize) -> Result<&str, ConversionError> {
        let found = self.node.iter().find(|found| found.name == node && found.op_type == op_type);
        found.and_then(|found| found.input.get(index)).map(String::as_str).ok_or_else(|| {
            ConversionError::MissingNode { node: node.to_owned(), op_type: op_type.to_owned(), input: index }
        })
    }

    /// The values of the f32 constant called `name`, little-endian and row-major.
    pub(crate) fn constant(&self, name: &str, shape: &[usize]) -> Result<Bytes, ConversionError> {
        let tensor = || name.to_owned();
        let found = self
            .initializer
            .iter()
            .find(|found| found.name == name)
            .ok_or_else(|| ConversionError::MissingTensor { tensor: tensor() })?;
        if found.data_type != FLOAT {
            return Err(ConversionError::NotF32 { tensor: tensor(), data_type: found.data_type });
        }
        if !found.dims.iter().copied().eq(shape.iter().map(|&dim| dim as i64)) {
            let (got, expected) = (found.dims.clone(), shape.to_vec());
            return Err(ConversionError::WrongShape { tensor: tensor(), got, expected });
        }
        let values = match found.raw_data.is_empty() {
            true => found.float_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
            false => found.raw_data.clone(),
        };
        let expected_bytes = size_of::<f32>() * shape.iter().product::<usize>();
        if values.len() != expected_bytes {
            let got_bytes = values.len();
            return Err(ConversionError::WrongLength { tensor: tensor(), got_bytes, expected_bytes });
        }
        Ok(values)
    }
}
