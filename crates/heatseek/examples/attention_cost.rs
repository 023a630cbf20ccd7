//! What attention costs beside the plain forward pass, of a picture of 224 x 224 pixels:
//! `cargo run --release -p heatseek --example attention_cost -- models/dinov2-small cpu`.

use std::time::{Duration, Instant};

use heatseek::{
    AttentionOptions, DeviceChoice, Error, ImageModel, ImageOptions, LoadOptions, ModelFiles, NoControl,
    Pixels, Reduce, block_on,
};

/// Runs of each kind, taken in turn so that a busy machine is busy for all of them.
const RUNS: usize = 9;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "models/dinov2-small".into());
    let device = DeviceChoice::from_name(&args.next().unwrap_or_else(|| "cpu".into()))?;
    let files = ModelFiles::from_dir(dir.as_ref())?;
    let options = LoadOptions { device, adapter: args.next(), ..LoadOptions::default() };
    let model = block_on(ImageModel::load(files, options, &NoControl))?;
    println!("{}", model.info().device.name);
    let side = 224;
    let value = |i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 22) as f32 - 2.0;
    let pixels = Pixels { width: side, height: side, data: (0..3 * side * side).map(value).collect() };
    let look = |layers: Option<Vec<usize>>, reduce, query| {
        let options = AttentionOptions { layers, reduce, query, ..AttentionOptions::default() };
        block_on(model.attention_of_pixels(&pixels, &options, &NoControl)).map(|_| ())
    };
    let plain = || {
        let pictures = std::slice::from_ref(&pixels);
        block_on(model.embed_pixels(pictures, &ImageOptions::default(), &NoControl)).map(|_| ())
    };
    type Run<'a> = (&'static str, &'a dyn Fn() -> Result<(), Error>);
    let runs: [Run<'_>; 5] = [
        ("plain forward", &plain),
        ("every head of one layer", &|| look(Some(vec![11]), Reduce::None, None)),
        ("one row of every head and layer", &|| look(None, Reduce::None, Some(0))),
        ("rollout", &|| look(None, Reduce::Rollout, None)),
        ("rollout of one token", &|| look(None, Reduce::Rollout, Some(0))),
    ];
    let mut times = vec![Vec::new(); runs.len()];
    for round in 0..=RUNS {
        for ((_, run), times) in runs.iter().zip(&mut times) {
            let begin = Instant::now();
            run()?;
            // The first compiles.
            if round > 0 {
                times.push(begin.elapsed());
            }
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let base = median(&mut times[0]).as_secs_f64();
    for ((name, _), times) in runs.iter().zip(&mut times) {
        let seconds = median(times).as_secs_f64();
        println!("{name}: {:.1} ms, {:.2} of the plain forward", seconds * 1e3, seconds / base);
    }
    Ok(())
}
