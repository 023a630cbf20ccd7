//! Resizing with Pillow's results: `fast_image_resize` computes, this file gives it Pillow's order of steps.

use std::borrow::Cow;
use std::ops::Range;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{F32x3, U8x3};
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Filter, ImageError, Picture};

/// `picture` as `width` by `height` pixels; both at least 1.
///
/// One side is done after the other, with 8 bits kept in between. Where a cubic overshoots, what is clipped in
/// between depends on the order, so it is Pillow's and not the resizer's own: the width first, or since Pillow 13
/// (pull request 9549) the height first where more than twice as many rows as columns go. Pillow up to 12 always
/// began with the width.
///
/// # Errors
/// [`ImageError::Internal`] where there is no memory for it.
pub fn resize(picture: &Picture, width: u32, height: u32, filter: Filter) -> Result<Picture, ImageError> {
    let filter = match filter {
        Filter::Nearest => return nearest(picture, width, height),
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    let lost = |from: u32, to: u32| u64::from(from.saturating_sub(to));
    let rows_first = lost(picture.height(), height) > 2 * lost(picture.width(), width);
    let between = if rows_first { (picture.width(), height) } else { (width, picture.height()) };
    let halves = u64::from(width) * 2 <= u64::from(picture.width())
        && u64::from(height) * 2 <= u64::from(picture.height());
    let pass = if halves { pass_in_bytes } else { pass_in_floats };
    let half_done = pass(picture, between.0, between.1, filter)?;
    Ok(pass(&half_done, width, height, filter)?.into_owned())
}

/// Pixels of a strip: 12 MB as f32, so that a photograph is never held in floats as a whole.
const STRIP_PIXELS: u32 = 1 << 20;

/// Changes one side at most; the other stays.
///
/// Ten times as fast as floats, for photographs. The weights have 16 bits where Pillow has 22: the roundings of two
/// passes stay within a level where both sides are at least halved, and may add up to two where they are not.
fn pass_in_bytes(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: FilterType,
) -> Result<Cow<'_, Picture>, ImageError> {
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(Cow::Borrowed(picture));
    }
    let mut rgb = buffer(width, height)?;
    let source = TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.rgb())
        .map_err(|e| failed(picture, e))?;
    let mut target =
        TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).map_err(|e| failed(picture, e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| failed(picture, e))?;
    Picture::from_rgb(width, height, rgb).map(Cow::Owned)
}

/// Changes one side at most; the other stays. Rounds half up, as Pillow does.
fn pass_in_floats(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: FilterType,
) -> Result<Cow<'_, Picture>, ImageError> {
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(Cow::Borrowed(picture));
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let mut resizer = Resizer::new();
    let mut rgb = buffer(width, height)?;
    let widens = width != picture.width();
    // The side that stays is walked in strips.
    let (stays, longest) =
        if widens { (height, width.max(picture.width())) } else { (width, height.max(picture.height())) };
    let strip = (STRIP_PIXELS / longest).max(1);
    for start in (0..stays).step_by(strip as usize) {
        let end = stays.min(start.saturating_add(strip));
        // Columns and rows of the strip, before and after.
        let (from, to) = if widens {
            ((0..picture.width(), start..end), (0..width, start..end))
        } else {
            ((start..end, 0..picture.height()), (start..end, 0..height))
        };
        let pixels: Vec<F32x3> = places(picture.width(), &from)
            .map(|at| F32x3::new([0, 1, 2].map(|channel| f32::from(picture.rgb()[at + channel]))))
            .collect();
        let source = TypedImageRef::new(from.0.len() as u32, from.1.len() as u32, &pixels)
            .map_err(|e| failed(picture, e))?;
        let mut target = TypedImage::new(to.0.len() as u32, to.1.len() as u32);
        resizer.resize_typed(&source, &mut target, &options).map_err(|e| failed(picture, e))?;
        for (at, pixel) in places(width, &to).zip(target.pixels()) {
            // A float to u8 saturates: what overshoots is clipped.
            rgb[at..][..3].copy_from_slice(&pixel.0.map(|v| (v + 0.5) as u8));
        }
    }
    Picture::from_rgb(width, height, rgb).map(Cow::Owned)
}

