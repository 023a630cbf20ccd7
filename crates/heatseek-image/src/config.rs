//! `preprocessor_config.json`: what its fields mean, and what each processor class takes where it is silent.
//!
//! Fields and defaults follow transformers 5.23: `image_processing_backends.py`, `image_processing_utils.py`
//! and the classes' own files, `models/{vit,deit,bit,clip,siglip}/image_processing_*.py`.

use serde_json::{Map, Value};

use crate::ImageError;

/// How new pixels are computed from old ones. All but `Nearest` look at every pixel below the new one, also
/// when making a picture smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One pixel is taken; `resample` 0.
    Nearest,
    /// A windowed sinc of three lobes; `resample` 1.
    Lanczos,
    /// A triangle; `resample` 2.
    Bilinear,
    /// Catmull and Rom's cubic (a = −0.5); `resample` 3.
    Bicubic,
}

impl Filter {
    /// Its number as `resample`, which is Pillow's.
    pub fn resample(self) -> u8 {
        match self {
            Self::Nearest => 0,
            Self::Lanczos => 1,
            Self::Bilinear => 2,
            Self::Bicubic => 3,
        }
    }

    /// The filter of a number; `None` for one that is not followed.
    pub fn from_resample(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Nearest),
            1 => Some(Self::Lanczos),
            2 => Some(Self::Bilinear),
            3 => Some(Self::Bicubic),
            _ => None,
        }
    }
}

/// What a picture is resized to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Exactly this, whatever the picture's proportions.
    Exact {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
    },
    /// The shorter side to this many pixels, the other in proportion.
    ShortestEdge(u32),
}

/// A processor's settings, every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub resize: Option<(Size, Filter)>,
    /// Width and height of the part that is cut from the middle.
    pub crop: Option<(u32, u32)>,
    pub rescale: Option<f64>,
    /// Mean and standard deviation of each channel.
    pub normalize: Option<([f64; 3], [f64; 3])>,
}

/// What differs from class to class.
struct Class {
    name: &'static str,
    size: Size,
    filter: Filter,
    /// Whether an integer `size` is both sides, or the shortest.
    default_to_square: bool,
    crop: Option<u32>,
    mean: [f64; 3],
    std: [f64; 3],
}

// `utils/constants.py`: IMAGENET_STANDARD_MEAN and _STD, OPENAI_CLIP_MEAN and _STD.
const HALF: [f64; 3] = [0.5; 3];
const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

const fn square(side: u32) -> Size {
    Size::Exact { width: side, height: side }
}

const CLIP: Class = Class {
    name: "CLIP",
    size: Size::ShortestEdge(224),
    filter: Filter::Bicubic,
    default_to_square: false,
    crop: Some(224),
    mean: CLIP_MEAN,
    std: CLIP_STD,
};
const VIT: Class = Class {
    name: "ViT",
    size: square(224),
    filter: Filter::Bilinear,
    default_to_square: true,
    crop: None,
    mean: HALF,
    std: HALF,
};
/// By the part of their names before `ImageProcessor`, `ImageProcessorFast` or `FeatureExtractor`.
const CLASSES: &[Class] = &[
    CLIP,
    VIT,
    Class { name: "DeiT", size: square(256), filter: Filter::Bicubic, crop: Some(224), ..VIT },
    Class { name: "Bit", ..CLIP },
    Class { name: "Siglip", filter: Filter::Bicubic, default_to_square: false, ..VIT },
];
const SUPPORTED: &str = "the image processors of ViT, DeiT, Bit (DINOv2), CLIP and Siglip are";

/// Fields that change no number: names, bookkeeping, the kind of tensor, how pictures are batched. Pictures are
/// RGB already, so `do_convert_rgb` is among them; `num_channels` and `patch_size` describe the model.
const HARMLESS: &[&str] = &[
    "_valid_processor_keys",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_rgb",
    "do_reduce_labels",
    "feature_extractor_type",
    "image_processor_type",
    "image_seq_length",
    "input_data_format",
    "num_channels",
    "patch_size",
    "processor_class",
    "return_tensors",
    "use_fast",
];
/// Fields that are read below.
const READ: &[&str] = &[
    "crop_size",
    "do_center_crop",
    "do_normalize",
    "do_rescale",
    "do_resize",
    "image_mean",
    "image_std",
    "resample",
    "rescale_factor",
    "size",
];

