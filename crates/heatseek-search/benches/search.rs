//! `cargo bench -p heatseek-search --bench search [-- --count N --sources FILE.npy --python PYTHON --json FILE …]`
//!
//! What a search costs and finds, for everything that vectors may be stored as: memory, time of one query on all threads,
//! recall of the best ten, and what share of this machine's read bandwidth it uses. Scores of f32 are first compared with
//! sums in f64, and those of other storages with what they store.
//!
//! Vectors are sums of three sources, of lengths 1, 0.7 and 0.4, which makes neighbourhoods such as paraphrases have. With
//! `--sources` these are the rows of a matrix of real embeddings, and recall is measured on them as they are, too; without,
//! they are random. With `--python`, the packages of `bench/peers/search_peer.py` search the same vectors.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use heatseek_search::{FlatIndex, Metric, Rescore, Scored, SearchOptions, Storage};
use heatseek_testkit::{random, values};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const STORAGES: [Storage; 4] =
    [Storage::F32, Storage::F16, Storage::Int8, Storage::Binary { rescore: Rescore::Int8 }];
/// Results of a search.
const TOP: usize = 10;
/// Searches that are not timed.
const WARM_UP: usize = 5;
/// Rows of a matrix that are queries instead.
const HELD_OUT: usize = 500;
const RANDOM_SOURCES: usize = 4096;

struct Args {
    count: usize,
    dim: usize,
    queries: usize,
    sources: Option<PathBuf>,
    python: Option<PathBuf>,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    // Cargo runs benchmarks in the crate's folder; paths are the caller's.
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    match std::env::set_current_dir(workspace).map_err(Into::into).and_then(|()| run(&args()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("search: {error}");
            ExitCode::FAILURE
        }
    }
}

fn args() -> Outcome<Args> {
    let mut args = Args { count: 1_000_000, dim: 384, queries: 100, sources: None, python: None, json: None };
    let mut given = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        match &name[..] {
            "--count" => args.count = value.parse()?,
            "--dim" => args.dim = value.parse()?,
            "--queries" => args.queries = value.parse()?,
            "--sources" => args.sources = Some(value.into()),
            "--python" => args.python = Some(value.into()),
            "--json" => args.json = Some(value.into()),
            _ => {
                return Err(format!(
                    "{name} is none of --count, --dim, --queries, --sources, --python, --json"
                )
                .into());
            }
        }
    }
    Ok(args)
}

