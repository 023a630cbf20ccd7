//! Loading a model for a command, with a bar for people who wait.

use heatseek::{Control, Error, ImageModel, LoadOptions, Model, ModelFiles, block_on};

use crate::args::ModelArgs;
use crate::failure::Failure;

/// Loads the model `args` names. A device that is not what was hoped for is said on stderr.
pub fn model(args: &ModelArgs, control: &dyn Control) -> Result<Model, Failure> {
    let files = files(args)?;
    if files.is_vision() {
        return Err(Failure::invalid(format!(
            "{} is a vision model: give it pictures with `heatseek embed --image FILE`",
            args.dir.display()
        )));
    }
    let model = block_on(Model::load(files, options(args), control))?;
    tell(model.info().device.fallback);
    Ok(model)
}

/// The same for a model of pictures.
pub fn image_model(args: &ModelArgs, control: &dyn Control) -> Result<ImageModel, Failure> {
    let files = files(args)?;
    if !files.has_vision() {
        return Err(Failure::invalid(format!(
            "{} is no vision model, so it cannot take pictures; `heatseek models fetch dinov2-small` gets one",
            args.dir.display()
        )));
    }
    let model = block_on(ImageModel::load(files, options(args), control))?;
    tell(model.info().device.fallback);
    Ok(model)
}

fn files(args: &ModelArgs) -> Result<ModelFiles, Failure> {
    Ok(ModelFiles::from_dir(&args.dir).map_err(Error::from)?)
}

fn options(args: &ModelArgs) -> LoadOptions {
    LoadOptions { device: args.device, dtype: args.dtype, ..LoadOptions::default() }
}

fn tell(fallback: Option<String>) {
    if let Some(fallback) = fallback {
        eprintln!("heatseek: {}", fallback.replace('\n', " "));
    }
}
