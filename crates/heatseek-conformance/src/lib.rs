//! The suites every backend must pass. One body each, run natively by `tests/` on the reference, the CPU
//! and every Vulkan adapter, and in Chromium through the wasm exports of this same crate.

mod analysis;
mod attention;
mod backend;
mod golden;
mod halves;
mod int8;
mod layers;
mod mates;
mod mutations;
mod ops;
mod pooling;
mod properties;
mod recovery;
mod report;
mod vision;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use analysis::{check_picture_analysis, check_text_analysis};
pub use attention::{check_picture_attention, check_text_attention};
pub use backend::{Backend, Unavailable};
pub use golden::{Golden, GoldenCase, check_golden};
pub use halves::check_halves;
pub use int8::check_int8_golden;
pub use layers::check_layers;
pub use mates::check_attention_properties;
pub use mutations::{MUTATIONS, Mutation, check_mutation};
pub use ops::{check_ops, check_staged_ops};
pub use pooling::check_pooling;
pub use properties::check_properties;
pub use recovery::{check_lost_device, check_norm_choice, check_wrong_gpu};
pub use report::Report;
pub use vision::{PictureGolden, VisionCase, check_vision, check_whole_pictures, read_vision_golden};
