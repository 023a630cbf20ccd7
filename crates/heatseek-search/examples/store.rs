//! What a stored index costs: `cargo run --release -p heatseek-search --example store -- 100000 384 f32`.
//!
//! Chunks of a thousand bytes, five a document, committed by the thousand as an application would, then compacted.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use heatseek_search::store::{
    Batch, Check, CompactionPolicy, FolderStore, Identity, Segment, SegmentVectors, StoreError, StoredChunk,
    StoredDocument, VectorDtype,
};

const CHUNK_BYTES: usize = 1000;
const CHUNKS_A_DOCUMENT: usize = 5;
const CHUNKS_A_COMMIT: usize = 1000;

fn main() -> Result<(), StoreError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |at: usize, otherwise| arguments.get(at).and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (chunks, width) = (number(0, 100_000), number(1, 384) as u32);
    let dtype = match arguments.get(2).map(String::as_str) {
        Some("f16") => VectorDtype::F16,
        Some("i8") => VectorDtype::I8,
        Some("bits") => VectorDtype::Bits,
        _ => VectorDtype::F32,
    };
    let identity = Identity {
        model: "measured".into(),
        fingerprint: String::new(),
        pooling: "mean".into(),
        metric: "cosine".into(),
        dtype,
        width,
        settings: Default::default(),
    };
    let folder = env::temp_dir().join(format!("heatseek-store-{}", std::process::id()));
    let (mut index, _) = FolderStore::open(&folder, &identity, Check::Length)?;
    println!("{chunks} chunks of {CHUNK_BYTES} bytes, vectors of {width} {dtype}");

    let batches: Vec<Batch> =
        (0..chunks).step_by(CHUNKS_A_COMMIT).map(|first| batch(first, dtype, width)).collect();
    let (mut slowest, start) = (0.0f64, Instant::now());
    for batch in &batches {
        let start = Instant::now();
        index.commit(batch)?;
        slowest = slowest.max(start.elapsed().as_secs_f64());
    }
    let (count, seconds) = (batches.len(), start.elapsed().as_secs_f64());
    println!("{count} commits: {seconds:.2} s, the slowest {:.0} ms", slowest * 1e3);
    drop(batches);
    println!("{} segments of {:.0} MB", index.store().segments(), index.store().bytes() as f64 / 1e6);
    drop(index);
    open(&folder, &identity)?;

    let (mut index, _) = FolderStore::open(&folder, &identity, Check::Length)?;
    let start = Instant::now();
    let runs = index.compact(&CompactionPolicy::default())?;
    println!("compact, {runs} runs: {:.2} s", start.elapsed().as_secs_f64());
    println!("{} segments of {:.0} MB", index.store().segments(), index.store().bytes() as f64 / 1e6);
    drop(index);
    open(&folder, &identity)?;
    // What is left of it is of no use to anybody.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

fn open(folder: &Path, identity: &Identity) -> Result<(), StoreError> {
    for check in [Check::Length, Check::Full, Check::Length, Check::Full] {
        let start = Instant::now();
        let (index, contents) = FolderStore::open(folder, identity, check)?;
        let seconds = start.elapsed().as_secs_f64();
        let rows: usize = contents.segments.iter().map(|segment| segment.vectors.rows()).sum();
        println!("open, {check:?}: {seconds:.3} s, {} documents, {rows} vectors", index.store().documents());
    }
    Ok(())
}

fn batch(first: usize, dtype: VectorDtype, width: u32) -> Batch {
    let mut add = Segment::new(dtype, width);
    for chunk in first..first + CHUNKS_A_COMMIT {
        if chunk % CHUNKS_A_DOCUMENT == 0 {
            let id = format!("notes/{}.md", chunk / CHUNKS_A_DOCUMENT);
            let text = "How do bees navigate? They dance.\n".repeat(CHUNK_BYTES * CHUNKS_A_DOCUMENT / 34 + 1);
            add.documents.push(StoredDocument { id, text, metadata: serde_json::json!({ "year": 1923 }) });
        }
        let at = chunk % CHUNKS_A_DOCUMENT * CHUNK_BYTES;
        add.chunks.push(StoredChunk {
            document: add.documents.len() as u32 - 1,
            start: at as u32,
            end: (at + CHUNK_BYTES) as u32,
            first_row: (chunk - first) as u32,
            rows: 1,
        });
    }
    let bytes = CHUNKS_A_COMMIT * dtype.row_bytes(width);
    let data = (0..bytes).map(|at| (at * 31 + first) as u8).collect();
    let scales = if dtype == VectorDtype::I8 { vec![0.01; CHUNKS_A_COMMIT] } else { Vec::new() };
    add.vectors = SegmentVectors { dtype, width, data, scales };
    Batch { add, remove: Vec::new() }
}
