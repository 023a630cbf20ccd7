//! Pictures to pixels as a model wants them.

use std::borrow::Cow;

use crate::config::Config;
use crate::resize::buffer;
#[cfg(not(target_arch = "wasm32"))]
use crate::resize::resize;
#[cfg(target_arch = "wasm32")]
use crate::resizer::resize;
use crate::{DecodeOptions, Filter, ImageError, Picture, Size};

/// A model's input from one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[3, height, width]`: all red values, then all green, then all blue ones.
    pub data: Vec<f32>,
}

/// A rectangle in pixels of a picture: (0, 0) is its upper left corner, and sides may fall between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Its left side.
    pub x: f64,
    /// Its upper side.
    pub y: f64,
    /// From its left to its right side.
    pub width: f64,
    /// From its upper to its lower side.
    pub height: f64,
}

/// What a model's `preprocessor_config.json` does to a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    config: Config,
    limits: DecodeOptions,
}

/// The sizes a picture goes through.
struct Layout {
    /// Width and height once resized.
    resized: (u32, u32),
    /// The cut within it: left and top, which lie outside where it is larger, then width and height.
    crop: (i64, i64, u32, u32),
}

impl Preprocessor {
    /// Reads a `preprocessor_config.json` of the image processors of ViT, DeiT, Bit (DINOv2 uses it), CLIP or
    /// Siglip, also under the names of their fast versions and former feature extractors. Fields left out take
    /// the defaults of their class in transformers 5.
    ///
    /// # Errors
    /// [`ImageError::Config`], [`ImageError::Field`]; [`ImageError::Unsupported`] for another processor and for
    /// every field that would change the result and is not followed.
    ///
    /// ```
    /// use heatseek_image::{Picture, Preprocessor};
    ///
    /// let clip = Preprocessor::from_json(br#"{"image_processor_type": "CLIPImageProcessor"}"#)?;
    /// let white = Picture::from_rgb(300, 200, vec![255; 300 * 200 * 3])?;
    /// let pixels = clip.pixels(&white)?;
    /// assert_eq!((pixels.width, pixels.height, pixels.data.len()), (224, 224, 3 * 224 * 224));
    /// // (1 − mean) / standard deviation of red
    /// assert_eq!(pixels.data[0], (1.0 - 0.48145466) / 0.26862954);
    /// # Ok::<(), heatseek_image::ImageError>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self, ImageError> {
        let made = Self { config: Config::from_json(json)?, limits: DecodeOptions::default() };
        if (0..3).any(|channel| made.values(channel).iter().any(|value| !value.is_finite())) {
            return Err(ImageError::Field {
                field: "rescale_factor, image_mean or image_std".into(),
                value: format!("{:?}, {:?}", made.config.rescale, made.config.normalize),
                expected: "numbers by which every level of a channel becomes a finite one",
            });
        }
        Ok(made)
    }

    /// The same, but with the whole picture resized to exactly `width` by `height` and nothing cut away, as
    /// transformers' `processor(…, size={"height": …, "width": …}, do_center_crop=False)`. Choose proportions
    /// near the picture's, in multiples of the model's patches.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`] if either is 0.
    pub fn with_size(&self, width: u32, height: u32) -> Result<Self, ImageError> {
        has_pixels(width, height)?;
        let resize = Some((Size::Exact { width, height }, self.filter()));
        Ok(Self { config: Config { resize, crop: None, ..self.config.clone() }, ..*self })
    }

    /// The same, but with the shorter side resized to `shortest_edge` and `width` by `height` cut from the
    /// middle, as transformers' `processor(…, size={"shortest_edge": …}, crop_size={…})`.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`] if any is 0.
    pub fn with_crop(&self, shortest_edge: u32, width: u32, height: u32) -> Result<Self, ImageError> {
        has_pixels(width, height)?;
        has_pixels(shortest_edge, shortest_edge)?;
        let resize = Some((Size::ShortestEdge(shortest_edge), self.filter()));
        Ok(Self { config: Config { resize, crop: Some((width, height)), ..self.config.clone() }, ..*self })
    }

    /// What pictures are resized to before they are cut, and how; `None` where they are not.
    pub fn resize(&self) -> Option<(Size, Filter)> {
        self.config.resize
    }

    /// Width and height of what is cut from the middle; `None` where nothing is.
    pub fn crop(&self) -> Option<(u32, u32)> {
        self.config.crop
    }

    /// Resizes, cuts, scales and normalises `picture`: `pixel_values` of transformers for it.
    ///
    /// Against Pillow, values differ by at most one of 255 levels before normalisation, for roundings.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] where a very long picture would become too large before it is cut.
    pub fn pixels(&self, picture: &Picture) -> Result<Pixels, ImageError> {
        let picture = self.resized(picture)?;
        let mut data = Vec::with_capacity(picture.rgb().len());
        for channel in 0..3 {
            let values = self.values(channel);
            data.extend(picture.rgb().iter().skip(channel).step_by(3).map(|v| values[usize::from(*v)]));
        }
        Ok(Pixels { width: picture.width(), height: picture.height(), data })
    }

    /// `picture` resized and cut, before its values are scaled. Where the cut is larger than the resized
    /// picture, black surrounds it.
    ///
    /// # Errors
    /// As [`Preprocessor::pixels`].
    pub fn resized(&self, picture: &Picture) -> Result<Picture, ImageError> {
        let layout = self.layout(picture)?;
        let resized = match self.config.resize {
            Some((_, filter)) if layout.resized != (picture.width(), picture.height()) => {
                Cow::Owned(resize(picture, layout.resized.0, layout.resized.1, filter)?)
            }
            _ => Cow::Borrowed(picture),
        };
        if self.config.crop.is_none() { Ok(resized.into_owned()) } else { cut(&resized, layout.crop) }
    }

    /// Which part of `picture` the model sees, in its own pixels: where a heatmap over the model's input has to
    /// be laid. It reaches beyond the picture where black was added.
    ///
    /// # Errors
    /// As [`Preprocessor::pixels`].
    pub fn crop_in_source(&self, picture: &Picture) -> Result<Rect, ImageError> {
        let Layout { resized, crop: (left, top, width, height) } = self.layout(picture)?;
        let (scale_x, scale_y) = (
            f64::from(picture.width()) / f64::from(resized.0),
            f64::from(picture.height()) / f64::from(resized.1),
        );
        Ok(Rect {
            x: left as f64 * scale_x,
            y: top as f64 * scale_y,
            width: f64::from(width) * scale_x,
            height: f64::from(height) * scale_y,
        })
    }

    fn filter(&self) -> Filter {
        // A config that does not resize names no filter; bicubic is what most of its kin use.
        self.config.resize.map_or(Filter::Bicubic, |(_, filter)| filter)
    }

    fn layout(&self, picture: &Picture) -> Result<Layout, ImageError> {
        let (width, height) = (picture.width(), picture.height());
        let resized = match self.config.resize {
            None => (width, height),
            Some((Size::Exact { width, height }, _)) => (width, height),
            Some((Size::ShortestEdge(edge), _)) => in_proportion(width, height, edge),
        };
        let (crop_width, crop_height) = self.config.crop.unwrap_or(resized);
        for (width, height) in [resized, (crop_width, crop_height)] {
            // A long side alone is no harm. What the resizer holds in between is never larger than the picture or
            // the result, whichever side it begins with.
            DecodeOptions { max_side: u32::MAX, ..self.limits }.check(
                "the resized picture",
                width,
                height,
            )?;
        }
        // transformers' `center_crop`: (of − cut) // 2, which Python rounds down also below zero.
        let start = |of: u32, cut: u32| (i64::from(of) - i64::from(cut)).div_euclid(2);
        let (left, top) = (start(resized.0, crop_width), start(resized.1, crop_height));
        Ok(Layout { resized, crop: (left, top, crop_width, crop_height) })
    }

    /// What each of 256 levels of a channel becomes, with numpy's roundings: scaled in f64 and stored in f32,
    /// then shifted and divided in f32.
    fn values(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|level| {
            let value = self.config.rescale.map_or(level as f32, |factor| (level as f64 * factor) as f32);
            match self.config.normalize {
                None => value,
                Some((mean, std)) => (value - mean[channel] as f32) / std[channel] as f32,
            }
        })
    }
}

