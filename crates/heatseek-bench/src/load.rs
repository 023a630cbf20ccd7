//! Loading a model for a command, with a bar for people who wait.

use heatseek::{Control, LoadOptions, Model, ModelFiles, block_on};

use crate::args::ModelArgs;
use crate::failure::Failure;

/// Loads the model `args` names. A device that is not what was hoped for is said on stderr.
pub fn model(args: &ModelArgs, control: &dyn Control) -> Result<Model, Failure> {
    let files = ModelFiles::from_dir(&args.dir).map_err(heatseek::Error::from)?;
    let options = LoadOptions { device: args.device, ..LoadOptions::default() };
    let model = block_on(Model::load(files, options, control))?;
    if let Some(fallback) = model.info().device.fallback {
        eprintln!("heatseek: {}", fallback.replace('\n', " "));
    }
    Ok(model)
}
