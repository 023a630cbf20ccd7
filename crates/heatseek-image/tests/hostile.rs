//! Bytes that are wrong on purpose: every file of the goldens cut short and with bytes flipped. Nothing may
//! panic, and nothing may take memory that the header alone can refuse.

use std::fs;
use std::path::Path;

use heatseek_image::{DecodeOptions, ImageError, Picture, Preprocessor};
use heatseek_testkit::random;

const SEED: u64 = 20_250_101;

/// Name and bytes of every test picture.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/images/pictures");
    let mut files: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() > 30, "the pictures of tests/golden/images.py");
    files
}

/// Small limits, so that a flipped size does not make the test slow.
fn small() -> DecodeOptions {
    DecodeOptions { max_side: 2_000, max_pixels: 1_000_000, ..DecodeOptions::default() }
}

#[test]
fn a_file_cut_short_is_an_error() {
    for (name, bytes) in files() {
        for place in random(SEED, 24) {
            let length = (place % bytes.len() as u64) as usize;
            let result = Picture::decode(&bytes[..length], &small());
            // The last bytes of a file may be an end marker or a checksum that decoders do without, or the second
            // frame of an animation.
            if length + 16 < bytes.len() && !name.contains("animated") {
                let error = result.expect_err(&format!("{name} cut to {length} bytes"));
                assert!(!matches!(error, ImageError::Internal { .. }), "{name}: {error}");
            }
        }
    }
}

#[test]
fn flipped_bytes_do_not_panic() {
    let mut decoded = 0;
    for (file, (name, bytes)) in files().into_iter().enumerate() {
        for round in 0..40 {
            let mut bytes = bytes.clone();
            // Half of the rounds spoil the header, where sizes and tables are.
            let reach = if round % 2 == 0 { bytes.len().min(128) } else { bytes.len() };
            for number in random(SEED + file as u64 * 1_000 + round, 1 + round as usize % 5) {
                bytes[(number >> 8) as usize % reach] ^= (number as u8).max(1);
            }
            match Picture::decode(&bytes, &small()) {
                Ok(picture) => {
                    decoded += 1;
                    assert_eq!(picture.rgb().len() as u32, picture.width() * picture.height() * 3, "{name}");
                }
                Err(error) => assert!(!matches!(error, ImageError::Internal { .. }), "{name}: {error}"),
            }
        }
    }
    assert!(decoded > 100, "only {decoded} spoilt pictures came through: the test spoils too much");
}

#[test]
fn noise_behind_a_picture_s_first_bytes_does_not_panic() {
    for start in [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\x01\0\0WEBP"] {
        for seed in 0..100 {
            let noise: Vec<u8> = random(seed, 60).into_iter().flat_map(u64::to_le_bytes).collect();
            assert!(Picture::decode(&[start, &noise].concat(), &small()).is_err());
        }
    }
}

#[test]
fn a_size_beyond_the_limits_is_refused_from_the_header() {
    let (_, png) = files().into_iter().find(|(name, _)| name == "rgb.png").unwrap();
    let tight = DecodeOptions { max_side: 39, ..DecodeOptions::default() };
    let error = Picture::decode(&png, &tight).unwrap_err().to_string();
    assert!(error.starts_with("the picture is 40 x 28 pixels, but at most 39 a side"), "{error}");
    let tight = DecodeOptions { max_pixels: 40 * 28 - 1, ..DecodeOptions::default() };
    assert!(matches!(Picture::decode(&png, &tight), Err(ImageError::TooLarge { width: 40, height: 28, .. })));
    let just = DecodeOptions { max_pixels: 40 * 28, max_side: 40, ..DecodeOptions::default() };
    assert!(Picture::decode(&png, &just).is_ok());

    let (_, gif) = files().into_iter().find(|(name, _)| name == "still.gif").unwrap();
    let gif = |width: u16, height: u16| {
        let mut gif = gif.clone();
        gif[6..8].copy_from_slice(&width.to_le_bytes());
        gif[8..10].copy_from_slice(&height.to_le_bytes());
        Picture::decode(&gif, &DecodeOptions::default()).unwrap_err()
    };
    assert!(matches!(gif(65_535, 65_535), ImageError::TooLarge { width: 65_535, .. }));
    assert!(matches!(gif(0, 5), ImageError::NoPixels { width: 0, height: 5, .. }));
}

#[test]
fn a_thread_of_pixels_is_not_blown_up_past_the_limit() {
    let clip = Preprocessor::from_json(br#"{"image_processor_type": "CLIPImageProcessor"}"#).unwrap();
    let thread = Picture::from_rgb(1, 16_384, vec![7; 16_384 * 3]).unwrap();
    let error = clip.pixels(&thread).unwrap_err().to_string();
    assert!(error.starts_with("the resized picture is 224 x 3670016 pixels"), "{error}");
    assert!(clip.with_size(9, 9).unwrap().pixels(&thread).is_ok());
}

/// Numbers that JSON and f64 hold, and f32 does not.
#[test]
fn numbers_that_make_no_pixels_are_refused() {
    for fields in [
        r#""rescale_factor": 1e300"#,
        r#""image_mean": 1e300"#,
        r#""image_std": 1e-40, "image_mean": 0.1"#,
        r#""do_rescale": false, "image_mean": [0, -3.4e38, 0], "image_std": 0.5"#,
    ] {
        let json = format!(r#"{{"image_processor_type": "CLIPImageProcessor", {fields}}}"#);
        let error = Preprocessor::from_json(json.as_bytes()).expect_err(fields);
        assert!(matches!(error, ImageError::Field { .. }) && error.to_string().contains("finite"), "{error}");
    }
    let off =
        br#"{"image_processor_type": "CLIPImageProcessor", "rescale_factor": 1e300, "do_rescale": false}"#;
    assert!(Preprocessor::from_json(off).is_ok(), "what is off does no harm");
}
