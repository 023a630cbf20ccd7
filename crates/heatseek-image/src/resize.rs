//! Resizing with Pillow's results: `fast_image_resize` computes, this file gives it Pillow's order of steps.

use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Filter, ImageError, Picture};

/// `picture` as `width` by `height` pixels; both at least 1.
///
/// One side is done after the other, with 8 bits kept in between. Where a cubic overshoots, what is clipped in
/// between depends on the order, so it is Pillow's and not the resizer's own: the width first, or since Pillow 13
/// (pull request 9549) the height first where more than twice as many rows as columns go. Pillow up to 12 always
/// began with the width.
pub(crate) fn resize(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Picture, ImageError> {
    let filter = match filter {
        Filter::Nearest => return nearest(picture, width, height),
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    let lost = |from: u32, to: u32| u64::from(from.saturating_sub(to));
    let rows_first = lost(picture.height(), height) > 2 * lost(picture.width(), width);
    let between = if rows_first { (picture.width(), height) } else { (width, picture.height()) };
    let half_done = pass(picture, between.0, between.1, filter)?;
    Ok(pass(&half_done, width, height, filter)?.into_owned())
}

/// Changes one side at most; the other stays.
fn pass(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: FilterType,
) -> Result<Cow<'_, Picture>, ImageError> {
    let failed = |why: String| ImageError::Internal { width: picture.width(), height: picture.height(), why };
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(Cow::Borrowed(picture));
    }
    let mut rgb = buffer(width, height)?;
    let source = TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.rgb())
        .map_err(|e| failed(e.to_string()))?;
    let mut target =
        TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).map_err(|e| failed(e.to_string()))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
    Picture::from_rgb(width, height, rgb).map(Cow::Owned)
}

/// The pixel under the centre of each new one. The steps are added up in f64, as in Pillow's
/// `ImagingScaleAffine`: where a centre falls on the edge of two pixels, the rounding of the sum decides.
fn nearest(picture: &Picture, width: u32, height: u32) -> Result<Picture, ImageError> {
    let places = |from: u32, to: u32| -> Vec<usize> {
        let step = f64::from(from) / f64::from(to);
        let centres = std::iter::successors(Some(step * 0.5), |at| Some(at + step));
        centres.take(to as usize).map(|at| (at as usize).min(from as usize - 1)).collect()
    };
    let columns = places(picture.width(), width);
    let mut rgb = buffer(width, height)?;
    let stride = picture.width() as usize * 3;
    let rows = rgb.chunks_exact_mut(width as usize * 3);
    for (row, from_y) in rows.zip(places(picture.height(), height)) {
        let from = &picture.rgb()[from_y * stride..][..stride];
        for (pixel, from_x) in row.chunks_exact_mut(3).zip(&columns) {
            pixel.copy_from_slice(&from[from_x * 3..][..3]);
        }
    }
    Picture::from_rgb(width, height, rgb)
}

/// Room for a picture, black; an error where there is none.
pub(crate) fn buffer(width: u32, height: u32) -> Result<Vec<u8>, ImageError> {
    let failed = |why: &str| ImageError::Internal { width, height, why: why.to_owned() };
    let bytes = (u64::from(width) * u64::from(height)).checked_mul(3).and_then(|b| usize::try_from(b).ok());
    let bytes = bytes.ok_or_else(|| failed("its size overflows"))?;
    let mut rgb = Vec::new();
    rgb.try_reserve_exact(bytes).map_err(|_| failed("there is not enough memory"))?;
    rgb.resize(bytes, 0);
    Ok(rgb)
}
