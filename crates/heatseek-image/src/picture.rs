//! A decoded picture.

use crate::{ImageError, decode};

/// What becomes of transparency. A model sees three channels only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpha {
    /// Dropped, so that what was clear shows the colour stored there: Pillow's `convert('RGB')`, and with it
    /// the image processors of transformers 4.
    #[default]
    Drop,
    /// Laid over white: what image processors with `do_convert_rgb` do in transformers 5.
    OverWhite,
}

impl Alpha {
    pub(crate) fn apply(self, rgb: [u8; 3], alpha: u8) -> [u8; 3] {
        let over_white = |v: u8| {
            let (v, alpha) = (u32::from(v), u32::from(alpha));
            // At most 255 · 255, and 127 to round to nearest.
            ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        match self {
            Self::Drop => rgb,
            Self::OverWhite => rgb.map(over_white),
        }
    }
}

/// How large a picture may be, and what becomes of its transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The longest side allowed, in pixels.
    pub max_side: u32,
    /// The most pixels allowed in all.
    pub max_pixels: u64,
    /// What becomes of transparency.
    pub alpha: Alpha,
}

impl Default for DecodeOptions {
    /// 16 384 a side, which browsers' canvases also stop at, and 100 million pixels: 300 MB as RGB.
    fn default() -> Self {
        Self { max_side: 16_384, max_pixels: 100_000_000, alpha: Alpha::default() }
    }
}

impl DecodeOptions {
    /// Fails if `what`, of this size, is empty or larger than allowed.
    pub(crate) fn check(&self, what: &'static str, width: u32, height: u32) -> Result<(), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::NoPixels { what, width, height });
        }
        let pixels = u64::from(width) * u64::from(height);
        if width.max(height) > self.max_side || pixels > self.max_pixels {
            return Err(self.too_large(what, width, height));
        }
        Ok(())
    }

    pub(crate) fn too_large(&self, what: &'static str, width: u32, height: u32) -> ImageError {
        let Self { max_side, max_pixels, .. } = *self;
        ImageError::TooLarge { what, width, height, max_side, max_pixels }
    }
}

/// An upright picture of 8-bit RGB pixels, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Decodes a PNG, JPEG, WebP or GIF, whatever its name says, and turns it the way its EXIF data says.
    ///
    /// Pixels are those of Pillow's `ImageOps.exif_transpose(Image.open(…)).convert('RGB')`: palettes are
    /// resolved, grey is repeated, of 16 bits the upper 8 are kept (also of grey, which Pillow clips to white), an
    /// animation gives its first frame. Colour profiles are not applied. Lossy files may differ by a few levels
    /// a channel, as decoders do.
    ///
    /// # Errors
    /// [`ImageError::NotAPicture`] naming what the bytes are; [`ImageError::TooLarge`] and
    /// [`ImageError::NoPixels`] from the header alone, before memory is taken; [`ImageError::Truncated`],
    /// [`ImageError::Damaged`], [`ImageError::Feature`] from the decoder.
    ///
    /// ```
    /// use heatseek_image::{DecodeOptions, Picture};
    ///
    /// let error = Picture::decode(b"<html>Not found</html>", &DecodeOptions::default()).unwrap_err();
    /// assert!(error.to_string().starts_with("the 22 bytes look like HTML"));
    /// ```
    pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Self, ImageError> {
        decode::decode(bytes, options)
    }

    /// A picture of `rgb [height, width, 3]`.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`], [`ImageError::Buffer`].
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, ImageError> {
        check_buffer("RGB", 3, width, height, rgb.len())?;
        Ok(Self { width, height, rgb })
    }

    /// A picture of `rgba [height, width, 4]`, not premultiplied: a browser's `ImageData`.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`], [`ImageError::Buffer`].
    pub fn from_rgba(width: u32, height: u32, rgba: &[u8], alpha: Alpha) -> Result<Self, ImageError> {
        check_buffer("RGBA", 4, width, height, rgba.len())?;
        let rgb = rgba.chunks_exact(4).flat_map(|p| alpha.apply([p[0], p[1], p[2]], p[3])).collect();
        Ok(Self { width, height, rgb })
    }

    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels, without copying them.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

fn check_buffer(
    layout: &'static str,
    channels: u64,
    width: u32,
    height: u32,
    got: usize,
) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::NoPixels { what: "the picture", width, height });
    }
    let expected = (u64::from(width) * u64::from(height)).saturating_mul(channels);
    if expected != got as u64 {
        return Err(ImageError::Buffer { layout, width, height, expected, got });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_pixels_are_checked_and_their_alpha_is_applied() {
        let rgba = [10, 20, 30, 0, 10, 20, 30, 51, 10, 20, 30, 255];
        let drop = Picture::from_rgba(3, 1, &rgba, Alpha::Drop).unwrap();
        assert_eq!(drop.rgb(), [10, 20, 30, 10, 20, 30, 10, 20, 30]);
        let white = Picture::from_rgba(3, 1, &rgba, Alpha::OverWhite).unwrap();
        assert_eq!(white.rgb(), [255, 255, 255, 206, 208, 210, 10, 20, 30]);

        let wrong = Picture::from_rgba(2, 2, &rgba, Alpha::Drop).unwrap_err();
        assert_eq!(wrong.to_string(), "a picture of 2 x 2 pixels has 16 bytes of RGBA, but 12 were given");
        assert!(matches!(Picture::from_rgb(0, 5, Vec::new()), Err(ImageError::NoPixels { .. })));
        assert!(matches!(Picture::from_rgb(u32::MAX, u32::MAX, vec![0]), Err(ImageError::Buffer { .. })));
    }
}
