//! Learned parameters of a pooler.

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::PoolError;

/// The tensors of a safetensors file, f32.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Params {
    /// Reads a safetensors file; its tensors must be F32.
    ///
    /// # Errors
    /// [`PoolError::File`], [`PoolError::Tensor`].
    pub fn read(bytes: &[u8]) -> Result<Self, PoolError> {
        let file = SafeTensors::deserialize(bytes).map_err(|why| PoolError::File(why.to_string()))?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(PoolError::Tensor {
                    tensor: name,
                    got: format!("{:?}", view.dtype()),
                    expected: "F32".into(),
                });
            }
            let values = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.push((name, view.shape().to_vec(), values));
        }
        Ok(Self { tensors })
    }

    /// Tensors that are made here.
    pub fn from_tensors(tensors: Vec<(String, Vec<usize>, Vec<f32>)>) -> Self {
        Self { tensors }
    }

    /// All tensors: name, shape and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.tensors.iter().map(|(name, shape, values)| (&name[..], &shape[..], &values[..]))
    }

    /// The tensor of this name, with its shape.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.tensors.iter().find(|(n, ..)| n == name).map(|(_, shape, values)| (&shape[..], &values[..]))
    }

    /// The values of tensor `name`, whose shape is `shape`.
    ///
    /// # Errors
    /// [`PoolError::Tensor`] if it is missing or has another.
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<&[f32], PoolError> {
        let wrong = |got: String| PoolError::Tensor {
            tensor: name.to_owned(),
            got,
            expected: format!("F32 {shape:?}"),
        };
        let (found, values) = self.get(name).ok_or_else(|| wrong("missing".into()))?;
        if found == shape { Ok(values) } else { Err(wrong(format!("F32 {found:?}"))) }
    }

    /// The same where a missing tensor is zeros, as biases are.
    ///
    /// # Errors
    /// [`PoolError::Tensor`] if it has another shape.
    pub fn or_zeros(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PoolError> {
        match self.get(name) {
            None => Ok(vec![0.0; shape.iter().product()]),
            Some(_) => self.require(name, shape).map(<[f32]>::to_vec),
        }
    }
}
