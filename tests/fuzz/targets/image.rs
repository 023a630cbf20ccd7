//! Pictures: decoded within the limits, or refused before memory is taken (libFuzzer's `-malloc_limit_mb` sees to it).
#![no_main]

use heatseek_image::{DecodeOptions, Picture};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = DecodeOptions { max_side: 2_000, max_pixels: 500_000, ..DecodeOptions::default() };
    let Ok(picture) = Picture::decode(data, &options) else { return };
    let pixels = u64::from(picture.width()) * u64::from(picture.height());
    assert!(pixels <= options.max_pixels && picture.width().max(picture.height()) <= options.max_side);
    assert_eq!(picture.rgb().len() as u64, 3 * pixels);
});
