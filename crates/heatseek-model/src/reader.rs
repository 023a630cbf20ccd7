//! Finding weights by name and checking them against the configuration.

use std::collections::BTreeSet;

use heatseek_ops::Tensor;

use crate::weights::{Linear, NormWeights};
use crate::{Checkpoint, ModelError};

/// Reads the tensors of one module of a checkpoint, and remembers which.
pub(crate) struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    /// The configuration's file.
    config: &'a str,
    prefix: &'static str,
    used: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// A reader of names without a prefix.
    pub(crate) fn new(checkpoint: &'a Checkpoint, config: &'a str) -> Self {
        Self { checkpoint, config, prefix: "", used: BTreeSet::new() }
    }

    /// A reader of names behind the first of `prefixes` under which there is the tensor `anchor`.
    pub(crate) fn behind(
        checkpoint: &'a Checkpoint,
        config: &'a str,
        model_type: &str,
        prefixes: &[&'static str],
        anchor: &str,
    ) -> Result<Self, ModelError> {
        let has = |prefix: &&&str| checkpoint.shape(&format!("{prefix}{anchor}")).is_some();
        let Some(prefix) = prefixes.iter().find(has) else {
            let tried: Vec<String> = prefixes.iter().map(|p| format!("`{p}{anchor}`")).collect();
            return Err(ModelError::MissingTensor {
                file: checkpoint.file().to_owned(),
                tensor: anchor.to_owned(),
                tried: tried.join(", "),
                field: format!("`model_type` \"{model_type}\" of `{config}`"),
            });
        };
        Ok(Self { prefix, ..Self::new(checkpoint, config) })
    }

    /// The tensor under the first of `names` that is there, of exactly this shape; `field` names the
    /// configuration that gives the shape.
    pub(crate) fn tensor(
        &mut self,
        names: &[&str],
        shape: &[usize],
        field: &str,
    ) -> Result<Tensor, ModelError> {
        let full: Vec<String> = names.iter().map(|n| format!("{}{n}", self.prefix)).collect();
        self.find(&full, shape, field)
    }

    /// The tensor of this name, which stands beside what has the prefix.
    pub(crate) fn beside(&mut self, name: &str, shape: &[usize], field: &str) -> Result<Tensor, ModelError> {
        self.find(&[name.to_owned()], shape, field)
    }

    fn find(&mut self, full: &[String], shape: &[usize], field: &str) -> Result<Tensor, ModelError> {
        let checkpoint = self.checkpoint;
        let found = full.iter().find_map(|name| Some((name, checkpoint.shape(name)?)));
        let Some((name, got)) = found else {
            let tried: Vec<String> = full.iter().map(|n| format!("`{n}`")).collect();
            return Err(ModelError::MissingTensor {
                file: checkpoint.file().to_owned(),
                tensor: full
                    .first()
                    .map_or("", |name| name.strip_prefix(self.prefix).unwrap_or(name))
                    .to_owned(),
                tried: tried.join(", "),
                field: format!("`{field}` of `{}`", self.config),
            });
        };
        let file = checkpoint.file_of(name).unwrap_or_default();
        if got != shape {
            return Err(ModelError::Shape {
                file: file.to_owned(),
                tensor: name.clone(),
                expected: shape.to_vec(),
                got: got.to_vec(),
                field: format!("`{field}` of `{}`", self.config),
            });
        }
        let tensor = checkpoint.tensor(name)?;
        self.used.insert(name.clone());
        // Found above, so it is there.
        Ok(tensor.unwrap_or_else(|| Tensor::new(&[0], Vec::new())))
    }

    pub(crate) fn linear(
        &mut self,
        name: &str,
        n: usize,
        k: usize,
        field: &str,
    ) -> Result<Linear, ModelError> {
        Ok(Linear {
            weight: self.tensor(&[&format!("{name}.weight")], &[n, k], field)?,
            bias: self.tensor(&[&format!("{name}.bias")], &[n], field)?,
        })
    }

    /// `gamma` and `beta` are the names of the TensorFlow original, kept by old conversions.
    pub(crate) fn norm(&mut self, name: &str, width: usize) -> Result<NormWeights, ModelError> {
        let shape = [width];
        let gamma = [&format!("{name}.weight")[..], &format!("{name}.gamma")];
        let beta = [&format!("{name}.bias")[..], &format!("{name}.beta")];
        Ok(NormWeights {
            gamma: self.tensor(&gamma, &shape, "hidden_size")?,
            beta: self.tensor(&beta, &shape, "hidden_size")?,
        })
    }

    /// Elements of all tensors read so far.
    pub(crate) fn parameters(&self) -> usize {
        let shapes = self.used.iter().filter_map(|name| self.checkpoint.shape(name));
        shapes.map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Fails if a tensor was not read, unless `harmless` says that it does not matter: it is given the name
    /// behind the prefix, and whether it had the prefix. A weight left over means that the model is not what
    /// its configuration says (a layer more, an adapter, relative positions): running it regardless would give
    /// wrong numbers. `model` completes "is not part of the model that …".
    pub(crate) fn reject_unused(
        &self,
        model: &str,
        harmless: impl Fn(&str, bool) -> bool,
    ) -> Result<(), ModelError> {
        let unused = self.checkpoint.names().filter(|name| !self.used.contains(*name));
        for name in unused {
            let inner = name.strip_prefix(self.prefix);
            if !harmless(inner.unwrap_or(name), inner.is_some()) {
                let file = self.checkpoint.file_of(name).unwrap_or(self.checkpoint.file());
                return Err(ModelError::UnexpectedTensor {
                    file: file.to_owned(),
                    tensor: name.to_owned(),
                    expected: model.to_owned(),
                });
            }
        }
        Ok(())
    }
}
