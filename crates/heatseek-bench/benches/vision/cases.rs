//! The cases on one device.

use std::error::Error;
use std::time::{Duration, Instant};

use heatseek::{
    AttentionMaps, AttentionOptions, DeviceChoice, ImageModel, ImageOptions, LoadOptions, ModelFiles,
    NoControl, Pixels, block_on,
};
use serde_json::{Value, json};

use crate::Args;
use crate::peer::Peer;
use crate::table::{pair, row};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Side of the pictures.
const SIDE: u32 = 224;
/// Below this cosine to each other, one side is wrong and no time counts.
const MIN_COSINE: f64 = 0.9999;
/// What a row of a map may differ from 1 by.
const MAX_ROW_ERROR: f64 = 1e-5;
/// The layer that is captured: one in the middle.
const LAYER: usize = 5;
/// ONNX Runtime's threads spin for a while after a run, which would slow the next one down.
const PAUSE: Duration = Duration::from_millis(20);

/// One thing to time.
struct Case<'a> {
    name: String,
    peer: bool,
    run: Box<dyn FnMut() -> Outcome<f64> + 'a>,
    times: Vec<f64>,
}

impl<'a> Case<'a> {
    fn peer(mut peer: Peer) -> Self {
        let name = peer.name.clone();
        Self { name, peer: true, run: Box::new(move || peer.time()), times: Vec::new() }
    }

    fn ours(name: &str, mut body: impl FnMut() -> Outcome<()> + 'a) -> Self {
        let run = Box::new(move || {
            let start = Instant::now();
            body()?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        });
        Self { name: name.into(), peer: false, run, times: Vec::new() }
    }
}

/// Times everything on `device` and prints a JSON row for each pair.
pub fn run(args: &Args, device: &str) -> Outcome<()> {
    let cpu = device == "cpu";
    let choice = if cpu { DeviceChoice::Cpu } else { DeviceChoice::Gpu };
    let options = LoadOptions { device: choice, adapter: args.gpu.clone(), ..LoadOptions::default() };
    let files = ModelFiles::from_dir(&args.model).map_err(heatseek::Error::from)?;
    let model = block_on(ImageModel::load(files, options, &NoControl))?;
    let report = model.info().device;
    if report.kind != device {
        return Err(format!("{}: {}", report.name, report.fallback.unwrap_or_default()).into());
    }
    let threads: usize = std::env::var("RAYON_NUM_THREADS")?.parse()?;
    let about = json!({
        "model": args.model.file_name().map(|name| name.to_string_lossy()),
        "device": device, "driver": report.name, "kernels": report.kernels, "threads": threads,
    });
    let rounds = if cpu { args.rounds } else { args.gpu_rounds };
    // ONNX Runtime has no GPU to run on here.
    let peers = args.peers.as_ref().filter(|_| cpu);
    for count in [1, 4] {
        let pixels: Vec<Pixels> = (0..count).map(picture).collect();
        let mut cases = vec![Case::ours("forward", || forward(&model, &pixels).map(drop))];
        for graph in ["dinov2-small", "dinov2-small-fused"] {
            let Some(folder) = peers.map(|peers| peers.join(graph)).filter(|folder| folder.exists()) else {
                continue;
            };
            let peer = Peer::start(&args.python, &folder, threads, &pixels)?;
            agree(&forward(&model, &pixels)?, &peer.vectors.concat(), count)?;
            cases.push(Case::peer(peer));
        }
        if count == 1 {
            for (name, options) in looks() {
                check(&block_on(model.attention_of_pixels(&pixels[0], &options, &NoControl))?)?;
                let (model, pixels) = (&model, &pixels[0]);
                cases.push(Case::ours(name, move || {
                    block_on(model.attention_of_pixels(pixels, &options, &NoControl))?;
                    Ok(())
                }));
            }
        }
        time(&mut cases, rounds)?;
        print(&cases, &format!("{count} x {SIDE}"), &about);
    }
    Ok(())
}

/// Ways of looking at attention, by the names of their cases.
fn looks() -> Vec<(&'static str, AttentionOptions)> {
    vec![(
        "one layer captured",
        AttentionOptions { layers: Some(vec![LAYER]), ..AttentionOptions::default() },
    )]
}

fn forward(model: &ImageModel, pixels: &[Pixels]) -> Outcome<Vec<f32>> {
    Ok(block_on(model.embed_pixels(pixels, &ImageOptions::default(), &NoControl))?.data)
}

/// Every case once a round, beginning with another one each time, after two rounds that do not count.
fn time(cases: &mut [Case], rounds: usize) -> Outcome<()> {
    const WARM_UP: usize = 2;
    for round in 0..rounds + WARM_UP {
        for turn in 0..cases.len() {
            let case = &mut cases[(round + turn) % cases.len()];
            std::thread::sleep(PAUSE);
            let ms = (case.run)()?;
            if round >= WARM_UP {
                case.times.push(ms);
            }
        }
    }
    Ok(())
}

/// The plain forward, and everything against it: a peer's time over ours, and our own looks over it.
fn print(cases: &[Case], batch: &str, about: &Value) {
    let Some((forward, others)) = cases.split_first() else { return };
    let name = format!("{} {batch}", forward.name);
    println!("{}", row(&name, about, &[("ours", &forward.times)]));
    for case in others {
        let row = if case.peer {
            let mut row = pair(&name, about, [("peer", &case.times), ("ours", &forward.times)]);
            row["peer"] = json!(case.name);
            row
        } else {
            let sides: [(&str, &[f64]); 2] = [("ours", &case.times), ("forward", &forward.times)];
            pair(&format!("{} {batch}", case.name), about, sides)
        };
        println!("{row}");
    }
}

/// A picture of its own for each seed, with flat and busy parts: values of −2 to 2, as normalised pixels are.
fn picture(seed: u32) -> Pixels {
    let value = |i: u32| {
        let (channel, y, x) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        let [x, y] = [x, y].map(|n| n as f32 / SIDE as f32);
        let wave = (6.0 * x + seed as f32).sin() + (9.0 * y * x + channel as f32).cos();
        // Knuth's multiplicative hash as noise.
        let noise = (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / (1 << 24) as f32 - 0.5;
        wave * 0.8 + noise * 0.8 * y
    };
    Pixels { width: SIDE, height: SIDE, data: (0..3 * SIDE * SIDE).map(value).collect() }
}

/// Whether both sides have computed the same class tokens.
fn agree(ours: &[f32], theirs: &[f32], count: u32) -> Outcome<()> {
    let width = ours.len() / count as usize;
    if ours.len() != theirs.len() {
        return Err(format!("{} values, ONNX Runtime has {}", ours.len(), theirs.len()).into());
    }
    for (a, b) in ours.chunks_exact(width).zip(theirs.chunks_exact(width)) {
        let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        if !(cosine >= MIN_COSINE) {
            return Err(format!("cosine {cosine} to ONNX Runtime; nothing was timed").into());
        }
    }
    Ok(())
}

/// Whether every row of every map sums to 1.
fn check(maps: &AttentionMaps) -> Outcome<()> {
    let tokens = maps.shape[3];
    for (index, row) in maps.data.chunks_exact(tokens).enumerate() {
        let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
        if !((sum - 1.0).abs() <= MAX_ROW_ERROR) {
            return Err(format!("row {index} of the maps sums to {sum}; nothing was timed").into());
        }
    }
    Ok(())
}