fn has_pixels(width: u32, height: u32) -> Result<(), ImageError> {
    DecodeOptions { max_side: u32::MAX, max_pixels: u64::MAX, ..DecodeOptions::default() }.check(
        "the size asked for",
        width,
        height,
    )
}

/// transformers' `get_resize_output_image_size`: the shorter side becomes `edge`, the longer is cut to whole
/// pixels.
fn in_proportion(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let (short, long) = (width.min(height), width.max(height));
    let long = u32::try_from(u64::from(edge) * u64::from(long) / u64::from(short)).unwrap_or(u32::MAX);
    if width <= height { (edge, long) } else { (long, edge) }
}

/// The part of `picture` that begins at (left, top); black where it lies outside.
fn cut(picture: &Picture, (left, top, width, height): (i64, i64, u32, u32)) -> Result<Picture, ImageError> {
    let mut rgb = buffer(width, height)?;
    let stride = picture.width() as usize * 3;
    // Columns of the cut that the picture covers.
    let first = left.min(0).unsigned_abs() as usize;
    let from = left.max(0) as usize;
    let columns = (width as usize - first).min(picture.width() as usize - from);
    for (y, row) in (top..).zip(rgb.chunks_exact_mut(width as usize * 3)) {
        if let Ok(y) = u32::try_from(y)
            && y < picture.height()
        {
            let source = &picture.rgb()[y as usize * stride + from * 3..][..columns * 3];
            row[first * 3..][..columns * 3].copy_from_slice(source);
        }
    }
    Picture::from_rgb(width, height, rgb)
}
