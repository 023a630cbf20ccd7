use thiserror::Error;

use crate::Format;

/// Why a picture cannot be read, or a model's image settings cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes are no picture, or one of a format that is not read.
    #[error("the {size_bytes} bytes look like {found}; pictures in PNG, JPEG, WebP and GIF can be read")]
    NotAPicture {
        /// What they look like.
        found: String,
        /// How many there are.
        size_bytes: usize,
    },
    /// The file ends before the picture does.
    #[error("the {format} ends after {size_bytes} bytes, before its picture does; fetch the file again")]
    Truncated {
        /// What the file is.
        format: Format,
        /// How long it is.
        size_bytes: usize,
    },
    /// The file breaks the rules of its format.
    #[error("the {format} is damaged: {why}; save or fetch it again")]
    Damaged {
        /// What the file is.
        format: Format,
        /// The decoder's words.
        why: String,
    },
    /// A valid file, but of a rare kind that the decoder does not know.
    #[error("the {format} uses a feature that cannot be read: {why}; save it as an ordinary PNG or JPEG")]
    Feature {
        /// What the file is.
        format: Format,
        /// The decoder's words.
        why: String,
    },
    /// More pixels than allowed; nothing was allocated.
    #[error(
        "{what} is {width} x {height} pixels, but at most {max_side} a side and {max_pixels} in all are allowed; make it smaller or raise the limit"
    )]
    TooLarge {
        /// The picture, or the picture once resized.
        what: &'static str,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The limit of a side.
        max_side: u32,
        /// The limit of the whole.
        max_pixels: u64,
    },
    /// A picture or a size without a pixel.
    #[error("{what} is {width} x {height} pixels; both sides must be at least 1")]
    NoPixels {
        /// What was to have them.
        what: &'static str,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// Raw pixels of the wrong number.
    #[error("a picture of {width} x {height} pixels has {expected} bytes of {layout}, but {got} were given")]
    Buffer {
        /// `RGB` or `RGBA`.
        layout: &'static str,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// Bytes of such a picture.
        expected: u64,
        /// Bytes that came.
        got: usize,
    },
    /// `preprocessor_config.json` is not JSON, or not an object.
    #[error("preprocessor_config.json cannot be read: {why}")]
    Config {
        /// What the reader met.
        why: String,
    },
    /// A field of `preprocessor_config.json` makes no sense.
    #[error("preprocessor_config.json has {field} = {value}, but it must be {expected}")]
    Field {
        /// Its name.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A field of `preprocessor_config.json` asks for something that is not done here.
    #[error("preprocessor_config.json has {field} = {value}, which is not supported; {supported}")]
    Unsupported {
        /// Its name.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// What is supported instead.
        supported: &'static str,
    },
    /// Any of these, met by another module: what decodes and resizes in browsers is one.
    #[error("{message}")]
    Elsewhere {
        /// In its words, which are those of here.
        message: String,
    },
    /// A fault of this crate.
    #[error("resizing {width} x {height} pixels failed: {why}; this is a bug in heatseek, please report it")]
    Internal {
        /// Width of the picture.
        width: u32,
        /// Its height.
        height: u32,
        /// What the resizer met.
        why: String,
    },
}

impl ImageError {
    /// Whether the model's file is at fault, and not the picture or an option.
    pub fn is_model_file(&self) -> bool {
        matches!(self, Self::Config { .. } | Self::Field { .. } | Self::Unsupported { .. })
    }
}
