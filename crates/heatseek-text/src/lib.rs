//! Text to tokens and back to places in the text.

mod chunk;
mod error;
mod landmarks;
mod markdown;
mod needs;
mod offsets;
mod outline;
#[cfg(target_arch = "wasm32")]
mod randomness;
mod sound;
mod tokenizer;

pub use chunk::{Chunk, ChunkOptions, Chunker, chunk};
pub use error::TextError;
pub use needs::needs_patterns;
pub use offsets::utf16_offsets;
pub use tokenizer::{Encoding, Tokenizer};