fn run(args: &Args) -> Outcome<()> {
    let mut rows = Vec::new();
    let sources = match &args.sources {
        None => Matrix { dim: args.dim, data: values(1, RANDOM_SOURCES * args.dim, 1.0) },
        Some(path) => {
            let real = read_npy(path)?;
            let (queries, vectors) = real.data.split_at(HELD_OUT * real.dim);
            let name = format!("{}, as they are", path.display());
            rows.extend(measure(&name, vectors, queries, real.dim, None)?);
            Matrix { dim: real.dim, data: vectors.to_vec() }
        }
    };
    let dim = sources.dim;
    let vectors = sources.sums(2, args.count);
    let queries = sources.sums(3, args.queries);
    let bandwidth = read_bandwidth(&vectors);
    println!("this machine reads {bandwidth:.1} GB/s on {} threads", heatseek_cpu::threads());
    rows.extend(measure("sums of sources", &vectors, &queries, dim, Some(bandwidth))?);
    if let Some(python) = &args.python {
        rows.extend(peers(python, &vectors, &queries, dim)?);
    }
    if let Some(path) = &args.json {
        let report =
            json!({ "isa": heatseek_cpu::Isa::chosen().name(), "read_gb_s": bandwidth, "rows": rows });
        fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

/// Row-major.
struct Matrix {
    dim: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// `count` sums of three rows each, of unit length.
    fn sums(&self, seed: u64, count: usize) -> Vec<f32> {
        let of_sources = (self.data.len() / self.dim) as u64;
        let mut sums = Vec::with_capacity(count * self.dim);
        for three in random(seed, 3 * count).as_chunks::<3>().0 {
            let [a, b, c] = three.map(|r| &self.data[(r % of_sources) as usize * self.dim..][..self.dim]);
            let at = sums.len();
            sums.extend((0..self.dim).map(|i| a[i] + 0.7 * b[i] + 0.4 * c[i]));
            let length = sums[at..].iter().map(|v| v * v).sum::<f32>().sqrt();
            sums[at..].iter_mut().for_each(|v| *v /= length);
        }
        sums
    }
}

/// Every storage of `vectors`: checked, then timed, then recall against f32.
fn measure(
    name: &str,
    vectors: &[f32],
    queries: &[f32],
    dim: usize,
    bandwidth: Option<f64>,
) -> Outcome<Vec<Value>> {
    let count = vectors.len() / dim;
    println!("{name}: {count} x {dim}, {} queries", queries.len() / dim);
    let (mut truth, mut rows) = (Vec::new(), Vec::new());
    for storage in STORAGES {
        let mut index = FlatIndex::new(dim, Metric::Cosine, storage);
        index.reserve(count);
        for (id, vector) in vectors.chunks_exact(dim).enumerate() {
            index.add(id as u64, vector)?;
        }
        let search = |query: &[f32]| index.search(query, TOP, &SearchOptions::default());
        check(&index, queries)?;
        for query in queries.chunks_exact(dim).take(WARM_UP) {
            search(query)?;
        }
        let (mut times, mut found) = (Vec::new(), Vec::new());
        for query in queries.chunks_exact(dim) {
            let start = Instant::now();
            let best = search(query)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            found.push(best.iter().map(|scored| scored.id).collect::<Vec<_>>());
        }
        if storage == Storage::F32 {
            truth.clone_from(&found);
        }
        times.sort_by(f64::total_cmp);
        let [p50, p95] = [50, 95].map(|percent| times[(times.len() - 1) * percent / 100]);
        let recall = recall(&found, &truth);
        // What a search reads: all rows, or all signs and their scales.
        let read = count
            * match storage {
                Storage::F32 => 4 * dim,
                Storage::F16 => 2 * dim,
                Storage::Int8 => dim + 4,
                Storage::Binary { .. } => dim.div_ceil(64) * 8 + 4,
            };
        let rate = read as f64 / p50 / 1e6;
        let share =
            bandwidth.map_or(String::new(), |all| format!(", {:3.0} % of reading", 100.0 * rate / all));
        let megabytes = index.bytes() as f64 / 1e6;
        println!(
            "  {:<28} {megabytes:7.0} MB  p50 {p50:7.2} ms  p95 {p95:7.2} ms  recall@{TOP} {recall:.4}  \
             {rate:5.1} GB/s{share}",
            storage.to_string(),
        );
        rows.push(json!({
            "vectors": name, "count": count, "dim": dim, "storage": storage.to_string(),
            "bytes": index.bytes(), "p50_ms": p50, "p95_ms": p95, "recall": recall, "gb_s": rate,
        }));
    }
    Ok(rows)
}

/// Fails unless the scores that the first queries find are the products with what is stored, and no row of a sample that
/// is not found has a better one. Of binary vectors a better one may be missed.
fn check(index: &FlatIndex, queries: &[f32]) -> Outcome<()> {
    for query in queries.chunks_exact(index.dim()).take(3) {
        let found = index.search(query, TOP, &SearchOptions::default())?;
        let query = index.compared(query);
        let exact = |id: u64| -> f64 {
            let row = index.vector(id).unwrap_or_default();
            row.iter().zip(&query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        // The query in 16 bits, and sums in f32.
        const CLOSE: f64 = 1e-4;
        for Scored { id, score } in &found {
            if !((exact(*id) - f64::from(*score)).abs() <= CLOSE) {
                return Err(format!("{id} scores {score}, but its product is {}", exact(*id)).into());
            }
        }
        let worst = found.last().map_or(0.0, |scored| f64::from(scored.score));
        let missed = index
            .ids()
            .iter()
            .step_by(index.len() / 10_000 + 1)
            .find(|&&id| exact(id) > worst + CLOSE && found.iter().all(|scored| scored.id != id));
        if let (Some(id), false) = (missed, matches!(index.storage(), Storage::Binary { .. })) {
            return Err(format!("{id} is better than what was found").into());
        }
    }
    Ok(())
}

fn recall(found: &[Vec<u64>], truth: &[Vec<u64>]) -> f64 {
    let hits = found.iter().zip(truth).map(|(f, t)| t.iter().filter(|id| f.contains(id)).count());
    hits.sum::<usize>() as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64
}

/// GB/s that all threads read of `data`, at best of five.
fn read_bandwidth(data: &[f32]) -> f64 {
    let mut parts: Vec<(&[f32], f32)> =
        data.chunks(data.len().div_ceil(heatseek_cpu::threads())).map(|part| (part, 0.0)).collect();
    let once = |parts: &mut [(&[f32], f32)]| {
        let start = Instant::now();
        heatseek_cpu::in_parallel(parts, |_, (part, sum)| {
            // The largest of many lanes, which compilers keep in registers.
            let mut lanes = [0u32; 64];
            for chunk in part.as_chunks::<64>().0 {
                lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane = (*lane).max(v.to_bits()));
            }
            *sum = std::hint::black_box(lanes)[0] as f32;
        });
        size_of_val(data) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| once(&mut parts)).fold(0.0, f64::max)
}

/// What `bench/peers/search_peer.py` says of the same vectors.
fn peers(python: &Path, vectors: &[f32], queries: &[f32], dim: usize) -> Outcome<Vec<Value>> {
    let folder = std::env::temp_dir().join(format!("heatseek-search-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    fs::write(folder.join("vectors.f32"), bytes(vectors))?;
    fs::write(folder.join("queries.f32"), bytes(queries))?;
    let answer = Command::new(python)
        .args(["bench/peers/search_peer.py", "--dim", &dim.to_string(), "--top", &TOP.to_string()])
        .args(["--threads", &heatseek_cpu::threads().to_string(), "--folder"])
        .arg(&folder)
        .stderr(Stdio::inherit())
        .output();
    fs::remove_dir_all(&folder)?;
    let answer = String::from_utf8(answer?.stdout)?;
    let rows = answer.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    for row in &rows {
        match row["error"].as_str() {
            Some(error) => println!("  {}: {error}", row["peer"]),
            None => println!(
                "  {:<28} p50 {:7.2} ms  p95 {:7.2} ms  recall@{TOP} {:.4}",
                row["peer"].as_str().unwrap_or_default(),
                row["p50_ms"].as_f64().unwrap_or(f64::NAN),
                row["p95_ms"].as_f64().unwrap_or(f64::NAN),
                row["recall"].as_f64().unwrap_or(f64::NAN),
            ),
        }
    }
    Ok(rows)
}

/// A float32 matrix in the format of `heatseek embed --output`.
fn read_npy(path: &Path) -> Outcome<Matrix> {
    let bytes = fs::read(path)?;
    let header = bytes.get(10..128).map(String::from_utf8_lossy).unwrap_or_default();
    let dim = header.split_once("'shape': (").and_then(|(_, rest)| rest.split([',', ')']).nth(1));
    let dim: usize =
        dim.and_then(|dim| dim.trim().parse().ok()).ok_or("it is no matrix of `heatseek embed`")?;
    let data: Vec<f32> = bytes[128..].as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    if dim == 0 || data.len() < 2 * HELD_OUT * dim {
        return Err(format!("{} has fewer than {} rows", path.display(), 2 * HELD_OUT).into());
    }
    Ok(Matrix { dim, data })
}