fn failed(picture: &Picture, why: impl ToString) -> ImageError {
    ImageError::Internal { width: picture.width(), height: picture.height(), why: why.to_string() }
}

/// Where the pixels of `columns` and `rows` begin in the bytes of a picture of this width, row by row.
fn places(width: u32, (columns, rows): &(Range<u32>, Range<u32>)) -> impl Iterator<Item = usize> {
    let (columns, width) = (columns.clone(), width as usize);
    rows.clone().flat_map(move |y| columns.clone().map(move |x| (y as usize * width + x as usize) * 3))
}

/// The pixel under the centre of each new one. The steps are added up in f64, as in Pillow's
/// `ImagingScaleAffine`: where a centre falls on the edge of two pixels, the rounding of the sum decides.
fn nearest(picture: &Picture, width: u32, height: u32) -> Result<Picture, ImageError> {
    let nearest_of = |from: u32, to: u32| -> Vec<usize> {
        let step = f64::from(from) / f64::from(to);
        let centres = std::iter::successors(Some(step * 0.5), |at| Some(at + step));
        centres.take(to as usize).map(|at| (at as usize).min(from as usize - 1)).collect()
    };
    let columns = nearest_of(picture.width(), width);
    let mut rgb = buffer(width, height)?;
    let stride = picture.width() as usize * 3;
    let rows = rgb.chunks_exact_mut(width as usize * 3);
    for (row, from_y) in rows.zip(nearest_of(picture.height(), height)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::random;

    /// Noise, or every channel black or white: what makes a filter overshoot most.
    fn hard(seed: u64, width: u32, height: u32) -> Picture {
        let noise = random(seed, (width * height * 3) as usize);
        let level = |v: u64| if seed.is_multiple_of(2) { v as u8 } else { (v as u8 >> 7) * 255 };
        Picture::from_rgb(width, height, noise.into_iter().map(level).collect()).unwrap()
    }

    #[test]
    fn bytes_stay_within_a_level_of_floats_where_both_sides_are_halved() {
        for seed in 0..300 {
            let sides = random(seed, 4);
            let side = |i: usize, from: u64, to: u64| (from + sides[i] % (to - from + 1)) as u32;
            let (width, height) = (side(0, 2, 200), side(1, 2, 200));
            let (to_width, to_height) = (side(2, 1, u64::from(width / 2)), side(3, 1, u64::from(height / 2)));
            let filter =
                [FilterType::Bilinear, FilterType::CatmullRom, FilterType::Lanczos3][seed as usize % 3];
            let picture = hard(seed, width, height);
            let wide = pass_in_bytes(&picture, to_width, height, filter).unwrap();
            let bytes = pass_in_bytes(&wide, to_width, to_height, filter).unwrap();
            let wide = pass_in_floats(&picture, to_width, height, filter).unwrap();
            let floats = pass_in_floats(&wide, to_width, to_height, filter).unwrap();
            let worst = bytes.rgb().iter().zip(floats.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{worst:?} from {width} x {height} to {to_width} x {to_height}");
        }
    }

    #[test]
    fn strips_leave_no_seam() {
        // 1200 · 1000 pixels are more than STRIP_PIXELS: two strips, whichever side stays.
        let picture = hard(1, 1_100, 1_000);
        for (width, height) in [(1_200, 1_000), (1_100, 1_200)] {
            let whole = pass_in_floats(&picture, width, height, FilterType::CatmullRom).unwrap();
            let source = TypedImageRef::<U8x3>::from_buffer(1_100, 1_000, picture.rgb()).unwrap();
            let mut target = TypedImage::<U8x3>::new(width, height);
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
            Resizer::new().resize_typed(&source, &mut target, &options).unwrap();
            let bytes = target.pixels().iter().flat_map(|pixel| pixel.0);
            let worst = whole.rgb().iter().zip(bytes).map(|(a, b)| a.abs_diff(b)).max();
            assert!(worst <= Some(1), "{worst:?}");
        }
    }
}