impl Config {
    pub fn from_json(json: &[u8]) -> Result<Self, ImageError> {
        let value: Value =
            serde_json::from_slice(json).map_err(|e| ImageError::Config { why: e.to_string() })?;
        let Value::Object(map) = value else {
            return Err(ImageError::Config { why: "it must be an object".to_owned() });
        };
        let fields = Fields(&map);
        let class = fields.class()?;
        fields.refuse_unknown()?;

        let square = fields.flag("default_to_square")?.unwrap_or(class.default_to_square);
        let size = fields.size("size", square)?.unwrap_or(class.size);
        let filter = fields.filter()?.unwrap_or(class.filter);
        let resizes = fields.flag("do_resize")?.unwrap_or(true);

        let crop_size = fields.crop_size()?.or(class.crop.map(|side| (side, side)));
        let crop = match fields.flag("do_center_crop")?.unwrap_or(class.crop.is_some()) {
            true if crop_size.is_none() => return Err(fields.invalid("crop_size", "given to crop")),
            crops => crop_size.filter(|_| crops),
        };

        let factor = fields.number("rescale_factor")?.unwrap_or(1.0 / 255.0);
        let rescale = fields.flag("do_rescale")?.unwrap_or(true).then_some(factor);
        let mean = fields.channels("image_mean")?.unwrap_or(class.mean);
        let std = fields.channels("image_std")?.unwrap_or(class.std);
        // As f32, which the division is done in.
        if std.iter().any(|v| *v as f32 == 0.0) {
            return Err(fields.invalid("image_std", "without a zero"));
        }
        let normalize = fields.flag("do_normalize")?.unwrap_or(true).then_some((mean, std));
        Ok(Self { resize: resizes.then_some((size, filter)), crop, rescale, normalize })
    }
}

