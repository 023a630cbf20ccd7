//! `cargo run --release -p heatseek --example search_gpu [-- COUNT [QUERIES [ADAPTER]]]`
//!
//! What a search of int8 vectors, and of signs rescored from int8, costs on an adapter and finds, beside this machine's CPU:
//! memory, time of one query, recall of the best ten. `COUNT` vectors of 384 elements (1,000,000), sums of three of 4096
//! random directions, of lengths 1, 0.7 and 0.4; `ADAPTER` is part of its name.

use std::error::Error;
use std::time::Instant;

use heatseek::block_on;
use heatseek_gpu::{AdapterChoice, GpuDevice, GpuOptions, GpuScan, ScanVectors};
use heatseek_search::{FlatIndex, Metric, Rescore, Scored, SearchOptions, Storage, TopK, Vectors};
use heatseek_testkit::{random, values};
use heatseek_wgsl::{ScanQuery, ScanStorage};

type Outcome<T> = Result<T, Box<dyn Error>>;

const DIM: usize = 384;
const SOURCES: usize = 4096;
/// Results of a search, and candidates for each of them that signs find.
const TOP: usize = 10;
const OVERSAMPLING: usize = 4;
/// Searches that are not timed.
const WARM_UP: usize = 2;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().map_or(Ok(default), |arg| arg.parse::<usize>());
    let (count, queries) = (number(1_000_000)?, number(30)?);
    let adapter = args.next().map_or(AdapterChoice::default(), AdapterChoice::Named);
    let device = block_on(GpuDevice::request(GpuOptions { adapter, ..GpuOptions::default() }))?;
    println!("{count} x {DIM}, {queries} queries, {device:?}");
    let sources = values(1, SOURCES * DIM, 1.0);
    let (vectors, queries) = (sums(&sources, 2, count), sums(&sources, 3, queries));

    let exact = index(&vectors, Storage::F32)?;
    let truth = timed("CPU, f32", exact.bytes(), &queries, &[], |query| {
        Ok(ids(&exact.search(query, TOP, &SearchOptions::default())?))
    })?;
    drop(exact);
    let int8 = index(&vectors, Storage::Int8)?;
    timed("CPU, int8", int8.bytes(), &queries, &truth, |query| {
        Ok(ids(&int8.search(query, TOP, &SearchOptions::default())?))
    })?;
    let Vectors::Int8 { integers, scales } = int8.vectors() else { unreachable!("it stores int8") };
    let factors: Vec<[f32; 2]> = scales.iter().map(|&scale| [scale, 0.0]).collect();
    let mut scan = GpuScan::new(&device, DIM, ScanStorage::Int8)?;
    block_on(scan.push(ScanVectors::Int8(&integers), &factors)?)?;
    timed("GPU, int8", scan.bytes() as usize, &queries, &truth, |query| {
        let near = near(&scan, ScanQuery::new(&int8.compared(query), ScanStorage::Int8, 1.0), TOP)?;
        Ok(ids(&int8.among(query, TOP, &near)?))
    })?;
    drop((scan, int8));

    let binary = index(&vectors, Storage::Binary { rescore: Rescore::Int8 })?;
    timed("CPU, signs rescored from int8", binary.bytes(), &queries, &truth, |query| {
        let options = SearchOptions { oversampling: OVERSAMPLING, allow: None };
        Ok(ids(&binary.search(query, TOP, &options)?))
    })?;
    let (words, scales) = binary.signs().ok_or("it stores signs")?;
    let factors: Vec<[f32; 2]> = scales.iter().map(|&scale| [scale, 0.0]).collect();
    let mut scan = GpuScan::new(&device, DIM, ScanStorage::Signs)?;
    block_on(scan.push(ScanVectors::Signs(words), &factors)?)?;
    timed("GPU, signs; CPU, rescored", scan.bytes() as usize, &queries, &truth, |query| {
        let query_of_signs = ScanQuery::new(&binary.compared(query), ScanStorage::Signs, 1.0);
        Ok(ids(&binary.among(query, TOP, &near(&scan, query_of_signs, TOP * OVERSAMPLING)?)?))
    })?;
    Ok(())
}

/// The best `k` of a scan, whose places are ids.
fn near(scan: &GpuScan, query: ScanQuery, k: usize) -> Outcome<Vec<u64>> {
    let mut top = TopK::new(k);
    for hit in block_on(scan.candidates(&[query], k, None))?.concat() {
        top.offer(Scored { id: hit.place.into(), score: hit.score });
    }
    Ok(ids(&top.into_sorted()))
}

fn ids(found: &[Scored]) -> Vec<u64> {
    found.iter().map(|scored| scored.id).collect()
}

/// `count` sums of three rows each, of unit length.
fn sums(sources: &[f32], seed: u64, count: usize) -> Vec<f32> {
    let mut sums = Vec::with_capacity(count * DIM);
    for three in random(seed, 3 * count).as_chunks::<3>().0 {
        let [a, b, c] = three.map(|r| &sources[r as usize % SOURCES * DIM..][..DIM]);
        let at = sums.len();
        sums.extend((0..DIM).map(|i| a[i] + 0.7 * b[i] + 0.4 * c[i]));
        let length = sums[at..].iter().map(|v| v * v).sum::<f32>().sqrt();
        sums[at..].iter_mut().for_each(|v| *v /= length);
    }
    sums
}

fn index(vectors: &[f32], storage: Storage) -> Outcome<FlatIndex> {
    let mut index = FlatIndex::new(DIM, Metric::Cosine, storage);
    index.reserve(vectors.len() / DIM);
    for (id, vector) in vectors.chunks_exact(DIM).enumerate() {
        index.add(id as u64, vector)?;
    }
    Ok(index)
}

/// Times `search` query by query, and prints that with the share of `truth` that it found.
fn timed(
    name: &str,
    bytes: usize,
    queries: &[f32],
    truth: &[Vec<u64>],
    search: impl Fn(&[f32]) -> Outcome<Vec<u64>>,
) -> Outcome<Vec<Vec<u64>>> {
    for query in queries.chunks_exact(DIM).take(WARM_UP) {
        search(query)?;
    }
    let (mut times, mut found) = (Vec::new(), Vec::new());
    for query in queries.chunks_exact(DIM) {
        let start = Instant::now();
        found.push(search(query)?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let [p50, p95] = [50, 95].map(|percent| times[(times.len() - 1) * percent / 100]);
    let hits = found.iter().zip(truth).map(|(f, t)| t.iter().filter(|id| f.contains(id)).count());
    let recall = match truth {
        [] => 1.0,
        truth => hits.sum::<usize>() as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64,
    };
    let megabytes = bytes as f64 / 1e6;
    println!("  {name:<30} {megabytes:7.0} MB  p50 {p50:8.2} ms  p95 {p95:8.2} ms  recall@{TOP} {recall:.4}");
    Ok(found)
}
