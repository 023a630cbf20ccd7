//! `preprocessor_config.json`: refused, or it makes of a picture as many pixels as it says, all of them numbers.
#![no_main]

use heatseek_fuzz::json;
use heatseek_image::{Picture, Preprocessor, Size};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

const WORDS: [&str; 36] = [
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "ViTImageProcessor",
    "DeiTImageProcessor",
    "BitImageProcessor",
    "CLIPImageProcessor",
    "SiglipImageProcessor",
    "CLIPFeatureExtractor",
    "ViTImageProcessorFast",
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
    "shortest_edge",
    "longest_edge",
    "height",
    "width",
    "do_convert_rgb",
    "num_channels",
    "patch_size",
    "use_fast",
    "return_tensors",
    "default_to_square",
    "offset",
    "pad_size",
    "do_pad",
    "data_format",
    "channels_first",
    "image_seq_length",
];
/// Larger results are allowed, but take long.
const MAX_PIXELS: u64 = 300_000;

fuzz_target!(|data: &[u8]| {
    let Ok(preprocessor) = Preprocessor::from_json(data) else { return };
    for (width, height) in [(1, 1), (7, 90), (64, 3)] {
        let picture =
            Picture::from_rgb(width, height, vec![77; (width * height * 3) as usize]).expect("a picture");
        let _ = preprocessor.crop_in_source(&picture);
        let long = match preprocessor.resize() {
            Some((Size::Exact { width, height }, _)) => u64::from(width) * u64::from(height),
            Some((Size::ShortestEdge(edge), _)) => u64::from(edge).pow(2).saturating_mul(100),
            None => 0,
        };
        let cut = preprocessor.crop().map_or(0, |(width, height)| u64::from(width) * u64::from(height));
        // What is refused for its size is refused before anything is allocated, whatever it says.
        if long.max(cut) > MAX_PIXELS && long.max(cut) <= 100 * 100_000_000 {
            continue;
        }
        if let Ok(pixels) = preprocessor.pixels(&picture) {
            assert_eq!(pixels.data.len() as u64, 3 * u64::from(pixels.width) * u64::from(pixels.height));
            assert!(pixels.data.iter().all(|value| value.is_finite()), "{pixels:?}");
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, &WORDS)
});
