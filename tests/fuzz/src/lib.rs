//! What fuzz targets share: mutations that leave JSON being JSON, wherever it stands.

pub mod index;
pub mod json;
pub mod safetensors;
