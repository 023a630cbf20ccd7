//! Pictures to a vision model's input.
//!
//! [`Picture`] decodes PNG, JPEG, WebP and GIF and turns the picture the way its EXIF data says.
//! [`Preprocessor`] reads a model's `preprocessor_config.json` and resizes, crops and scales pictures as the
//! image processors of Hugging Face transformers do with Pillow. It knows no model and no device.

mod config;
mod decode;
mod error;
mod jpeg;
mod orient;
mod picture;
mod preprocess;
mod resize;
mod resizer;
mod sniff;
mod webp;

pub use config::{Filter, Size};
pub use error::ImageError;
pub use picture::{Alpha, DecodeOptions, Picture};
pub use preprocess::{Pixels, Preprocessor, Rect};
pub use resize::resize;
pub use resizer::{Resizer, install_resizer};
pub use sniff::Format;
