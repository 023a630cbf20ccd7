//! Files to RGB: the codecs of the `image` crate, the pixels as Pillow's `convert('RGB')` gives them.

use std::io::{Cursor, ErrorKind};

use image::codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, Limits};

use crate::{Alpha, DecodeOptions, Format, ImageError, Picture, jpeg, orient, sniff, webp};

/// `bytes` as an upright RGB picture.
pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Picture, ImageError> {
    let format = sniff::format_of(bytes)?;
    let fault = |error| fault(error, format, bytes.len());
    let mut limits = Limits::no_limits();
    // 8 bytes are the widest pixel, 16-bit RGBA; as much again for what a decoder keeps beside it.
    limits.max_alloc = Some(options.max_pixels.saturating_mul(16).max(1 << 20));
    let mut decoder = open(bytes, format, limits).map_err(fault)?;

    let (width, height) = decoder.dimensions();
    options.check("the picture", width, height)?;
    if format == Format::Jpeg && !jpeg::is_whole(bytes) {
        return Err(ImageError::Truncated { format, size_bytes: bytes.len() });
    }
    // EXIF data that cannot be read turns nothing.
    let orientation = match format == Format::WebP && !webp::exif_is_whole(bytes) {
        true => Orientation::NoTransforms,
        false => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let color = decoder.color_type();
    let size_bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(size_bytes).is_err() {
        return Err(options.too_large("the picture", width, height));
    }
    buffer.resize(size_bytes, 0);
    decoder.read_image_boxed(&mut buffer).map_err(fault)?;
    let rgb = to_rgb(buffer, color, options.alpha)
        .ok_or_else(|| ImageError::Feature { format, why: format!("pixels of the kind {color:?}") })?;
    let (width, height, rgb) = orient::turned(rgb, width, height, orientation);
    Picture::from_rgb(width, height, rgb)
}

fn open<'a>(
    bytes: &'a [u8],
    format: Format,
    limits: Limits,
) -> image::ImageResult<Box<dyn ImageDecoder + 'a>> {
    let reader = Cursor::new(bytes);
    let mut decoder: Box<dyn ImageDecoder + 'a> = match format {
        Format::Png => return Ok(Box::new(PngDecoder::with_limits(reader, limits)?)),
        Format::Jpeg => Box::new(JpegDecoder::new(reader)?),
        Format::WebP => Box::new(WebPDecoder::new(reader)?),
        Format::Gif => Box::new(GifDecoder::new(reader)?),
    };
    decoder.set_limits(limits)?;
    Ok(decoder)
}

/// Pixels of any kind a decoder gives, as 8-bit RGB. Grey is repeated. Of 16 bits the upper 8 are kept, as
/// Pillow does for colour (raw mode `RGB;16B`). 16-bit grey Pillow (`I;16`, still in 13.0) clips at 255 instead,
/// which leaves all but the darkest pixels white; that is not followed.
fn to_rgb(buffer: Vec<u8>, color: ColorType, alpha: Alpha) -> Option<Vec<u8>> {
    let bytes = match color {
        ColorType::Rgb8 => return Some(buffer),
        ColorType::L8 | ColorType::La8 | ColorType::Rgba8 => buffer,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            buffer.chunks_exact(2).map(|pair| (u16::from_ne_bytes([pair[0], pair[1]]) >> 8) as u8).collect()
        }
        _ => return None,
    };
    let mut rgb = Vec::with_capacity(bytes.len() / usize::from(color.channel_count()) * 3);
    for pixel in bytes.chunks_exact(usize::from(color.channel_count())) {
        rgb.extend_from_slice(&match *pixel {
            [grey] => [grey; 3],
            [grey, a] => alpha.apply([grey; 3], a),
            [r, g, b] => [r, g, b],
            [r, g, b, a] => alpha.apply([r, g, b], a),
            _ => return None,
        });
    }
    Some(rgb)
}

fn fault(error: image::ImageError, format: Format, size_bytes: usize) -> ImageError {
    use image::ImageError as E;
    let why = error.to_string();
    match error {
        E::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ImageError::Truncated { format, size_bytes }
        }
        // The GIF decoder has an error of its own for this, and shows it to nobody.
        E::Decoding(_) if why.ends_with("Unexpected End of File") => {
            ImageError::Truncated { format, size_bytes }
        }
        E::Unsupported(_) => ImageError::Feature { format, why },
        _ => ImageError::Damaged { format, why },
    }
}
