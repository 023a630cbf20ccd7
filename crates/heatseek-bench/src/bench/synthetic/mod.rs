//! Random models in the shapes of known ones, as ordinary folders: peers load the very same files.

mod bert;
mod vision;
mod vocabulary;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;
use bert::Bert;
use vision::{Clip, Dino};
pub use vocabulary::words;
use weights::Tensor;
pub use weights::random;

/// Names that `--synthetic` takes.
pub const NAMES: [&str; 5] = ["all-MiniLM-L6-v2", "bge-base", "dinov2-small", "dinov2-base", "clip-vit-b32"];

/// What a folder holds.
struct Files {
    json: Vec<(&'static str, Value)>,
    tensors: Vec<Tensor>,
}

fn files(name: &str) -> Option<Files> {
    Some(match name {
        "all-MiniLM-L6-v2" => {
            Bert { hidden_size: 384, layers: 6, heads: 12, vocab: 30_522, positions: 512 }.files()
        }
        "bge-base" => Bert { hidden_size: 768, layers: 12, heads: 12, vocab: 30_522, positions: 512 }.files(),
        "dinov2-small" => Dino { hidden_size: 384, layers: 12, heads: 6, image_size: 518 }.files(),
        "dinov2-base" => Dino { hidden_size: 768, layers: 12, heads: 12, image_size: 518 }.files(),
        "clip-vit-b32" => Clip { hidden_size: 768, layers: 12, heads: 12, projection: 512 }.files(),
        // For tests.
        "tiny" => Bert { hidden_size: 64, layers: 2, heads: 2, vocab: 1_000, positions: 160 }.files(),
        "tiny-vision" => Dino { hidden_size: 64, layers: 2, heads: 2, image_size: 56 }.files(),
        _ => return None,
    })
}

/// A folder that is removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one for this process.
    pub fn new(name: &str) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("heatseek-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| Failure::file("create", &path, &error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it, and the folders that its name has.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        let parent = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(parent).map_err(|error| Failure::file("create", parent, &error))?;
        fs::write(&path, bytes).map_err(|error| Failure::file("write", &path, &error))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the model `name` into a temporary folder. The same name always gives the same files.
///
/// # Errors
/// An unknown name, naming the known ones; a folder that cannot be written.
pub fn write(name: &str) -> Result<Folder, Failure> {
    let files = files(name).ok_or_else(|| {
        Failure::invalid(format!("there is no synthetic model `{name}`: expected {}", NAMES.join(", ")))
    })?;
    let folder = Folder::new(name)?;
    for (path, value) in &files.json {
        folder.write(path, value.to_string().as_bytes())?;
    }
    let path = folder.path().join("model.safetensors");
    weights::write(&path, &files.tensors).map_err(|error| Failure::file("write", &path, &error))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use heatseek::{ImageModel, LoadOptions, Model, ModelFiles, NoControl, block_on};

    use super::*;

    fn cpu() -> LoadOptions {
        LoadOptions { device: heatseek::DeviceChoice::Cpu, ..LoadOptions::default() }
    }

    #[test]
    fn a_text_model_loads_and_knows_its_words() {
        let folder = write("tiny").unwrap();
        let files = ModelFiles::from_dir(folder.path()).unwrap();
        let model = block_on(Model::load(files, cpu(), &NoControl)).unwrap();
        let text = words().take(14).collect::<Vec<_>>().join(" ");
        assert_eq!(model.count_tokens(&text).unwrap(), 16);
        assert!(model.info().spec.normalize);
    }

    #[test]
    fn a_vision_model_loads() {
        let folder = write("tiny-vision").unwrap();
        let files = ModelFiles::from_dir(folder.path()).unwrap();
        assert!(files.is_vision());
        let model = block_on(ImageModel::load(files, cpu(), &NoControl)).unwrap();
        assert_eq!(model.info().spec.hidden_size, 64);
    }

    #[test]
    fn an_unknown_name_is_told_and_a_folder_goes_away() {
        assert!(matches!(write("mini"), Err(Failure::Told { message, .. }) if message.contains("bge-base")));
        let folder = Folder::new("goes-away").unwrap();
        let path = folder.write("a/b", b"x").unwrap();
        assert!(path.exists());
        drop(folder);
        assert!(!path.exists());
    }
}
