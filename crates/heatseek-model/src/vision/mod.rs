//! Vision transformers: ViT, DeiT, DINOv2 with and without registers, and the vision halves of CLIP and SigLIP.
//!
//! A picture becomes a sequence of prefix tokens and patches. Cutting it up is moving numbers, so the batch
//! carries the patches as rows, and with them what is added to each: its position (interpolated for the
//! picture's grid) and, for prefix tokens, the token itself. One GEMM then makes the embeddings.

mod config;
mod head;
mod model;
mod positions;
mod program;
mod towers;
mod weights;

pub use config::{VISION_MODEL_TYPES, VisionConfig};
pub use model::{PatchGrid, VisionModel, VisionSpec};