/// The fields of the file. A null is a field left out, as it is for transformers.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn shown(&self, field: &str) -> String {
        // Long values say nothing more.
        self.0.get(field).map_or("null".to_owned(), |v| v.to_string().chars().take(80).collect())
    }

    fn invalid(&self, field: &str, expected: &'static str) -> ImageError {
        ImageError::Field { field: field.to_owned(), value: self.shown(field), expected }
    }

    fn unsupported(&self, field: &str, supported: &'static str) -> ImageError {
        ImageError::Unsupported { field: field.to_owned(), value: self.shown(field), supported }
    }

    fn class(&self) -> Result<&'static Class, ImageError> {
        let named = ["image_processor_type", "feature_extractor_type"];
        let Some(field) = named.into_iter().find(|field| self.get(field).is_some()) else {
            return Err(self.invalid("image_processor_type", "the name of an image processor"));
        };
        let name = self.get(field).and_then(Value::as_str).unwrap_or_default();
        let endings = ["ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"];
        let stem = endings.into_iter().find_map(|ending| name.strip_suffix(ending));
        let class = CLASSES.iter().find(|class| stem == Some(class.name));
        class.ok_or_else(|| self.unsupported(field, SUPPORTED))
    }

    /// Fails on fields that nothing here follows, unless they turn something off or are known to change nothing.
    fn refuse_unknown(&self) -> Result<(), ImageError> {
        for (field, value) in self.0 {
            let known = READ.contains(&field.as_str()) || HARMLESS.contains(&field.as_str());
            let is_off = matches!(value, Value::Null | Value::Bool(false));
            let is_default = field == "data_format" && value == "channels_first";
            if !known && !is_off && !is_default {
                return Err(self.unsupported(field, "leave the field out if it does not matter"));
            }
        }
        Ok(())
    }

    fn flag(&self, field: &str) -> Result<Option<bool>, ImageError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.invalid(field, "true or false"))
    }

    fn number(&self, field: &str) -> Result<Option<f64>, ImageError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.invalid(field, "a number"))
    }

    /// Three numbers, or one for all channels.
    fn channels(&self, field: &str) -> Result<Option<[f64; 3]>, ImageError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let numbers: Option<Vec<f64>> = match value {
            Value::Array(values) => values.iter().map(Value::as_f64).collect(),
            value => value.as_f64().map(|v| vec![v; 3]),
        };
        let three = numbers.and_then(|v| <[f64; 3]>::try_from(v).ok());
        three.map(Some).ok_or_else(|| self.invalid(field, "three numbers, for red, green and blue"))
    }

    fn filter(&self) -> Result<Option<Filter>, ImageError> {
        let Some(value) = self.get("resample") else { return Ok(None) };
        let supported = "0 (nearest), 1 (lanczos), 2 (bilinear) and 3 (bicubic) are";
        let Some(number) = value.as_u64() else {
            return Err(self.invalid("resample", "a whole number from 0 to 3"));
        };
        match Filter::from_resample(number) {
            None => Err(self.unsupported("resample", supported)),
            filter => Ok(filter),
        }
    }

    /// An integer, `[height, width]`, or an object.
    fn size(&self, field: &str, square_of_integer: bool) -> Result<Option<Size>, ImageError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let side = |value: &Value| value.as_u64().and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0);
        let exact =
            |height: &Value, width: &Value| Some(Size::Exact { width: side(width)?, height: side(height)? });
        let size = match value {
            Value::Array(sides) => match &sides[..] {
                [height, width] => exact(height, width),
                _ => None,
            },
            Value::Object(sides) => {
                let given: Vec<(&str, &Value)> =
                    sides.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.as_str(), v)).collect();
                match given[..] {
                    // In the order of the alphabet, or of the file.
                    [("height", height), ("width", width)] | [("width", width), ("height", height)] => {
                        exact(height, width)
                    }
                    [("shortest_edge", edge)] => side(edge).map(Size::ShortestEdge),
                    _ => return Err(self.unsupported(field, "height and width, or shortest_edge, are")),
                }
            }
            value if square_of_integer => side(value).map(square),
            value => side(value).map(Size::ShortestEdge),
        };
        size.map(Some).ok_or_else(|| self.invalid(field, "one or two whole numbers above 0"))
    }

    fn crop_size(&self) -> Result<Option<(u32, u32)>, ImageError> {
        match self.size("crop_size", true)? {
            None => Ok(None),
            Some(Size::Exact { width, height }) => Ok(Some((width, height))),
            Some(Size::ShortestEdge(_)) => Err(self.invalid("crop_size", "a height and a width")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fields: &str) -> String {
        let json = format!(r#"{{"image_processor_type": "CLIPImageProcessor", {fields}}}"#);
        Config::from_json(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_followed_is_refused_by_name() {
        let start = "preprocessor_config.json has ";
        for (fields, expected) in [
            (r#""do_pad": true"#, "do_pad = true, which is not supported"),
            (r#""size": {"longest_edge": 9}"#, r#"size = {"longest_edge":9}, which is not supported"#),
            (r#""size": {"shortest_edge": 8, "longest_edge": 9}"#, "size = {"),
            (r#""resample": 5"#, "resample = 5, which is not supported; 0 (nearest), 1"),
            (r#""use_square_size": true"#, "use_square_size = true, which is not supported"),
            (r#""data_format": "channels_last""#, r#"data_format = "channels_last", which"#),
            (r#""size": 0"#, "size = 0, but it must be one or two whole numbers above 0"),
            (r#""size": [1, 2, 3]"#, "size = [1,2,3], but it must be"),
            (r#""crop_size": {"shortest_edge": 3}"#, "crop_size = {\"shortest_edge\":3}, but it must be a"),
            (r#""image_mean": [1, 2]"#, "image_mean = [1,2], but it must be three numbers"),
            (r#""image_std": [1, 0, 1]"#, "image_std = [1,0,1], but it must be without a zero"),
            (r#""do_resize": 1"#, "do_resize = 1, but it must be true or false"),
        ] {
            let found = error(fields);
            assert!(found.strip_prefix(start).is_some_and(|e| e.starts_with(expected)), "{found}");
        }
        for (json, expected) in [
            ("{}", "has image_processor_type = null, but it must be the name of an image processor"),
            (
                r#"{"image_processor_type": "X"}"#,
                r#"image_processor_type = "X", which is not supported; the"#,
            ),
            ("[]", "cannot be read: it must be an object"),
            ("{", "cannot be read: EOF"),
            (r#"{"image_processor_type": "ViTImageProcessor", "do_center_crop": true}"#, "crop_size = null"),
        ] {
            let found = Config::from_json(json.as_bytes()).unwrap_err();
            assert!(found.to_string().contains(expected) && found.is_model_file(), "{found}");
        }
    }

    #[test]
    fn names_of_other_versions_and_fields_without_effect_are_accepted() {
        let plain = Config::from_json(br#"{"image_processor_type": "CLIPImageProcessor"}"#).unwrap();
        for json in [
            r#"{"image_processor_type": "CLIPImageProcessorFast", "do_pad": null, "data_format": "channels_first"}"#,
            r#"{"feature_extractor_type": "CLIPFeatureExtractor", "do_pad": false, "processor_class": "CLIPProcessor"}"#,
            r#"{"image_processor_type": "CLIPImageProcessor", "size": null, "do_convert_rgb": true, "crop_size": 224}"#,
        ] {
            assert_eq!(Config::from_json(json.as_bytes()).unwrap(), plain);
        }
    }
}
