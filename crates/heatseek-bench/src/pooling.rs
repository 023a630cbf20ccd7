//! What commands that pool have in common.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use heatseek::{EmbedOptions, Params, PoolError};

use crate::args::PoolingArgs;
use crate::failure::Failure;

impl PoolingArgs {
    /// Embedding with this pooling. Reads the file of its parameters.
    pub fn options(&self) -> Result<EmbedOptions, Failure> {
        Ok(EmbedOptions {
            pooling: self.pooling.0.clone(),
            pooling_weights: self.pooling_weights.as_deref().map(params).transpose()?.map(Rc::new),
            include_prompt: self.include_prompt,
            truncate_dim: self.truncate_dim,
            ..EmbedOptions::default()
        })
    }
}

/// The tensors of a file.
pub fn params(path: &Path) -> Result<Params, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    Params::read(&bytes).map_err(|error| in_file(path, &error))
}

/// What is wrong with parameters, with their file.
pub fn in_file(path: &Path, error: &PoolError) -> Failure {
    Failure::invalid(format!("{}: {error}", path.display()))
}

/// Says something that does not stop a command.
pub fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        let _ = writeln!(io::stderr(), "heatseek: warning: {warning}");
    }
}
