//! The small models of `tests/golden/`.

use std::path::{Path, PathBuf};

use heatseek::{ImageModel, Model, ModelFiles, NoControl, block_on};
use heatseek_conformance::Backend;

/// A file or folder of `tests/golden/`.
pub fn golden(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(path)
}

/// The model of texts in this folder.
pub fn text_model(dir: &Path, backend: &Backend) -> Model {
    let files = ModelFiles::from_dir(dir).unwrap();
    block_on(Model::load(files, backend.load_options(), &NoControl)).unwrap()
}

/// The model of pictures in this folder.
pub fn image_model(dir: &Path, backend: &Backend) -> ImageModel {
    let files = ModelFiles::from_dir(dir).unwrap();
    block_on(ImageModel::load(files, backend.load_options(), &NoControl)).unwrap()
}
