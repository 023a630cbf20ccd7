//! Against Pillow and the image processors of transformers: `tests/golden/images.py` made the files.

use std::fs;
use std::path::{Path, PathBuf};

use heatseek_image::{Alpha, DecodeOptions, Filter, Picture, Preprocessor, Size};
use heatseek_testkit::{Tolerance, assert_close, run_all};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/images")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn picture(name: &str, alpha: Alpha) -> Picture {
    let options = DecodeOptions { alpha, ..DecodeOptions::default() };
    Picture::decode(&read(&format!("pictures/{name}")), &options).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).unwrap()
}

fn config(name: &str) -> Preprocessor {
    Preprocessor::from_json(json("configs.json")[name].to_string().as_bytes()).unwrap()
}

/// The tensors whose names begin with `kind/`, the rest of the name first.
fn goldens(kind: &str, mut check: impl FnMut(&str, &[usize], &[u8]) -> Result<(), String>) {
    let bytes = read("images.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let start = format!("{kind}/");
    let names: Vec<&str> = tensors.names().into_iter().filter(|name| name.starts_with(&start)).collect();
    run_all(&names, |name| {
        let tensor = tensors.tensor(name).unwrap();
        check(&name[start.len()..], tensor.shape(), tensor.data())
    });
}

/// Fails unless every channel of every pixel is within `levels`.
fn compare(picture: &Picture, shape: &[usize], expected: &[u8], levels: u8) -> Result<(), String> {
    let size = [picture.height() as usize, picture.width() as usize, 3];
    if size[..] != *shape {
        return Err(format!("{size:?} instead of {shape:?}"));
    }
    let far = |(a, b): (&u8, &u8)| a.abs_diff(*b);
    let differences: Vec<u8> = picture.rgb().iter().zip(expected).map(far).collect();
    let worst = differences.iter().copied().max().unwrap_or(0);
    let (at, many) = (differences.iter().position(|d| *d == worst), differences.iter().filter(|d| **d > 0));
    let many = many.count();
    println!("max {worst}, {many} of {} differ", expected.len());
    if worst > levels {
        return Err(format!("{worst} levels apart at {at:?}, {many} of {} differ", expected.len()));
    }
    Ok(())
}

/// How far a decoder may be from Pillow's, in levels. Lossless formats leave no choice; WebP's lossy one defines
/// every bit. JPEG does not: the inverse transform and what is done with halved colour round differently.
fn decoder_levels(name: &str) -> u8 {
    match name {
        _ if !name.ends_with(".jpg") => 0,
        "422.jpg" => 6,
        _ => 3,
    }
}

#[test]
fn pictures_of_every_kind_are_decoded_as_pillow_does() {
    goldens("decoded", |name, shape, expected| {
        print!("{name}: ");
        let picture = picture(name, Alpha::Drop);
        if name == "422.jpg" {
            // At the right edge the decoder mixes in colour from beyond it, up to 33 levels here.
            let stride = shape[1] * 3;
            let mut rgb = picture.rgb().to_vec();
            for (row, expected) in rgb.chunks_exact_mut(stride).zip(expected.chunks_exact(stride)) {
                row[stride - 3..].copy_from_slice(&expected[stride - 3..]);
            }
            let picture = Picture::from_rgb(picture.width(), picture.height(), rgb).unwrap();
            return compare(&picture, shape, expected, decoder_levels(name));
        }
        compare(&picture, shape, expected, decoder_levels(name))
    });
}

#[test]
fn transparency_is_laid_over_white_as_transformers_does() {
    goldens("on_white", |name, shape, expected| {
        print!("{name}: ");
        compare(&picture(name, Alpha::OverWhite), shape, expected, 1)
    });
}

#[test]
fn resized_pictures_are_within_a_level_of_pillow() {
    goldens("resized", |name, shape, expected| {
        let (processor, name) = name.split_once('/').unwrap();
        print!("{processor} {name}: ");
        let levels = if processor == "nearest" || processor == "crop_only" { 0 } else { 1 };
        compare(&config(processor).resized(&picture(name, Alpha::Drop)).unwrap(), shape, expected, levels)
    });
}

#[test]
fn a_whole_clip_input_is_within_a_level_of_pillow() {
    let clip = Preprocessor::from_json(br#"{"image_processor_type": "CLIPImageProcessor"}"#).unwrap();
    goldens("full", |name, shape, expected| {
        compare(&clip.resized(&picture(name, Alpha::Drop)).unwrap(), shape, expected, 1)
    });
}

#[test]
fn sizes_can_be_overridden() {
    let bit =
        br#"{"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 37}, "crop_size": 32}"#;
    let bit = Preprocessor::from_json(bit).unwrap();
    let whole = bit.with_size(42, 28).unwrap();
    let cut = bit.with_crop(40, 42, 28).unwrap();
    for (kind, processor) in [("with_size", whole), ("with_crop", cut)] {
        goldens(kind, |name, shape, expected| {
            compare(&processor.resized(&picture(name, Alpha::Drop)).unwrap(), shape, expected, 1)
        });
    }
    assert!(
        bit.with_size(0, 3).is_err() && bit.with_crop(0, 3, 3).is_err() && bit.with_crop(3, 0, 3).is_err()
    );
}

#[test]
fn pixels_are_scaled_as_numpy_does() {
    goldens("pixels", |name, shape, expected| {
        let (processor, name) = name.split_once('/').unwrap();
        let processor = config(processor);
        let expected: Vec<f32> =
            expected.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let pixels = processor.pixels(&picture(name, Alpha::Drop)).unwrap();
        let (rows, columns) = (shape[1], pixels.width as usize);
        let per_channel = pixels.data.chunks_exact(pixels.height as usize * columns);
        let data: Vec<f32> = per_channel.flat_map(|channel| &channel[..rows * columns]).copied().collect();
        // One level, as it is once normalised: the distance of the values of two neighbouring levels.
        let step = one_level(&processor);
        let stats = assert_close(&data, &expected, shape, Tolerance::Abs(step * 1.000_01));
        println!("{name}: {stats:?}");
        Ok(())
    });
}

/// The most that one of 255 levels makes after scaling, over the channels.
fn one_level(processor: &Preprocessor) -> f32 {
    let grey = |v: u8| {
        let (width, height) = (64, 64);
        let picture = Picture::from_rgb(width, height, vec![v; (width * height * 3) as usize]).unwrap();
        let pixels = processor.pixels(&picture).unwrap();
        let middle = (pixels.height / 2 * pixels.width + pixels.width / 2) as usize;
        let channel = (pixels.width * pixels.height) as usize;
        [0, 1, 2].map(|c| pixels.data[c * channel + middle])
    };
    let (low, high) = (grey(0), grey(255));
    (0..3).map(|c| (high[c] - low[c]) / 255.0).fold(0.0, f32::max)
}

#[test]
fn fields_left_out_take_the_defaults_of_their_class() {
    let defaults = json("defaults.json");
    for (class, expected) in defaults.as_object().unwrap() {
        let config = |more: &str| {
            let text = format!(r#"{{"image_processor_type": "{class}"{more}}}"#);
            Preprocessor::from_json(text.as_bytes()).unwrap()
        };
        // The JSON that transformers itself says the class stands for must give the same processor.
        let mut whole = expected.clone();
        whole["image_processor_type"] = json!(class);
        assert_eq!(Preprocessor::from_json(whole.to_string().as_bytes()).unwrap(), config(""), "{class}");

        let filter = match expected["resample"].as_u64() {
            Some(2) => Filter::Bilinear,
            _ => Filter::Bicubic,
        };
        let edge = expected["size"]["shortest_edge"].as_u64().map(|v| Size::ShortestEdge(v as u32));
        let side = expected["size"]["height"].as_u64().unwrap_or(0) as u32;
        let size = edge.unwrap_or(Size::Exact { width: side, height: side });
        assert_eq!(config("").resize(), Some((size, filter)), "{class}");
        let crop = expected["crop_size"]["width"].as_u64().map(|v| (v as u32, v as u32));
        assert_eq!(config("").crop(), crop, "{class}");

        let square = expected["default_to_square"] == true;
        let size = if square { Size::Exact { width: 99, height: 99 } } else { Size::ShortestEdge(99) };
        assert_eq!(config(r#", "size": 99"#).resize(), Some((size, filter)), "{class}");
    }
}

#[test]
fn goldens_are_of_the_expected_format() {
    let bytes = read("images.safetensors");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert_eq!(metadata["format"], "heatseek-golden-1", "run {}", metadata["regenerate"]);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert!(tensors.iter().all(|(name, t)| name.starts_with("pixels/") == (t.dtype() == Dtype::F32)));
}
